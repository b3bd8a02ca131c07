"""The command line: parse, call the library, print.

Every module here is light to import: what a command needs of the library it imports when it runs, because pandas and
the like take longer to load than `--help` or `conform` take to run.
"""
