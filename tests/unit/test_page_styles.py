"""Styles of a page of the dashboard stay when one goes to the next: two pages that style one class break each other."""

import re
from collections import defaultdict
from pathlib import Path

PAGES = Path(__file__).parents[2] / "web/src/pages"
# Parts of the frame that pages confine their rules to.
SHARED = {"page-head"}


def subjects(css: str) -> set[str]:
    """The first class of each selector: what the rule is about, or what it is confined to."""
    plain = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    heads = re.findall(r"([^{};]+)\{", plain)
    return {m[1] for head in heads for part in head.split(",") if (m := re.match(r"\s*\.([\w-]+)", part))}


def test_no_class_is_styled_by_two_pages() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for file in PAGES.glob("*/*.css"):
        for name in subjects(file.read_text()) - SHARED:
            owners[name].add(file.parent.name)
    assert len(owners) > 30
    assert {name: pages for name, pages in owners.items() if len(pages) > 1} == {}
