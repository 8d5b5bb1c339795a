"""The report's file: what it says first, that it is one file without a network, and that answers are never HTML."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest
from reported import NASTY, write_run

from router.cli.app import run
from router.cli.report import write_beside
from router.evals.comparison import compare
from router.evals.pairing import Pairing
from router.reports.html import comparing
from router.reports.html.blocks import packed
from router.reports.html.items import items_of
from router.reports.html.markup import Markup, element, joined, table
from router.reports.html.page import VENDOR
from router.reports.html.report import report
from router.reports.html.source import read_source


class Parsed(HTMLParser):
    """The elements of a page with their attributes, the texts of scripts and styles, and all that is to be read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.contents: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag in self.contents:
            self.contents[tag].append("")

    def handle_data(self, data: str) -> None:
        if self._inside in self.contents:
            self.contents[self._inside][-1] += data
        else:
            self.text += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser names it
        self._inside = ""

    def of(self, tag: str) -> Iterator[Mapping[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    directory = write_run(tmp_path_factory.mktemp("runs") / "trial", simulated=True)
    (directory / "summary.json").write_text(json.dumps({"stopped": NASTY}), encoding="utf-8")
    return Parsed(report([read_source(directory)]))


def unpacked(data: str) -> object:
    return json.loads(gzip.decompress(base64.b64decode(data)))


# Markup.


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(element("p", "<b>", class_="a"), '<p class="a">&lt;b&gt;</p>', id="a text is escaped"),
        pytest.param(element("p", Markup("<b>")), "<p><b></p>", id="markup is not"),
        pytest.param(element("p", title='"', hidden=None), '<p title="&quot;"></p>', id="attributes"),
        pytest.param(element("p", data_chart="x", for_="y"), '<p data-chart="x" for="y"></p>', id="their names"),
        pytest.param(joined(["a", None, 1]), "a1", id="nothing and a number"),
    ],
)
def test_markup(made: Markup, expected: str) -> None:
    assert made == expected


def test_a_table_sets_its_numbers_to_the_right() -> None:
    made = table(["name", "n"], [["<i>", 3]], numbers=["n"])
    assert '<td>&lt;i&gt;</td><td class="number">3</td>' in made


def test_data_comes_back_as_it_was() -> None:
    assert unpacked(packed({"a": [1, "ü"]})) == {"a": [1, "ü"]}


# One file, no network, nothing evaluated.


def test_what_is_brought_along_is_what_npm_has() -> None:
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS", "README.md"}
    assert set(sums) == there
    assert {name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in there} == sums


