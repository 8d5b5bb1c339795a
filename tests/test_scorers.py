"""What counts as an answer, and when it is right."""

import asyncio
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError
from router.evals.answers import last_object_with, without_thinking
from router.evals.fit import nobody
from router.evals.items import Item, item_of
from router.evals.marks import scorer_named
from router.evals.scorers import PLAIN
from router.evals.scores import UNPARSABLE, Score, ScorerFailed
from router.types import Completion, Usage


def said(text: str) -> Completion:
    return Completion(text, "acme", "acme#1", "", "m", Usage(), "stop", 0.0, 0.0, ())


NOTHING = said("")


def score_of(name: str, text: str, expected: str) -> Score:
    return scored(name, text, Item("a", "q", expected, {}))


def scored(name: str, text: str, item: Item) -> Score:
    marking = scorer_named(name).score(item, said(text), nobody)
    with pytest.raises(StopIteration) as ended:  # it waits for nobody
        marking.send(None)
    score = ended.value.value
    assert isinstance(score, Score)
    return score


@pytest.mark.parametrize(
    ("text", "expected", "outcome", "answer"),
    [
        pytest.param('{"infer": 42}', "42", "right", "42", id="plain"),
        pytest.param('{"infer": 43}', "42", "wrong", "43", id="another-number"),
        pytest.param('{"infer": -7}', "-7", "right", "-7", id="negative"),
        pytest.param('{"infer": 42.0}', "42", "right", "42.0", id="float-that-is-the-integer"),
        pytest.param('{"infer": 42.5}', "42", "wrong", "42.5", id="float-that-is-not"),
        pytest.param('{"infer": 4.2e1}', "42", "right", "4.2e1", id="exponent"),
        pytest.param('{"infer": "42"}', "42", "right", "42", id="text"),
        pytest.param('{"infer": " 42.0 "}', "42", "right", "42.0", id="text-of-a-float"),
        pytest.param('{"infer": "1,234"}', "1234", "right", "1,234", id="thousands"),
        pytest.param('{"infer": "1,23"}', "123", "unparsable", None, id="comma-that-parts-no-thousands"),
        pytest.param('{"infer": "４２"}', "42", "right", "４２", id="full-width-digits"),
        pytest.param('{"infer": "−42"}', "-42", "right", "−42", id="minus-sign"),
        pytest.param('{"infer": 42}', "42.00", "right", "42", id="expected-is-a-float"),
        pytest.param(
            '{"infer": 12345678901234567891}',
            "12345678901234567890",
            "wrong",
            "12345678901234567891",
            id="long-integers-compare-exactly",
        ),
        pytest.param('{"infer": true}', "1", "unparsable", None, id="boolean"),
        pytest.param('{"infer": true}', "True", "right", "true", id="boolean-expected"),
        pytest.param('{"infer": false}', "true", "wrong", "false", id="another-boolean"),
        pytest.param('{"infer": null}', "42", "unparsable", None, id="null"),
        pytest.param('{"infer": [42]}', "42", "unparsable", None, id="list"),
        pytest.param('{"infer": NaN}', "42", "unparsable", None, id="nan"),
        pytest.param('{"infer": Infinity}', "42", "unparsable", None, id="infinity"),
        pytest.param('{"infer": ""}', "42", "unparsable", None, id="empty-text"),
        pytest.param('{"infer": "forty-two"}', "42", "unparsable", None, id="words-for-a-number"),
        pytest.param('{"infer": "42 apples"}', "42", "unparsable", None, id="number-with-unit"),
        pytest.param('{"infer": " Paris"}', "Paris ", "right", "Paris", id="texts-compare-stripped"),
        pytest.param('{"infer": "paris"}', "Paris", "wrong", "paris", id="case-counts"),
        pytest.param('{"infer": 7}', "Paris", "wrong", "7", id="number-for-a-text"),
        pytest.param('{"Infer": 42}', "42", "unparsable", None, id="another-name"),
        pytest.param("42", "42", "unparsable", None, id="no-object"),
        pytest.param("", "42", "unparsable", None, id="nothing"),
        pytest.param('```json\n{"infer": 42}\n```', "42", "right", "42", id="code-fence"),
        pytest.param('答案是：“{"infer": 42}”。', "42", "right", "42", id="chinese-marks"),
        pytest.param('{"infer"：42}', "42", "unparsable", None, id="full-width-colon"),
        pytest.param('{"infer": 1} no: {"infer": 42}', "42", "right", "42", id="last-of-several"),
        pytest.param('{"infer": 42} {"note": "done"}', "42", "right", "42", id="last-that-has-it"),
        pytest.param('{"infer": 42, "check": {"infer": 7}}', "42", "right", "42", id="outermost"),
        pytest.param('{"steps": [{"infer": 7}, {"infer": 42}]}', "42", "right", "42", id="nested"),
        pytest.param('{"a": {"infer": 42, "b": {"infer": 1}}, "c": 2}', "42", "right", "42", id="outermost-nested"),
        pytest.param('[{"infer": 1}, {"infer": 42}]', "42", "right", "42", id="array"),
        pytest.param('{"infer": 1, "infer": 42}', "42", "right", "42", id="name-twice"),
        pytest.param('{"reason": "{ } }{ {\\"infer\\": 7}", "infer": 42}', "42", "right", "42", id="braces-in-text"),
        pytest.param('{"reason": "3 x 4\n= 12", "infer": 12}', "12", "right", "12", id="line-break-in-text"),
        pytest.param('{"infer": 42,}', "42", "unparsable", None, id="trailing-comma"),
        pytest.param("{'infer': 42}", "42", "unparsable", None, id="single-quotes"),
        pytest.param('{"reason": "so", "infer": 4', "4", "unparsable", None, id="truncated-in-number"),
        pytest.param('{"infer": 42, "reason": "and th', "42", "unparsable", None, id="truncated-in-text"),
        pytest.param('{"steps": [{"infer": 7}], "infer": 4', "7", "unparsable", None, id="truncated-around-another"),
        pytest.param('{"infer": 7} {"infer": 4', "7", "right", "7", id="whole-before-truncated"),
        pytest.param('{"infer": <number>} {"infer": 42}', "42", "right", "42", id="form-repeated-first"),
        pytest.param('the set {1, 2} and { then {"infer": 42}', "42", "right", "42", id="stray-braces"),
        pytest.param('{"say "x" y", "infer": 1}\n{"infer": 42}', "42", "right", "42", id="broken-then-whole"),
        pytest.param('<think>{"infer": 7}</think>{"infer": 42}', "42", "right", "42", id="think-before"),
        pytest.param('{"infer": 42}<think>or {"infer": 7}</think>', "42", "right", "42", id="think-behind"),
        pytest.param('{"infer": 42}<think>or {"infer": 7}', "42", "right", "42", id="think-without-end"),
        pytest.param('<think>surely {"infer": 42}', "42", "unparsable", None, id="nothing-but-thought"),
        pytest.param('hm {"infer": 7}</think>{"infer": 42}', "42", "right", "42", id="think-without-begin"),
        pytest.param('<Thinking>{"infer": 7}</Thinking>\n{"infer": 42}', "42", "right", "42", id="thinking"),
    ],
)
def test_infer(text: str, expected: str, outcome: str, answer: str | None) -> None:
    score = score_of("infer", text, expected)
    assert (score.outcome, score.answer) == (outcome, answer)


