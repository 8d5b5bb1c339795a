from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_config, make_provider

from router.catalog.limits import ToldLimit, limit_headers, told_limits
from router.catalog.vendors import vendors
from router.check import Checkup, Finding, Level, examine, key_shapes
from router.check.declared_limits import pace_findings
from router.check.vendor_limits import compare
from router.config.accounts import identified
from router.config.models import Config, Key, Provider, Secret
from router.faults import Fault, Kind
from router.jsonl import encode
from router.rates import Rate
from router.reports.check_text import checkup_text
from router.store import Dropped, StateStore, Use, identity, scope_of

DAY_S = 86400.0
NOW = time.time()
PLANTED = "sk-proj-planted-0123456789abcdefghij"


def provider_with(
    key: str, model: str = "openai/m", base_url: str | None = None, *, enabled: bool = True, name: str = "acme"
) -> Provider:
    return Provider(
        name=name,
        models={"default": model},
        keys=(Key(f"{name}#1", Secret(key), f"{name}#1"),),
        rates=(Rate(60, 60),),
        base_url=base_url,
        enabled=enabled,
        line=7,
    )


def examined(*providers: Provider, dropped: tuple[Dropped, ...] = (), uses: tuple[Use, ...] = ()) -> Checkup:
    return examine(make_config(*providers), now=NOW, dropped=dropped, uses=uses)


def codes(findings: tuple[Finding, ...]) -> list[tuple[str, str, Level]]:
    return [(finding.code, finding.where, finding.level) for finding in findings]


@pytest.mark.parametrize(
    ("key", "vendor"),
    [
        pytest.param("sk-ant-api03-abc", "Anthropic", id="anthropic"),
        pytest.param("sk-proj-abc", "OpenAI", id="openai-project"),
        pytest.param("sk-abcdefghT3BlbkFJabcdefgh", "OpenAI", id="openai-old-with-its-mark"),
        pytest.param("sk-0123456789abcdef", "", id="bare-sk-is-many-vendors"),
        pytest.param("sk-or-v1-abc", "OpenRouter", id="openrouter"),
        pytest.param("AIzaSyabc", "Google", id="google"),
        pytest.param("AQ.Ab8abc", "Google", id="google-new"),
        pytest.param("gsk_abc", "Groq", id="groq"),
        pytest.param("xai-abc", "xAI", id="xai"),
        pytest.param("pplx-abc", "Perplexity", id="perplexity"),
        pytest.param("hf_abc", "Hugging Face", id="hugging-face"),
        pytest.param("r8_abc", "Replicate", id="replicate"),
        pytest.param("nvapi-abc", "NVIDIA", id="nvidia"),
        pytest.param("csk-abc", "Cerebras", id="cerebras"),
        pytest.param("fw_0123456789abcdefghijklmn", "Fireworks", id="fireworks"),
        pytest.param("fw_local", "", id="somebody's-own-short-fw"),
        pytest.param("0123456789abcdef.0123456789abcdef", "", id="unknown"),
    ],
)
def test_a_key_tells_its_vendor_only_where_it_is_certain(key: str, vendor: str) -> None:
    assert key_shapes.looks_like(key) == vendor


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        pytest.param(provider_with("sk-proj-0123456789"), [], id="its-own"),
        pytest.param(provider_with("sk-0123456789"), [], id="bare-sk-at-openai"),
        pytest.param(provider_with("sk-0123456789", "deepseek/m"), [], id="bare-sk-elsewhere"),
        pytest.param(
            provider_with("sk-ant-api03-0123456789"), [("other_vendor", Level.PROBLEM)], id="anthropic's-at-openai"
        ),
        pytest.param(
            provider_with("sk-proj-0123456789", "deepseek/m"),
            [("other_vendor", Level.PROBLEM)],
            id="openai's-elsewhere",
        ),
        pytest.param(
            provider_with("sk-proj-0123456789", base_url="https://relay.example/v1"),
            [],
            id="a-relay-takes-what-it-likes",
        ),
        pytest.param(
            provider_with("gsk_0123456789", base_url="https://api.moonshot.cn/v1"),
            [("other_vendor", Level.PROBLEM)],
            id="the-address-says-whose-it-is",
        ),
        pytest.param(
            provider_with("0123456789abcdef", "anthropic/m"), [("odd_key", Level.WARNING)], id="not-anthropic's"
        ),
        pytest.param(provider_with("your-api-key-here"), [("placeholder", Level.PROBLEM)], id="placeholder"),
        pytest.param(provider_with("sk-xxxxxxxxxxxx"), [("placeholder", Level.PROBLEM)], id="crossed-out"),
        pytest.param(provider_with("test", base_url="http://127.0.0.1:1/v1"), [], id="own-server-takes-any"),
        pytest.param(
            provider_with("sk-0123456789", base_url="http://relay.example/v1"),
            [("unencrypted", Level.WARNING)],
            id="http",
        ),
    ],
)
def test_keys_of_another_vendor_are_found(provider: Provider, expected: list[tuple[str, Level]]) -> None:
    found = examined(provider).findings
    assert [(finding.code, finding.level) for finding in found] == expected
    assert all(finding.line == 7 for finding in found)


