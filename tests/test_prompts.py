"""Prompt files: read, checked before anything is sent, rendered."""

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import ConfigError
from router.evals.arithmetic import arithmetic
from router.evals.fit import nobody
from router.evals.items import Item
from router.evals.marks import Marker, scorer_of
from router.evals.prompts import Prompt, load
from router.types import Completion, Json, Message, Usage

SHIPPED = Path(__file__).parents[1] / "prompts"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ask.txt"


def prompt_of(path: Path, text: str) -> Prompt:
    path.write_bytes(text.encode())
    return load(path)


def test_a_plain_prompt(path: Path) -> None:
    prompt = prompt_of(path, "What is {{ question }}?\n")
    assert (prompt.name, prompt.path, prompt.template) == ("ask", path, "What is {{ question }}?\n")
    assert prompt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (prompt.scorer, prompt.system, prompt.params) == ("json:infer", "", {})
    assert prompt.render({"question": "3 + 4"}) == ({"role": "user", "content": "What is 3 + 4?"},)


def test_front_matter(path: Path) -> None:
    prompt = prompt_of(
        path,
        "---\nscorer: number\nsystem: You know {{ field }}.\nparams: {temperature: 0, stop: [a]}\n---\n{{ question }}",
    )
    assert prompt.scorer == "number"
    assert prompt.params == {"temperature": 0, "stop": ["a"]}
    assert prompt.system == "You know {{ field }}."
    assert prompt.render({"question": "Why?", "field": "law"}) == (
        {"role": "system", "content": "You know law."},
        {"role": "user", "content": "Why?"},
    )


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        pytest.param('{"infer": 42} {{ question }}', '{"infer": 42} <Q>', id="single-braces"),
        pytest.param('{"a": {"b": {{ question }}}}', '{"a": {"b": <Q>}}', id="variable-in-json"),
        pytest.param("{x} }} {{ question }}", "{x} }} <Q>", id="closing-braces"),
        pytest.param("{{ '{{' }} {{ question }}", "{{ <Q>", id="double-braces-as-text"),
        pytest.param("{{question}}\n", "<Q>", id="last-line-end-dropped"),
        pytest.param("{{question}}\n\n", "<Q>\n", id="only-the-last"),
        pytest.param("a\r\n{{question}}\r\n", "a\n<Q>", id="windows-line-ends"),
        pytest.param("\ufeff{{question}}", "<Q>", id="byte-order-mark"),
        pytest.param("---\n---\n{{question}}", "<Q>", id="empty-front-matter"),
        pytest.param("\n---\n{{question}}", "\n---\n<Q>", id="a-rule-is-no-front-matter"),
        pytest.param("{% for n in range(2) %}{{ n }}{% endfor %}{{ question }}", "01<Q>", id="loop"),
        pytest.param('{{ question }}{{ hint | default("!") }}', "<Q>!", id="optional-variable"),
        pytest.param("{% if hint is defined %}{{ hint }}{% endif %}{{ question }}", "<Q>", id="tested-variable"),
    ],
)
def test_render(path: Path, template: str, rendered: str) -> None:
    prompt = prompt_of(path, template)
    prompt.check(["question"])
    assert prompt.render({"question": "<Q>"})[0]["content"] == rendered


