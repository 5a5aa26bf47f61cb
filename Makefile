# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first, if it is absent.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# TensorFlow greets on stderr; keep its errors only.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test lint bench docs coverage release lock clean

# Stands for "everything in constraints.txt is installed": made again when the pins change.
$(VENV)/installed: constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/quickstart.py

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/installed
	$(BIN)/python benchmarks/run.py

# Runs the examples with small settings; warnings are errors. The pages are in docs/_build/html.
docs: $(VENV)/installed
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# Branch coverage by subpackage, and the aims that are missed.
coverage: $(VENV)/installed
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n 2 --cov --cov-report=
	$(BIN)/python tests/coverage_table.py

# A wheel, which is installed into an empty environment and runs the quickstart there.
release: $(VENV)/installed
	rm -rf dist build
	$(BIN)/python -m build
	$(PYTHON) -m venv build/empty
	build/empty/bin/python -m pip install --quiet "$$(ls dist/*.whl)[report]"
	cd build && empty/bin/python ../examples/quickstart.py --members 6 && empty/bin/skprune --version

# For maintainers: needs `uv`. Pins every package with its hashes for Python 3.11 and later.
lock:
	uv pip compile pyproject.toml --extra report --extra parquet --extra onnx --extra serve --extra docs --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --output-file constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache
	rm -rf docs/_build docs/auto_examples docs/reference/generated docs/reference/backreferences docs/sg_execution_times.rst
