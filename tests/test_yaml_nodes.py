"""Values know where they stand; what is no YAML is refused with its place, and never with a key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.config.yaml_nodes import Node, outline, parse, scalar, shown_text
from router.errors import ConfigError

KEY = "sk-planted-0123456789abcdef"


def mapping(node: Node) -> dict[str, Node]:
    assert isinstance(node.value, dict)
    return node.value


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(text, "f.yaml")
    return str(refused.value)


def test_values_and_names_know_their_places() -> None:
    root, mistakes = parse("a: 1\nb:\n  - x\n  - {c: yes}\n", "f.yaml")
    second = mapping(root)["b"]
    assert mistakes == []
    assert root.plain() == {"a": 1, "b": ["x", {"c": True}]}
    assert root.names == {"a": (1, 1), "b": (2, 1)}
    assert isinstance(second.value, tuple)
    assert (second.value[0].line, second.value[0].column) == (3, 5)
    assert second.value[1].names["c"] == (4, 6)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("5", 5, id="whole number"),
        pytest.param("0.5", 0.5, id="number"),
        pytest.param("yes", True, id="boolean by YAML 1.1"),
        pytest.param("~", None, id="null"),
        pytest.param("'5'", "5", id="quoted"),
        pytest.param("2024-10-21", "2024-10-21", id="a date stays a text"),
        pytest.param("=", "=", id="an equals sign stays a text"),
        pytest.param("${A}", "${A}", id="a variable stays a text"),
        pytest.param("!!str 5", "5", id="a plain tag"),
    ],
)
def test_scalars_follow_the_safe_loader(written: str, value: object) -> None:
    root, mistakes = parse(f"a: {written}", "f.yaml")
    assert mistakes == []
    assert root.plain() == {"a": value}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        pytest.param("a: 1\nb: 2\na: 3\n", 3, 1, "'a' stands twice; it stands first at 1:1", id="same name twice"),
        pytest.param("a: {b: 1, b: 2}", 1, 11, "first at 1:5", id="same name twice, nested"),
        pytest.param("a: !python/name:os.system x", 1, 4, "tags", id="python tag"),
        pytest.param("a: !foo [1]", 1, 4, "tags", id="tag on a list"),
        pytest.param("a: !!bool x", 1, 4, "promises", id="tag that lies"),
        pytest.param("a: .inf", 1, 4, "finite", id="infinity"),
        pytest.param("a: 99999999999999999999", 1, 4, "too large", id="number too large for JSON"),
        pytest.param("b: &b {c: 1}\na:\n  <<: *b\n", 3, 3, "defaults", id="merge key"),
        pytest.param("a: {{ x }}", 1, 5, "plain word", id="template braces"),
        pytest.param('a: "\\ud800"', 1, 4, "surrogate", id="half a character"),
        pytest.param('"\\ud800": 1', 1, 1, "plain word", id="half a character in a name"),
    ],
)
def test_mistakes_that_do_not_end_the_reading(text: str, line: int, column: int, words: str) -> None:
    _, mistakes = parse(text, "f.yaml")
    assert [(m.line, m.column) for m in mistakes] == [(line, column)]
    assert words in mistakes[0].text


QUOTES = 'wants quotes around ${…}: write {key: "${A}"}, not {key: ${A}}'


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        pytest.param("a:\n  - {key: ${A}}", "2:12", QUOTES, id="variable inside braces"),
        pytest.param("keys: [${A}, ${B}]", "1:9", QUOTES, id="variable inside brackets"),
        pytest.param("a: 1\n\tb: 2", "2:1", "takes no tabs", id="tab"),
        pytest.param("a: b: c", "1:5", "a colon and a space", id="colon inside a value"),
        pytest.param("a: *b", "1:4", "quote a value that begins with *", id="asterisk"),
        pytest.param("a: @b", "1:4", "quote a value", id="at sign"),
        pytest.param("a: 1\n---\nb: 1", "2:1", "keep one document", id="two documents"),
        pytest.param("a: [", "1:5", "not YAML", id="open bracket"),
        pytest.param("a: 'b", "1:6", "end of stream", id="open quote"),
        pytest.param("a: \x01", "1:4", "U+0001", id="control character"),
        pytest.param("a: &a [*a]", "1:1", "nested more than 50", id="alias of itself"),
        pytest.param("[" * 3000, "1:1", "nested more than 50", id="deep"),
        pytest.param(
            "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]" for i in range(8)),
            "1:1",
            "more than 10000 values",
            id="a billion from a few aliases",
        ),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_place(text: str, place: str, words: str) -> None:
    said = refusal(text)
    assert said.startswith(f"f.yaml:{place}: ")
    assert words in said


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"keys: {{key: {KEY}", id="in an open brace"),
        pytest.param(f"keys: [{KEY}, ${{A}}]", id="beside a variable"),
        pytest.param(f"keys: {KEY}: b: c", id="as a name"),
        pytest.param(f"keys: *{KEY}", id="as an alias"),
        pytest.param(f"keys: &{KEY} a\nb: &{KEY} b\n- ", id="as an anchor"),
        pytest.param(f"keys: !{KEY}!x a", id="as a tag's handle"),
        pytest.param(f"keys: '{KEY}", id="in an open quote"),
        pytest.param(f"keys: \t{KEY}: [", id="after a tab"),
        pytest.param(f"%{KEY} x\n---\na: [", id="as a directive"),
        pytest.param(f"a: ${{A:-{KEY}}}: b", id="as a default"),
    ],
)
def test_no_key_in_the_message_of_a_syntax_error(text: str) -> None:
    assert KEY not in refusal(text)
    assert KEY[:9] not in refusal(text)


def test_the_line_is_shown_by_its_signs_names_and_variables() -> None:
    line = f"  - {{key: {KEY}, account: Second, extra: ${{A}}}}"
    assert outline(line) == "- {key: …, account: …, extra: ${A}}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("gpt-4o-mini", "'gpt-4o-mini'", id="model"),
        pytest.param("https://api.example.com/v1", "'https://api.example.com/v1'", id="address"),
        pytest.param("${A_VARIABLE}", "'${A_VARIABLE}'", id="variable"),
        pytest.param("${A:-secret}", "'${A:-…}'", id="default"),
        pytest.param(KEY, f"a text of {len(KEY)} characters (not shown, it may be a key)", id="key"),
        pytest.param(
            "https://me:word@example.com", "a text of 27 characters (not shown, it may be a key)", id="password"
        ),
        pytest.param("x " * 40, f"'{'x ' * 30}…'", id="long"),
    ],
)
def test_what_looks_like_a_key_is_only_described(text: str, shown: str) -> None:
    assert shown_text(text) == shown


def test_a_variables_text_is_read_as_if_it_stood_in_the_file() -> None:
    assert [scalar(text) for text in ("5", "0.5", "on", "", "5/s", "a: b")] == [5, 0.5, True, None, "5/s", "a: b"]


@given(st.text(alphabet=st.sampled_from("ab01:-[]{}'\"\n \t#&*!|>%@`?,.~<$\\_é\ud800\x01"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        root, _ = parse(text, "f.yaml")
        root.plain()
    except ConfigError as refused:
        assert str(refused).startswith("f.yaml:")  # noqa: PT017 - most texts are fine, so pytest.raises cannot say it
