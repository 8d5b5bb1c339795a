"""A reply's body: decompressed piece by piece up to a limit, and decoded to text."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Iterator

import aiohttp

from router.text import mended_json

MAX_WIRE = 16 * 2**20
"""Bytes of a body on the wire. The longest answers of today's models are below 1 MB."""
MAX_OBJECTS = 500_000
"""JSON's objects in one body: each costs a hundred times its bytes. A long answer's tokens with all their alternatives
are fewer."""
MAX_UNPACKED = 32 * 2**20
PIECE = 2**17
"""Bytes that are unpacked in one go: a fraction of a millisecond."""
PACKED = ("gzip", "x-gzip", "deflate")
"""The encodings that can be decompressed; requests accept no others."""
CHARSETS = frozenset({
    "ascii", "us-ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252", "utf-16", "utf-16le", "utf-16be",
    "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr",
})  # fmt: skip
"""Supported charsets; any other name is read as UTF-8, because not all of Python's codecs are text encodings."""


class TooLong(Exception):
    """A body exceeded the limit; the rest of it was not read."""


def check_objects(body: bytearray) -> None:
    """Raise TooLong for a body of more objects than any answer has."""
    if (objects := body.count(b"{")) > MAX_OBJECTS:
        raise TooLong(f"the reply has {objects:,} objects: more than {MAX_OBJECTS:,} are not read")


async def unpacked(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the body as it arrives, decompressed; raises TooLong at the limit."""
    if (response.content_length or 0) > MAX_WIRE:
        raise TooLong(_too_long("", MAX_WIRE))
    unpack = _Unpacker(response.headers.get("content-encoding", "").strip().lower())
    wire = whole = 0
    async for chunk in response.content.iter_any():
        wire += len(chunk)
        if wire > MAX_WIRE:
            raise TooLong(_too_long("", MAX_WIRE))
        for number, piece in enumerate(unpack(chunk)):
            if number:
                await asyncio.sleep(0)
            whole += len(piece)
            if whole > MAX_UNPACKED:
                raise TooLong(_too_long(" when unpacked", MAX_UNPACKED))
            yield piece


def _too_long(when: str, ceiling: int) -> str:
    return f"the reply is longer than {ceiling // 2**20} MB{when}: the rest of it was not read"


class _Unpacker:
    """Unpacks gzip and deflate in small steps; what turns out not to be packed goes on as it is."""

    def __init__(self, encoding: str) -> None:
        self._zip = zlib.decompressobj(zlib.MAX_WBITS | 32) if encoding in PACKED else None
        self._may_be_raw = encoding == "deflate"
        self._is_fresh = True

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        if self._zip is None:
            yield chunk
            return
        while chunk:
            try:
                piece = self._zip.decompress(chunk, PIECE)
            except zlib.error:
                if self._is_fresh and self._may_be_raw:  # some servers leave out the header
                    self._zip, self._may_be_raw = zlib.decompressobj(-zlib.MAX_WBITS), False
                    continue
                self._zip = None
                yield chunk
                return
            self._is_fresh = False
            chunk = self._zip.unconsumed_tail
            if self._zip.eof:  # one member of several
                chunk, self._zip = self._zip.unused_data, zlib.decompressobj(zlib.MAX_WBITS | 32)
            yield piece


def as_text(body: bytes, charset: str | None) -> str:
    """The text of a body, in the charset that its vendor names where that is one of CHARSETS."""
    name = (charset or "").strip().lower()
    text = body.decode(name if name in CHARSETS else "utf-8", errors="replace")
    return mended_json(text.removeprefix("\ufeff"))
