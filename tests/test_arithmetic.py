"""The built-in task is the same everywhere, and its answers are right."""

import ast
import itertools
import operator
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError
from router.evals.arithmetic import arithmetic, solve

# Python's own precedence is the reference; only the three operators and integers are walked.
OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def reference(expression: str) -> int:
    def value(node: ast.expr) -> int:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant)
        assert isinstance(node.value, int)
        return node.value

    return value(ast.parse(expression.replace("x", "*"), mode="eval").body)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    numbers = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
    joints = draw(st.lists(st.sampled_from("+-x"), min_size=len(numbers) - 1, max_size=len(numbers) - 1))
    space = draw(st.sampled_from(["", " ", "  "]))
    pairs = itertools.zip_longest(map(str, numbers), joints, fillvalue="")
    return space.join(part for pair in pairs for part in pair if part)


@settings(deadline=None)
@given(expressions())
def test_solve_agrees_with_python(expression: str) -> None:
    assert solve(expression) == reference(expression)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        pytest.param("37 + 5 x 12", 97, id="multiplication-first"),
        pytest.param("10 - 4 - 3", 3, id="subtraction-from-the-left"),
        pytest.param("10 - 2 x 3 x 4 + 1", -13, id="a-product-is-subtracted-whole"),
        pytest.param("0007", 7, id="a-number-alone"),
    ],
)
def test_solve(expression: str, value: int) -> None:
    assert solve(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("", id="empty"),
        pytest.param("1 +", id="operator-at-the-end"),
        pytest.param("+ 1", id="operator-at-the-begin"),
        pytest.param("1 + -2", id="signed-number"),
        pytest.param("1 2", id="two-numbers"),
        pytest.param("1 / 2", id="division"),
        pytest.param("(1 + 2) x 3", id="brackets"),
        pytest.param("1.5 + 2", id="fraction"),
        pytest.param("１ + ２", id="full-width-digits"),
        pytest.param("__import__('os')", id="code"),
    ],
)
def test_solve_refuses_all_else(expression: str) -> None:
    with pytest.raises(ValueError, match="expected integers"):
        solve(expression)


@settings(deadline=None)
@given(st.text(alphabet="0123456789+-x* ()", max_size=30))
def test_solve_answers_or_refuses(text: str) -> None:
    try:
        value = solve(text)
    except ValueError:
        return
    # Python reads no number with leading zeros.
    numbers = [str(int(word)) if word.isdigit() else word for word in text.replace("x", " x ").split()]
    if all(sign not in text for sign in "+-"):
        assert value == reference(" ".join(numbers))


def test_items_never_change() -> None:
    """Another Python, machine or release must ask the same: these were written down once."""
    found = [(item.id, item.question, item.expected) for item in arithmetic(3, seed=7)]
    assert found == [
        ("arith-7-2-00000", "12 + 30 + 28", "70"),
        ("arith-7-2-00001", "61 + 19 - 47", "33"),
        ("arith-7-2-00002", "52 + 55 - 43", "64"),
    ]


def test_an_item_does_not_depend_on_how_many_are_asked() -> None:
    assert list(arithmetic(5, ops=3, seed=1)) == list(itertools.islice(arithmetic(10**9, ops=3, seed=1), 5))


def test_items_differ_by_seed_and_ops() -> None:
    questions = {next(arithmetic(1, ops, seed)).question for ops in (1, 2, 3) for seed in range(10)}
    assert len(questions) == 30


def test_all_numbers_and_operators_occur_and_answers_are_right() -> None:
    items = list(arithmetic(2000, ops=2, seed=0))
    words = [item.question.split() for item in items]
    assert {int(n) for w in words for n in w[::2]} == set(range(1, 101))
    assert {o for w in words for o in w[1::2]} == {"+", "-", "x"}
    assert all(len(w) == 5 for w in words)
    assert all(item.expected == str(reference(item.question)) for item in items)
    assert all(item.variables == {"question": item.question} for item in items)
    assert len({item.id for item in items}) == 2000


@pytest.mark.parametrize(
    ("limit", "ops", "message"),
    [
        pytest.param(-1, 2, "limit is -1", id="negative-limit"),
        pytest.param(1, 0, "ops is 0", id="no-operator"),
    ],
)
def test_wrong_numbers_are_refused_at_once(limit: int, ops: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arithmetic(limit, ops)
