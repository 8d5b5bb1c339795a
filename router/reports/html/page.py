"""The page around the data: scripts and styles by their hashes, no network, nothing evaluated."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from router.reports.html.blocks import block
from router.reports.html.markup import Markup, element, joined

HERE = Path(__file__).parent
VENDOR, ASSETS = HERE / "vendor", HERE / "assets"
PLOT_SCRIPTS = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
SCRIPTS = ("blocks", "rows", "words", "address", "table", "item", "charts", "keys", "main")
"""Our own, one idea a file, in the order in which they build on each other."""
_SOURCE_MAP = re.compile(r"/[/*]# sourceMappingURL=\S+(?: \*/)?\s*$")
"""Names a file that is not there, which a browser's tools would look for."""


def page(title: str, body: Iterable[Markup], first: Mapping[str, str], later: Mapping[str, str]) -> str:
    """A whole document; `first` and `later` are packed data by their names, those that the table needs, and the rest.

    The table comes before the plots: its data and scripts stand before all others.
    """
    of_table, of_plots = [_vendored("tabulator.min.js"), _own_script()], [*map(_vendored, PLOT_SCRIPTS)]
    style = f"{_vendored('tabulator_simple.min.css')}\n{(ASSETS / 'report.css').read_text(encoding='utf-8')}"
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy([*of_table, *of_plots], style)}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        element("title", title),
        element("style", Markup(style)),
    )
    parts = [*body, _blocks(first), _scripts(of_table), _scripts(of_plots), _blocks(later)]
    return f"<!doctype html>\n{element('html', head, element('body', *parts), lang='en')}\n"


def _blocks(blocks: Mapping[str, str]) -> Markup:
    return joined(block(name, data) for name, data in blocks.items())


def _scripts(texts: Iterable[str]) -> Markup:
    return joined(element("script", Markup(text)) for text in texts)


def _policy(scripts: Iterable[str], style: str) -> str:
    """Only these scripts and this style; images are those that a plot is saved as."""
    of_scripts = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {of_scripts}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


@functools.cache
def _vendored(name: str) -> str:
    return _SOURCE_MAP.sub("", (VENDOR / name).read_text(encoding="utf-8"))


@functools.cache
def _own_script() -> str:
    texts = [(ASSETS / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS]
    return "\n".join(['(() => {\n"use strict";', *texts, "})();"])
