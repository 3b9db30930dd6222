"""One module for each command of the command line: its arguments, and what it does.

A module imports what it needs to name its arguments, and everything else when it runs.
"""
