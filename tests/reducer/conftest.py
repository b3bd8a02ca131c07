"""Lets the tests beside this file import `twin`: with `--import-mode=importlib` the folder is on no path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("twin")
sys.path.insert(0, str(Path(__file__).parent))
try:
    importlib.import_module("twin")
finally:
    sys.path.pop(0)
