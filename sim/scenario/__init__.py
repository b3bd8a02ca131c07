"""The file a user writes: its schema, units, distributions, draws, the fleet it generates, and its lints (spec page 9).

Legal here: reading files, parsing, the uniform numbers of a key. Not legal: simulated time, anything of SimPy.
"""
