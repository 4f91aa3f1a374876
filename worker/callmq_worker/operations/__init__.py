"""What an operator can do, as functions: the verbs of the command line only read arguments and print."""
