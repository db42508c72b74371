"""The commands of the command line: each module has the name of its command and a function run(options)."""
