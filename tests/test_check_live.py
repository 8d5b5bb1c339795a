from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from conftest import make_config, make_provider

from router.check import Checkup, Level, examine, live, verdicts
from router.check.findings import Heard, Verdict
from router.config.models import Config, Key, Provider, Secret
from router.faults import Fault, Kind
from router.jsonl import encode
from router.rates import Rate
from router.reports.check_text import checkup_text
from router.simulator.rehearsal import rehearsed
from router.simulator.server import serve
from router.simulator.spec import VendorSpec
from router.simulator.troubles import Trouble, parse_trouble
from router.store import StateStore
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.transport.litellm_transport import LiteLLMTransport
from router.transport.model_list import Listing, list_models
from router.types import Answer

# Pydantic says so of a class of LiteLLM's, once, whenever that is first looked at.
pytestmark = pytest.mark.filterwarnings("ignore:Item 'summary' on TypedDict")

NOW = 1_800_000_000.0
OK = Answer("Hello")
Script = Callable[[Call], "Answer | Fault | tuple[float, Answer | Fault]"]


async def no_models(provider: Provider, key: Key) -> Listing:  # noqa: ARG001
    return Listing(problem="not asked")


def scripted(
    script: Script, models: Callable[[Provider, Key], Awaitable[Listing]] = no_models
) -> tuple[live.ProbeDeps, list[ScriptedTransport]]:
    transports: list[ScriptedTransport] = []

    def transport(_config: Config) -> ScriptedTransport:
        transports.append(ScriptedTransport(script))
        return transports[-1]

    return live.ProbeDeps(transport, models, wall=lambda: NOW), transports


def asked(
    config: Config, script: Script, models: Callable[[Provider, Key], Awaitable[Listing]] = no_models
) -> live.Asked:
    return run_virtual(live.ask_all(config, deps=scripted(script, models)[0]))


def checked(config: Config, answers: live.Asked) -> Checkup:
    return live.merge(examine(config, now=NOW), answers)


def test_every_fault_says_something_of_a_key() -> None:
    assert set(verdicts.VERDICTS) == set(Kind)
    assert set(verdicts.MEANINGS) == set(Verdict) - {Verdict.WORKS}
    assert set(verdicts.VERDICTS.values()) == set(Verdict) - {Verdict.WORKS, Verdict.UNASKABLE}


@pytest.mark.parametrize(
    ("kind", "verdict", "level"),
    [
        pytest.param(Kind.INVALID_KEY, Verdict.INVALID, Level.PROBLEM, id="invalid"),
        pytest.param(Kind.REVOKED_KEY, Verdict.INVALID, Level.PROBLEM, id="revoked"),
        pytest.param(Kind.ACCOUNT_BANNED, Verdict.BANNED, Level.PROBLEM, id="banned"),
        pytest.param(Kind.NO_CREDIT, Verdict.NO_CREDIT, Level.PROBLEM, id="no-credit"),
        pytest.param(Kind.REGION_BLOCKED, Verdict.REGION, Level.PROBLEM, id="region"),
        pytest.param(Kind.RATE_LIMIT, Verdict.THROTTLED, Level.WARNING, id="throttled"),
        pytest.param(Kind.CONNECTION, Verdict.UNREACHABLE, Level.PROBLEM, id="unreachable"),
        pytest.param(Kind.CONTENT_FILTER, Verdict.REFUSED, Level.WARNING, id="refused"),
    ],
)
def test_a_fault_becomes_a_verdict_and_a_finding(kind: Kind, verdict: Verdict, level: Level) -> None:
    config = make_config(make_provider(rates=["5/s"]))
    answers = asked(config, lambda _: Fault(kind, "the vendor's words", 400))
    assert answers.answers["acme#1"].verdict is verdict
    found = checked(config, answers).findings
    assert [(finding.code, finding.level, finding.where) for finding in found] == [(str(kind), level, "acme#1")]
    assert "HTTP 400: the vendor's words" in found[0].message


def test_keys_of_one_provider_are_asked_one_after_another_and_providers_at_once() -> None:
    config = make_config(
        make_provider("fast", keys=3, rates=["50/s"]),
        make_provider("slow", keys=2, rates=["12/min"]),
        make_provider("free", keys=2),
    )
    deps, transports = scripted(lambda _: (0.5, OK))
    run_virtual(live.ask_all(config, deps=deps))
    times = {
        transport.calls[0][1].provider.name: [round(at, 2) for at, _ in transport.calls] for transport in transports
    }
    # The first pause comes twice: after its first key a provider is asked for its models, for its time's sake.
    assert times == {"fast": [0.0, 2.5, 4.0], "slow": [0.0, 10.5], "free": [0.0, 2.5]}


