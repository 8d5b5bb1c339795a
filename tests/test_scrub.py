from __future__ import annotations

import base64
import re
import string
import sys
from collections.abc import Callable
from types import FrameType
from typing import TypeAlias
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from router.config.models import Secret
from router.jsonl import decode, encode
from router.log import scrub
from router.log.scrub import TELLING, Scrubber

SECRET = "sk-proj-A1b2/C3d4+E5f6=G7h8_I9j0-K1l2"
SPECIAL = 'pw"quo\\ted/key+with=signs&more'


def scrubber(*secrets: str) -> Scrubber:
    return Scrubber((f"acme#{n}", Secret(secret)) for n, secret in enumerate(secrets, 1))


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
    assert Scrubber([("e#1", Secret(""))])(SECRET) == SECRET


secrets = st.text(string.ascii_letters + string.digits + "_-./+=", min_size=17, max_size=60)


@given(secrets, st.text(), st.text(), st.sampled_from(sorted(FORMS)))
@example(secret="0" * 17, before="", after="", form="whole")
def test_no_key_survives_anywhere_in_a_text(secret: str, before: str, after: str, form: str) -> None:
    shown = FORMS[form](secret)
    assert not shows(scrubber(secret)(f"{before} {shown} {after}"), secret)


@given(st.text(string.digits + "_-./+=", min_size=17, max_size=60), st.text(string.ascii_letters + " ,;:!?\n"))
def test_text_that_shares_nothing_with_a_key_is_untouched(secret: str, text: str) -> None:
    assert scrubber(secret)(text) == text


@given(secrets, st.text())
def test_scrubbing_twice_changes_nothing_more(secret: str, text: str) -> None:
    scrub_ = scrubber(secret)
    once = scrub_(f"{text} {secret} {text}")
    assert scrub_(once) == once


# Forms that hide the same letters.


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(SECRET.upper(), id="capitals"),
        pytest.param(SECRET.lower(), id="small letters"),
        pytest.param("".join(f"&#{ord(letter)};" for letter in SECRET), id="HTML, decimal"),
        pytest.param("".join(f"&#x{ord(letter):X};" for letter in SECRET), id="HTML, hexadecimal"),
        pytest.param(SECRET.replace("-", "&#45;"), id="HTML here and there"),
        pytest.param("".join(f"\\u{ord(letter):04x}" for letter in SECRET), id="unicode escapes"),
        pytest.param("".join(f"%{ord(letter):02X}" for letter in SECRET), id="percent, every letter"),
        pytest.param(f"sk-proj-{'&#42;' * 20}K1l2", id="starred out in HTML"),
    ],
)
def test_the_same_letters_in_other_signs_are_found(echo: str) -> None:
    clean = scrubber(SECRET)(f"key: {echo} (sic)")
    assert re.fullmatch(r"key: \[(acme#1|key)\] \(sic\)", clean)


@pytest.mark.parametrize("secret", ["k", "dummy", "sk-1234"])
def test_a_key_under_8_characters_is_a_dummy(secret: str) -> None:
    text = f'{{"key":"{secret}","note":"{secret}{secret}"}}'
    assert scrubber(secret)(text) == scrubber(secret).line(text) == text


def test_names_of_our_own_lines_stay_and_values_go() -> None:
    line = encode({"provider": "provider", "more": {"provider": 1}, "said": '{"provider": 2}'}).decode()
    clean = scrubber("provider").line(line)
    assert clean == '{"provider":"[acme#1]","more":{"provider":1},"said":"{\\"[acme#1]\\": 2}"}'


def test_a_key_as_a_name_in_a_vendors_words_is_gone() -> None:
    assert scrubber(SECRET)(f'{{"{SECRET}":1}}') == '{"[acme#1]":1}'
    assert SECRET not in scrubber(SECRET).line(encode({"said": f'{{"{SECRET}":1}}'}).decode())


def test_a_key_that_comes_later_is_taken_out_from_then_on() -> None:
    late = scrubber()
    assert late(SECRET) == SECRET
    late.add("late#1", Secret(SECRET))
    assert late(SECRET) == "[late#1]"


@given(secrets, st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.data())
def test_a_line_stays_json(secret: str, value: object, data: st.DataObject) -> None:
    form = FORMS[data.draw(st.sampled_from(sorted(FORMS)))](secret)
    before, after = data.draw(st.text('\\"\n/ua%&;-_x')), data.draw(st.text('\\"\n/ua%&;-_x'))
    line = encode({"value": value, "text": before + form + after}).decode()
    assert isinstance(decode(scrubber(secret).line(line)), dict)


# What it costs.


TraceFunction: TypeAlias = "Callable[[FrameType, str, object], TraceFunction]"


def steps(scrubs: Scrubber, text: str) -> int:
    """The lines of Python that a text takes; what is done without Python's steps is one pass of C."""
    count = 0

    def trace(_frame: FrameType, event: str, _arg: object) -> TraceFunction:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        scrubs(text)
    finally:
        sys.settrace(before)
    return count


DEGENERATE = {
    "one letter": "a",
    "dashes": "-",
    "Chinese": "中",
    "the start of a key": "sk-",
    "the whole start of a key": "sk-proj-",
    "the end of a key": "0-K1l2",
    "ends in one word": "I9j0-K1l2",
    "stars": "**a",
    "starred keys": "sk-a**",
    "dots": "sk-...",
    "escapes": "\\u4e2d",
    "backslashes": "\\",
    "entities": "&#115;",
}


@pytest.mark.parametrize("unit", [pytest.param(unit, id=name) for name, unit in DEGENERATE.items()])
def test_the_cost_grows_with_the_text_and_no_faster(unit: str) -> None:
    repeating = scrubber(SECRET, "a" * 30, "-" * 30)
    small, large = (steps(repeating, unit * (size // len(unit))) for size in (2_000, 8_000))
    assert large <= 5 * small


@pytest.mark.parametrize("pattern", [scrub._ESCAPED, scrub._REST, scrub._STARS])
def test_no_pattern_can_look_twice_at_a_letter(pattern: re.Pattern[str]) -> None:
    """At most one unbounded repeat in each alternative, of one kind of sign: what follows it cannot be part of it."""
    assert all(len(re.findall(r"(?<!\\)[+*]|\{\d+,\}", alternative)) <= 1 for alternative in pattern.pattern.split("|"))


def test_the_cost_does_not_grow_with_the_number_of_keys() -> None:
    many = scrubber(*(f"sk-proj-{base64.b64encode(str(n).encode() * 9).decode()}" for n in range(1_000)))
    text = "The task is to add 17 and 4, step by step. " * 50
    assert steps(many, text) <= 2 * steps(scrubber(SECRET), text)