def test_every_package_has_its_licence() -> None:
    packages = re.findall(r"^\| `.*\| ([\w-]+) \| \d", (VENDOR / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(packages) == sorted(path.name.removeprefix("LICENSE.") for path in VENDOR.glob("LICENSE.*"))


def test_the_policy_names_each_script_and_style_and_lets_nothing_else_in(page: Parsed) -> None:
    (policy,) = (each["content"] for each in page.of("meta") if "http-equiv" in each)
    assert policy is not None
    rules = {name: value.split() for name, _, value in (rule.partition(" ") for rule in policy.split("; "))}
    kinds = [each.get("type") for each in page.of("script")]
    run_by_browsers = [text for kind, text in zip(kinds, page.contents["script"], strict=True) if kind is None]
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == [_hash(text) for text in run_by_browsers]
    assert rules["style-src"] == [_hash(text) for text in page.contents["style"]]
    assert rules["base-uri"] == rules["form-action"] == ["'none'"]
    assert "unsafe" not in policy


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_nothing_is_fetched_from_anywhere(page: Parsed) -> None:
    addresses = [each[name] or "" for _, each in page.elements for name in ("src", "href", "action") if name in each]
    assert [each for each in addresses if not each.startswith("#")] == []


def test_nothing_of_an_answer_is_html(page: Parsed) -> None:
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["img"] == 0
    assert not [name for _, each in page.elements for name in each if name.startswith("on")]
    assert [kind for each in page.of("script") if (kind := each.get("type")) is None] == [None] * 5
    assert f"Stopped: {NASTY}" in page.text  # as words


# What it says.


def test_a_simulated_run_says_so_first_and_at_every_plot(page: Parsed) -> None:
    assert page.text.strip().startswith("SIMULATED: trial")
    assert page.text.index("SIMULATED vendors") < page.text.index("Undecided between plain and stepwise")
    plots = [each for each in page.of("div") if "data-chart" in each]
    assert page.text.count("(simulated)") >= len(plots) > 5


def test_the_verdict_comes_before_all_else(page: Parsed) -> None:
    words = page.text.partition("SIMULATED vendors")[2]
    order = ["Undecided between plain and stepwise", "What calls waited for", "Accuracy", "Differences", "Over time"]
    places = [words.index(each) for each in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("marks", "headline"),
    [
        pytest.param({"a": "1" * 40, "b": "0" * 40}, "Take a: it beats b", id="decided"),
        pytest.param({"a": "1100", "b": "1010"}, "Undecided between a and b", id="undecided"),
        pytest.param({"a": "1" * 40, "b": "0" * 40, "c": "0" * 40}, "Take a: it beats all others", id="of three"),
        pytest.param(
            {"a": "1" * 40, "b": "1" * 39 + "0", "c": "0" * 40},
            "a is ahead, but not decided against b",
            id="ahead",
        ),
    ],
)
def test_the_headline_says_what_to_take(marks: Mapping[str, str], headline: str) -> None:
    from reported import row

    pairing = Pairing("prompt", marks)
    for prompt, verdicts in marks.items():
        for number, verdict in enumerate(verdicts):
            pairing.add(row(f"item-{number}", prompt, "right" if verdict == "1" else "wrong", "acme"))
    assert comparing.headline(compare(pairing.table())) == headline


# The table's data.


def columns(data: str) -> dict[str, list[object]]:
    found = unpacked(data)
    assert isinstance(found, dict)
    return {
        name: each["values"] if "values" in each else [each["names"][code] for code in each["codes"]]
        for name, each in found.items()
    }


def test_arms_of_an_item_stand_side_by_side(tmp_path: Path) -> None:
    items = items_of([read_source(write_run(tmp_path / "trial", items=3))])
    found = columns(items.columns)
    assert list(zip(found["id"], found["prompt"], strict=True)) == [
        (f"item-{number}", prompt) for number in range(3) for prompt in ("plain", "stepwise")
    ]
    assert found["flipped"] == [True, True, False, False, True, True]


def test_texts_are_whole_and_attempts_told_where_there_were_several(tmp_path: Path) -> None:
    items = items_of([read_source(write_run(tmp_path / "trial", items=3))])
    (texts,) = map(unpacked, items.texts)
    assert isinstance(texts, list)
    assert texts[0]["response"] == NASTY
    assert NASTY in texts[0]["question"]
    assert [(each["ok"], each["fault"], each["words"]) for each in texts[2]["attempts"]] == [
        (False, "rate_limit", NASTY),
        (True, None, ""),
    ]
    assert "attempts" not in texts[0]


@pytest.mark.parametrize(
    ("share", "missing"),
    [
        pytest.param(1.0, (), id="room for all"),
        pytest.param(
            0.99, ("Texts of right answers are left out, others are cut after 2,000 characters.",), id="less room"
        ),
        pytest.param(0.0, ("Texts of answers are left out.",), id="no room"),
    ],
)
def test_a_file_stays_small(tmp_path: Path, share: float, missing: tuple[str, ...]) -> None:
    source = read_source(write_run(tmp_path / "trial", items=30))
    whole = items_of([source])
    size = len(whole.columns) + sum(map(len, whole.texts))
    assert items_of([source], max_bytes=int(share * size)).missing == missing


def test_of_too_many_rows_those_that_are_not_right_are_kept(tmp_path: Path) -> None:
    items = items_of([read_source(write_run(tmp_path / "trial", items=10))], max_rows=8)
    outcomes = Counter(columns(items.columns)["outcome"])
    assert outcomes == {"wrong": 5, "right": 3}
    assert items.missing[0].startswith("8 of 20 rows are shown")


# The command.


def test_a_report_is_written_into_its_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_run(tmp_path / "runs" / "trial")
    assert run(["report", "trial", "--log-dir", str(tmp_path / "runs")]) == 0
    written = Path(capsys.readouterr().out.strip())
    assert written == directory / "report.html"
    assert "SIMULATED" not in Parsed(written.read_text(encoding="utf-8")).text
    assert [path.name for path in directory.glob(".*")] == []


def test_several_runs_are_compared_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(write_run(tmp_path / "runs" / name)) for name in ("one", "two")]
    target = tmp_path / "both.html"
    assert run(["report", *names, "-o", str(target)]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    text = Parsed(target.read_text(encoding="utf-8")).text
    assert "Undecided between one and two" in text
    assert columns(_block(target, "columns"))["run"] == ["one", "one", "two", "two"] * 6


def _block(path: Path, name: str) -> str:
    (found,) = re.findall(f'id="block-{name}">([^<]*)<', path.read_text(encoding="utf-8"))
    return str(found)


@pytest.mark.parametrize(
    ("lost", "code", "told"),
    [
        pytest.param("results.jsonl", 3, "there is no results.jsonl in it", id="no results"),
        pytest.param("report.html", 2, "the report cannot be written", id="no place"),
    ],
)
def test_what_cannot_be_done_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost: str, code: int, told: str
) -> None:
    directory = write_run(tmp_path / "runs" / "trial")
    if lost == "report.html":
        (directory / lost).mkdir()
    else:
        (directory / lost).unlink()
    assert run(["report", str(directory)]) == code
    assert told in capsys.readouterr().err


def test_a_run_that_was_killed_has_a_report_too(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "trial")
    for name in ("summary.json", "run.json", "items.jsonl", "log.jsonl"):
        (directory / name).unlink()
    assert "it goes on, or was killed" in report([read_source(directory)])


def test_prompts_are_shown_as_they_were(page: Parsed) -> None:
    assert "Prompt plainuserplain: {{ question }}Prompt stepwise" in page.text


def test_a_run_of_very_many_rows_is_not_kept_waiting(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = write_run(tmp_path / "trial")
    write_beside(directory, 100_001, quiet=True, has_stopped=False)
    assert "router report" in capsys.readouterr().err
    assert not (directory / "report.html").exists()


@pytest.mark.parametrize(("has_stopped", "said"), [(False, True), (True, False)], ids=["ended", "stopped"])
def test_at_the_end_of_a_run_a_report_that_cannot_be_written_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, has_stopped: bool, said: bool
) -> None:
    directory = write_run(tmp_path / "trial")
    (directory / "report.html").mkdir()
    write_beside(directory, 12, quiet=True, has_stopped=has_stopped)
    assert ("the report was not written: " in capsys.readouterr().err) is said