def test_the_question_is_as_cheap_as_can_be() -> None:
    provider = make_provider(params={"temperature": 0, "max_tokens": 4096, "n": 3, "thinking": {"budget_tokens": 1024}})
    deps, transports = scripted(lambda _: OK)
    run_virtual(live.ask_all(make_config(provider), deps=deps))
    ((_, call),) = transports[0].calls
    assert call.provider.params == {"temperature": 0}
    assert call.request.params == {"max_tokens": 1}
    assert [message["content"] for message in call.request.messages] == ["Hi"]


@pytest.mark.parametrize(
    ("message", "calls", "verdict"),
    [
        pytest.param("Unsupported parameter: 'max_tokens'", 2, Verdict.WORKS, id="names-the-ceiling"),
        pytest.param("max_output_tokens is below the minimum", 2, Verdict.WORKS, id="by-another-name"),
        pytest.param("Unsupported parameter: 'temperature'", 1, Verdict.REFUSED, id="names-another"),
    ],
)
def test_a_model_that_takes_no_ceiling_is_asked_once_more_without(message: str, calls: int, verdict: Verdict) -> None:
    deps, transports = scripted(lambda c: Fault(Kind.BAD_REQUEST, message, 400) if c.request.params else OK)
    answers = run_virtual(live.ask_all(make_config(make_provider()), deps=deps))
    assert answers.answers["acme#1"].verdict is verdict
    assert len(transports[0].calls) == calls


def test_all_keys_that_met_the_same_wall_are_told_once() -> None:
    config = make_config(make_provider(keys=3, rates=["5/s"]))
    found = checked(config, asked(config, lambda _: Fault(Kind.REGION_BLOCKED, "not here", 403))).findings
    assert [(finding.code, finding.where) for finding in found] == [("region_blocked", "acme")]


def test_keys_that_each_fail_are_each_told() -> None:
    config = make_config(make_provider(keys=2, rates=["5/s"]))
    found = checked(config, asked(config, lambda _: Fault(Kind.INVALID_KEY, "no", 401))).findings
    assert [finding.where for finding in found] == ["acme#1", "acme#2"]


def test_the_models_that_a_key_has_are_told_and_the_nearest_suggested() -> None:
    async def models(_provider: Provider, _key: Key) -> Listing:
        return Listing(("acme-small-2", "acme-large", "whisper", "a", "b", "c", "d"))

    config = make_config(make_provider(rates=["5/s"]))
    answers = asked(config, lambda _: Fault(Kind.MODEL_NOT_FOUND, "no such model", 404), models)
    (finding,) = checked(config, answers).findings
    assert answers.answers["acme#1"].models[0] == "acme-small-2"
    assert "acme-small, it has" not in finding.message
    assert "acme-small; it has acme-small-2" in finding.message
    assert "and 2 more" in finding.message
    assert finding.suggestion == "models: {small: openai/acme-small-2}"


def test_a_vendor_that_lists_no_models_is_said_so() -> None:
    config = make_config(make_provider(rates=["5/s"]))
    (finding,) = checked(config, asked(config, lambda _: Fault(Kind.PERMISSION, "no", 403))).findings
    assert "does not list" in finding.message
    assert not finding.suggestion


@pytest.mark.parametrize(
    ("ahead_s", "expected"),
    [
        pytest.param(0, [], id="right"),
        pytest.param(3, [], id="a-little"),
        pytest.param(60, ["60 s ahead of"], id="ahead"),
        pytest.param(-60, ["60 s behind"], id="behind"),
    ],
)
def test_a_wrong_clock_is_told(ahead_s: float, expected: list[str]) -> None:
    async def models(_provider: Provider, _key: Key) -> Listing:
        return Listing(date=formatdate(NOW - ahead_s, usegmt=True))

    config = make_config(make_provider(keys=2, rates=["5/s"]))
    found = [
        each for each in checked(config, asked(config, lambda _: OK, models)).findings if each.code == "clock_skew"
    ]
    assert [words in finding.message for finding, words in zip(found, expected, strict=True)] == [True] * len(expected)


def test_limits_in_headers_are_compared_with_the_file() -> None:
    config = make_config(make_provider(rates=["600/min"]))
    answer = replace(OK, limits={"x-ratelimit-limit-requests-minute": "500"})
    checkup = checked(config, asked(config, lambda _: answer))
    (finding,) = checkup.findings
    assert (finding.code, finding.suggestion) == ("limit_too_high", "rate: 480/min")
    assert not checkup.is_well
    text = checkup_text(checkup, width=80, color=False)
    assert "x-ratelimit-limit-requests-minute: 500" in text
    assert "acme:\n           rate: 480/min\n" in text


