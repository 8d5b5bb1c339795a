"""What a template may spend: work is counted, never timed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from router.errors import ConfigError
from router.evals.sandbox import MAX_STEPS
from router.evals.templates import Text, expression, render

HUNDRED_THOUSAND = list(range(100_000))
TREE = "{% for each in tree recursive %}({{ each.name }}{{ loop(each.children) }}){% endfor %}"


def rendered(source: str, **values: object) -> str:
    return render(Text(source, Path("ask.txt")), values)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{% for a in xs %}{% for b in xs %}{% endfor %}{% endfor %}", id="loops that say nothing"),
        pytest.param("{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}", id="words"),
        pytest.param("{% for a in xs %}{% for b in xs if false %}{% endfor %}{% endfor %}", id="a condition"),
        pytest.param("{% set all %}{% for a in xs %}{% for b in xs %}.{% endfor %}{% endfor %}{% endset %}", id="set"),
        pytest.param("{% for a in xs recursive %}{% if loop.depth < 3 %}{{ loop(xs) }}{% endif %}{% endfor %}", id="r"),
        pytest.param("{% for a in xs %}{% set x = xs | sum %}{% endfor %}", id="a filter"),
        pytest.param("{% for a in xs %}{% set x = xs | map('abs') | list %}{% endfor %}", id="a chain of filters"),
        pytest.param("{% for a in xs %}{% set x = xs | default([]) | length %}{% endfor %}", id="a default"),
        pytest.param(
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(40) }}", id="a macro"
        ),
        pytest.param(
            "{% macro f(v) %}{% for x in v %}{% endfor %}{% endmacro %}{% for a in xs %}{{ f(xs) }}{% endfor %}", id="m"
        ),
    ],
)
def test_what_would_not_come_to_an_end_is_stopped(source: str) -> None:
    with pytest.raises(ConfigError, match=r"ask\.txt:1: .* more than 300,000 steps; does a loop go round too often"):
        rendered(source, xs=HUNDRED_THOUSAND)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param("{{ 'a' * n }}", "multiplication", id="a text"),
        pytest.param("{{ n * [0] }}", "multiplication", id="a list"),
        pytest.param("{{ n ** n }}", "power", id="a power"),
        pytest.param("{{ 10 ** (10 ** 10) }}", "power", id="a power of constants"),
        pytest.param("{{ lipsum(n) }}", "'lipsum' is undefined", id="filler"),
    ],
)
def test_what_would_fill_the_memory_is_refused(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rendered(source, n=10**10)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("{% for x in xs[:3] %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/3 2/3 3/3 ", id="loop"),
        pytest.param("{% for x in [] %}{% else %}none{% endfor %}", "none", id="else"),
        pytest.param("{% for x in xs if x < 2 %}{{ x }}{% if not loop.last %},{% endif %}{% endfor %}", "0,1", id="if"),
        pytest.param("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "a1", id="pairs"),
        pytest.param("{{ nothing | default('x') }}", "x", id="a default"),
        pytest.param("{{ xs | select('even') | map('string') | batch(2) | first | join('+') }}", "0+2", id="a chain"),
        pytest.param("{% filter upper %}a{% endfilter %}", "A", id="a block"),
        pytest.param("{{ 2 ** 10 }} {{ '-' * 3 }} {{ 0.5 * 2 }}", "1024 --- 1.0", id="arithmetic"),
        pytest.param(
            "{% set ns = namespace(n=0) %}{% for x in xs[:100] %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "100",
            id="n",
        ),
    ],
)
def test_what_counts_is_rendered_as_jinja_renders_it(source: str, text: str) -> None:
    assert rendered(source, xs=HUNDRED_THOUSAND) == text


def test_a_tree_is_rendered() -> None:
    leaf: dict[str, object] = {"name": "b", "children": []}
    assert rendered(TREE, tree=[{"name": "a", "children": [leaf, leaf]}]) == "(a(b)(b))"


def test_every_rendering_has_a_budget_of_its_own() -> None:
    source = "{% for x in xs %}{% endfor %}{{ xs | length }}"
    assert {rendered(source, xs=HUNDRED_THOUSAND) for _ in range(20)} == {"100000"}


def test_no_template_reaches_its_budget() -> None:
    assert "steps left" not in rendered("{{ self }}{{ xs }}", xs=[1])


@pytest.mark.parametrize("more", [0, 1])
def test_the_limit_is_exact(more: int) -> None:
    xs = [None] * (MAX_STEPS + more)
    with pytest.raises(ConfigError) if more else nullcontext():
        assert rendered("{% for x in xs %}{% endfor %}", xs=xs) == ""


def test_an_expression_is_bounded_too() -> None:
    with pytest.raises(ValueError, match="more than 300,000 steps"):
        expression("xs | map('abs') | sum + xs | sum + xs | length")({"xs": HUNDRED_THOUSAND})
