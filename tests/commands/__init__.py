"""The commands of the command line, each run as a process or on a terminal of its own."""
