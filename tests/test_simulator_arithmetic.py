import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.simulator.arithmetic import NOTHING_TO_SOLVE, last_expression, reply, solve


@pytest.mark.parametrize(
    ("text", "expression", "value"),
    [
        pytest.param("What is 3 + 4?", "3 + 4", 7, id="sum"),
        pytest.param("12 + 7 x 3", "12 + 7 x 3", 33, id="letter x"),
        pytest.param("2×3-4*5", "2×3-4*5", -14, id="signs of multiplication"),
        pytest.param("100 - 1 - 1", "100 - 1 - 1", 98, id="from left to right"),
        pytest.param("5 − 8", "5 − 8", -3, id="typographic minus"),
        pytest.param("-5 + 3 x -2", "-5 + 3 x -2", -11, id="negative numbers"),
        pytest.param("例如 1 + 1 = 2。请计算:8 x 9 - 2", "8 x 9 - 2", 70, id="the last one, in Chinese"),
        pytest.param("计算12+30的结果", "12+30", 42, id="between Chinese signs"),
        pytest.param("3 + 4.", "3 + 4", 7, id="full stop"),
    ],
)
def test_the_last_expression_is_solved(text: str, expression: str, value: int) -> None:
    found = last_expression(text)
    assert found == expression
    assert solve(found) == value


@pytest.mark.parametrize("text", ["", "Say hello.", "the year 2026", "x * y", "abc1 + 2"])
def test_where_there_is_none_there_is_none(text: str) -> None:
    assert last_expression(text) is None
    assert reply(text, text, accuracy=1, seed=0, name="v") == NOTHING_TO_SOLVE


operands = st.integers(-99, 999)


@given(operands, st.lists(st.tuples(st.sampled_from("+-*"), operands), min_size=1, max_size=6))
def test_it_agrees_with_python(first: int, rest: list[tuple[str, int]]) -> None:
    plain = f"{first}" + "".join(f" {sign} {number}" for sign, number in rest)
    assert solve(plain.replace("*", "x")) == eval(plain)  # noqa: S307 - the reference


def answers(accuracy: float, prompt: str = "infer", name: str = "v") -> list[str]:
    return [reply(f"{n} + 1", prompt, accuracy=accuracy, seed=7, name=name) for n in range(400)]


def test_accuracy_is_the_share_of_right_answers() -> None:
    rights = [json.loads(text)["infer"] == n + 1 for n, text in enumerate(answers(0.9))]
    assert 340 <= sum(rights) <= 380
    assert all(json.loads(text)["infer"] == n + 1 for n, text in enumerate(answers(1)))
    assert not any(json.loads(text)["infer"] == n + 1 for n, text in enumerate(answers(0)))


def test_replies_repeat_and_vendors_differ() -> None:
    assert answers(0.5) == answers(0.5)
    assert answers(0.5) != answers(0.5, name="w")


def test_a_prompt_that_asks_for_reasons_gets_them_in_three_forms() -> None:
    texts = answers(1, prompt='{"reason": "...", "infer": 1}')
    for number, text in enumerate(texts):
        json_text = text[text.index("{") : text.rindex("}") + 1]
        said = json.loads(json_text)
        assert said["infer"] == number + 1
        assert said["reason"]
    assert any("```json" in text for text in texts)
    assert any("<think>" in text for text in texts)
    assert any("```" not in text and "<think>" not in text for text in texts)


def test_a_prompt_without_a_form_gets_a_sentence() -> None:
    assert reply("3 + 4", "3 + 4", accuracy=1, seed=0, name="v") == "The result of 3 + 4 is 7."
