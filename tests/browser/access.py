"""What axe finds on a page that keeps someone from reading or working it."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def hindrances(page: Page, part: str = "html") -> list[str]:
    """Each rule that a part of the page breaks, with the elements that break it."""
    # to tell of what is well takes longer than to look
    found = Axe().run(page, context=part, options={"runOnly": RULES, "resultTypes": ["violations"]})
    return [
        f"{broken['id']}: {broken['help']}: {[node['html'] for node in broken['nodes']]}"
        for broken in found.response["violations"]
    ]
