from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.config.models import Key, Secret
from router.jsonl import encode
from router.log.scrub import TELLING, Scrubber

SECRET = "sk-proj-A1b2/C3d4+E5f6=G7h8_I9j0-K1l2"
SPECIAL = 'pw"quo\\ted/key+with=signs&more'


def scrubber(*secrets: str) -> Scrubber:
    return Scrubber(Key(f"acme#{n}", Secret(secret), f"acme#{n}") for n, secret in enumerate(secrets, 1))


def basic(user: str) -> Callable[[str], str]:
    return lambda key: base64.b64encode(f"{user}:{key}".encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "whole": lambda key: key,
    "in a header": lambda key: f"Bearer {key}",
    "percent-encoded": lambda key: f"https://v.test/m?key={quote(key, safe='')}&alt=sse",
    "percent-encoded in small letters": lambda key: re.sub("%..", lambda code: code[0].lower(), quote(key, safe="")),
    "JSON-escaped": lambda key: encode({"k": key}).decode(),
    "JSON in JSON": lambda key: encode(encode({"k": key}).decode()).decode(),
    "JSON with escaped slashes": lambda key: encode(key).decode().replace("/", "\\/"),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "basic, key as user": lambda key: base64.b64encode(f"{key}:".encode()).decode(),
    "basic, user of 1": basic("u"),
    "basic, user of 2": basic("me"),
    "basic, user of 3": basic("you"),
}


def shows(text: str, secret: str, least: int = 9) -> bool:
    return any(secret[at : at + least] in text for at in range(len(secret) - least + 1))


@pytest.mark.parametrize("form", [pytest.param(form, id=name) for name, form in FORMS.items()])
@pytest.mark.parametrize(
    "secret",
    [pytest.param(SECRET, id="key"), pytest.param(SPECIAL, id="signs"), pytest.param(SECRET[:-1], id="other length")],
)
def test_a_planted_key_is_gone_in_every_form(form: Callable[[str], str], secret: str) -> None:
    clean = scrubber(secret)(f"before {form(secret)} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert not shows(clean, secret)
    for token in clean.replace('"', " ").split():
        padded = token + "=" * (-len(token) % 4)
        try:
            plain = base64.b64decode(padded, validate=True).decode("latin-1")
        except ValueError:
            continue
        assert not shows(plain, secret)


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(f"Incorrect API key provided: {SECRET[:8]}", id="cut after 8"),
        pytest.param(f"Incorrect API key provided: {SECRET[:20]}…", id="cut with an ellipsis"),
        pytest.param(f"Incorrect API key provided: sk-proj-{'*' * 20}K1l2.", id="starred out"),
        pytest.param("Incorrect API key provided: sk-pr***************K1l2", id="starred out early"),
        pytest.param("key sk-...K1l2 is disabled", id="dots"),
        pytest.param("key sk-pr••••K1l2 is disabled", id="bullets"),
        pytest.param(f"key ending in {SECRET[-10:]}", id="end alone"),
    ],
)
def test_what_a_vendor_shows_of_a_key_is_gone(echo: str) -> None:
    clean = scrubber(SECRET)(echo)
    assert "[key]" in clean
    assert "sk-" not in clean
    assert "K1l2" not in clean


def test_a_whole_key_is_replaced_by_its_name() -> None:
    other = "gsk_0000111122223333"
    assert scrubber(SECRET, other)(f"{other} and {SECRET}") == "[acme#2] and [acme#1]"


def test_a_key_that_begins_as_another_does_not_leave_its_end() -> None:
    assert scrubber(SECRET, SECRET + "-long")(SECRET + "-long") == "[acme#2]"


@pytest.mark.parametrize(
    "text",
    [
        "a task-based... approach to risk-free... work",
        "skip it, ask-me-anything.... or desk-****",
        "What is 17 + 4 - 3 x 2?",
        "project sk",
        "",
    ],
)
def test_ordinary_text_is_untouched(text: str) -> None:
    assert scrubber(SECRET)(text) == text


def test_short_keys_are_taken_out_as_a_whole_only() -> None:
    short = "wonderful-nights"
    assert len(short) == 2 * TELLING
    assert scrubber(short)(f"{short}! wonderful nights, won...") == "[acme#1]! wonderful nights, won..."


def test_without_keys_nothing_happens() -> None:
    assert Scrubber([Key("local#1", None, "local#1"), Key("e#1", Secret(""), "e#1")])(SECRET) == SECRET


secrets = st.text(string.ascii_letters + string.digits + "_-./+=", min_size=17, max_size=60)


@given(secrets, st.text(), st.text(), st.sampled_from(sorted(FORMS)))
@example(secret="0" * 17, before="", after="", form="whole")
def test_no_key_survives_anywhere_in_a_text(secret: str, before: str, after: str, form: str) -> None:
    shown = FORMS[form](secret)
    assert not shows(scrubber(secret)(f"{before} {shown} {after}"), secret)


@given(secrets, st.text(string.ascii_lowercase + " ,;:!?\n"))
def test_text_that_shares_nothing_with_a_key_is_untouched(secret: str, text: str) -> None:
    upper = secret.upper()
    if upper[0].isalpha() and upper[-1].isalpha():
        assert scrubber(upper)(text) == text


@given(secrets, st.text())
def test_scrubbing_twice_changes_nothing_more(secret: str, text: str) -> None:
    scrub = scrubber(secret)
    once = scrub(f"{text} {secret} {text}")
    assert scrub(once) == once
