"""Five troubles at once in a real run of the engine, on a virtual clock; the log alone must tell each of them right."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.analysis import Analysis, analyse, analyse_rows, find_logs, follow, item_story
from router.analysis.episode import Episode
from router.analysis.suggestions import Advice
from router.clock import LoopClock
from router.engine.router import Router
from router.faults import Fault, Kind
from router.jsonl import read
from router.log.events import ItemSettled, RunFinished, RunStarted
from router.log.writer import JsonLog
from router.reports.item_text import render_story
from router.reports.logs_text import render
from router.testing import ScriptedTransport, run_virtual
from router.transport import Call
from router.types import Answer, Request

BEGAN = 1_795_453_200.0
HANGS_S = 60.0
ITEMS = 1200

Reply = Fault | None
Trouble = Callable[[str, float], Reply]
"""What a vendor says to a key at a time, in seconds since the run began; None is an answer."""


def revoked(key: str, now: float) -> Reply:
    if key == "openai#1" and now >= 5:
        return Fault(Kind.REVOKED_KEY, "this key has been revoked", 401, "invalid_api_key")
    return None


def out_of_credit(key: str, now: float) -> Reply:
    if key in {"deepseek#1", "deepseek#2"} and now >= 6:
        return Fault(Kind.NO_CREDIT, "Insufficient Balance", 402, "insufficient_balance")
    return None


def blocked(_key: str, now: float) -> Reply:
    return Fault(Kind.IP_BLOCKED, "you have been blocked", 403) if 7 <= now < 27 else None


def overloaded(_key: str, now: float) -> Reply:
    return Fault(Kind.OVERLOADED, "Overloaded", 529, "overloaded_error") if 8 <= now < 38 else None


def hanging(_key: str, now: float) -> Reply:
    return Fault(Kind.TIMEOUT, "no whole reply within 60 s") if 9 <= now < 29 else None


TROUBLES: Mapping[str, Trouble] = {
    "openai": revoked,
    "deepseek": out_of_credit,
    "moonshot": blocked,
    "anthropic": overloaded,
    "zhipu": hanging,
}
PROVIDERS = (
    make_provider("openai", keys=3, rates=["300/min"]),
    make_provider("deepseek", keys=3, accounts=["main", "main", "other"], rates=["5/s"]),
    make_provider("moonshot", keys=2, rates=["240/min"]),
    make_provider("anthropic", rates=["240/min"]),
    make_provider("zhipu", rates=["2/s"], concurrency=4),
)


def says(began: float, call: Call) -> tuple[float, Answer | Fault]:
    said = TROUBLES[call.provider.name](call.key.name, asyncio.get_running_loop().time() - began)
    took_s = HANGS_S if said and said.kind is Kind.TIMEOUT else 0.4
    return took_s, said or Answer("7")


async def rehearse(path: Path) -> None:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, loop.time(), BEGAN)
    log = JsonLog(path, "five", scrub=str, wall=clock.wall)
    keys = {key.name: key.fingerprint for provider in PROVIDERS for key in provider.keys}
    log.write(RunStarted(keys=keys, rates={each.name: list(map(str, each.rates)) for each in PROVIDERS}))
    transport = ScriptedTransport(partial(says, loop.time()))
    config = make_config(*PROVIDERS)
    async with Router(config, transport=transport, log=log, rng=random.Random(0), clock=clock) as router:
        requests = (Request(({"role": "user", "content": "3 + 4"},), f"item-{number:04d}") for number in range(ITEMS))
        async for outcome in router.map(requests, window=64):
            verdict = "error" if outcome.error else "right"
            log.write(ItemSettled(outcome.request.id, verdict, len(outcome.attempts)))
    log.write(RunFinished(items=ITEMS))
    log.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "five" / "log.jsonl"
    path.parent.mkdir()
    run_virtual(rehearse(path))
    return path


@pytest.fixture(scope="module")
def analysis(log: Path) -> Analysis:
    return analyse(find_logs(["five"], log.parent.parent))


def about(analysis: Analysis, provider: str) -> tuple[Episode, Advice]:
    (episode,) = (each for each in analysis.episodes if each.provider == provider)
    (advice,) = (each for each in analysis.advice if each.provider == provider)
    return episode, advice


def failed(analysis: Analysis, provider: str) -> int:
    return next(each.failed for each in analysis.usage if each.provider == provider and each.key is None)


def since(at: float | None) -> float:
    assert at is not None
    return at - BEGAN


def test_the_run_itself_is_told(analysis: Analysis) -> None:
    (run,) = analysis.runs
    assert (run.simulated, run.ended, run.outcomes) == (False, "finished", {"right": ITEMS})
    assert run.calls == ITEMS + sum(row.count for row in analysis.errors)
    assert [each.provider for each in analysis.episodes] == [
        "openai",
        "deepseek",
        "moonshot",
        "anthropic",
        "zhipu",
    ]
    assert all(each.cost.items.unanswered == 0 for each in analysis.episodes)


def test_one_key_was_revoked(analysis: Analysis) -> None:
    episode, advice = about(analysis, "openai")
    assert (episode.scope, episode.name, episode.ended, episode.fault) == ("key", "openai#1", "dropped", "revoked_key")
    assert 5 <= since(episode.started_at) < 7
    assert episode.answered_before >= 5
    assert episode.cost.calls == failed(analysis, "openai")
    assert "good answers in this run: revoked or expired" in advice.text
    assert "take it out of `keys:` under `openai:`" in advice.text


def test_one_account_was_out_of_credit(analysis: Analysis) -> None:
    episode, advice = about(analysis, "deepseek")
    assert (episode.scope, episode.keys, episode.ended) == ("account", ("deepseek#1", "deepseek#2"), "resting")
    assert 6 <= since(episode.started_at) < 8
    assert since(episode.until_at) >= 6 * 3600
    assert episode.cost.calls == failed(analysis, "deepseek") <= 2
    assert advice.text.startswith("Top up the account of deepseek#1 (key_hash ")


def test_one_vendor_blocked_the_address_for_20_s(analysis: Analysis) -> None:
    episode, advice = about(analysis, "moonshot")
    assert (episode.scope, episode.fault, episode.ended, episode.rests) == ("provider", "ip_blocked", "ready", 1)
    assert 7 <= since(episode.started_at) < 8
    assert since(episode.ended_at) > 27
    assert 30 <= episode.cost.resting_s <= 36
    assert episode.cost.calls == failed(analysis, "moonshot") <= 3
    assert advice.set is None
    assert "Call from another address" in advice.text


def test_one_answered_529_for_30_s(analysis: Analysis) -> None:
    episode, advice = about(analysis, "anthropic")
    assert (episode.scope, episode.fault, episode.status, episode.ended) == ("provider", "overloaded", 529, "ready")
    assert (episode.cost.led, episode.rests >= 3) == (3, True)
    assert 8 <= since(episode.started_at) < 10
    assert since(episode.ended_at) > 38
    assert episode.cost.calls == failed(analysis, "anthropic")
    assert advice.text.endswith("Nothing to change: it is the vendor's problem.")
    assert advice.set is None


def test_one_hung(analysis: Analysis) -> None:
    """Its calls are taken back for those vendors that answer, and it is used again soon after it is well."""
    episode, advice = about(analysis, "zhipu")
    assert (episode.scope, episode.fault, episode.ended) == ("provider", "timeout", "ready")
    assert 18 <= since(episode.started_at) < 22
    assert 29 < since(episode.ended_at) < 60
    assert episode.cost.calls == failed(analysis, "zhipu") <= 8
    assert analysis.hangs == ()
    assert advice.text.startswith(f"zhipu failed {episode.cost.calls} of ")


@pytest.mark.parametrize("width", [60, 100, 200])
@pytest.mark.parametrize("color", [False, True], ids=["plain", "colour"])
def test_the_report_fits_and_says_that_it_is_simulated(log: Path, width: int, *, color: bool) -> None:
    text = render(analyse_rows({**row, "simulated": True} for row in read(log)), width, color=color)
    assert "SIMULATED" in text.splitlines()[0]
    assert ("\x1b[" in text) is color
    if not color:
        assert max(map(len, text.splitlines())) <= width


def test_the_report_names_every_trouble_and_what_to_do(analysis: Analysis) -> None:
    text = " ".join(render(analysis, 200).split())
    lines: Sequence[str] = [
        "dropped for revoked_key",
        "deepseek#1 and deepseek#2 (key_hash ",
        "moonshot: had to rest for ip_blocked",
        '"Overloaded"',
        "taken back: nothing has come back from this vendor for far longer than usual",
        "declared 300/min",
    ]
    assert [each for each in lines if each not in text] == []


def test_an_item_that_hung_has_its_story(log: Path, analysis: Analysis) -> None:
    item = next(row for row in analysis.errors if row.fault == "timeout").examples[0].item
    story = item_story([log], item)
    assert [attempt.then for attempt in story.attempts] == ["retried_elsewhere", "answered"]
    text = render_story(story)
    assert "taken back: nothing has come back" in text
    assert "the item was sent to another provider" in text
    assert "settled as right after 2 attempts" in text


def test_following_it_to_its_end_tells_the_bans(log: Path) -> None:
    said: list[str] = []
    follow(log, said.append, sleep=lambda _seconds: pytest.fail("the run is over, there is nothing to wait for"))
    assert any("openai#1 ready → dropped for the run: revoked_key HTTP 401" in line for line in said)
    assert said[-1].endswith("run five has finished")
