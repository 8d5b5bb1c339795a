"""Nasty statuses, redirects and bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nasty_kinds import Bytes, Nasty, holding, listing, says, table
from nasty_vendors import Behaviour, Dialect, Exchange, body_of, http

ERROR = b'{"error":{"message":"no","type":"some_error","code":"some_code"}}'
CHALLENGE = b"<html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"

# Statuses.


def _refused(status: bytes, *lines: bytes, body: bytes = ERROR, kind: bytes = b"application/json") -> bytes:
    return http(body, *lines, status=b"HTTP/1.1 " + status, kind=kind)


def _empty(status: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, *lines, b"", b""])


def statuses() -> Iterator[Nasty]:
    html = b"text/html"
    yield from table(
        "statuses",
        {
            "204": _empty(b"204 No Content"),
            "205": _empty(b"205 Reset Content", b"content-length: 0"),
            "202 with a challenge": _refused(b"202 Accepted", b"x-amzn-waf-action: challenge", body=b"", kind=html),
            "202 with a page": _refused(b"202 Accepted", body=CHALLENGE, kind=html),
            "206 with a part": lambda dialect: http(
                body_of(dialect)[:50], b"content-range: bytes 0-49/200", status=b"HTTP/1.1 206 Partial Content"
            ),
            "300": _refused(b"300 Multiple Choices"),
            "304": _empty(b"304 Not Modified"),
            "305": _refused(b"305 Use Proxy", b"location: http://127.0.0.1:9/"),
            "407": _refused(b"407 Proxy Authentication Required", b"proxy-authenticate: Basic realm=x"),
            "408": _refused(b"408 Request Timeout"),
            "425": _refused(b"425 Too Early"),
            "429 with a page": _refused(b"429 Too Many Requests", body=CHALLENGE, kind=html),
            "429, retry-after of 6,000 digits": _refused(b"429 Too Many Requests", b"retry-after: " + b"9" * 6000),
            "429, retry-after negative": _refused(b"429 Too Many Requests", b"retry-after: -30"),
            "429, retry-after NaN": _refused(b"429 Too Many Requests", b"retry-after: NaN"),
            "429, retry-after infinity": _refused(b"429 Too Many Requests", b"retry-after: 1e999"),
            "429, retry-after in the year 9999": _refused(
                b"429 Too Many Requests", b"retry-after: Fri, 31 Dec 9999 23:59:59 GMT"
            ),
            "429, retry-after not UTF-8": _refused(b"429 Too Many Requests", b"retry-after: \xff\xfe"),
            "429, a body of 6,000 digits": _refused(
                b"429 Too Many Requests", body=b'{"error":{"message":"try again in ' + b"9" * 6000 + b's"}}'
            ),
            "500 without a body": _refused(b"500 Internal Server Error", body=b""),
            "502 with a page": _refused(b"502 Bad Gateway", body=BAD_GATEWAY, kind=html),
            "503, ten retry-afters": _refused(b"503 Service Unavailable", *[b"retry-after: 1"] * 10),
            "529": _refused(b"529 Overloaded"),
            "599": _refused(b"599 Nobody's"),
            "999": _refused(b"999 Request denied"),
            "600": _refused(b"600 Beyond"),
        },
    )
    yield from table(
        "statuses",
        {
            "400 without a body": _refused(b"400 Bad Request", body=b""),
            "400 with a page": _refused(b"400 Bad Request", body=BAD_GATEWAY, kind=html),
            "400, error type not UTF-8": _refused(b"400 Bad Request", b"x-amzn-errortype: \xff\xfe"),
            "400, error is a number": _refused(b"400 Bad Request", body=b'{"error":5}'),
            "400, error is a list": _refused(b"400 Bad Request", body=b'{"error":[[[1]]],"code":{"a":1}}'),
            "400, message with a lone surrogate": _refused(
                b"400 Bad Request", body=b'{"error":{"message":"\\ud800","code":"\\udfff"}}'
            ),
            "400, message with terminal escapes": _refused(
                b"400 Bad Request",
                body=b'{"error":{"message":"\\u001b[2J\\u009b5m\\u0000","code":"\\u001b]0;x\\u0007"}}',
            ),
            "400, message of 1 MB": _refused(
                b"400 Bad Request", body=b'{"error":{"message":"' + b"no " * 350_000 + b'"}}'
            ),
            "401 with an odd challenge": _refused(b"401 Unauthorized", b"www-authenticate: ,,,=\x01"),
            "403 from a firewall": _refused(b"403 Forbidden", body=CHALLENGE, kind=html),
            "404 with a page": _refused(b"404 Not Found", body=b"<html>nginx</html>", kind=html),
            "405": _refused(b"405 Method Not Allowed", b"allow: GET"),
            "413": _refused(b"413 Payload Too Large", b"connection: close"),
            "415": _refused(b"415 Unsupported Media Type"),
            "418": _refused(b"418 I'm a teapot"),
            "421": _refused(b"421 Misdirected Request"),
            "422, a list of errors": _refused(
                b"422 Unprocessable Entity", body=b'{"detail":[{"loc":["a",5],"msg":null}]}'
            ),
            "426": _refused(b"426 Upgrade Required", b"upgrade: h2c"),
            "451": _refused(b"451 Unavailable For Legal Reasons"),
        },
        may_blame_item=True,
    )


# Redirects.

REDIRECTS = (
    b"301 Moved Permanently",
    b"302 Found",
    b"303 See Other",
    b"307 Temporary Redirect",
    b"308 Permanent Redirect",
)


def redirect(status: bytes, target: str) -> Behaviour:
    """Point elsewhere: SELF stands for the request's own address, OTHER for another host's."""

    async def behave(exchange: Exchange) -> None:
        assert exchange.arrival is not None
        own, other = exchange.vendor.root + exchange.arrival.path, exchange.vendor.elsewhere
        where = target.replace("SELF", own).replace("http:OTHER", other).replace("OTHER", other.removeprefix("http:"))
        await exchange.send(
            _refused(status, b"location: " + where.encode("latin-1"), body=b"moved", kind=b"text/plain")
        )

    return behave


TARGETS = {"itself": "SELF", "another host": "http:OTHER/v1/chat/completions"}
ODD_TARGETS = {
    "another host without a scheme": "OTHER/",
    "nowhere": "",
    "a script": "javascript:alert(1)",
    "a file": "file:///etc/passwd",
    "bytes": "\xff\xfe",
    "port 99999": "http://127.0.0.1:99999/",
    "a relative path": "v2/elsewhere",
}


def redirects() -> Iterator[Nasty]:
    """Every redirect to itself and to another host, and one to each place that is none."""
    for status in REDIRECTS:
        for name, target in TARGETS.items():
            yield Nasty(f"{status[:3].decode()} to {name}", "redirects", redirect(status, target))
    for name, target in ODD_TARGETS.items():
        yield Nasty(f"307 to {name}", "redirects", redirect(b"307 Temporary Redirect", target))


# Contents.


def _anything(body: bytes, kind: bytes = b"application/json") -> Bytes:
    return lambda _dialect: http(body, kind=kind)


def _around(before: bytes, after: bytes = b"") -> Bytes:
    return lambda dialect: http(before + body_of(dialect) + after)


def _tool_call(dialect: Dialect) -> bytes:
    calls = {
        "openai": b'{"choices":[{"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t",'
        b'"type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}',
        "anthropic": b'{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use",'
        b'"id":"t","name":"f","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}',
        "gemini": b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}],"role":"model"},'
        b'"finishReason":"STOP"}]}',
    }
    return http(calls[dialect])


def _bodies() -> Mapping[str, bytes]:
    return {
        "no body": b"",
        "spaces": b"   \n ",
        "null": b"null",
        "true": b"true",
        "a number": b"5",
        "a text": b'"7"',
        "[]": b"[]",
        "{}": b"{}",
        "an error as text": b'{"error":"overloaded"}',
        "an error without words": b'{"error":{}}',
        "an error in 500 words": b'{"error":{"message":"' + b"word " * 500 + b'","code":500}}',
        "detail alone": b'{"detail":"Not authenticated"}',
        "server-sent events": b'data: {"choices":[]}\n\ndata: [DONE]\n\n',
        "XML": b"<?xml version='1.0'?><error/>",
        "single quotes": b"{'choices': []}",
        "JSON cut in half": b'{"choices":[{"mess',
        "nested 100,000 deep": b"[" * 100_000 + b"]" * 100_000,
        "an object 50,000 deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        "10^400 digits": b'{"choices":' + b"9" * 400 + b"}",
        "bytes": bytes(range(128, 256)) * 10,
        "a million empty answers": b'{"choices":[' + b"{}," * 1_000_000 + b'{}],"content":[],"candidates":[]}',
    }


def contents() -> Iterator[Nasty]:
    yield from table("contents", {f"200 with {name}": _anything(body) for name, body in _bodies().items()})
    yield from table(
        "contents",
        {
            "200 with a page": _anything(BAD_GATEWAY, b"text/html"),
            "200 with a challenge": _anything(CHALLENGE, b"text/html; charset=UTF-8"),
            "answers missing": listing('"other":1'),
            "answers null": listing('"LIST":null'),
            "answers []": listing('"LIST":[]'),
            "answers {}": listing('"LIST":{}'),
            "answers a text": listing('"LIST":"7"'),
            "answers [null]": listing('"LIST":[null]'),
            "answers [[]]": listing('"LIST":[[]]'),
            "answers [5]": listing('"LIST":[5]'),
            "content null": holding("null"),
            "content a number": holding("5"),
            "content true": holding("true"),
            "content {}": holding("{}"),
            "content [5]": holding("[5]"),
            "content empty": holding('""'),
        },
    )
    yield Nasty("tool calls alone", "contents", says(_tool_call), answers=None)
    yield from table(
        "contents",
        {
            "usage of -10^18": holding(count="-1000000000000000000"),
            "usage of 2^70": holding(count=str(2**70)),
            "usage of 10^400": holding(count="1" + "0" * 400),
            "usage of 10^18": holding(count=str(10**18)),
            "usage 1e308": holding(count="1e308"),
            "usage as text": holding(count='"7"'),
            "usage null": holding(count="null"),
            "usage true": holding(count="true"),
            "usage a list": holding(count="[1]"),
            "usage NaN": holding(count="NaN"),
            "finish reason a number": holding(reason="5"),
            "finish reason null": holding(reason="null"),
            "finish reason {}": holding(reason="{}"),
            "finish reason unheard of": holding(reason='"because"'),
            "finish reason of 1 MB": holding(reason='"' + "x" * 1_000_000 + '"'),
            "model a number": holding(model="5"),
            "model null": holding(model="null"),
            "model {}": holding(model="{}"),
            "model with a lone surrogate": holding(model='"\\ud800"'),
            "finish reason with a lone surrogate": holding(reason='"\\ud800"'),
            "a lone surrogate": holding('"\\ud800"'),
            "a lone surrogate in UTF-8": holding('"7 \udced\udca0\udc80"'),
            "NUL": holding('"7\\u0000"'),
            "terminal escapes": holding('"\\u001b[2J\\u009b7"'),
            "not UTF-8": holding('"7 \udcff\udcfe"'),
            "over-long UTF-8": holding('"7 \udcc0\udcaf"'),
            "duplicate keys": lambda dialect: http(body_of(dialect)[:-1] + b"," + body_of(dialect)[1:]),
            "NaN beside the answer": lambda dialect: http(body_of(dialect)[:-1] + b',"x":NaN}'),
            "Infinity beside the answer": lambda dialect: http(body_of(dialect)[:-1] + b',"x":-Infinity}'),
            "10^400 beside the answer": lambda dialect: http(body_of(dialect)[:-1] + b',"x":1' + b"0" * 400 + b"}"),
            "nested 5,000 deep beside the answer": lambda dialect: http(
                body_of(dialect)[:-1] + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}"
            ),
            "an error null beside the answer": lambda dialect: http(body_of(dialect)[:-1] + b',"error":null}'),
            "an error beside the answer": lambda dialect: http(body_of(dialect)[:-1] + b',"error":{"message":"no"}}'),
            "a byte order mark": _around(b"\xef\xbb\xbf"),
            "UTF-16 with a mark": lambda dialect: http(body_of(dialect).decode().encode("utf-16")),
            "junk behind the JSON": _around(b"", b" and more"),
            "two JSONs": lambda dialect: http(body_of(dialect) * 2),
            "JSON within a list": _around(b"[", b"]"),
            "JSON in a code fence": _around(b"```json\n", b"\n```"),
            "an XSSI guard before it": _around(b")]}'\n"),
            "1,000 empty lines before it": _around(b"\r\n" * 1000),
        },
        answers=None,
    )
