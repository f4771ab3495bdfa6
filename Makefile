# The two commands of the README are `make demo` and `make test`.
#   make setup   virtual environment, system packages, the C++ engine (the others call it)
#   make model-servers   Triton and TensorFlow for tests and examples (`make test` calls it)
#   make demo-triton, make demo-tfserving   the movie ranker on each
#   make demo-online   the movie ranker trained and published while it is served: what fresh parameters are worth
#   make lint    ruff, mypy, clang-format, import rules
#   make sanitize   the engine's tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   make bench   the engine, large programs, whole servers and model sync, beside their peers (benchmarks/README.md)
#   make format  mends what a tool can mend
#   make fuzz    every fuzzer for FUZZ_SECONDS (60)
#   make soak    make soak-language, soak-serving and soak-sync: about four hours
#   make soak-language  20,000 random programs, 1,200 more in Spark, then the fuzzers for SOAK_MINUTES (60) in all
#   make soak-serving   a server at 70 % of what it can for SOAK_MINUTES over SOAK_STORE (lmdb, redis): flat memory, no failed call
#   make soak-sync      ten million rows scored while versions come and go, none torn; 5,000 random histories of a registry
#   make docs    writes the generated pages of docs/ anew
SHELL := /bin/bash
PYTHON := .venv/bin/python
STORE ?= lmdb
DATA ?=
TEST_PROCESSES ?= 2
FUZZ_SECONDS ?= 60
SOAK_MINUTES ?= 60
SOAK_STORE ?= lmdb
SOAK_SEED ?= $(shell date +%s)

.PHONY: setup model-servers demo demo-online demo-triton demo-tfserving test lint format docs sanitize fuzz soak soak-language soak-serving soak-sync peers bench clean

setup:
	@bash .ci/setup.sh

# Triton and TensorFlow, each in an environment of its own.
model-servers: setup
	@bash .ci/model_servers.sh

demo: setup
	@$(PYTHON) examples/movies/demo.py --store $(STORE) $(if $(DATA),--data $(DATA))

demo-online: setup
	@$(PYTHON) examples/online_learning/demo_online.py $(if $(DATA),--data $(DATA))

# The movie ranker on a model server of another kind; they take what `make demo` left.
demo-triton: model-servers
	@[ -d demo/registry ] || $(MAKE) --no-print-directory demo
	@$(PYTHON) examples/triton/demo_triton.py $(if $(DATA),--data $(DATA))

demo-tfserving: model-servers
	@[ -d demo/registry ] || $(MAKE) --no-print-directory demo
	@$(PYTHON) examples/tfserving/demo_tfserving.py $(if $(DATA),--data $(DATA))

# Each process has servers and a Spark of its own; a file's tests stay together.
test: setup model-servers
	@$(PYTHON) -m pytest tests -n $(TEST_PROCESSES) --dist loadfile

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

fuzz: setup
	@bash tests/fuzz/run.sh $(FUZZ_SECONDS)

# The fuzzers share the time; the random programs come before it.
soak: soak-language soak-serving soak-sync

soak-language: setup
	@echo "seed $(SOAK_SEED)"
	@RANDOM_SEED=$(SOAK_SEED) RANDOM_PROGRAMS=$$(($(SOAK_MINUTES) * 20000 / 60)) \
	  $(PYTHON) -m pytest -o timeout=0 tests/random_programs/test_engine.py
	@RANDOM_SEED=$(SOAK_SEED) RANDOM_PROGRAMS=$$(($(SOAK_MINUTES) * 1200 / 60)) \
	  $(PYTHON) -m pytest -o timeout=0 tests/random_programs/test_spark.py
	@bash tests/fuzz/run.sh $$(($(SOAK_MINUTES) * 60 / 7))

# A server at 70 % of what it can, for SOAK_MINUTES over SOAK_STORE (lmdb, redis); its memory must stay flat, and no call
# may fail.
soak-serving: setup
	@$(PYTHON) -m tests.soak.serving --minutes $(SOAK_MINUTES) --store $(SOAK_STORE)

soak-sync: setup
	@FEATDSL_TORN_ROWS=10000000 $(PYTHON) -m pytest -o timeout=0 tests/online/test_torn_reads.py
	@FEATDSL_HISTORIES=5000 $(PYTHON) -m pytest -o timeout=0 tests/model_sync/test_random_histories.py

# matxscript wants another numpy than ours, and TorchServe stands by itself: each has an environment of its own.
peers: setup
	@$(PYTHON) -m pip install -qq --disable-pip-version-check -c constraints.txt msgpack polars
	@[ -x .venv-matxscript/bin/python ] || $(PYTHON) -m venv .venv-matxscript
	@.venv-matxscript/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/titles/constraints.txt
	@[ -x .venv-torchserve/bin/python ] || $(PYTHON) -m venv .venv-torchserve
	@.venv-torchserve/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r benchmarks/model_servers/torchserve.txt

bench: setup model-servers
	-@$(MAKE) --no-print-directory peers
	@$(PYTHON) -m benchmarks.engine --quick
	@$(PYTHON) -m benchmarks.scale --quick
	@$(PYTHON) -m benchmarks.fit --quick
	@$(PYTHON) -m benchmarks.text_to_ids --quick
	@$(PYTHON) -m benchmarks.serving --quick
	@$(PYTHON) -m benchmarks.sync --quick

clean:
	rm -rf build .venv .venv-matxscript .venv-torchserve .venv-triton .venv-tensorflow demo demo-online
