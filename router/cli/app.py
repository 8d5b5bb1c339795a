"""The application: its commands, and what becomes of errors and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from router.cli import check, logs, simulate
from router.cli import eval as evaluation
from router.errors import RouterError

DONE, BELOW_THRESHOLD, TOO_MANY_ERRORS, USAGE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="router",
    help="Evaluate prompts over many LLM vendors at once, as fast as they allow, without a key getting banned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("eval")(evaluation.evaluate)
app.command("check")(check.check)
app.command("logs")(logs.logs)
app.command("simulate")(simulate.simulate)

_UserMistake = typer.BadParameter.__mro__[2]
"""The root of what typer raises for a wrong command line; it names it nowhere in public."""


@app.callback(invoke_without_command=True)
def root(
    *, version: Annotated[bool, typer.Option("--version", help="Show the version and end.", is_eager=True)] = False
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"router {version_of('router')}")
        raise typer.Exit(DONE)


def main() -> None:
    """Run the command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code; a mistake of the user's is a message, never a traceback."""
    try:
        code = app(arguments, prog_name="router", standalone_mode=False)
    except RouterError as error:
        typer.echo(f"router: {error}", err=True)
        return USAGE
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("router: interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain once more when it closes stdout.
        sys.stderr.close()
        return DONE
    except Exception as error:
        if not isinstance(error, _UserMistake):
            raise
        error.show()  # type: ignore[attr-defined]
        return USAGE
    return code if isinstance(code, int) else DONE
