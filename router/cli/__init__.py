"""The command: parse, call, print, exit code; nothing else. Data goes to stdout, talk to stderr."""

from router.cli.app import main

__all__ = ["main"]