@settings(deadline=None)
@given(question=st.text())
def test_a_question_is_never_a_template(question: str) -> None:
    prompt = load(SHIPPED / "plain.txt")
    before, after = prompt.template.removesuffix("\n").split("{{ question }}")
    assert prompt.render({"question": question})[0]["content"] == before + question + after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", ":1: the prompt is empty", id="empty"),
        pytest.param(" \n", ":1: the prompt is empty", id="blank"),
        pytest.param("---\nscorer: exact\n---\n", ":4: the prompt is empty", id="only-front-matter"),
        pytest.param(
            "What is it?", "no variable, so every item would ask the same; write {{ question }}", id="constant"
        ),
        pytest.param("{question}", "no variable", id="single-braces-only"),
        pytest.param("{{ range(3) }}", "no variable", id="only-a-function"),
        pytest.param("a\n{{ question", ":2: the template cannot be read", id="unclosed"),
        pytest.param("{{ " + "[" * 2000 + " }}", ":1: the template is nested too deeply", id="nested too deeply"),
        pytest.param('{{question}}\n{{"infer": 1}}', ":2: the template cannot be read: expected token", id="doubled"),
        pytest.param(
            "{{ question | nosuch }}", ":1: the template cannot be read: No filter named 'nosuch'", id="filter"
        ),
        pytest.param(
            "---\nscorer: exact\n---\n\n{% if %}", ":5: the template cannot be read", id="behind-front-matter"
        ),
        pytest.param("{{ question.__class__ }}", ":1: a prompt may not use __class__", id="insides"),
        pytest.param("{{ question }}\n{% include 'a' %}", ":2: a prompt is one file", id="include"),
        pytest.param("---\nscorer: exact\n", ":1: front matter begins here and is not closed", id="no-end"),
        pytest.param(
            "---\nscoer: exact\n---\n{{question}}",
            ":2: front matter has no option 'scoer'; did you mean scorer?",
            id="unknown-name",
        ),
        pytest.param("---\n- a\n---\n{{question}}", ":2: front matter holds names with values", id="list"),
        pytest.param("---\nscorer: [a]\n---\n{{question}}", ":2: scorer must be a text", id="scorer-no-text"),
        pytest.param("---\nsystem: 5\n---\n{{question}}", ":2: system must be a text", id="system-no-text"),
        pytest.param("---\nparams: 5\n---\n{{question}}", ":2: params holds names with values", id="params-no-mapping"),
        pytest.param("---\nscorer: exact\nscorer: infer\n---\n{{question}}", ":3: 'scorer' stands twice", id="twice"),
        pytest.param("---\nscorer: 'exact\n---\n{{question}}", ": this is not YAML", id="no-yaml"),
        pytest.param(
            "---\nsystem: |\n  a\n  {{ b\n---\n{{question}}",
            ":2: in line 2 of system: the template",
            id="system-template",
        ),
    ],
)
def test_wrong_files_are_refused(path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prompt_of(path, text)
    assert str(caught.value).startswith(f"{path}:")
    assert message in str(caught.value)


def test_an_unknown_scorer_is_named_with_its_line(path: Path) -> None:
    prompt = prompt_of(path, "---\n\nscorer: exat\n---\n{{question}}")
    with pytest.raises(ConfigError, match=r"ask\.txt:3: there is no scorer 'exat'; did you mean exact\?"):
        scorer_of(prompt)


def test_bytes_that_are_no_utf8(path: Path) -> None:
    path.write_bytes("题目\n".encode() + "题目".encode("gbk"))
    with pytest.raises(ConfigError, match=r"ask.txt:2: the byte 0xcc at offset 7 is not UTF-8; save the file"):
        load(path)


def test_missing_files_name_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "stepwise.txt").write_text("{{ question }}")
    with pytest.raises(ConfigError, match=r"no such prompt file; did you mean stepwise.txt\?"):
        load(tmp_path / "stepwize.txt")


@pytest.mark.parametrize(
    ("template", "known", "message"),
    [
        pytest.param(
            "a\n{{ qestion }}",
            ["question", "id"],
            ":2: there is no variable 'qestion'; did you mean question? (there are: id, question)",
            id="misspelt",
        ),
        pytest.param(
            "{{ question }}{% if zzz %}{% endif %}",
            ["question"],
            ":1: there is no variable 'zzz' (there are: question)",
            id="in-a-condition",
        ),
        pytest.param(
            "---\nsystem: '{{ who }}'\n---\n{{ question }}",
            ["question"],
            ":2: in line 1 of system: there is no variable 'who'",
            id="in-system",
        ),
    ],
)
def test_check_refuses_unknown_variables(path: Path, template: str, known: list[str], message: str) -> None:
    prompt = prompt_of(path, template)
    with pytest.raises(ConfigError) as caught:
        prompt.check(known)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("template", "value", "message"),
    [
        pytest.param("a\n{{ question['__class__'] }}", "x", "'__class__' of 'str' object is unsafe", id="unsafe"),
        pytest.param("a\n{{ question.append(1) }}", [0], "'append' of 'list' object is unsafe", id="changes-the-item"),
        pytest.param("a\n{{ question.name }}", {}, "has no attribute 'name'", id="no-attribute"),
        pytest.param("a\n{{ question + 1 }}", "x", "can only concatenate str", id="type"),
        pytest.param("a\n{{ 1 // question }}", 0, "division", id="zero"),
        pytest.param("a\n{{ missing }}{{ question }}", "x", "'missing' is undefined", id="undefined"),
        pytest.param(
            "a\n{% for n in range(question) %}{% endfor %}", 10**9, "a call is given a number above", id="endless"
        ),
    ],
)
def test_items_that_do_not_fit_are_refused(path: Path, template: str, value: object, message: str) -> None:
    prompt = prompt_of(path, template)
    with pytest.raises(ConfigError) as caught:
        prompt.render({"question": value})
    assert str(caught.value).startswith(f"{path}:2: the template cannot take this item: ")
    assert message in str(caught.value)


def test_errors_behind_front_matter_name_the_files_line(path: Path) -> None:
    prompt = prompt_of(path, "---\nscorer: exact\n---\n\n{{ question + 1 }}")
    with pytest.raises(ConfigError, match=r"ask.txt:5: the template cannot take"):
        prompt.render({"question": "x"})


