"""Files that a user names are found, or refused with what is near."""

from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.files import decode, open_bytes, require_file
from router.suggest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("plian.txt", "plian.txt: there is no such prompt; did you mean plain.txt?", id="misspelt"),
        pytest.param("zzz", "zzz: there is no such prompt", id="nothing-near"),
        pytest.param("more", "more: this is a directory; name the prompt itself, such as ", id="directory"),
        pytest.param("empty", "empty: this is a directory; name the prompt itself", id="empty-directory"),
        pytest.param("no/a.txt", "there is no such prompt, for there is no directory ", id="no-directory"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "plain.txt").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        require_file(tmp_path / name, "prompt")
    assert message in str(caught.value)


def test_a_device_is_no_file() -> None:
    with pytest.raises(ConfigError, match="must be an ordinary file"):
        open_bytes(Path("/dev/null"), "prompt")


@pytest.mark.parametrize(
    ("word", "close"),
    [pytest.param("infr", "infer", id="near"), pytest.param("zzz", None, id="far")],
)
def test_nearest(word: str, close: str | None) -> None:
    assert nearest(word, ["exact", "infer"]) == close
    assert did_you_mean(word, ["exact", "infer"]) == (f"; did you mean {close}?" if close else "")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"\xff", "a:1: the byte 0xff at offset 0", id="first"),
        pytest.param(b"a\nb\xe9", "a:2: the byte 0xe9 at offset 3", id="second-line"),
        pytest.param(b"\xef\xbb\xbfa\xff", "a:1: the byte 0xff at offset 4", id="behind-a-mark"),
    ],
)
def test_bytes_that_are_no_utf8(data: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        decode(data, Path("a"))


def test_a_byte_order_mark_belongs_to_the_begin_only() -> None:
    assert decode(b"\xef\xbb\xbfa", Path("a")) == "a"
    assert decode(b"\xef\xbb\xbfa", Path("a"), first_line=2, offset=10) == "\ufeffa"


def test_a_part_of_a_file_is_counted_from_the_files_begin() -> None:
    with pytest.raises(ConfigError, match="a:8: the byte 0xff at offset 101"):
        decode(b"b\xff", Path("a"), first_line=8, offset=100)
