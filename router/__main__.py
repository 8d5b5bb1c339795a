"""`python -m router` is the command."""

from router.cli import main

main()