@pytest.mark.parametrize("name", ["plain", "stepwise"])
def test_shipped_prompts_ask_the_question_and_show_the_answers_form(name: str) -> None:
    prompt = load(SHIPPED / f"{name}.txt")
    prompt.check(["question"])
    (item,) = arithmetic(1)
    (message,) = prompt.ask(item)
    text = str(message["content"])
    assert text.endswith(f"题目：{item.question}")
    # The example in the prompt is what its scorer reads.
    shown = Completion(text, "", "", "", "", Usage(), "stop", 0.0, 0.0, ())
    example = replace(item, expected={"plain": "42", "stepwise": "13"}[name])
    assert asyncio.run(Marker(scorer_of(prompt)).mark(example, shown, nobody)).outcome == "right"


# Conversations.

FEW_SHOT = """---
system: You calculate.
messages:
- user: 1 + 1
- assistant: "2"
- {role: user, content: "{{ first }}"}
- {role: assistant, content: "4"}
---
{{ question }}"""
TURNS = """--- system
You calculate.
--- user
1 + 1
--- assistant
2
--- user
{{ first }}
--- assistant
4
--- user
{{ question }}"""
SAID = ("You calculate.", "1 + 1", "2", "<F>", "4", "<Q>")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(FEW_SHOT, SAID, id="front matter"),
        pytest.param(TURNS, SAID, id="blocks"),
        pytest.param(
            TURNS.removeprefix("--- system\nYou calculate.\n--- user\n"), SAID[1:], id="the first is the user's"
        ),
    ],
)
def test_turns(path: Path, text: str, said: tuple[str, ...]) -> None:
    messages = prompt_of(path, text).render({"question": "<Q>", "first": "<F>"})
    roles = ("system", *("user", "assistant") * 2, "user")[-len(said) :]
    assert [(each["role"], each["content"]) for each in messages] == list(zip(roles, said, strict=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("--- user\n\n--- assistant\n{{ question }}", ":2: the prompt is empty", id="an empty turn"),
        pytest.param("a\n--- user\n{{ question", ":3: the template cannot be read", id="the line of a turn"),
        pytest.param("---\nmessages: 5\n---\n{{ question }}", ":2: messages holds a list", id="no list"),
        pytest.param("---\nmessages:\n- a\n---\n{{ question }}", ":3: message 1 must be like", id="no message"),
        pytest.param("---\nmessages:\n- bot: a\n---\n{{ question }}", "of system, user, assistant", id="no role"),
        pytest.param("---\nmessages:\n- user: ''\n---\n{{ question }}", "message 1 must be a text", id="no text"),
    ],
)
def test_wrong_turns_are_refused(path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        prompt_of(path, text)
    assert message in str(caught.value)


HISTORY: tuple[Message, ...] = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Yes?"},
)
ASKED: Message = {"role": "user", "content": "<Q>"}


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        pytest.param("{{ question }}", ["Be brief.", "Hi", "Yes?", "<Q>"], id="as it is"),
        pytest.param("Say: {{ question }}", ["Be brief.", "Hi", "Yes?", "Say: <Q>"], id="the question is worded"),
        pytest.param("---\nsystem: Calculate.\n---\n{{ question }}", ["Calculate.", "Hi", "Yes?", "<Q>"], id="system"),
        pytest.param(
            "a\n--- assistant\nb\n--- user\n{{ question }}",
            ["Be brief.", "a", "b", "Hi", "Yes?", "<Q>"],
            id="examples stand before the item's own",
        ),
    ],
)
def test_an_items_conversation_and_a_prompt(path: Path, text: str, roles: list[str]) -> None:
    item = Item("a", "<Q>", None, {"question": "<Q>"}, messages=(*HISTORY, ASKED))
    assert [message["content"] for message in prompt_of(path, text).ask(item)] == roles


def test_an_image_in_a_conversation_stays_beside_its_question(path: Path) -> None:
    image: Json = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    asked: Message = {"role": "user", "content": [{"type": "text", "text": "<Q>"}, image]}
    item = Item("a", "<Q>", None, {"question": "<Q>"}, messages=(asked,))
    (message,) = prompt_of(path, "Say: {{ question }}").ask(item)
    assert message["content"] == [{"type": "text", "text": "Say: <Q>"}, image]


def test_what_a_tool_said_last_is_asked_without_a_prompt_only(path: Path) -> None:
    item = Item("a", "<Q>", None, {"question": "<Q>"}, messages=(ASKED, {"role": "tool", "content": "4"}))
    with pytest.raises(ConfigError, match="last message is of role tool; ask such items without a prompt"):
        prompt_of(path, "Say: {{ question }}").ask(item)
