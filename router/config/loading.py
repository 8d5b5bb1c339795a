"""Finds `providers.yaml`, reads it with its `.env`, and refuses it with every mistake named."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from router.config.models import Config
from router.errors import ConfigError
from router.types import Json

DEFAULT_PATH = Path("providers.yaml")
PATH_VARIABLE = "ROUTER_CONFIG"
MAX_BYTES = 4_000_000
"""More is no configuration but a mistake, or a device that never ends."""


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file at `path`, or the one that ROUTER_CONFIG names, or ./providers.yaml.

    `.env` beside it fills in what `environ` does not set. Raises ConfigError with up to 20 mistakes,
    a line each, that name file, line, column, value and what is expected; never a key.
    """
    # They bring yaml, which a command without a file has no use for.
    from router.config import building as declared
    from router.config import yaml_nodes as document

    found = path or Path(environ.get(PATH_VARIABLE) or DEFAULT_PATH)
    text = _text_of(found, given=path is not None or bool(environ.get(PATH_VARIABLE)))
    variables = {**_dotenv(found.parent / ".env"), **environ}
    tree, mistakes = document.parse(text, str(found))
    config, more = declared.read(tree, found, variables)
    # What the document could not read stands as nothing in the tree: it is not refused a second time.
    places = {(mistake.line, mistake.column) for mistake in mistakes}
    mistakes += [mistake for mistake in more if (mistake.line, mistake.column) not in places]
    if mistakes:
        raise document.refuse(str(found), mistakes)
    return config


def schema() -> dict[str, Json]:
    """The JSON Schema of `providers.yaml`, as `router/providers.schema.json` ships it."""
    from router.config import schema as options

    return options.schema()


def _text_of(path: Path, *, given: bool) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ConfigError(f"{path}: is larger than {MAX_BYTES:,} bytes; check that it is the right file")
        return text.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(_not_there(path, given=given)) from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: this is a directory; name the file in it, such as {path / DEFAULT_PATH}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(_not_utf8(path, error)) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its name is not valid"
        raise ConfigError(f"{path}: cannot be read ({reason}); check the path and its permissions") from None


def _not_there(path: Path, *, given: bool) -> str:
    if given:
        return f"{path}: there is no such file; tried {path.absolute()}; check --config and {PATH_VARIABLE}"
    return (
        f"{path}: there is no such file; tried {path.absolute()}, and {PATH_VARIABLE} is not set; go to the "
        f"directory that has it, or name it with --config FILE or {PATH_VARIABLE}=FILE"
    )


def _not_utf8(path: Path, error: UnicodeDecodeError) -> str:
    before = error.object[: error.start]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    byte = error.object[error.start]
    return f"{path}:{line}:{column}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"


def _dotenv(path: Path) -> dict[str, str]:
    """What the file sets, taken as it is: filling variables in would read the real environment."""
    if not path.is_file():
        return {}
    from dotenv import dotenv_values

    values = dotenv_values(stream=io.StringIO(_text_of(path, given=True)), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}