@pytest.mark.parametrize(
    ("scorer", "text", "expected", "outcome", "answer"),
    [
        pytest.param("exact", " Paris\n", "Paris", "right", "Paris", id="exact-stripped"),
        pytest.param("exact", "Paris.", "Paris", "wrong", "Paris.", id="exact-whole"),
        pytest.param("exact", "<think>Rome?</think>Paris", "Paris", "right", "Paris", id="exact-after-think"),
        pytest.param("exact", "  ", "Paris", "unparsable", None, id="exact-empty"),
        pytest.param("includes", "It is Paris.", "Paris", "right", "It is Paris.", id="includes"),
        pytest.param("includes", "<think>Paris</think>Rome", "Paris", "wrong", "Rome", id="includes-not-thought"),
        pytest.param("includes", "", "Paris", "unparsable", None, id="includes-empty"),
        pytest.param("number", "3 + 4 = 7", "7", "right", "7", id="number-last"),
        pytest.param("number", "It is 1,234.50.", "1234.5", "right", "1,234.50", id="number-with-full-stop"),
        pytest.param("number", "结果是-3。", "-3", "right", "-3", id="number-sign-behind-chinese"),
        pytest.param("number", "10-3", "3", "right", "3", id="number-minus-between-operands"),
        pytest.param("number", "10 - 13 = -3", "-3", "right", "-3", id="number-negative"),
        pytest.param("number", "7 <think>8</think>", "7", "right", "7", id="number-not-thought"),
        pytest.param("number", "得４２", "42", "right", "42", id="number-full-width"),
        pytest.param("number", "1,2345", "2345", "right", "2345", id="number-comma-of-a-list"),
        pytest.param("number", "none", "7", "unparsable", None, id="number-none"),
        pytest.param("number", "7", "seven", "wrong", "7", id="number-for-a-text"),
        pytest.param(r"regex:ANSWER:\s*(\S+)", "ANSWER: 42.0", "42", "right", "42.0", id="regex-group"),
        pytest.param(r"regex:\d+", "a 12 b 13", "12", "right", "12", id="regex-whole-match"),
        pytest.param(r"regex:(\w)?:", ":", "42", "unparsable", None, id="regex-group-not-met"),
        pytest.param(r"regex:([A-D])", "none", "A", "unparsable", None, id="regex-no-match"),
        pytest.param(r"regex:([A-D])", "<think>A</think>B", "A", "wrong", "B", id="regex-not-thought"),
        pytest.param("json:result", '{"result": 42, "infer": 1}', "42", "right", "42", id="json-another-field"),
        pytest.param("exact:ignore_case", "PARIS", "Paris", "right", "PARIS", id="exact-ignore-case"),
        pytest.param("exact:whitespace", "New\n  York", "New York", "right", "New\n  York", id="exact-whitespace"),
        pytest.param("exact:ignore_case", "new  york", "New York", "wrong", "new  york", id="exact-one-option"),
        pytest.param("exact:ignore_case,whitespace", "new  york", "New York", "right", "new  york", id="exact-both"),
        pytest.param(
            "contains:ignore_case", "It is PARIS.", "Paris", "right", "It is PARIS.", id="contains-ignore-case"
        ),
        pytest.param("set", '["b", "A"]', "a, b", "right", '["a", "b"]', id="set-json"),
        pytest.param("set", "- B\n- a\n", "a;b", "right", '["a", "b"]', id="set-bullets"),
        pytest.param("set", "So: [1, 2]", "1, 2, 3", "wrong", '["1", "2"]', id="set-part"),
        pytest.param("set", " ", "a", "unparsable", None, id="set-empty"),
    ],
)
def test_other_scorers(scorer: str, text: str, expected: str, outcome: str, answer: str | None) -> None:
    score = score_of(scorer, text, expected)
    assert (score.outcome, score.answer) == (outcome, answer)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("infr", "no scorer 'infr'; did you mean infer", id="misspelt"),
        pytest.param("zzz", r"no scorer 'zzz' \(known: infer, exact", id="nothing-near"),
        pytest.param("exact:ignorecase", "no option 'ignorecase'; did you mean ignore_case", id="misspelt-option"),
        pytest.param("python:nothing", "write python:module:function", id="python-without-function"),
        pytest.param("python:no_such:f", "importing no_such failed: ModuleNotFoundError", id="python-no-module"),
        pytest.param("python:json:nothing", "json has no function 'nothing'", id="python-no-function"),
        pytest.param("python:router.clock:iso", "has no function", id="python-no-function-there"),
        pytest.param("judge:no.txt", "no such prompt file", id="judge-without-prompt"),
        pytest.param("regexp:a+", "did you mean regex", id="misspelt-regex"),
        pytest.param("regex", "did you mean regex", id="regex-without-pattern"),
        pytest.param("regex:(", "not a regular expression: missing", id="pattern-that-is-none"),
    ],
)
def test_unknown_scorers_are_refused(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        scorer_named(name)


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from([*(name for name in PLAIN if name != "choice"), "regex:(.)x"]))
def test_no_text_raises(text: str, expected: str, name: str) -> None:
    score = score_of(name, text, expected)
    assert (score == UNPARSABLE) == (score.answer is None)


