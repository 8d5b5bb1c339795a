"""What leaves the machine and what stands in files: no variable of the environment, no secret, no address of a prompt.

Markers are planted wherever a key, an organisation or an address could come from. Vendors that echo every request show
what arrived, and what became of it in the run's files.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import attack_product as product
from attack_border import dialect_of
from attack_command import Commands, Ended
from attack_table import Row
from nasty_vendors import OTHER_HOST, Dialect, NastyVendor, at_work, echo

PREFIXES = (
    "openai",
    "cerebras",
    "dashscope",
    "deepinfra",
    "deepseek",
    "fireworks_ai",
    "groq",
    "hosted_vllm",
    "mistral",
    "moonshot",
    "nvidia_nim",
    "openrouter",
    "perplexity",
    "sambanova",
    "together_ai",
    "volcengine",
    "xai",
    "zai",
    "lm_studio",
    "llamafile",
    "anthropic",
    "gemini",
)
"""Vendors that a file may name with `keys: none` and an address of its own."""
_VARIABLE = re.compile(rb"[\"']([A-Z][A-Z0-9_]{2,60}_(?:API_KEY|ACCESS_KEY|AUTH_TOKEN|ORGANIZATION|ORG_ID))[\"']")
_ADDRESS = re.compile(rb"[\"']([A-Z][A-Z0-9_]{2,60}_(?:BASE_URL|API_BASE))[\"']")
ITEMS = 44
SECRET = "planted-5Hq8Zr2Lm9Tn4Vb7Cs1Dp"  # noqa: S105 - planted, to be searched for


@cache
def variables() -> tuple[frozenset[str], frozenset[str]]:
    """The environment variables that LiteLLM names: for keys and accounts, and for addresses."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.origin is not None
    names: set[bytes] = {b"OPENAI_API_KEY", b"OPENAI_ORGANIZATION"}
    addresses: set[bytes] = {b"OPENAI_BASE_URL", b"OPENAI_API_BASE"}
    for path in Path(spec.origin).parent.rglob("*.py"):
        text = path.read_bytes()
        names |= set(_VARIABLE.findall(text))
        addresses |= set(_ADDRESS.findall(text))
    return frozenset(name.decode() for name in names), frozenset(name.decode() for name in addresses - names)


def marker(name: str) -> str:
    """What a variable holds; it names the variable where it is found."""
    return f"marker-{name.lower().replace('_', '-')}-Zq81mXvT"


def found_in_files(folder: Path, texts: Sequence[str], skip: Sequence[str] = ()) -> Iterator[str]:
    """Which texts stand in which files of a folder."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name not in skip:
            content = path.read_bytes()
            for text in texts:
                if text.encode() in content:
                    yield f"{text} in {path.name}"


@dataclass(slots=True)
class Asked:
    """One run against echoing vendors, and what must not be found."""

    commands: Commands
    row: Row
    vendors: dict[str, NastyVendor] = field(default_factory=dict)

    def vendor(self, name: str, dialect: Dialect = "openai") -> NastyVendor:
        """A vendor that says back what it was sent."""
        self.vendors[name] = NastyVendor(echo, dialect=dialect)
        return self.vendors[name]

    async def run(
        self, folder: Path, *, environment: Mapping[str, str] | None = None, cold: bool = False, items: int = ITEMS
    ) -> Ended:
        """Evaluate with everything else as it is."""
        options = ("--limit", str(items), "--timeout", "5s", "--display", "none", "--live", "--deadline", "6s")
        async with at_work(list(self.vendors.values())):
            return await self.commands.run(
                folder, "eval", "prompt.txt", *options, environment=environment, cold=cold, within_s=120.0
            )


async def secrets(share: float) -> list[Row]:
    """The environment's keys with `keys: none`, secrets beside `keys:`, and prompts that point elsewhere."""
    async with Commands.ready() as commands, NastyVendor(echo, host=OTHER_HOST) as elsewhere:
        parts = await asyncio.gather(
            _environment(commands, elsewhere), _beside_keys(commands), _prompts(commands, share)
        )
    return [row for part in parts for row in part]


async def _environment(commands: Commands, elsewhere: NastyVendor) -> list[Row]:
    arrived = Row("secrets", "markers in every *_API_KEY, *_ORGANIZATION, *_BASE_URL with `keys: none`: arriving")
    written = Row("secrets", "the same: in files")
    names, addresses = variables()
    planted = {name: marker(name) for name in names} | dict.fromkeys(addresses, elsewhere.base_url)
    asked = Asked(commands, arrived)
    entries = []
    for number, prefix in enumerate(PREFIXES):
        vendor = asked.vendor(prefix, dialect_of(prefix))
        options = {"model": f"{prefix}/m-{number}", "keys": "none", "rate": "20/s"}
        entries.append(product.provider_yaml(prefix.replace("_", "-"), "direct", vendor.base_url, **options))
        other = asked.vendor(f"{prefix} through litellm", dialect_of(prefix))
        entries.append(product.provider_yaml(f"{prefix.replace('_', '-')}-l", "litellm", other.base_url, **options))
    folder = commands.folder(product.config_yaml(entries))
    ended = await asked.run(folder, environment=planted, cold=True, items=4 * len(entries))
    for name, vendor in asked.vendors.items():
        arrived.add(name, _markers_at(vendor))
    arrived.figures["asked"] = sum(bool(vendor.arrivals) for vendor in asked.vendors.values())
    arrived.add("an address from the environment", ["was asked"] * bool(elsewhere.arrivals))
    arrived.add("the run", ended.told())
    written.add("all files", sorted(set(found_in_files(folder, [marker(name) for name in names])))[:3])
    return [arrived, written]


