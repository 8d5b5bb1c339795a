"""The application: its commands, and what becomes of errors and exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Annotated

import typer

from router.cli import check, compare, explain, export, logs, plan, report, score, show, simulate, streams
from router.cli import eval as evaluation
from router.cli.continuing import NEWEST
from router.cli.options import filled
from router.errors import ConfigError, RouterError

ALONE = {"--resume": NEWEST, "--cache": ""}
"""What options mean that stand without a value."""
DONE, BELOW_THRESHOLD, NO_ANSWER, USAGE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="router",
    help="Evaluate prompts over many LLM vendors at once, as fast as they allow, without a key getting banned.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("eval")(evaluation.evaluate)
app.command("compare")(compare.compare)
app.command("report")(report.report)
app.command("plan")(plan.plan)
app.command("check")(check.check)
app.command("logs")(logs.logs)
app.command("explain")(explain.explain)
app.command("show")(show.show)
app.command("runs")(show.runs)
app.command("export")(export.export)
app.command("score")(score.score)
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
    for name in ("SIGTERM", "SIGHUP"):  # as Ctrl-C, unless somebody (nohup) has said that they mean nothing
        if signal.getsignal(number := getattr(signal, name)) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command and return its exit code; a mistake of the user's is a message, never a traceback."""
    streams.prepare()
    try:
        code = app(
            filled(arguments, ALONE) if arguments[:1] == ["eval"] else arguments,
            prog_name="router",
            standalone_mode=False,
        )
    except ConfigError as error:
        streams.say(f"router: {error}")
        return USAGE
    except RouterError as error:
        streams.say(f"router: {error}")
        return NO_ANSWER
    except (KeyboardInterrupt, typer.Abort):
        streams.say("router: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return DONE
    except Exception as error:  # noqa: BLE001 - exit code 1 means a threshold and nothing else
        if isinstance(error, _UserMistake):
            error.show()  # type: ignore[attr-defined]
            return USAGE
        streams.say(f"router: a defect of router, please report it:\n{''.join(traceback.format_exception(error))}")
        return NO_ANSWER
    return code if isinstance(code, int) else DONE
