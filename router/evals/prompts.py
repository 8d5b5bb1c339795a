"""Prompt files: one or several turns of a conversation as templates, perhaps with front matter."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from router.config.parameters import refused
from router.errors import ConfigError
from router.evals import templates
from router.evals.files import decode, open_bytes
from router.evals.images import part
from router.evals.items import Item
from router.evals.templates import Text
from router.suggest import did_you_mean
from router.types import Json, Message

if TYPE_CHECKING:
    from router.config.yaml_nodes import Node

DEFAULT_SCORER = "json:infer"
ROLES = ("system", "user", "assistant")

_FENCE = "---"
_TURN = re.compile(rf"^--- ({'|'.join(ROLES)})[ \t]*$", re.MULTILINE)
_QUESTION = "{{ question }}"
_SYSTEM_ROLES = frozenset({"system", "developer"})


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a prompt: who says it, and the template of what is said."""

    role: str
    text: Text


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file, read and found well-formed; `sha256` (hex) is that of the file's bytes.

    `scorer` stands in line `scorer_line` of its front matter, 0 where it is the default. `provider` and `model` say
    who is to be asked, where the file does.
    """

    name: str
    path: Path
    turns: tuple[Turn, ...]
    sha256: str = ""
    scorer: str = DEFAULT_SCORER
    scorer_line: int = 0
    params: Mapping[str, Json] = field(default_factory=dict)
    provider: str | None = None
    model: str | None = None

    @property
    def template(self) -> str:
        """The last message as the file has it."""
        return self.turns[-1].text.source

    @property
    def system(self) -> str:
        """The system message as the file has it; empty where there is none."""
        return next((turn.text.source for turn in self.turns if turn.role == "system"), "")

    @property
    def is_verbatim(self) -> bool:
        """Whether it says nothing of its own."""
        return len(self.turns) == 1 and self.template.strip() == _QUESTION

    def check(self, variable_names: Iterable[str]) -> None:
        """Raise ConfigError if a template needs a variable that is not among these."""
        known = set(variable_names)
        for turn in self.turns:
            templates.check_variables(turn.text, known)

    def render(self, variables: Mapping[str, object]) -> tuple[Message, ...]:
        """The messages with these values; raises ConfigError where a template cannot take them."""
        return tuple({"role": turn.role, "content": templates.render(turn.text, variables)} for turn in self.turns)

    def ask(self, item: Item) -> tuple[Message, ...]:
        """The messages for an item: the prompt's, the item's own before its question, its images beside it.

        Raises ConfigError where a template cannot take the item, or an image is not there any more.
        """
        if item.messages and self.is_verbatim:
            return _with_images(item.messages, item)
        rendered = self.render(item.variables)
        return _with_images(_joined(rendered, item, self.path) if item.messages else rendered, item)


VERBATIM = Prompt("verbatim", Path("verbatim"), (Turn("user", Text(_QUESTION, Path("verbatim"))),))
"""Asks every item as it is."""


def _joined(rendered: tuple[Message, ...], item: Item, path: Path) -> tuple[Message, ...]:
    """System message, examples, the item's earlier messages, and its last one as the prompt words it."""
    *history, last = item.messages
    if last["role"] != "user":
        raise ConfigError(f"{path}: the item's last message is of role {last['role']}; ask such items without a prompt")
    own = [message for message in rendered if message["role"] in _SYSTEM_ROLES]
    system = own or [message for message in history if message["role"] in _SYSTEM_ROLES]
    talk = [message for message in history if message["role"] not in _SYSTEM_ROLES]
    *examples, asked = (message for message in rendered if message["role"] not in _SYSTEM_ROLES)
    return (*system, *examples, *talk, {**last, "content": _worded(last["content"], asked["content"])})


def _worded(content: Json, text: Json) -> Json:
    if not isinstance(content, list):
        return text
    others = [each for each in content if not (isinstance(each, Mapping) and each.get("type") == "text")]
    return [{"type": "text", "text": text}, *others]


def _with_images(messages: tuple[Message, ...], item: Item) -> tuple[Message, ...]:
    return _with_parts(messages, list(map(part, item.images))) if item.images else messages


def with_words(messages: tuple[Message, ...], words: str) -> tuple[Message, ...]:
    """The messages with words of the tool's own behind the question."""
    return _with_parts(messages, [{"type": "text", "text": f"\n\n{words}"}])


def _with_parts(messages: tuple[Message, ...], parts: list[Json]) -> tuple[Message, ...]:
    """More parts beside the last of the user's messages; texts alone stay a text."""
    place = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=len(messages) - 1)
    said = messages[place]["content"]
    content: list[Json] = [*(said if isinstance(said, list) else [{"type": "text", "text": said}]), *parts]
    texts = [each["text"] for each in content if isinstance(each, Mapping) and each.get("type") == "text"]
    whole: Json = "".join(map(str, texts)) if len(texts) == len(content) else content
    return (*messages[:place], {**messages[place], "content": whole}, *messages[place + 1 :])


# --- files ----------------------------------------------------------------------------------------


