"""`router explain`, and the pages that are made of it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from router.analysis.explain import MEANS, Explanation, explain, explain_reply, find
from router.catalog.vendors import Vendor, vendors
from router.cli import app
from router.errors import ConfigError
from router.faults import REACTIONS, Kind
from router.jsonl import decode
from router.reports.explain_text import explanation_text, faults_page, vendor_text, vendors_page
from router.types import Reply

DOCS = Path(__file__).parents[1] / "docs"
NOW = 1_790_000_000.0
BUSY = '{"error": {"message": "Rate limit reached, try again in 7s", "code": "rate_limit_exceeded"}}'
FINE = '{"choices": [{"message": {"role": "assistant", "content": "7"}, "finish_reason": "stop"}]}'


def test_every_fault_is_explained_by_the_table_by_which_the_router_acts() -> None:
    assert set(MEANS) == set(Kind)
    for kind in Kind:
        found = explain(kind)
        row = REACTIONS[kind]
        assert (found.family, found.blame, found.charged) == (row.family, row.blame, row.charged)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param(Kind.RATE_LIMIT, "If several accounts fail like this together", id="doubted"),
        pytest.param(Kind.PERMISSION, "if no key serves the model", id="key and model"),
        pytest.param(Kind.NO_CREDIT, "6 hours", id="money"),
        pytest.param(Kind.INVALID_KEY, "router check --forget", id="dropped"),
    ],
)
def test_what_the_router_does(kind: Kind, said: str) -> None:
    assert said in explain(kind).does


@pytest.mark.parametrize(
    ("reply", "kind", "wait_s"),
    [
        pytest.param(Reply(429, {}, BUSY), Kind.RATE_LIMIT, 7.0, id="throttle"),
        pytest.param(Reply(429, {"retry-after": "2"}, "Too many requests"), Kind.RATE_LIMIT, 2.0, id="header"),
        pytest.param(Reply(402, {}, "Insufficient Balance"), Kind.NO_CREDIT, None, id="money"),
        pytest.param(Reply(200, {}, "<html>hello</html>"), Kind.MALFORMED_REPLY, None, id="a page with 200"),
    ],
)
def test_a_reply_is_explained(reply: Reply, kind: Kind, wait_s: float | None) -> None:
    found = explain_reply(reply, "", NOW)
    assert isinstance(found, Explanation)
    assert found.reply is not None
    assert (found.fault, found.reply.retry_after_s) == (kind, wait_s)


def test_an_answer_needs_no_explanation() -> None:
    assert explain_reply(Reply(200, {}, FINE), "", NOW) is None


@pytest.mark.parametrize("name", ["rate_limit", "RATE_LIMIT "])
def test_a_fault_is_found(name: str) -> None:
    assert find(name) is Kind.RATE_LIMIT


@pytest.mark.parametrize("name", ["groq", "Groq", "together_ai", "Together"])
def test_a_vendor_is_found(name: str) -> None:
    assert isinstance(find(name), Vendor)


def test_a_wrong_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean rate_limit"):
        find("rate_limits")


@pytest.mark.parametrize("width", [40, 100])
def test_a_text_fits_the_terminal(width: int) -> None:
    lines = explanation_text(explain(Kind.RATE_LIMIT), width).splitlines()
    assert lines[0].startswith("rate_limit (throttle; ")
    assert all(len(line) <= max(width, len(lines[0])) for line in lines)
    assert "console.groq.com" in vendor_text(next(each for each in vendors() if each.id == "groq"), width)


@pytest.mark.parametrize(("name", "made"), [("vendors.md", vendors_page), ("faults.md", faults_page)])
def test_the_page_is_fresh(name: str, made: object) -> None:
    assert callable(made)
    assert (DOCS / name).read_text(encoding="utf-8") == made()


def test_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert app.run(["explain", "no_credit"]) == 0
    assert "Top up" in capsys.readouterr().out
    assert app.run(["explain", "deepseek"]) == 0
    assert "calls in flight" in capsys.readouterr().out
    assert app.run(["explain", "zai", "--json"]) == 0
    assert '"clock": "+08:00"' in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(BUSY))
    assert app.run(["explain", "--status", "429", "--body", "-", "--json"]) == 0
    assert decode(capsys.readouterr().out.encode())["fault"] == "rate_limit"  # type: ignore[index]
    monkeypatch.setattr("sys.stdin", io.StringIO("Too many requests"))
    assert app.run(["explain", "--status", "429", "--header", "Retry-After: 90", "--body", "-"]) == 0
    assert "try again in: 1 min 30 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param(["429"], "rate_limit", id="a status is no empty body"),
        pytest.param(["--status", "429", "--vendor", "openai"], "rate_limit", id="the same of a vendor"),
        pytest.param(["402"], "no_credit", id="another status"),
        pytest.param(["insufficient_quota"], "no_credit", id="a vendor's code"),
    ],
)
def test_what_people_have_at_hand_is_explained(
    arguments: list[str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["explain", *arguments]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{fault} (")
    assert ("the body says more" in said.err) is (arguments[0] != "insufficient_quota")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["explain"], "name one fault or vendor", id="nothing"),
        pytest.param(["explain", "rate_limit", "--status", "429"], "name one fault or vendor", id="both"),
        pytest.param(["explain", "--status", "429", "--body", "no-such-file"], "--body no-such-file", id="no file"),
        pytest.param(["explain", "--status", "429", "--header", "odd"], "write NAME: VALUE", id="a header"),
    ],
)
def test_a_wrong_command_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 3
    assert said in capsys.readouterr().err