def paced(*rates: str, key_rates: tuple[str, ...] = (), tokens: tuple[str, ...] = (), keys: int = 1) -> Provider:
    return make_provider("acme", rates=rates, key_rates=key_rates, tokens=tokens, keys=keys)


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        pytest.param(paced("300/min"), [], id="plain"),
        pytest.param(paced("10/s", "500/min"), [], id="a-vendor's-burst-limit"),
        pytest.param(paced(), [("no_rate", "nothing paces it")], id="no-rate"),
        pytest.param(paced("10000/day"), [("no_rate", "a budget but no pace")], id="budget-alone"),
        pytest.param(paced("5/s", "10/min"), [("contradictory_rates", "contradict each other")], id="contradiction"),
        pytest.param(paced("5/s", "3/s"), [("contradictory_rates", "only 3/s has an effect")], id="same-window"),
        pytest.param(
            paced("1/s", "300/min"), [("unreachable_rate", "at most 60 through")], id="minute-cannot-be-reached"
        ),
        pytest.param(
            paced("1/min", "10000/day"), [("unreachable_rate", "at most 1,440 through")], id="day-cannot-be-reached"
        ),
        pytest.param(paced("5/s", "20000/day"), [("budget_lasts", "67 minutes")], id="budget-goes-early"),
        pytest.param(
            paced("300/min", key_rates=("60/min",), keys=2),
            [("contradictory_rates", "only key_rate 60/min for each of 2 accounts has an effect")],
            id="accounts-together-grant-less",
        ),
        pytest.param(
            paced("60/min", tokens=("1k/s", "90k/min")), [("unreachable_rate", "at most 60,000")], id="tokens"
        ),
    ],
)
def test_limits_that_make_no_sense_together_are_told(provider: Provider, expected: list[tuple[str, str]]) -> None:
    found = list(pace_findings(provider))
    assert [finding.code for finding in found] == [code for code, _ in expected]
    assert all(words in finding.message for finding, (_, words) in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("config", "code", "level"),
    [
        pytest.param(replace(make_config(), rehearse="always"), "rehearses", Level.NOTE, id="always"),
        pytest.param(replace(make_config(), rehearse="when-no-keys"), "rehearses", Level.NOTE, id="no-keys"),
        pytest.param(replace(make_config(), rehearse="never"), "nobody_serves", Level.PROBLEM, id="never"),
    ],
)
def test_it_says_what_a_run_would_use_now(config: Config, code: str, level: Level) -> None:
    found = examine(config, now=NOW).findings
    assert codes(found) == [(code, "", level)]


def test_what_is_left_out_says_why() -> None:
    off = provider_with("sk-1234567890", enabled=False, name="off")
    unset = replace(provider_with("sk-1234567891", name="unset"), keys=(), missing=("UNSET_KEYS",))
    half = replace(provider_with("sk-1234567892", name="half"), missing=("HALF_B",))
    checkup = examined(off, unset, half)
    assert codes(checkup.findings) == [
        ("left_out", "off", Level.NOTE),
        ("left_out", "unset", Level.NOTE),
        ("not_set", "half", Level.WARNING),
    ]
    assert "UNSET_KEYS" in checkup.findings[1].message
    assert [bool(view.left_out) for view in checkup.providers] == [True, True, False]


