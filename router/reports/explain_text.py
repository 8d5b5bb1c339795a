"""An explanation of a fault or a vendor, for a terminal and as a page of the documents."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from router.analysis.explain import Explanation, explain
from router.analysis.wording import seconds
from router.catalog.vendors import Vendor, vendors
from router.faults import Kind
from router.text import clean


def explanation_text(found: Explanation, width: int) -> str:
    """A fault in four lines, wrapped."""
    return _lines(width, f"{found.fault} ({found.family}; blames the {found.blame})", _of_fault(found))


def vendor_text(vendor: Vendor, width: int) -> str:
    """What is known of a vendor, wrapped."""
    return _lines(width, f"{vendor.name} ({', '.join(f'{prefix}/' for prefix in vendor.prefixes)})", _of_vendor(vendor))


def vendors_page() -> str:
    """docs/vendors.md."""
    head = (
        "# Vendors\n\nMade from `router/catalog/vendors.toml` by\n"
        "`uv run python -m router.reports.explain_text vendors`; a test fails where it is stale.\n"
        "The numbers of free tiers change monthly: take them as first guesses.\n"
    )
    return head + "".join(_section(vendor.name, _of_vendor(vendor)) for vendor in vendors() if vendor.sources)


def faults_page() -> str:
    """docs/faults.md."""
    head = (
        "# Faults\n\nMade by `uv run python -m router.reports.explain_text faults`; a test fails where it is stale. "
        "`router explain FAULT` prints the same,\nand `router explain --status 429 --body -` explains a reply.\n"
    )
    return head + "".join(_section(f"`{kind}`", _of_fault(explain(kind))) for kind in Kind)


def _of_fault(found: Explanation) -> Iterator[tuple[str, str]]:
    if found.reply is not None:
        words = found.reply.message or "nothing"
        yield "the reply says", clean(words) + (f" ({clean(code)})" if (code := found.reply.vendor_code) else "")
        if found.reply.retry_after_s is not None:
            yield "try again in", seconds(found.reply.retry_after_s)
    yield "means", found.means
    yield (
        "the router",
        f"{found.does} It {'uses up' if found.charged else 'does not use up'} one of the item's attempts.",
    )
    yield "to change", found.change


def _of_vendor(vendor: Vendor) -> Iterator[tuple[str, str]]:
    yield "LiteLLM's prefixes", ", ".join(f"{prefix}/" for prefix in vendor.prefixes)
    for name, text in (("address", vendor.base), ("who shares a limit", vendor.shares), ("limits", vendor.limits)):
        if text:
            yield name, text
    if vendor.bans:
        yield "refusals", vendor.bans
    if vendor.headers:
        yield "headers that are read", ", ".join(header.name for header in vendor.headers)
    if vendor.extra:
        yield "needs", f"pip install 'router[{vendor.extra}]'"
    yield "sources", " ".join(vendor.sources)


def _lines(width: int, title: str, parts: Iterable[tuple[str, str]]) -> str:
    wrapped = (
        textwrap.fill(f"{name}: {text}", width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for name, text in parts
    )
    return "\n".join((title, *wrapped))


def _section(title: str, parts: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"- **{name}**: {_linked(text)}\n" for name, text in parts)
    return f"\n## {title}\n\n{rows}"


def _linked(text: str) -> str:
    return " ".join(f"<{word}>" if word.startswith("https://") else word for word in text.split(" "))


if __name__ == "__main__":
    import sys

    sys.stdout.write({"vendors": vendors_page, "faults": faults_page}[sys.argv[1]]())
