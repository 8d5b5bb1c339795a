"""Nasty heads and frames: headers, character sets, lengths, chunks, packings."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from functools import cache

from nasty_kinds import Bytes, Nasty, says, table, under
from nasty_vendors import Dialect, body_of, http

# Headers.


def headers() -> Iterator[Nasty]:
    yield from table(
        "headers",
        {
            "limit header not UTF-8": under(b"x-ratelimit-limit-requests: \xff\xfe\x80"),
            "request id not UTF-8": under(b"x-request-id: caf\xe9"),
            "1,000 headers": under(*(b"x-%d: y" % number for number in range(1000))),
            "header of 7 KB": under(b"x-long: " + b"y" * 7000),
            "header of 9 KB": under(b"x-long: " + b"y" * 9000),
            "header of 200 KB": under(b"x-long: " + b"y" * 200_000),
            "200 cookies": under(*(b"set-cookie: c%d=%s; Path=/" % (number, b"v" * 50) for number in range(200))),
            "header in emoji": under("x-ratelimit-remaining: 🦜".encode()),
            "header with terminal escapes": under(b"x-ratelimit-limit: \x1b[2Jgone"),
            "header without a colon": under(b"this is no header"),
            "header without a name": under(b": nameless"),
            "header with NUL": under(b"x-nul: a\x00b"),
            "header with a bare CR": under(b"x-cr: a\rb"),
            "header folded over two lines": under(b"x-folded: a\r\n b"),
            "space before the colon": under(b"x-space : a"),
            "name with a space": under(b"x space: a"),
            "content-type missing": under(kind=b""),
            "content-type garbage": under(kind=b";;;===///"),
            "content-type text/html, a good body": under(kind=b"text/html"),
            "content-type twice": under(b"content-type: text/plain"),
            "limits of 10^30": under(
                b"x-ratelimit-limit-requests: " + b"9" * 30, b"x-ratelimit-reset-requests: 1e400s"
            ),
            "retry-after of 6,000 digits on a 200": under(b"retry-after: " + b"9" * 6000),
            "HTTP/2.0": under(status=b"HTTP/2.0 200 OK"),
            "HTTP/9.9": under(status=b"HTTP/9.9 200 OK"),
            "no reason phrase": under(status=b"HTTP/1.1 200"),
            "reason phrase of 7 KB": under(status=b"HTTP/1.1 200 " + b"O" * 7000),
            "reason phrase not UTF-8": under(status=b"HTTP/1.1 200 \xff\xfe"),
            "lines end in LF alone": lambda dialect: under()(dialect).replace(b"\r\n", b"\n"),
        },
        answers=None,
    )
    yield from table(
        "headers",
        {
            "SSH greeting as the reply": b"SSH-2.0-OpenSSH_9.6\r\n",
            "SMTP greeting as the reply": b"220 mail.example ESMTP\r\n",
            "ICY 200 OK": under(status=b"ICY 200 OK"),
            "status of two digits": under(status=b"HTTP/1.1 20 OK"),
            "status 20x": under(status=b"HTTP/1.1 20x OK"),
            "negative status": under(status=b"HTTP/1.1 -200 OK"),
            "status of 40 digits": under(status=b"HTTP/1.1 " + b"2" * 40 + b" OK"),
            "HTTP/0.9: a body alone": body_of,
            "random bytes": bytes(range(255, 0, -1)) * 4,
            "TLS alert": b"\x15\x03\x03\x00\x02\x02\x28",
            "an empty line alone": b"\r\n\r\n\r\n",
            "NULs": bytes(4096),
        },
        then="close",
    )


# Character sets.

_CHARSETS = (
    "utf-7",
    "unicode_escape",
    "raw_unicode_escape",
    "punycode",
    "idna",
    "zlib",
    "bz2",
    "rot13",
    "base64_codec",
    "hex",
    "utf-16",
    "utf-32",
    "undefined",
    "mbcs",
    "no-such-charset",
    "utf-8; charset=utf-7",
    '"',
    "utf-8\xff",
    "x" * 5000,
)


def charsets() -> Iterator[Nasty]:
    surrogate = '"7 +2AA- \\\\ud800 \\u00e9"'
    for name in _CHARSETS:
        kind = b"application/json; charset=" + name.encode("latin-1")
        shown = name if len(name) < len(_CHARSETS[-1]) else "5,000 letters"

        def make(dialect: Dialect, kind: bytes = kind) -> bytes:
            return http(body_of(dialect, text=surrogate), kind=kind)

        yield Nasty(f"charset={shown!r}", "charsets", says(make), answers=None)
    for name in ("latin-1", "gb18030", "shift_jis", "utf-16-le"):

        def translated(dialect: Dialect, name: str = name) -> bytes:
            whole = body_of(dialect, text='"Zürich"' if name == "latin-1" else '"七"').decode()
            return http(whole.encode(name), kind=b"application/json; charset=" + name.encode())

        yield Nasty(f"really {name}", "charsets", says(translated), answers=None)


# Framing and packing.


def _framed(*lines: bytes, body: bytes | None = None, tail: bytes = b"") -> Bytes:
    """A good answer under header lines that say how long it is, or not."""

    def make(dialect: Dialect) -> bytes:
        return http(body_of(dialect) if body is None else body, *lines, length=False) + tail

    return make


def _chunked(before: bytes, after: bytes, *lines: bytes) -> Bytes:
    def make(dialect: Dialect) -> bytes:
        return http(before + body_of(dialect) + after, b"transfer-encoding: chunked", *lines, length=False)

    return make


def _one_chunk(dialect: Dialect) -> bytes:
    return b"%x" % len(body_of(dialect))


def framing() -> Iterator[Nasty]:
    def whole(tail: bytes = b"0\r\n\r\n", extension: bytes = b"") -> Bytes:
        return lambda dialect: _chunked(_one_chunk(dialect) + extension + b"\r\n", b"\r\n" + tail)(dialect)

    yield from table(
        "framing",
        {
            "two content-lengths": _framed(b"content-length: 5", b"content-length: 9"),
            "content-length negative": _framed(b"content-length: -5"),
            "content-length in words": _framed(b"content-length: five"),
            "content-length +5": _framed(b"content-length: +5"),
            "content-length of 100 digits": _framed(b"content-length: " + b"9" * 100),
            "content-length 2^63, then close": _framed(b"content-length: 9223372036854775807"),
            "content-length beyond the body, then close": _framed(b"content-length: 9000"),
            "content-length short of the body": _framed(b"content-length: 20"),
            "content-length 0 before a body": _framed(b"content-length: 0"),
            "chunk size is no number": _chunked(b"zz\r\n", b"\r\n0\r\n\r\n"),
            "chunk size negative": _chunked(b"-5\r\n", b"\r\n0\r\n\r\n"),
            "chunk size of 40 digits": _chunked(b"f" * 40 + b"\r\n", b"\r\n0\r\n\r\n"),
            "chunk longer than it says": _chunked(b"5\r\n", b"\r\n0\r\n\r\n"),
            "chunks without an end, then close": whole(b""),
            "chunked twice": _chunked(b"5\r\n", b"\r\n0\r\n\r\n", b"transfer-encoding: chunked"),
        },
        then="close",
    )
    yield from table(
        "framing",
        {
            "no length, then close": _framed(),
            "the same content-length twice": lambda dialect: under(b"content-length: %d" % len(body_of(dialect)))(
                dialect
            ),
            "chunked and a content-length": lambda dialect: _chunked(
                _one_chunk(dialect) + b"\r\n", b"\r\n0\r\n\r\n", b"content-length: 5"
            )(dialect),
            "chunk extension of 5 KB": whole(extension=b";x=" + b"y" * 5000),
            "junk for trailers": whole(b"0\r\nthis is none\r\n\r\n"),
            "unknown transfer-encoding": _framed(b"transfer-encoding: brotli-of-old"),
            "transfer-encoding: identity": _framed(b"transfer-encoding: identity"),
            "a second reply behind the first": lambda dialect: under()(dialect) * 2,
            "junk behind the reply": lambda dialect: under()(dialect) + b"junk" * 100,
        },
        then="close",
        answers=None,
    )


def _packed(coding: bytes, pack: Callable[[bytes], bytes]) -> Bytes:
    return lambda dialect: http(pack(body_of(dialect)), b"content-encoding: " + coding)


@cache
def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = b'{"a":"' + b"a" * (1 << 20)
    return b"".join([packer.compress(piece) for _ in range(size >> 20)]) + packer.flush()


def packing() -> Iterator[Nasty]:
    yield from table(
        "packing",
        {
            "gzip that is plain": _packed(b"gzip", bytes),
            "gzip cut in half": _packed(b"gzip", lambda body: gzip.compress(body)[: len(gzip.compress(body)) // 2]),
            "gzip with a wrong checksum": _packed(b"gzip", lambda body: gzip.compress(body)[:-8] + b"\0" * 8),
            "br that is plain": _packed(b"br", bytes),
            "zstd that is plain": _packed(b"zstd", bytes),
            "deflate of random bytes": _packed(b"deflate", lambda body: bytes(reversed(body))),
            "a content-encoding of nobody's": _packed(b"snappy-9", bytes),
        },
        answers=None,
    )
    yield from table(
        "packing",
        {
            "gzip with junk behind it": _packed(b"gzip", lambda body: gzip.compress(body) + b"junk"),
            "gzip twice": _packed(b"gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
            "deflate without its frame": _packed(b"deflate", lambda body: zlib.compress(body)[2:-4]),
            "GZIP in capitals": _packed(b"GZIP", gzip.compress),
        },
        answers=None,
    )
    for name, size in (("gzip bomb of 100 MB", 100 << 20), ("gzip bomb of 400 MB", 400 << 20)):

        def make(_dialect: Dialect, size: int = size) -> bytes:
            return http(_bomb(size), b"content-encoding: gzip")

        yield Nasty(name, "packing", says(make), is_heavy=True)