def test_a_key_that_works_again_is_no_longer_remembered_as_dropped(tmp_path: Path) -> None:
    provider = make_provider(keys=2, rates=["5/s"])
    config = make_config(provider)
    memory = StateStore.open(tmp_path / "state.sqlite3")
    for key in provider.keys:
        memory.drop(key, provider, Fault(Kind.INVALID_KEY, "no"), NOW)
    before = examine(config, now=NOW, dropped=memory.dropped())
    answers = asked(config, lambda call: OK if call.key.name == "acme#1" else Fault(Kind.INVALID_KEY, "no", 401))
    live.forget_working(memory, answers)
    assert [each.key for each in memory.dropped()] == ["acme#2"]
    after = live.merge(before, answers)
    assert [(f.code, f.where) for f in after.findings] == [("dropped", "acme#2"), ("invalid_key", "acme#2")]
    simulated = live.Asked(replace(config, simulated=True), {"acme#2": Heard(Verdict.WORKS, "m")})
    live.forget_working(memory, simulated)
    assert [each.key for each in memory.dropped()] == ["acme#2"]
    memory.close()


def test_what_breaks_one_provider_breaks_no_other() -> None:
    class Broken(ScriptedTransport):
        async def prepare(self) -> None:
            raise ValueError("LiteLLM says no to sk-broken#2-0123456789")

    config = make_config(make_provider("broken", keys=2), make_provider("fine"))

    def transport(part: Config) -> ScriptedTransport:
        return (Broken if part.providers[0].name == "broken" else ScriptedTransport)(lambda _: OK)

    answers = run_virtual(live.ask_all(config, deps=live.ProbeDeps(transport, no_models, wall=lambda: NOW)))
    heard = {name: each.verdict for name, each in answers.answers.items()}
    assert heard == {"broken#1": Verdict.UNASKABLE, "broken#2": Verdict.UNASKABLE, "fine#1": Verdict.WORKS}
    assert "LiteLLM says no to [broken#2]" in answers.answers["broken#1"].message


SPECS = {
    "openai": VendorSpec(
        "openai", "openai", keys=(("sk-sim-openai-planted-0001", "a"), ("sk-sim-openai-planted-0002", "b"))
    ),
    "anthropic": VendorSpec("anthropic", "anthropic", keys=(("sk-ant-sim-planted-000001", "a"),)),
    "gemini": VendorSpec("gemini", "gemini", keys=(("AIza-sim-planted-00000001", "a"),)),
}


def simulated(*troubles: str, models: tuple[str, ...] = ()) -> tuple[Checkup, live.Answers]:
    """A check of three simulated vendors, one a dialect, through LiteLLM and over real connections."""

    async def run() -> tuple[Checkup, live.Answers]:
        planned: dict[str, list[Trouble]] = {}
        for text in troubles:
            name, _, kind = text.partition("=")
            planned.setdefault(name, []).append(parse_trouble(kind))
        specs = [
            replace(spec, latency_median_s=0, echo_keys=True, models=models, troubles=tuple(planned.get(name, ())))
            for name, spec in SPECS.items()
        ]
        config = make_config(
            *(
                Provider(
                    name,
                    {"default": f"{name}/m"},
                    tuple(Key(f"{name}#{n}", None, a) for n, (_, a) in enumerate(s.keys, 1)),
                    (Rate(50, 1),),
                    line=1,
                )
                for name, s in SPECS.items()
            )
        )
        async with serve(specs) as endpoints:
            pointed = rehearsed(config, specs, endpoints)
            deps = live.ProbeDeps(LiteLLMTransport, list_models, min_pause_s=0)
            answers = await live.ask_all(pointed, deps=deps)
        return checked(pointed, answers), answers.answers

    logging.getLogger("asyncio").setLevel(logging.ERROR)
    return asyncio.run(run())


@pytest.mark.parametrize(
    ("troubles", "models", "expected"),
    [
        pytest.param((), (), {}, id="well"),
        pytest.param(
            ("openai=revoked_key#2", "anthropic=no_credit", "gemini=region_block"),
            (),
            {"openai#2": Verdict.INVALID, "anthropic#1": Verdict.NO_CREDIT, "gemini#1": Verdict.REGION},
            id="one-trouble-each",
        ),
        pytest.param(
            ("openai=ip_block", "anthropic=revoked_key", "gemini=revoked_key"),
            (),
            {
                "openai#1": Verdict.ADDRESS,
                "openai#2": Verdict.ADDRESS,
                "anthropic#1": Verdict.INVALID,
                "gemini#1": Verdict.INVALID,
            },
            id="a-wall-and-dead-keys",
        ),
        pytest.param(
            (),
            ("m-small", "m-large"),
            dict.fromkeys(("openai#1", "openai#2", "anthropic#1", "gemini#1"), Verdict.NO_ACCESS),
            id="no-such-model",
        ),
    ],
)
def test_simulated_vendors_are_understood(
    troubles: tuple[str, ...], models: tuple[str, ...], expected: Mapping[str, Verdict]
) -> None:
    checkup, answers = simulated(*troubles, models=models)
    works = {name for name, each in answers.items() if each.verdict is Verdict.WORKS}
    assert {name: each.verdict for name, each in answers.items() if name not in works} == expected
    assert checkup.is_well is not bool(expected)
    assert all(set(each.models) == set(models) for each in answers.values())
    assert all(abs(each.skew_s) < 2 for each in answers.values() if each.skew_s is not None)
    assert sum(each.skew_s is not None for each in answers.values()) >= 3
    outputs = (checkup_text(checkup, width=80, color=True), encode(checkup.to_json()).decode())
    assert all("planted" not in output for output in outputs)
    assert SIMULATED_LINE in outputs[0]


