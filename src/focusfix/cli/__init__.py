"""The command line: parse, import what the command needs, call it, print the result."""
