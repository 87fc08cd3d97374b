"""The command line: `sympozium COMMAND`.

`main` holds the commands' names, options and help, and imports nothing but typer, so that `--help` is
quick; what a command does is in the module of its name, imported when it is called. Every failure is
one line on standard error that begins with `error:` and says what to do.

Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong; and of `run --watch`: 10 the
run failed, 11 it was cancelled.
"""