def test_one_account_under_two_providers_is_told_once() -> None:
    first, second, third = (provider_with(PLANTED, name=name) for name in ("acme", "big", "huge"))
    off = provider_with(PLANTED, name="spare", enabled=False)
    checkup = examined(*identified((first, second, third, off)))
    told = [finding for finding in checkup.findings if finding.code == "one_account"]
    assert [(finding.where, finding.level) for finding in told] == [("acme", Level.NOTE)]
    assert "acme#1 and big#1 and huge#1 are one account" in told[0].message


def test_a_key_for_two_addresses_is_two_accounts() -> None:
    there = provider_with(PLANTED, "openai/m", "https://relay.example/v1", name="relay")
    checkup = examined(*identified((provider_with(PLANTED), there)))
    assert [finding for finding in checkup.findings if finding.code == "one_account"] == []


@pytest.mark.parametrize(
    ("unread", "keys", "advice"),
    [
        pytest.param("OPENAI_API_KEY", "", "write keys: ${OPENAI_API_KEY}", id="the key's usual name"),
        pytest.param("OPENAI_BASE_URL", PLANTED, "write base_url: ${OPENAI_BASE_URL}", id="an address"),
        pytest.param("OPENAI_ORGANIZATION", PLANTED, "write organization: ${OPENAI_ORGANIZATION}", id="organisation"),
        pytest.param("OPENAI_PROJECT_ID", PLANTED, "headers: {OpenAI-Project", id="project"),
        pytest.param("OPENAI_API_KEY", PLANTED, None, id="a key where there are keys"),
    ],
)
def test_a_variable_that_is_set_in_vain_is_told(unread: str, keys: str, advice: str | None) -> None:
    declared = provider_with(PLANTED)
    provider = replace(declared, unread=(unread,), keys=declared.keys if keys else ())
    told = [finding.message for finding in examined(provider).findings if finding.code == "not_read"]
    assert len(told) == (advice is not None)
    assert all(advice in message for message in told if advice)


def test_a_package_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.check.offline._is_installed", lambda _package: False)
    found = [f for f in examined(provider_with("none", "bedrock/m")).findings if f.code == "no_package"]
    assert [finding.level for finding in found] == [Level.PROBLEM]
    assert "boto3 is not installed: pip install 'router[bedrock]'" in found[0].message


