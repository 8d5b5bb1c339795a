"""The report in a real browser: it renders without a complaint, finds, filters, opens, draws, and runs nothing of an
answer. Skipped where there is no Chromium."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from browser import Page, find_browser, opened
from reported import NASTY, write_run

from router.reports.html.report import write_report

pytestmark = pytest.mark.skipif(find_browser() is None, reason="no Chromium on the path, and none named by CHROMIUM")

SHOWN = 'document.getElementById("count").textContent'
PLACES = '[...document.querySelectorAll("[data-chart]")]'
DRAWN = f"drawAllCharts().then(() => {PLACES}.map((each) => [each.dataset.chart, each.querySelectorAll('svg').length]))"
SAVED = """(async () => {
  const saved = [];
  HTMLAnchorElement.prototype.click = function () { saved.push([this.download, this.href.split(/[:;]/, 1)[0]]); };
  for (const button of document.querySelector("figure").querySelectorAll("[data-export]")) button.click();
  while (saved.length < 2) await new Promise((again) => setTimeout(again, 20));
  return saved.sort();
})()"""
OPENED = """new Promise((found) => {
  const dialog = document.getElementById("item");
  const look = () => (dialog.open && dialog.querySelector("article") ? found(dialog.innerText) : setTimeout(look, 20));
  look();
})"""
SETTLED = "new Promise((ready) => setTimeout(() => setTimeout(ready, 60), 300))"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What one visit sees, step by step: a browser costs more than all else here."""
    home = tmp_path_factory.mktemp("report")
    file = home / "report.html"
    write_report([write_run(home / "trial", simulated=True)], file)
    return asyncio.run(_visit(file, home))


async def _visit(file: Path, home: Path) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    async with opened(
        file.as_uri(), home / "profile", fragment="#outcome=wrong&sort=id&dir=desc", width=390, theme="dark"
    ) as page:
        seen["from the address"] = await page.evaluate(SHOWN)
        seen["first"] = await page.evaluate('document.querySelector(".tabulator-row .tabulator-cell").textContent')
        seen["widths"] = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        seen["drawn"] = await page.evaluate(DRAWN)
        seen["dark"] = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        seen["saved"] = await page.evaluate(SAVED)
        await page.evaluate('document.getElementById("clear").click()')
        seen["all"] = await page.evaluate(SHOWN)
        await _search(page, "item-3 stepwise")
        seen["found"] = [await page.evaluate(SHOWN), await page.evaluate("location.hash")]
        await page.evaluate('document.getElementById("clear").click()')
        await page.press("f")
        seen["flipped"] = [await page.evaluate(SHOWN), await page.evaluate("location.hash")]
        await page.evaluate("document.activeElement.blur()")
        await page.press("j")
        seen["opened"] = [await page.evaluate(OPENED), await page.evaluate("location.hash")]
        seen["marked"] = await page.evaluate('document.querySelectorAll("#item mark").length')
        await page.press("j")
        await page.evaluate(SETTLED)
        seen["next"] = await page.evaluate("location.hash")
        seen["printed"] = await page.evaluate(
            'dispatchEvent(new Event("beforeprint")), document.querySelectorAll("#printed tr").length'
        )
        seen["pwned"] = await page.evaluate("[typeof window.pwned, document.images.length]")
        seen["complaints"], seen["requests"] = page.complaints, page.requests
    return seen


async def _search(page: Page, words: str) -> None:
    await page.evaluate(f'search.value = "{words}", search.dispatchEvent(new Event("input"))')
    await page.evaluate(SETTLED)


def test_nothing_is_complained_of_and_nothing_fetched(seen: Mapping[str, Any]) -> None:
    assert seen["complaints"] == []
    assert [each for each in seen["requests"] if not each.startswith(("file:", "data:", "blob:"))] == []


def test_nothing_of_an_answer_is_run(seen: Mapping[str, Any]) -> None:
    assert seen["pwned"] == ["undefined", 0]


def test_filters_are_in_the_address(seen: Mapping[str, Any]) -> None:
    assert [seen["from the address"], seen["first"]] == ["3 of 12", "item-4"]
    assert seen["all"] == "12 of 12"
    assert seen["flipped"] == ["6 of 12", "#flipped=1"]


def test_all_words_are_searched_for(seen: Mapping[str, Any]) -> None:
    assert seen["found"] == ["1 of 12", "#q=item-3+stepwise"]


def test_an_item_opens_by_the_keyboard_with_both_answers(seen: Mapping[str, Any]) -> None:
    text, address = seen["opened"]
    assert "item=item-0" in address
    assert NASTY in text
    assert "The answer of stepwise is 42." in text
    assert seen["marked"] > 0
    assert "item=item-0" in seen["next"]
    assert "stepwise" in seen["next"]


def test_every_plot_is_drawn_and_can_be_saved(seen: Mapping[str, Any]) -> None:
    assert len(seen["drawn"]) > 6
    assert all(count == 1 for _, count in seen["drawn"])
    assert seen["saved"] == [
        ["accuracy-prompt.png", "data"],
        ["accuracy-prompt.svg", "blob"],
    ]


def test_a_phone_scrolls_downwards_only_and_dark_is_dark(seen: Mapping[str, Any]) -> None:
    page, screen = seen["widths"]
    assert page <= screen
    assert seen["dark"] == "rgb(20, 24, 29)"


def test_what_is_kept_is_printed(seen: Mapping[str, Any]) -> None:
    assert seen["printed"] == 7  # six rows and their head