@settings(deadline=None)
@given(st.text(alphabet='{}[]",:\\ \n0infer<think>/', max_size=200))
def test_no_half_json_raises(text: str) -> None:
    score = score_of("infer", text, "0")
    assert score.outcome in {"right", "wrong", "unparsable"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NO_BRACES = st.text(st.characters(exclude_characters="{}<"))


@settings(deadline=None)
@given(NO_BRACES, NO_BRACES, st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.integers())
def test_an_object_in_any_prose_is_found(before: str, after: str, others: dict[str, object], number: int) -> None:
    text = json.dumps({**others, "infer": number}, ensure_ascii=False).replace("<", "\\u003c")
    assert score_of("infer", before + text + after, str(number)) == Score(1.0, str(number))


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.integers(), st.data())
def test_a_truncated_object_is_unparsable(others: dict[str, object], number: int, data: st.DataObject) -> None:
    text = json.dumps({"steps": [{"infer": 1}], **others, "infer": number})
    cut = data.draw(st.integers(0, len(text) - 1))
    assert last_object_with("infer", text[:cut]) is None


SIZE = 500_000
UNIT = {
    "open-braces": "{",
    "open-braces-spaced": "{ ",
    "open-quotes": '{"',
    "open-names": '{"a":',
    "escaped-quotes": '{"\\"',
    "bad-escapes": '{"\\x',
    "texts-in-texts": '{"a":"{",',
    "lists": '{"a":[',
    "empty-objects": "{}",
    "closed-objects": '{"a":{}}',
    "digits": "1",
    "commas": "1,234,",
    "think": "<think>",
    "unthink": "</think>",
    "half-tags": "<",
    "backslashes": "\\",
}
TEXTS = {name: unit * (SIZE // len(unit)) for name, unit in UNIT.items()} | {
    # Each of the outer objects would parse the whole list again.
    "deep-around-long-and-broken": '{"a":' * 900 + "[" + "1," * (SIZE // 2) + "x",
    "deep-around-long-and-cut": '{"a":' * 900 + "[" + "1," * (SIZE // 2),
    "deep-around-long": '{"a":' * 900 + "[" + "1," * (SIZE // 2) + "1]" + "}" * 900,
    "digits-in-an-answer": '{"infer":' + "1" * SIZE + "}",
    "wide": '{"a":[' + "{}," * (SIZE // 3) + '{"infer":1}]}',
}


@pytest.mark.parametrize("scorer", ["infer", "number"])
@pytest.mark.parametrize("name", TEXTS)
def test_a_long_text_takes_linear_time(name: str, scorer: str) -> None:
    """The slowest takes some 0.3 s; where errors counted their lines, it took 4 to 35 s."""
    started = time.process_time()
    score_of(scorer, TEXTS[name], "42")
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        pytest.param("a<think>b</think>c", "ac", id="block"),
        pytest.param("a<think>b<think>c</think>d", "ad", id="opened-twice"),
        pytest.param("a<think>b</think>c<think>d", "ac", id="second-without-end"),
        pytest.param("a</think>b", "b", id="closed-only"),
        pytest.param("a<think>b</think>c</think>d", "ad", id="closed-twice"),
        pytest.param("a<b", "a<b", id="no-tag"),
    ],
)
def test_without_thinking(text: str, rest: str) -> None:
    assert without_thinking(text) == rest


@pytest.mark.parametrize(
    ("text", "value"),
    [('["a", "b"]', 1.0), ('["a"]', 0.5), ('["a", "c"]', 1 / 3), ('["c"]', 0.0), ('["a", "b", "c"]', 2 / 3)],
)
def test_a_set_has_a_score_between(text: str, value: float) -> None:
    score = score_of("set", text, "a, b")
    assert score.value == pytest.approx(value)
    assert score.outcome == ("right" if value == 1 else "wrong")


def test_the_best_of_several_golds_counts() -> None:
    item = Item("a", "q", '["Rome", "Roma"]', {}, golds=("Rome", "Roma"))
    assert scored("exact", "Roma", item).outcome == "right"
    assert scored("exact", "Paris", item).outcome == "wrong"


# Choice.

CITIES = ["Paris", "Rome", "42", "None of the above"]


def choices(gold: object, options: object = CITIES) -> Item:
    item, _ = item_of("d.jsonl:1", {"question": "q", "choices": options, "answer": gold})
    return item


@pytest.mark.parametrize(
    ("gold", "index"),
    [
        pytest.param(1, 1, id="index"),
        pytest.param("B", 1, id="letter"),
        pytest.param("b", 1, id="small letter"),
        pytest.param("(B)", 1, id="letter in brackets"),
        pytest.param("rome", 1, id="text"),
        pytest.param("1", 1, id="index as a text"),
        pytest.param("42", 2, id="a text that is a number"),
        pytest.param(4, None, id="beyond"),
        pytest.param("E", None, id="letter beyond"),
        pytest.param("Berlin", None, id="no text of them"),
        pytest.param(True, None, id="boolean"),
        pytest.param(None, None, id="none"),
    ],
)
def test_the_right_choice_is_told_by_index_letter_or_text(gold: object, index: int | None) -> None:
    assert choices(gold).choice == index


@pytest.mark.parametrize(
    ("gold", "options", "index"),
    [
        pytest.param("C", {"text": ["x", "y", "z"], "label": ["A", "B", "C"]}, 2, id="ARC"),
        pytest.param("3", {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, 2, id="ARC, with numbers"),
        pytest.param("B", '["x", "y"]', 1, id="a list in a table's cell"),
        pytest.param("A", ["B", "A"], None, id="a letter and a text that disagree"),
        pytest.param("x", ["x", "x"], None, id="a text that stands twice"),
        pytest.param("x", "no list", None, id="no list"),
    ],
)
def test_choices_of_several_shapes(gold: object, options: object, index: int | None) -> None:
    assert choices(gold, options).choice == index


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("B", "Rome"),
        ("B.", "Rome"),
        ("(B)", "Rome"),
        ("**B**", "Rome"),
        ("B. Rome", "Rome"),
        ("B) because it is so", "Rome"),
        ("Rome", "Rome"),
        ("rome.", "Rome"),
        ("1", "Rome"),
        ("42", "42"),
        ('{"infer": "B"}', "Rome"),
        ('{"reason": "A is wrong", "answer": "Rome"}', "Rome"),
        ("A is wrong, so the answer is B.", "Rome"),
        ("The correct answer is: **(B)** Rome", "Rome"),
        ("Answer: B\n\nParis is in France.", "Rome"),
        ("答案是 B", "Rome"),
        ("答案：B。", "Rome"),
        ("First (A), no: $\\boxed{B}$", "Rome"),
        ("It must be Rome, I think.", "Rome"),
        ("<think>A</think>B", "Rome"),
        ("The answer is a number.", None),
        ("Paris or Rome", None),
        ("Answer: E", None),
        ("I do not know", None),
        ("", None),
    ],
)
def test_a_choice_is_named_by_letter_text_or_index(text: str, answer: str | None) -> None:
    assert scored("choice", text, choices(1)).answer == answer
    assert scored("choice", text, choices(1)).outcome == (
        "unparsable" if answer is None else "right" if answer == "Rome" else "wrong"
    )


def test_a_choice_without_a_right_one_is_no_mark() -> None:
    with pytest.raises(ScorerFailed, match=r"item .*, 'Berlin', is not the letter, index \(from 0\) or text"):
        asyncio.run(scorer_named("choice").score(choices("Berlin"), NOTHING, nobody))


# What takes for ever.


def test_a_pattern_that_would_take_for_ever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("router.evals.scorers.MAX_SEARCH_S", 0.05)
    with pytest.raises(ScorerFailed, match=r"scorer regex:\(a\|a\)\*\$ took more than 0.05 s for 41 characters"):
        asyncio.run(scorer_named("regex:(a|a)*$").score(Item("a", "q", "1", {}), said("a" * 40 + "b"), nobody))
