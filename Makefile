PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint bench conformance clean

run: $(STAMP)
	$(BIN)/usernetstack run scenarios/examples/lossy_reordered.yaml --pcap out

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

conformance: $(STAMP)
	$(BIN)/python -m tests.conformance

bench: $(STAMP)
	$(BIN)/python -m benchmarks --json out/bench.json $(if $(BASE),--base $(BASE)) $(ARGS)

# pip 23 and later; the pins are for every Python that the project supports.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