def test_what_earlier_runs_learnt_is_shown(tmp_path: Path) -> None:
    provider = replace(make_provider(keys=2, rates=["5/s", "20000/day"], key_rates=["900/day"]), line=3)
    memory = StateStore.open(tmp_path / "state.sqlite3")
    memory.drop(provider.keys[1], provider, Fault(Kind.REVOKED_KEY, "gone"), NOW)
    stranger = replace(provider.keys[0], name="other#1", secret=Secret("sk-other-9876543210"))
    memory.drop(stranger, replace(provider, name="other"), Fault(Kind.INVALID_KEY, "no"), NOW - 60)
    day = int(NOW // DAY_S)
    uses = (
        Use(scope_of(provider), DAY_S, day, 1234),
        Use(scope_of(provider), DAY_S, day - 1, 9999),
        Use(scope_of(provider, "acme#1"), DAY_S, day, 7),
    )
    checkup = examined(provider, dropped=memory.dropped(), uses=uses)
    memory.close()
    view = checkup.providers[0]
    assert [key.remembered is not None for key in view.keys] == [False, True]
    assert [(use.limit, use.account, use.used, use.left) for use in view.uses] == [
        ("20000/day", "", 1234, 18766),
        ("900/day", "acme#1", 7, 893),
    ]
    assert ("dropped", "acme#2", Level.PROBLEM) in codes(checkup.findings)
    text = checkup_text(checkup, width=80, color=False)
    assert "1,234 of 20000/day used" in text
    assert "not in this file" in text
    assert "other#1" in text


def test_a_key_with_another_address_is_another() -> None:
    provider = provider_with(PLANTED, base_url="https://api.openai.com/v1")
    elsewhere = replace(provider, base_url="https://api.openai.example/v1")
    dropped = Dropped(identity(provider.keys[0], provider), "0" * 8, "acme", "acme#1", "invalid_key", "", NOW)
    assert codes(examined(provider, dropped=(dropped,)).findings) == [("dropped", "acme#1", Level.PROBLEM)]
    assert codes(examined(elsewhere, dropped=(dropped,)).findings) == []


def test_a_memory_that_cannot_be_read_is_a_warning() -> None:
    config = make_config(provider_with("sk-0123456789"))
    checkup = examine(config, now=NOW, unreadable="state.sqlite3: locked")
    assert codes(checkup.findings) == [("memory_unreadable", "", Level.WARNING)]
    assert checkup.is_well


def told(vendor: str, headers: dict[str, str]) -> tuple[ToldLimit, ...]:
    return told_limits(next((each for each in vendors() if each.name == vendor), None), headers)


OPENAI_DAY = {
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-reset-requests": "8.64s",
}
OPENAI_MINUTE = {
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
    "x-ratelimit-limit-tokens": "200000",
}


@pytest.mark.parametrize(
    ("vendor", "headers", "expected"),
    [
        pytest.param("OpenAI", OPENAI_MINUTE, ["500 calls/min", "200,000 tokens/min"], id="openai-minute"),
        pytest.param("OpenAI", OPENAI_DAY, ["10,000 calls/day"], id="openai-day-by-its-reset"),
        pytest.param("OpenAI", {"x-ratelimit-limit-requests": "500"}, [], id="openai-without-reset"),
        pytest.param(
            "OpenAI",
            {**OPENAI_MINUTE, "x-ratelimit-reset-requests": "soon"},
            ["200,000 tokens/min"],
            id="openai-odd-reset",
        ),
        pytest.param(
            "Groq",
            {"x-ratelimit-limit-requests": "14400", "x-ratelimit-limit-tokens": "6000"},
            ["14,400 calls/day", "6,000 tokens/min"],
            id="groq-day",
        ),
        pytest.param("Anthropic", {"anthropic-ratelimit-requests-limit": "50"}, ["50 calls/min"], id="anthropic"),
        pytest.param("Cerebras", {"x-ratelimit-limit-requests-day": "14400"}, ["14,400 calls/day"], id="cerebras"),
        pytest.param("Mistral", {"x-ratelimit-limit-req-minute": "60"}, ["60 calls/min"], id="mistral"),
        pytest.param("", {"x-ratelimit-limit-requests-minute": "60"}, ["60 calls/min"], id="a-relay-that-says-it"),
        pytest.param("", {"x-ratelimit-limit-requests": "60"}, [], id="unknown-window"),
        pytest.param("Together", {"x-ratelimit-limit": "10"}, [], id="unknown-header"),
        pytest.param("Groq", {"x-ratelimit-limit-requests": "many"}, [], id="no-number"),
    ],
)
def test_a_header_counts_where_its_window_is_known(vendor: str, headers: dict[str, str], expected: list[str]) -> None:
    assert [str(limit) for limit in told(vendor, headers)] == expected


def test_only_headers_that_state_a_limit_are_shown() -> None:
    shown = limit_headers(
        {**OPENAI_DAY, "retry-after": "3", "anthropic-ratelimit-tokens-limit": "5", "x-ratelimit-limit": "1"}
    )
    assert list(shown) == ["x-ratelimit-limit-requests", "anthropic-ratelimit-tokens-limit", "x-ratelimit-limit"]


def minute(amount: int, what: str = "requests") -> tuple[str, dict[str, str]]:
    return "", {f"x-ratelimit-limit-{what}-minute": str(amount)}


def day(amount: int) -> tuple[str, dict[str, str]]:
    return "", {"x-ratelimit-limit-requests-day": str(amount)}


@pytest.mark.parametrize(
    ("provider", "headers", "expected"),
    [
        pytest.param(paced("480/min"), minute(500), [], id="as-declared"),
        pytest.param(paced("600/min"), minute(500), [("limit_too_high", Level.PROBLEM, "rate: 480/min")], id="above"),
        pytest.param(
            paced("10/s"), minute(500), [("limit_too_high", Level.PROBLEM, "rate: 480/min")], id="above-by-second"
        ),
        pytest.param(paced("100/min"), minute(500), [("limit_too_low", Level.NOTE, "rate: 480/min")], id="far-below"),
        pytest.param(paced("300/min"), minute(500), [], id="a-little-below"),
        pytest.param(
            paced("600/min", "20000/day"),
            minute(500),
            [("limit_too_high", Level.PROBLEM, "rate: [480/min, 20000/day]")],
            id="other-limits-stay",
        ),
        pytest.param(
            paced("500/min"),
            day(10000),
            [("limit_too_high", Level.WARNING, "rate: [500/min, 9600/day]")],
            id="a-day's-limit-that-nobody-declared",
        ),
        pytest.param(
            paced("500/min", "20000/day"),
            day(10000),
            [("limit_too_high", Level.PROBLEM, "rate: [500/min, 9600/day]")],
            id="a-day's-limit-declared-too-high",
        ),
        pytest.param(paced(), minute(500), [("undeclared_limit", Level.NOTE, "rate: 480/min")], id="none-declared"),
        pytest.param(paced("800/min", keys=2), minute(500), [], id="two-accounts-share-the-provider's-rate"),
        pytest.param(
            paced("1200/min", keys=2),
            minute(500),
            [("limit_too_high", Level.PROBLEM, "key_rate: 480/min")],
            id="two-accounts-above",
        ),
        pytest.param(
            paced("60/min", tokens=("300k/min",)),
            minute(200_000, "tokens"),
            [("limit_too_high", Level.PROBLEM, "tokens: 192000/min")],
            id="tokens-above",
        ),
        pytest.param(
            paced("60/min", tokens=("300k/min",), keys=2), minute(200_000, "tokens"), [], id="tokens-of-two-accounts"
        ),
        pytest.param(paced("5/min"), minute(1), [("limit_too_high", Level.PROBLEM, "rate: 1/min")], id="one-a-minute"),
    ],
)
def test_declared_limits_are_compared_with_told_ones(
    provider: Provider, headers: tuple[str, dict[str, str]], expected: list[tuple[str, Level, str]]
) -> None:
    found = list(compare(provider, told(*headers)))
    assert [(finding.code, finding.level, finding.suggestion) for finding in found] == expected


def test_all_limits_are_kept_by_one_line() -> None:
    limits = [*told(*minute(500)), *told(*day(10000))]
    found = list(compare(paced("3000/min", "50000/day"), limits))
    assert [(finding.code, finding.suggestion) for finding in found] == [
        ("limit_too_high", "rate: [480/min, 9600/day]")
    ] * 2
    text = checkup_text(replace(examined(paced("5/s")), findings=tuple(found)), width=80, color=False)
    assert text.count("rate: [480/min, 9600/day]") == 1


def test_limits_of_several_accounts_are_not_added_up_to_more() -> None:
    provider = paced("60/min", tokens=("1k/min",), keys=3)
    assert not list(compare(provider, [*told(*minute(500)), *told(*minute(200_000, "tokens"))]))


def test_the_tightest_account_decides() -> None:
    limits = [*told(*minute(900)), *told(*minute(500))]
    assert [finding.suggestion for finding in compare(paced("600/min"), limits)] == ["rate: 480/min"]


def test_no_key_is_in_any_output() -> None:
    provider = provider_with(PLANTED, "anthropic/m", "https://api.example/v1?key=hidden-in-a-query")
    checkup = examined(provider, provider_with(PLANTED, enabled=False, name="spare"))
    document = encode(checkup.to_json()).decode()
    for output in (document, checkup_text(checkup, width=80, color=False), checkup_text(checkup, width=80, color=True)):
        assert "planted" not in output
        assert "hidden-in-a-query" not in output
    assert provider.keys[0].fingerprint in document


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_but_a_suggestion_is_wider_than_the_screen(width: int) -> None:
    long = replace(
        paced("5/s", "10/min", keys=3), name="a-provider-with-a-long-name", models={"a": "openai/" + "m" * 60}
    )
    lines = checkup_text(examined(long, paced()), width=width, color=False).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.strip() == "rate: 60/min" for line in lines)
