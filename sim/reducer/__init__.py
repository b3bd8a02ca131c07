"""The rollout semantics: records, events, effects, the two reducers, the gates, the planners, the fleet
artifact.

Legal here: data in, data out. Not legal: simulated or wall-clock time but as an argument, random numbers,
files, logging, anything of SimPy. `serve` alone reads and writes: standard input and output.
"""
