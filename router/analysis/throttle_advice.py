"""Advice after throttled calls: which limit to declare, and from what that is known."""

from __future__ import annotations

from collections.abc import Sequence

from router.analysis.suggestions import Advice, concurrency_line, is_stray, is_too_long, rate_line, tokens_line
from router.analysis.throttles import Throttle
from router.analysis.wording import counted, listed, seconds, times, window_words
from router.catalog.limits import limit_headers


def is_about_rate(throttle: Throttle) -> bool:
    """Whether any call was refused for rate, tokens or concurrency."""
    return throttle.about_rate > 0


def throttle_name(throttle: Throttle) -> str:
    """What one piece of advice is enough for: a provider and a kind, since keys share what is declared."""
    return repr((throttle.provider, throttle.faults.most_common(1)[0][0]))


def on_throttles(mine: Sequence[Throttle]) -> Advice:
    """What to do about throttled calls of one provider and kind."""
    telling = max(mine, key=lambda each: (each.sent_median is not None, each.rests))
    who, were = listed([each.key or each.provider for each in mine]), "were" if len(mine) > 1 else "was"
    ((fault, _),) = telling.faults.most_common(1)
    number, calls = sum(each.about_rate for each in mine), sum(each.calls for each in mine)
    first = f"{who} {were} throttled {times(number)} ({fault}) in {counted(calls, 'call')}"
    if is_stray(number, calls):
        return Advice(telling.provider, who, fault, f"{first}: nothing to change unless it happens again.")
    words, line = {"token_limit": _on_tokens, "concurrency": _on_concurrency}.get(fault, _on_rate)(telling)
    return Advice(telling.provider, who, fault, f"{first}{words}.", line)


def _on_rate(throttle: Throttle) -> tuple[str, str | None]:
    window, found = throttle.window, throttle.sent_median
    declares = f"it declares {throttle.declared}" if throttle.declared else "it declares no rate"
    if is_too_long(throttle):
        told = seconds(throttle.told_s or 0.0)
        return f" and asked to wait {told}: that is not a limit per minute, so ask the vendor what it limits", None
    if window is None or found is None:
        return f"; {declares}, and the log does not say after how many calls it was refused at its full rate", None
    after = f", mostly after {counted(found, 'call')} in {window_words(window)}; {declares}{_headers(throttle)}"
    line = rate_line(throttle.declared, found, window, "key_rate" if throttle.scope == "account" else "rate")
    doubt = "; so few calls say nothing about the rate; perhaps something else uses this account"
    return after if line else f"{after}{doubt}", line


def _on_tokens(throttle: Throttle) -> tuple[str, str | None]:
    return f"{_headers(throttle)}; it is the tokens that are limited, so declare `tokens:`", tokens_line(throttle)


def _on_concurrency(throttle: Throttle) -> tuple[str, str | None]:
    line = concurrency_line(throttle)
    if line is None or throttle.in_flight is None:
        return " with no other call in flight: perhaps something else uses this account", None
    return f" with up to {throttle.in_flight + 1} calls in flight", line


def _headers(throttle: Throttle) -> str:
    known = [str(limit) for limit in throttle.told]
    told = known or [f"{name}: {value}" for name, value in limit_headers(throttle.limits).items()]
    return f"; the vendor's own headers say {', '.join(told[:3])}" if told else ""
