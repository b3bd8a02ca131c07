# `make demo` or `make test` on a fresh machine with Python >= 3.11 installs all they need into .venv first.
PYTHON ?= python3
# the browser in which the report is tested
export CHROMIUM ?= chromium
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TESTFLAGS ?= -n auto
LABFLAGS ?=
REGRESSION := quickstart deferred-kernel bad-release channel-chain flaky-probes superseded
.DEFAULT_GOAL := help
.PHONY: help install browser demo picture lab test test-fast lint format bench regression baseline clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo       the quickstart: a three-channel fleet rolls out, explained; and a report of it'
	@echo 'make lab        the notebooks, in JupyterLab; make lab LABFLAGS=--no-browser'
	@echo 'make test       every test          make test-fast  without the slow ones'
	@echo 'make lint       ruff and mypy       make format     let ruff write the style'
	@echo 'make bench      speed, as ratios    make clean      remove what make made'
	@echo 'make regression has a scenario got worse or slower?'
	@echo 'make baseline   record what the scenarios give now, for make regression'

install: $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/nixfleet-sim run scenarios/quickstart.yaml
	$(BIN)/nixfleet-sim run scenarios/kernel-and-fault.yaml --quiet --out out/demo
	$(BIN)/nixfleet-sim run scenarios/kernel-and-fault.yaml --set rules.deferred=strict --quiet --out out/demo-strict
	$(BIN)/nixfleet-sim report out/demo --against out/demo-strict -o out/demo.html

# the picture in README.md: the first screen of that report
picture: demo browser
	$(CHROMIUM) --headless --no-sandbox --disable-gpu --disable-background-networking --hide-scrollbars \
	  --force-device-scale-factor=1 --user-data-dir="$$(mktemp -d)" --window-size=1280,800 \
	  --screenshot="$(CURDIR)/docs/report.png" "file://$(CURDIR)/out/demo.html"

lab: $(VENV)/installed-lab
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks $(LABFLAGS)

test: $(VENV)/installed browser
	$(BIN)/python -m pytest $(TESTFLAGS)

test-fast: $(VENV)/installed browser
	$(BIN)/python -m pytest $(TESTFLAGS) -m 'not slow'

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python notebooks/strip.py notebooks/*.ipynb

bench: $(VENV)/installed
	$(BIN)/python -m bench.ratios

# The same seeds give the same numbers, so the tolerance can be small; the speed is another thing on a busy machine.
regression: $(VENV)/installed
	$(BIN)/nixfleet-sim bench check bench/baseline.json --tolerance 1% --speed-tolerance 60%

baseline: $(VENV)/installed
	$(BIN)/nixfleet-sim bench record bench/baseline.json bench/narrow.yaml $(REGRESSION:%=scenarios/%.yaml)

clean:
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . '(' -name __pycache__ -o -name .ipynb_checkpoints ')' -type d -prune -exec rm -rf {} +

# The stamps: touched last, so that an install that breaks off is done again.
$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[test]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(VENV)/installed
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/installed-lab: pyproject.toml constraints.txt | $(VENV)/installed
	$(PIP) install -c constraints.txt -e '.[lab]'
	@touch $@

# Debian and Ubuntu ship python3 without ensurepip, and then `-m venv` fails half-way: start over after mending it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && { apt-get install -y -qq $$package || apt-get install -y -qq python3-venv; }; \
	  else \
	    echo "$(PYTHON) cannot make virtual environments. Install its venv package (Debian, Ubuntu:" \
	      "sudo apt-get install $$package), then make again." >&2; exit 1; \
	  fi; \
	fi
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Without a browser its tests are skipped, or fail where CI is set: that is theirs to say.
browser:
	@if ! command -v $(CHROMIUM) >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; \
	  fi; \
	  command -v $(CHROMIUM) >/dev/null || \
	    echo "There is no $(CHROMIUM) to test the report in. Install it (Debian: sudo apt-get install chromium)," \
	      "or name another: make CHROMIUM=/path/to/google-chrome" >&2; \
	fi
