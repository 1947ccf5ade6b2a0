"""`python -m monitor`: the same command line, for callers that know the interpreter but not where scripts go."""

from monitor.cli.main import main

main()