def _markers_at(vendor: NastyVendor) -> list[str]:
    texts = "\n".join(arrival.text() for arrival in vendor.arrivals)
    shapes = {
        re.sub(r"^marker-.*-(key|token|organization|org-id)-.*", r"a variable's \1", found)
        for found in re.findall(r"marker-[a-z0-9-]+-Zq81mXvT", texts)
    }
    return [f"{shape} arrives" for shape in sorted(shapes)]


BESIDE_KEYS: Mapping[str, Mapping[str, object]] = {
    "params.aws_secret_access_key": {"params": {"aws_secret_access_key": "${PLANTED}"}},
    "params.api_key_of_another": {"params": {"extra_body": {"other_api_key": "${PLANTED}"}}},
    "params.extra_headers": {"params": {"extra_headers": {"X-Token": "${PLANTED}"}}},
    "params.headers": {"params": {"headers": {"Authorization": "Bearer ${PLANTED}"}}},
    "params.organization": {"params": {"organization": "${PLANTED}"}},
    "a header as it is": {"params": {"extra_headers": {"X-Secret-Token": SECRET}}},
    "params.extra_body as it is": {"params": {"extra_body": {"credential": SECRET}}},
    "headers": {"headers": {"X-Token": "${PLANTED}"}},
    "a query in base_url": {"base_url": "?key=${PLANTED}"},
    "keys": {"keys": ["${PLANTED}"]},
}
"""Where users put what nobody may read."""


async def _beside_keys(commands: Commands) -> list[Row]:
    row = Row("secrets", "secrets in keys, params, headers and addresses, echoed: in files or on screens")

    async def one(name: str, options: Mapping[str, object], door: str) -> None:
        asked = Asked(commands, row)
        vendor = asked.vendor(name, dialect_of(door))
        more = dict(options)
        base_url = vendor.base_url + str(more.pop("base_url", ""))
        folder = commands.folder(product.config_yaml([product.provider_yaml("one", door, base_url, **more)]))
        environment = {"PLANTED": SECRET}
        ended = await asked.run(folder, environment=environment, items=4)
        check = await commands.run(folder, "check", environment=environment)
        (folder / "check.out").write_text(check.out + check.err, encoding="utf-8")
        whys = {why.partition(" in ")[2] for why in found_in_files(folder, [SECRET], skip=("providers.yaml",))}
        row.add(f"{name} @{door}", [*ended.told(), *(f"stands in {why}" for why in sorted(whys))])

    async with asyncio.TaskGroup() as tasks:
        for name, options in BESIDE_KEYS.items():
            for door in product.DOORS:
                tasks.create_task(one(name, options, door))
    return [row]


def _pointing(elsewhere: NastyVendor) -> Mapping[str, str]:
    to = elsewhere.base_url
    return {
        "base_url": f"{{base_url: '{to}'}}",
        "api_base": f"{{api_base: '{to}'}}",
        "fallbacks": f"{{fallbacks: [{{model: openai/m, api_base: '{to}'}}]}}",
        "extra_body.base_url": f"{{extra_body: {{base_url: '{to}'}}}}",
        "model": "{model: deepseek/deepseek-chat}",
        "custom_llm_provider": "{custom_llm_provider: deepseek}",
        "mock_response": "{mock_response: made up}",
        "api_key": "{api_key: another}",
        "proxy_url": f"{{proxy_url: '{elsewhere.root}'}}",
        "litellm_params": f"{{litellm_params: {{api_base: '{to}'}}}}",
        "client": "{client: null}",
        "deployment_id": "{deployment_id: x}",
        "azure_endpoint": f"{{azure_endpoint: '{to}'}}",
        "extra_headers.host": "{extra_headers: {Host: elsewhere.example}}",
        "stream": "{stream: true}",
        "n": "{n: 5}",
    }


async def _prompts(commands: Commands, share: float) -> list[Row]:
    row = Row("secrets", "prompts whose front matter points elsewhere or makes answers up")
    names = list(_pointing(commands.trap))
    kept = names[: max(4, round(len(names) * share))]

    async def one(name: str, door: str) -> None:
        asked = Asked(commands, row)
        vendor = asked.vendor(name, dialect_of(door))
        async with NastyVendor(echo, host=OTHER_HOST, dialect=dialect_of(door)) as elsewhere:
            prompt = f"---\nparams: {_pointing(elsewhere)[name]}\n---\n{{{{ question }}}}\n"
            folder = commands.folder(product.config_yaml([product.provider_yaml("one", door, vendor.base_url)]), prompt)
            ended = await asked.run(folder, items=3)
        rows, _ = ended.lines("results.jsonl")
        answered = sum(each["outcome"] != "error" for each in rows)
        found = {
            "went elsewhere": bool(elsewhere.arrivals),
            "answers that nobody gave": answered > len(vendor.arrivals) + len(elsewhere.arrivals),
            "another host's name": any(arrival.header("host") == "elsewhere.example" for arrival in vendor.arrivals),
            "another key": any("another" in arrival.header("authorization") for arrival in vendor.arrivals),
        }
        row.add(f"{name} @{door}", [*ended.told(), *(why for why, is_so in found.items() if is_so)])

    async with asyncio.TaskGroup() as tasks:
        for name in kept:
            for door in product.DOORS:
                tasks.create_task(one(name, door))
    return [row]
