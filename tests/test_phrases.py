"""The rules of sentences: their table reads, and what is looked up first never hides a match."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import INVENTED, RECORDED

from router.classify import gather
from router.classify.needles import needles
from router.classify.patterns import Pattern, compiled
from router.classify.phrases import meaning, plain_meaning, read, rules
from router.faults import Kind

PATTERNS: tuple[Pattern, ...] = tuple(
    pattern for rule in (*rules().outright, *rules().others) for pattern in (*rule.said, *rule.unless)
)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param("rate limit", {"rate limit"}, id="literal"),
        pytest.param(r"\bno (?:more )?credits?\b", {"credit"}, id="what-may-be-absent-counts-not"),
        pytest.param(r"(?:daily|weekly) cap", {"daily", "weekly"}, id="a-group-has-longer-words"),
        pytest.param(r"budget|over quota", {"budget", "over quota"}, id="alternatives"),
        pytest.param(r"colou?r", {"colo"}, id="an-optional-letter"),
        pytest.param(r"rate[ -]limit", {"limit"}, id="class"),
        pytest.param(r"1\.5 times", {"1.5 times"}, id="escaped-sign"),
        pytest.param(r"(?<!not )allowed", {"allowed"}, id="lookbehind"),
        pytest.param(r"(?:ab|\d+) requests", {" requests"}, id="a-group-without-words"),
        pytest.param(r"(?:禁|封)\d", {"禁", "封"}, id="chinese"),
        pytest.param(r"\d+|limit", set(), id="one-alternative-without-words"),
        pytest.param(r"(?:limit)?", set(), id="nothing-must-be-there"),
        pytest.param(r"(?:limit){0,3}x", set(), id="none-to-three"),
        pytest.param(r"(?:limit){1,3}x", {"limit"}, id="one-to-three"),
    ],
)
def test_the_words_without_which_an_expression_cannot_match(source: str, words: set[str]) -> None:
    assert needles(source) == words


@given(data=st.data())
@settings(max_examples=200)
def test_whatever_a_pattern_matches_holds_one_of_its_needles(data: st.DataObject) -> None:
    pattern = data.draw(st.sampled_from(PATTERNS))
    text = data.draw(st.from_regex(compiled(pattern.source)))

    assert any(needle in text for needle in pattern.needles)


def test_no_needle_hides_a_match_in_any_recorded_reply() -> None:
    texts = {gather(case.reply).text for case in (*RECORDED, *INVENTED)}
    hidden = [
        (pattern.source, text)
        for pattern in PATTERNS
        for text in texts
        if not any(needle in text for needle in pattern.needles) and compiled(pattern.source).search(text)
    ]

    assert hidden == []


def test_the_table_of_rules() -> None:
    assert len(PATTERNS) > 500
    assert len(rules().outright) < 0.2 * len(rules().others), "few things hold against any code"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        pytest.param('[[rule]]\nkind = "no_such_kind"\nsaid = ["abc"]', "no_such_kind", id="kind"),
        pytest.param('[[rule]]\nkind = "timeout"\nsaid = [".*"]', "any text may match", id="anything"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=re.escape(match)):
        read(text)


def test_only_plain_words_hold_against_a_code() -> None:
    assert plain_meaning("your organization must be verified to stream this model", 400) is Kind.PERMISSION
    assert plain_meaning("rate limit exceeded", 429) is None
    assert meaning("rate limit exceeded", 429) is Kind.RATE_LIMIT
    assert meaning("", 429) is None