def load(path: Path) -> Prompt:
    """Read a prompt file; raises ConfigError naming file and line of what is wrong."""
    with open_bytes(path, "prompt file") as file:
        data = file.read()
    front, body, first_line = _split(decode(data, path).replace("\r\n", "\n"), path)
    named = _front_matter(front, path)
    scorer = named.get("scorer")
    turns = (*_system(named, path), *_examples(named, path), *_turns(body, path, first_line))
    prompt = Prompt(
        name=path.stem,
        path=path,
        turns=turns,
        sha256=hashlib.sha256(data).hexdigest(),
        scorer=_text_of(scorer, "scorer", path) if scorer else DEFAULT_SCORER,
        scorer_line=scorer.line if scorer else 0,
        params=_params(named, path),
        provider=_text_of(named["provider"], "provider", path) if "provider" in named else None,
        model=_text_of(named["model"], "model", path) if "model" in named else None,
    )
    _refuse_constant(prompt)
    return prompt


def _split(text: str, path: Path) -> tuple[str, str, int]:
    """Front matter, body, and the number of the body's first line."""
    lines = text.split("\n")
    if lines[0].rstrip() != _FENCE:
        return "", text, 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE), None)
    if end is None:
        raise ConfigError(
            f"{path}:1: front matter begins here and is not closed by a second --- line; "
            "add that line, or put an empty line first if the prompt itself begins with ---"
        )
    return "\n".join(lines[1:end]), "\n".join(lines[end + 1 :]), end + 2


def _turns(body: str, path: Path, first_line: int) -> Iterator[Turn]:
    """The blocks under `--- user` and `--- assistant` lines; what stands above the first is the user's."""
    marks = list(_TURN.finditer(body))
    starts = [0, *(mark.end() + 1 for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(body) + 1]
    for number, (role, start, end) in enumerate(zip(["user", *(m[1] for m in marks)], starts, ends, strict=True)):
        source, line = body[start:end], first_line + body.count("\n", 0, start)
        if source.strip():
            # The line end before the next mark is the mark's.
            yield Turn(role, Text(source if end > len(body) else source.removesuffix("\n"), path, line))
        elif number or not marks:
            raise ConfigError(f"{path}:{line}: the prompt is empty; write the question as {{{{ question }}}}")


def _refuse_constant(prompt: Prompt) -> None:
    """Raise ConfigError for what no item could render, or would render alike for all."""
    for turn in prompt.turns:
        templates.check(turn.text)
    if not any(templates.variables(turn.text) for turn in prompt.turns):
        raise ConfigError(
            f"{prompt.path}: the prompt has no variable, so every item would ask the same; "
            "write {{ question }} where the question belongs"
        )


# --- front matter ---------------------------------------------------------------------------------

_NAMES = ("scorer", "system", "messages", "params", "provider", "model")


def _front_matter(text: str, path: Path) -> Mapping[str, Node]:
    from router.config.yaml_nodes import kind_of, parse

    # The fence is the file's first line.
    root, mistakes = parse(f"\n{text}", str(path)) if text.strip() else (None, [])
    if root is None or root.value is None:
        return {}
    if not isinstance(root.value, Mapping):
        raise ConfigError(
            f"{path}:{root.line}: front matter holds names with values, {' or '.join(_NAMES)}; found {kind_of(root)}"
        )
    for name in root.value:
        if name not in _NAMES:
            line, _ = root.names[name]
            close = did_you_mean(name, _NAMES)
            raise ConfigError(f"{path}:{line}: front matter has no option {name!r}{close} (known: {', '.join(_NAMES)})")
    for mistake in mistakes:
        raise ConfigError(f"{path}:{mistake.line}: {mistake.text}")
    return root.value


def _system(named: Mapping[str, Node], path: Path) -> Iterator[Turn]:
    if node := named.get("system"):
        yield Turn("system", Text(_text_of(node, "system", path), path, node.line, "system"))


def _examples(named: Mapping[str, Node], path: Path) -> Iterator[Turn]:
    """The turns under `messages`, each `- user: …` or `- {role: user, content: …}`; the body is what is asked."""
    node = named.get("messages")
    for number, each in enumerate(node.value if node and isinstance(node.value, tuple) else (), 1):
        said = each.value if isinstance(each.value, Mapping) else {}
        role, content = said.get("role"), said.get("content")
        if role is None and len(said) == 1:
            ((name, content),) = said.items()
        else:
            name = str(role.value) if role else ""
        if name not in ROLES or content is None:
            raise ConfigError(f'{path}:{each.line}: message {number} must be like "- user: …", of {", ".join(ROLES)}')
        inside = f"message {number}"
        yield Turn(name, Text(_text_of(content, inside, path), path, each.line, inside))
    if node and not isinstance(node.value, tuple):
        raise ConfigError(f'{path}:{node.line}: messages holds a list, each like "- user: …"')


def _params(named: Mapping[str, Node], path: Path) -> Mapping[str, Json]:
    node = named.get("params")
    if node is None:
        return {}
    values = node.plain()
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}:{node.line}: params holds names with values, such as temperature: 0")
    for names, why in refused(values):
        line, column = node.place_of(*names)
        raise ConfigError(f"{path}:{line}:{column}: params.{'.'.join(names)} may not be set: {why}")
    return values


def _text_of(node: Node, name: str, path: Path) -> str:
    if isinstance(node.value, str) and node.value.strip():
        return node.value
    raise ConfigError(f"{path}:{node.line}: {name} must be a text and not empty")
