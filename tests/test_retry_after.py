"""Each form in which vendors say when one may try again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.classify import gather, retry_after
from router.classify.retry_after import MAX_WAIT_S, moment, span
from router.types import Reply

NOW = 1_794_000_000.0  # 2026-11-06T21:20:00Z


def _wait(status: int = 429, body: str = "", provider: str = "", headers: dict[str, str] | None = None) -> float | None:
    return retry_after(gather(Reply(status, headers or {}, body), provider), NOW)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param({"retry-after": "20"}, 20, id="seconds"),
        pytest.param({"retry-after": "1.5"}, 1.5, id="decimals"),
        pytest.param({"retry-after": "Fri, 06 Nov 2026 21:20:30 GMT"}, 30, id="http-date"),
        pytest.param({"retry-after": "Fri, 06 Nov 2026 21:00:00 GMT"}, 0, id="http-date-gone-by"),
        pytest.param({"retry-after": "-3"}, 0, id="negative"),
        pytest.param({"retry-after": "soon"}, None, id="words"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "99999999"}, MAX_WAIT_S, id="capped"),
        pytest.param({"retry-after-ms": "250", "retry-after": "1"}, 0.25, id="milliseconds-first"),
        pytest.param({"retry-after": "7", "x-ratelimit-reset-requests": "6m0s"}, 7, id="told-before-reset"),
        pytest.param({"x-ratelimit-reset-requests": "6m0s"}, 360, id="go-duration"),
        pytest.param({"x-ratelimit-reset-tokens": "2m59.56s"}, 179.56, id="go-duration-decimals"),
        pytest.param({"x-ratelimit-reset-tokens": "6ms"}, 0.006, id="go-duration-ms"),
        pytest.param({"x-ratelimit-reset-tokens-minute": "11.4"}, 11.4, id="reset-in-seconds"),
        pytest.param({"x-ratelimit-reset": "1794000045"}, 45, id="epoch-seconds"),
        pytest.param({"x-ratelimit-reset": "1794000045500"}, 45.5, id="epoch-milliseconds"),
        pytest.param({"anthropic-ratelimit-requests-reset": "2026-11-06T21:21:00Z"}, 60, id="rfc-3339"),
        pytest.param(
            {
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-requests": "1ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "42s",
            },
            42,
            id="the-limit-that-is-used-up",
        ),
        pytest.param(
            {"x-ratelimit-remaining-requests": "99", "x-ratelimit-reset-requests": "20h"}, None, id="not-used-up"
        ),
        pytest.param(
            {
                "anthropic-ratelimit-unified-5h-status": "allowed",
                "anthropic-ratelimit-unified-5h-reset": "1794000010",
                "anthropic-ratelimit-unified-7d-status": "rejected",
                "anthropic-ratelimit-unified-7d-reset": "1794090000",
            },
            90000,
            id="the-window-that-rejects",
        ),
    ],
)
def test_headers(headers: dict[str, str], wait: float | None) -> None:
    assert _wait(headers=headers) == (None if wait is None else pytest.approx(wait))


@pytest.mark.parametrize(
    ("words", "wait"),
    [
        pytest.param("Please try again in 6ms.", 0.006, id="ms"),
        pytest.param("Please try again in 1.2s. Visit https://x", 1.2, id="s"),
        pytest.param("Please try again in 7m12s.", 432, id="m-s"),
        pytest.param("try again in 1h2m3s", 3723, id="h-m-s"),
        pytest.param("Please retry after 7 seconds.", 7, id="retry-after-words"),
        pytest.param("Please retry after 86400 seconds.", 86400, id="azure-a-day"),
        pytest.param("please try again after 1 seconds", 1, id="moonshot"),
        pytest.param("Your rate limit resets in ~5s.", 5, id="about"),
        pytest.param("Resets in 13 days.", 1123200, id="days"),
        pytest.param("Please wait 38012 seconds before retrying.", 38012, id="wait-before-retrying"),
        pytest.param("Try again in 1 hour and 5 minutes", 3900, id="hour-and-minutes"),
        pytest.param("Your quota will reset after 4h32m10s.", 16330, id="reset-after"),
        pytest.param("Please retry in 36.429760048s.", 36.429760048, id="many-decimals"),
        pytest.param("retry-after: 12", 12, id="header-in-words"),
        pytest.param("请在 30 秒后重试", 30, id="chinese-seconds"),
        pytest.param("请 2 分钟后再试", 120, id="chinese-minutes"),
        pytest.param("您的限额将在 2026-11-07 05:30:00 重置", 600, id="chinese-clock"),
        pytest.param("resets at 2026-11-06T22:20:00Z (2056)", 3600, id="rfc-3339"),
        pytest.param("It will reset at 2026-11-07 05:30:00 +0800 CST.", 600, id="clock-with-offset"),
        pytest.param("You will regain access on 2026-11-07 at 00:00 UTC.", 9600, id="regain-access"),
        pytest.param("Claude AI usage limit reached|1794003600", 3600, id="epoch-after-a-bar"),
        pytest.param("Limit 30000, Used 18928, Requested 11159.", None, id="numbers-that-are-no-times"),
        pytest.param("limited to 40 API calls / minute", None, id="a-rate"),
        pytest.param("more than 5 requests in 1 minute", None, id="a-rate-in-words"),
    ],
)
def test_words(words: str, wait: float | None) -> None:
    assert _wait(body=words) == (None if wait is None else pytest.approx(wait))


def test_zhipus_english_clock_is_beijings() -> None:
    body = '{"error": {"code": "1308", "message": "Your limit will reset at 2026-11-07 05:30:00"}}'

    assert _wait(body=body, provider="zai") == pytest.approx(600)


@pytest.mark.parametrize(
    ("body", "wait"),
    [
        pytest.param('{"error":{"details":[{"@type":"…RetryInfo","retryDelay":"38s"}]}}', 38, id="google-retry-info"),
        pytest.param('{"retry_after":5}', 5, id="retry-after"),
        pytest.param('{"error":{"retry_after_ms":1500}}', 1.5, id="retry-after-ms"),
        pytest.param('{"error":{"resets_in_seconds":123}}', 123, id="resets-in-seconds"),
        pytest.param('{"error":{"resets_at":1794000100}}', 100, id="resets-at-epoch"),
        pytest.param('{"error":{"metadata":{"resets_at":"2026-11-06T21:30:00Z"}}}', 600, id="resets-at-rfc-3339"),
        pytest.param('{"error":"loading","estimated_time":20.0}', 20, id="estimated-time"),
        pytest.param(
            '{"error":{"metadata":{"headers":{"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1794000060000"}}}}',
            60,
            id="headers-inside-the-body",
        ),
        pytest.param('{"retry_after":true}', None, id="not-a-number"),
    ],
)
def test_fields_of_the_body(body: str, wait: float | None) -> None:
    assert _wait(body=body) == (None if wait is None else pytest.approx(wait))


def test_the_headers_of_a_200_are_about_other_calls() -> None:
    assert _wait(200, '{"error": "boom"}', headers={"retry-after": "9"}) is None


def test_a_daily_quota_of_google_is_not_over_in_half_a_minute() -> None:
    body = '{"error":{"details":[{"violations":[{"quotaId":"GenerateRequestsPerDay"}]},{"retryDelay":"36s"}]}}'

    assert _wait(body=body) is None


@given(st.text(max_size=60))
def test_any_text_gives_a_time_or_none(text: str) -> None:
    for wait in (moment(text, NOW), span(text), _wait(body=text), _wait(headers={"retry-after": text})):
        assert wait is None or not math.isnan(wait)


@given(st.floats())
def test_a_wait_is_never_negative_endless_or_no_number(number: float) -> None:
    wait = _wait(headers={"retry-after": str(number)})

    assert wait is None or 0 <= wait <= MAX_WAIT_S
