"""Every event's fields in a log, with the type that SQL gives them. `docs/logs.md` says what they mean."""

from __future__ import annotations

from collections.abc import Mapping

HEAD = ("ts", "level", "event", "run", "simulated")
"""What begins every line; `simulated` stands only in a rehearsal's."""

_SENT = tuple(f"{scope}sent_{window}" for scope in ("", "account_", "key_") for window in ("1s", "10s", "60s", "1h"))
_STATE = (
    *("provider", "key", "key_hash", "account", "before", "after", "fault", "until", "strikes"),
    *("status", "vendor_code", "message"),
    *(*_SENT, "peak_1s", "last_statuses", "in_flight", "declared_rate"),
)

FIELDS: Mapping[str, tuple[str, ...]] = {
    "run.started": ("prompts", "task", "items", "providers", "keys", "rates", "seed"),
    "run.finished": (
        *("right", "wrong", "unparsable", "unscored", "error", "items", "accuracy", "elapsed_s", "interrupted"),
        "why",
    ),
    "provider.left_out": ("provider", "why"),
    "store.unavailable": ("why",),
    "attempt.finished": (
        *("item", "attempt", "provider", "key", "key_hash", "model", "ok", "status", "fault", "family"),
        *("blame", "action", "vendor_code", "message", "retry_after_s", "limits", "latency_s", "waited_s"),
        *("waited_for", "tokens_in", "tokens_out", "cost_usd"),
    ),
    "key.state": _STATE,
    "provider.state": tuple(name for name in _STATE if not name.startswith(("account_", "key_sent"))),
    "pace.changed": ("provider", "key", "before", "after", "why"),
    "item.settled": ("item", "outcome", "attempts", "elapsed_s", "why"),
}
"""The fields of each event, beside HEAD."""

_WHOLE = (
    *("attempt", "attempts", "status", "strikes", "in_flight", "peak_1s", "items", "seed"),
    *("right", "wrong", "unparsable", "unscored", "error", "tokens_in", "tokens_out", *_SENT),
)
_TYPES: Mapping[str, str] = {
    **dict.fromkeys(("ts", "until"), "TIMESTAMP"),
    **dict.fromkeys(("simulated", "ok", "interrupted"), "BOOLEAN"),
    **dict.fromkeys(_WHOLE, "BIGINT"),
    **dict.fromkeys(("retry_after_s", "latency_s", "waited_s", "elapsed_s", "cost_usd", "accuracy"), "DOUBLE"),
    **dict.fromkeys(("limits", "keys", "rates"), "JSON"),
    **dict.fromkeys(("last_statuses", "prompts", "providers"), "VARCHAR[]"),
}

COLUMNS: Mapping[str, str] = {name: _TYPES.get(name, "VARCHAR") for names in (HEAD, *FIELDS.values()) for name in names}
"""Every field of the `events` view and its SQL type. `before` and `after` are texts: a state's or a number's."""
