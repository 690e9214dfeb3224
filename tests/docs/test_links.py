"""Links between the pages lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from blocks import ROOT
from markdown_it import MarkdownIt

#: coverage.md quotes messages that look like links.
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("examples/*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
PAGES.remove(ROOT / "docs" / "coverage.md")
#: Addresses of other sites.
_REMOTE = re.compile(r"[a-z]+:")


def tokens(page: Path) -> list:
    flat = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        flat += [token, *(token.children or ())]
    return flat


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    found = tokens(page)
    titles = [found[index + 1].content for index, each in enumerate(found) if each.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page):
    for token in tokens(page):
        address = token.attrs.get("href") or token.attrs.get("src") or ""
        if not address or _REMOTE.match(str(address)):
            continue
        path, _, anchor = str(address).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {address}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {address}; there are {sorted(anchors(target))}"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_every_page_can_be_reached_from_the_readme(page):
    assert f"docs/{page.name}" in (ROOT / "README.md").read_text(encoding="utf-8")
