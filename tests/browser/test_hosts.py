"""The table of hosts: sorted by any column, searched, and honest about how much of it is shown."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect


def rows(page: Page) -> Locator:
    return page.locator("#host-table tbody tr:visible")


def cells(page: Page, column: int) -> list[str]:
    """What one column shows, from the top."""
    return page.eval_on_selector_all(
        "#host-table tbody tr",
        "(all, column) => all.filter(row => row.checkVisibility()).map(row => row.cells[column].textContent.trim())",
        column,
    )


def headings(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#host-table thead th").all_text_contents()]


def button(page: Page, column: int) -> Locator:
    return page.locator("#host-table thead th").nth(column).get_by_role("button")


def direction(page: Page, column: int) -> str | None:
    return page.locator("#host-table thead th").nth(column).get_attribute("aria-sort")
