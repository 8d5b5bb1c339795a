"""Data on stdout, talk on stderr, and what becomes of both where they cannot be written."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.cli import streams
from router.errors import CannotWrite


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def full() -> Iterator[io.TextIOWrapper]:
    """A stream to a device that is always full; what it could not write is let go of."""
    with Path("/dev/full").open("w", encoding="utf-8") as stream:
        yield stream


@pytest.fixture
def deserted() -> Iterator[io.TextIOWrapper]:
    """A pipe that nobody reads any more."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w", encoding="utf-8") as stream:
        yield stream


def test_data_that_cannot_be_written_is_an_error_once(monkeypatch: pytest.MonkeyPatch, full: io.TextIOWrapper) -> None:
    monkeypatch.setattr(sys, "stdout", full)
    with pytest.raises(CannotWrite, match="No space left"):
        streams.put("data\n")
    full.flush()  # as Python does when it ends


def test_a_reader_who_has_gone_wants_no_more(monkeypatch: pytest.MonkeyPatch, deserted: io.TextIOWrapper) -> None:
    monkeypatch.setattr(sys, "stdout", deserted)
    with pytest.raises(BrokenPipeError):
        streams.put("data\n")
    deserted.flush()


def test_a_stdout_that_was_never_there_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    streams.put("data\n")


@pytest.mark.parametrize("name", ["full", "deserted"])
def test_talk_that_cannot_be_shown_is_nobody_s_error(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, name: str
) -> None:
    stream = request.getfixturevalue(name)
    monkeypatch.setattr(sys, "stderr", stream)
    streams.say("talk")
    streams.say("talk")
    stream.flush()


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["none", "closed"])
def test_talk_to_nobody(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    if stream is not None:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    streams.say("talk")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_characters_without_a_letter_are_replaced(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    bytes_ = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_, encoding=encoding))
    streams.prepare()
    streams.put("a \ud800 题 z")
    assert bytes_.getvalue().decode(encoding) == ("a ? 题 z" if encoding == "utf-8" else "a ? ? z")


def test_a_terminal_gets_our_colours_and_no_other_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    streams.put("\x1b[1mbold\x1b[0m \x9b31m\x85\n")
    assert terminal.getvalue() == "\x1b[1mbold\x1b[0m \ufffd31m\ufffd\n"


def test_talk_is_plain() -> None:
    assert streams.plain("a\tb\n\x1b]0;title\x07\x9b\x7f") == "a\tb\n\ufffd]0;title\ufffd\ufffd\ufffd"
    assert streams.plain("a\u202eb\u2028c") == "a\ufffdb\ufffdc"