SIMULATED_LINE = "SIMULATED vendors answered"


async def listed(
    model: str, path: str, answer: web.Response, *, key: str = "planted-secret"
) -> tuple[Listing, list[tuple[str, Mapping[str, str]]]]:
    seen: list[tuple[str, Mapping[str, str]]] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.path_qs, {name.lower(): value for name, value in request.headers.items()}))
        return answer

    app = web.Application()
    app.router.add_get("/{anything:.*}", handle)
    async with TestServer(app) as server:
        provider = Provider(
            "acme", {"default": model}, (Key("acme#1", Secret(key), "acme#1"),), (), str(server.make_url(path))
        )
        return await list_models(provider, provider.keys[0]), seen


@pytest.mark.parametrize(
    ("model", "base", "asked_for", "header", "body", "models"),
    [
        pytest.param(
            "openai/m",
            "/v1",
            "/v1/models",
            "authorization",
            {"data": [{"id": "a"}, {"id": "b"}]},
            ("a", "b"),
            id="openai",
        ),
        pytest.param("together_ai/m", "/v1", "/v1/models", "authorization", [{"id": "a"}], ("a",), id="a-bare-list"),
        pytest.param(
            "anthropic/m", "/", "/v1/models?limit=1000", "x-api-key", {"data": [{"id": "a"}]}, ("a",), id="anthropic"
        ),
        pytest.param(
            "anthropic/m",
            "/v1",
            "/v1/models?limit=1000",
            "x-api-key",
            {"data": [{"id": "a"}]},
            ("a",),
            id="anthropic-v1",
        ),
        pytest.param(
            "gemini/m",
            "/v1beta",
            "/v1beta/models?pageSize=1000",
            "x-goog-api-key",
            {"models": [{"name": "models/a"}]},
            ("a",),
            id="gemini",
        ),
        pytest.param(
            "ollama_chat/m", "/", "/api/tags", "authorization", {"models": [{"name": "a:4b"}]}, ("a:4b",), id="ollama"
        ),
        pytest.param("openai/m", "/v1", "/v1/models", "authorization", {"data": [7, {"id": 3}]}, (), id="odd-items"),
        pytest.param("openai/m", "/v1", "/v1/models", "authorization", "what", (), id="odd-body"),
    ],
)
def test_models_are_listed_in_the_vendor_s_own_manner(
    model: str, base: str, asked_for: str, header: str, body: object, models: tuple[str, ...]
) -> None:
    answer = web.Response(body=encode(body), content_type="application/json")
    listing, seen = asyncio.run(listed(model, base, answer))
    assert listing.models == models
    assert listing.date.endswith("GMT")
    assert bool(listing.problem) is not bool(models)
    ((path, headers),) = seen
    assert path == asked_for
    assert "planted-secret" in headers[header]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(web.Response(status=401, text="planted-secret is wrong"), "HTTP 401", id="refused"),
        pytest.param(
            web.Response(status=302, headers={"location": "/elsewhere"}),
            "redirected to",
            id="redirects-are-not-followed",
        ),
        pytest.param(web.Response(text="<html>"), "no JSON", id="page"),
    ],
)
def test_a_list_that_is_none_says_why(answer: web.Response, problem: str) -> None:
    listing, seen = asyncio.run(listed("openai/m", "/v1", answer))
    assert listing.models == ()
    assert listing.problem.startswith(problem)
    assert len(seen) == 1


def test_a_vendor_that_is_not_there_lists_nothing() -> None:
    provider = Provider("acme", {"default": "openai/m"}, (Key("acme#1", None, "acme#1"),), (), "http://127.0.0.1:9/v1")
    listing = asyncio.run(list_models(provider, provider.keys[0]))
    assert listing == Listing(problem="connect")


def test_a_vendor_whose_list_is_not_known_is_not_asked() -> None:
    provider = Provider("acme", {"default": "volcengine/m"}, (Key("acme#1", None, "acme#1"),), ())
    assert "not known" in asyncio.run(list_models(provider, provider.keys[0])).problem
