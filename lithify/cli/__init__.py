"""The command line: parse, call one function of the library, show the result.

The only part of lithify that prints, reads the environment or knows an exit status.
"""
