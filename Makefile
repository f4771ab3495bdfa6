# The two commands of the README are `make demo` and `make test`.
#   make setup   virtual environment, system packages, the C++ engine (the others call it)
#   make lint    ruff, mypy, clang-format, import rules
#   make sanitize   the engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make format  mends what a tool can mend
#   make docs    writes the generated pages of docs/ anew
SHELL := /bin/bash
PYTHON := .venv/bin/python
STORE ?= lmdb
DATA ?=

.PHONY: setup demo test lint format docs sanitize clean

setup:
	@bash .ci/setup.sh

demo: setup
	@$(PYTHON) examples/movies/demo.py --store $(STORE) $(if $(DATA),--data $(DATA))

test: setup
	@$(PYTHON) -m pytest tests

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/clang-format --dry-run --Werror $$(git ls-files 'engine/*.h' 'engine/*.cc')
	@PYTHONPATH=. .venv/bin/lint-imports --no-cache

format: setup
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .
	@.venv/bin/clang-format -i $$(git ls-files 'engine/*.h' 'engine/*.cc')

docs: setup
	@$(PYTHON) -m tests.manual.generate

sanitize: setup
	@PATH="$$PWD/.venv/bin:$$PATH" bash engine/tests/sanitize.sh

clean:
	rm -rf build .venv demo
