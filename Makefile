# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first, if it is absent.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# TensorFlow greets on stderr; keep its errors only.
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test lint bench lock clean

# Stands for "everything in constraints.txt is installed": made again when the pins change.
$(VENV)/installed: constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/quickstart.py

test: $(VENV)/installed
	$(BIN)/python -m pytest

lint: $(VENV)/installed
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/installed
	$(BIN)/python benchmarks/run.py

# For maintainers: needs `uv`. Pins every package with its hashes for Python 3.11 and later.
lock:
	uv pip compile pyproject.toml --extra report --extra onnx --extra serve --extra docs --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --output-file constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
