"""A JSON Schema that answers must keep: asked for in the vendor's own way where it has one, else in words."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from router.errors import ConfigError
from router.evals.answers import without_thinking
from router.evals.files import decode, open_bytes
from router.evals.scores import ScorerFailed
from router.types import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_FENCE = "```"


@dataclass(frozen=True)
class Schema:
    """A schema, read and found to be one; `sha256` (hex) is that of its file's bytes."""

    path: Path
    content: Mapping[str, Json]
    sha256: str

    @property
    def response_format(self) -> Json:
        """How OpenAI is asked for it, which LiteLLM translates for others."""
        name = "".join(c if c.isalnum() else "_" for c in self.path.stem)[:64]
        return {"type": "json_schema", "json_schema": {"name": name, "schema": self.content, "strict": True}}

    @property
    def instructions(self) -> str:
        """How a model is asked for it in words."""
        return (
            "Answer with one JSON object and nothing else. It must keep this JSON Schema:\n"
            f"{json.dumps(self.content, ensure_ascii=False)}"
        )

    def violation(self, text: str) -> str:
        """Where and how an answer breaks the schema, empty where it keeps it; raises ScorerFailed for a torn schema."""
        from referencing.exceptions import Unresolvable

        try:
            answer = json.loads(_unfenced(without_thinking(text).strip()))
        except (ValueError, RecursionError) as error:
            return f"the answer is not JSON: {error}"
        try:
            errors = sorted(self._validator.iter_errors(answer), key=lambda each: list(map(str, each.absolute_path)))
        except Unresolvable as error:
            raise ScorerFailed(f"{self.path}: the schema names what is not in it: {error}") from None
        return f"{errors[0].json_path}: {errors[0].message}" if errors else ""

    @functools.cached_property
    def _validator(self) -> Validator:
        from jsonschema.validators import validator_for
        from referencing import Registry

        # A registry of its own, so that no reference is looked up in the network.
        return validator_for(self.content)(self.content, registry=Registry())


def load_schema(path: Path) -> Schema:
    """Read a schema; raises ConfigError where the file holds none."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    with open_bytes(path, "schema file") as file:
        data = file.read()
    try:
        content = json.loads(decode(data, path))
    except ValueError as error:
        raise ConfigError(f"{path}: this is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f'{path}: a schema is an object such as {{"type": "object", "properties": …}}')
    try:
        validator_for(content).check_schema(content)
    except SchemaError as error:
        raise ConfigError(f"{path}: this is not a JSON Schema: {error.json_path}: {error.message}") from None
    return Schema(path, content, hashlib.sha256(data).hexdigest())


def _unfenced(text: str) -> str:
    """The inside of a code fence around all of it, which models put there against every instruction."""
    if text.startswith(_FENCE) and text.endswith(_FENCE) and "\n" in text:
        return text.partition("\n")[2].removesuffix(_FENCE)
    return text
