"""What the attack knows of the product's inside: all of it stands here, the rest goes by files and the command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from router import Fault, Kind, Request, Router, RouterError, Usage
from router.cli.app import main
from router.config.loading import load
from router.config.models import Config
from router.faults import Blame
from router.jsonl import encode
from router.testing import run_virtual
from router.transport.base import Call
from router.transport.litellm_import import load as load_litellm
from router.transport.litellm_transport import LiteLLMTransport
from router.types import Answer

__all__ = [
    "Answer", "Border", "Call", "Fault", "Kind", "Request", "Router", "RouterError", "Usage", "Verdict", "load",
    "load_litellm", "run_command", "run_virtual",
]  # fmt: skip


def run_command(arguments: Sequence[str]) -> int:
    """Run the command in this process, as its script does; its exit code."""
    sys.argv = ["router", *arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    raise AssertionError("the command does not end with an exit code")


KEY = "sk-attack-Zq81mXvT0pLrWd7yKc5u"
MAX_COUNT = 1 << 53
"""Beyond it JSON's readers disagree about an integer."""
DOORS = {
    "direct": ("openai/gpt-4o-mini", "auto"),
    "litellm": ("openai/gpt-4o-mini", "litellm"),
    "anthropic": ("anthropic/claude-haiku-5-5", "auto"),
    "gemini": ("gemini/gemini-3.5-flash-lite", "auto"),
}
"""The four ways out: a model and `transport:` for each."""


def provider_yaml(name: str, door: str, base_url: str, **options: object) -> str:
    """One entry of `providers.yaml` for a door."""
    model, transport = DOORS[door]
    values = {
        "model": model,
        "base_url": base_url,
        "transport": transport,
        "keys": [f"{KEY}-{name}"],
        "rate": "600/min",
        **options,
    }
    lines = [f"    {key}: {encode(value).decode()}" for key, value in values.items()]
    return "\n".join([f"  {name}:", *lines, ""])


def config_yaml(entries: Sequence[str]) -> str:
    """A whole file without a rehearsal."""
    return "rehearse: never\nproviders:\n" + "".join(entries)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the transport made of one call: `kind` is `answer` or the fault's, the other texts are defects."""

    kind: str = ""
    text: str = ""
    blames_item: bool = False
    counts: tuple[int | None, int | None] = (None, None)
    raised: str = ""
    unloggable: str = ""

    @property
    def counts_are_sane(self) -> bool:
        """Whether the tokens can be added up in any program."""
        return all(count is None or 0 <= count < MAX_COUNT for count in self.counts)


@dataclass(slots=True)
class Border:
    """The real transport, through which one call after another goes to any address."""

    directory: Path
    timeout_s: float = 1.0
    transport: LiteLLMTransport = field(init=False)

    def config(self, *doors: str, base_url: str, **options: object) -> Config:
        """The configuration of a provider for each door at one address, as a file says it."""
        path = self.directory / "providers.yaml"
        options = {"timeout": f"{round(1000 * self.timeout_s)}ms", **options}
        entries = [provider_yaml(door, door, base_url, **options) for door in doors]
        path.write_text(config_yaml(entries))
        return load(path, {})

    async def open(self) -> None:
        """Open the transport with all doors declared, so that each is warm."""
        self.transport = LiteLLMTransport(self.config(*DOORS, base_url="http://127.0.0.1:9"))
        await self.transport.prepare()

    async def close(self) -> None:
        """Close every connection."""
        await self.transport.aclose()

    async def send(self, door: str, base_url: str, **options: object) -> Verdict:
        """Send one question through a door."""
        (provider,) = self.config(door, base_url=base_url, **options).providers
        call = Call(provider, provider.keys[0], provider.models["default"], Request.of("What is 3 + 4?"))
        try:
            result = await self.transport.send(call, lambda: None)
        except Exception as error:  # noqa: BLE001 - that nothing is raised is what is being tried
            return Verdict(raised=f"{type(error).__name__}: {error}"[:200])
        return judged(result)


def judged(result: Answer | Fault) -> Verdict:
    """A result, read without the types that may yet change."""
    try:
        encode(asdict(result))
        unloggable = ""
    except (TypeError, ValueError) as error:
        unloggable = f"{type(error).__name__}: {error}"[:200]
    if isinstance(result, Fault):
        blames_item = result.reaction.blame is Blame.ITEM
        return Verdict(str(result.kind), result.message[:200], blames_item, unloggable=unloggable)
    usage = result.usage
    return Verdict("answer", result.text[:200], counts=(usage.tokens_in, usage.tokens_out), unloggable=unloggable)
