PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := .venv-compiled

.PHONY: run test lint bench conformance compiled test-compiled clean

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

# The compiled form, in an environment of its own.
compiled: $(COMPILED)/.installed

# The tests that go through what is compiled; copied, so that there is nothing beside them but what is installed.
COMPILED_TESTS := tests/test_compiled.py tests/stack tests/packetdrill tests/scenarios/packetdrill \
	tests/links/impairments tests/links/simulated
test-compiled: $(COMPILED)/.installed
	rm -rf $(COMPILED)/tree
	mkdir $(COMPILED)/tree
	cp -r pyproject.toml tests $(COMPILED)/tree
	cd $(COMPILED)/tree && UNS_COMPILED=1 ../bin/python -P -m pytest -n 2 $(COMPILED_TESTS) $(ARGS)

# pip 23 and later; the pins are for every Python that the project supports.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

# By way of a source distribution: what is compiled in the tree would be imported there instead of the source.
$(COMPILED)/.installed: pyproject.toml constraints.txt $(shell find stack links scenarios -name '*.py')
	$(PYTHON) -m venv --clear $(COMPILED)
	$(COMPILED)/bin/python -m pip install --quiet --disable-pip-version-check hatchling
	$(COMPILED)/bin/python -m hatchling build --target sdist --directory $(COMPILED)
	HATCH_BUILD_HOOK_ENABLE_MYPYC=1 PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(COMPILED)/bin/python -m pip install \
		--quiet --disable-pip-version-check "$$(ls $(COMPILED)/usernetstack-*.tar.gz)[dev]"
	touch $@

clean:
	rm -rf $(VENV) $(COMPILED) out .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
