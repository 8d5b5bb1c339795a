"""Spans as OTLP/JSON, an ExportTraceServiceRequest a line: what the OTLP file exporter writes and OTLP/HTTP posts.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids in hex, enums as numbers, 64 bits as texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from router.analysis.spans import Span
from router.jsonl import encode

BATCH = 512
"""Spans of one request, as OpenTelemetry's own batches have them."""
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
ERROR = 2


def requests(spans: Iterable[Span], batch: int = BATCH) -> Iterator[bytes]:
    """The spans in requests of up to `batch` spans, each one line of JSON without its end."""
    left = iter(spans)
    while some := [_span(each) for each in islice(left, batch)]:
        yield encode({"resourceSpans": [{"resource": _RESOURCE, "scopeSpans": [_scope(some)]}]})


def _scope(spans: list[dict[str, object]]) -> dict[str, object]:
    return {"scope": {"name": "router"}, "spans": spans, "schemaUrl": SCHEMA}


def _span(span: Span) -> dict[str, object]:
    return {
        "traceId": span.trace,
        "spanId": span.id,
        "parentSpanId": span.parent,
        "name": span.name,
        "kind": int(span.kind),
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(span.end),
        "attributes": _attributes(span.attributes),
        "status": {"code": ERROR, "message": span.error} if span.error else {},
    }


def _nanoseconds(at: float) -> str:
    """To the microsecond: a float of today's seconds has no more."""
    return str(round(at * 1e6) * 1000)


def _attributes(found: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": name, "value": _value(value)} for name, value in found.items() if value is not None]


def _value(value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}


_RESOURCE = {"attributes": _attributes({"service.name": "router"})}
