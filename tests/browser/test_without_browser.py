"""Where there is no browser, the tests that need one say so, and are no success where everything must be tested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ONE = "tests/browser/test_page.py::test_opens_from_a_file"


@pytest.mark.parametrize(("ci", "code", "outcome"), [("", 0, "1 skipped"), ("true", 1, "1 error")])
def test_tests_that_find_no_browser(ci: str, code: int, outcome: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-rs", ONE],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "CHROMIUM": "no-such-browser", "CI": ci},
        check=False,
    )
    assert done.returncode == code
    assert outcome in done.stdout
    assert "no no-such-browser to open the report in; `make browser` installs one, or says how to" in done.stdout
