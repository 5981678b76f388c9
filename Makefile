# Everything a developer or CI does, by name. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPUS := build/corpus
# pip asks nothing, needs no terminal, and leaves the user's own settings in force.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.PHONY: help languages language-files language-model sound-files budgets setup demo kafka browser screenshots up down reset test test-faults lint fmt proto docs lock check corpus bench bench-cut bench-dedup bench-grpc bench-kafka bench-submit bench-syntax clean

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Gristmill needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: requirements/core.txt pyproject.toml | $(BIN)/python
	@echo "installing what gristmill runs on (hash-locked) into $(VENV) ..."
	$(PIP) install --quiet --require-hashes -r requirements/core.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.core
	@echo "installing the checks and the test suite (hash-locked) into $(VENV) ..."
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

setup: $(VENV)/.dev  ## make .venv with gristmill, the checks and the tests

demo: $(VENV)/.core  ## curate real code found on this machine; the first thing to try
	@$(BIN)/python examples/demo.py

# Needs Java and Maven: root on Debian gets them here, anybody else is told what to install.
kafka: | $(BIN)/python  ## fetch Apache Kafka's jars
	@if ! { command -v java && command -v mvn; } >/dev/null && [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then \
	  echo "installing Java and Maven ..." >&2; export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get -qq update && apt-get -qq install --no-install-recommends openjdk-17-jre-headless maven; } </dev/null >&2 || true; fi
	@$(BIN)/python deploy/local/kafka_broker.py --fetch

up: $(VENV)/.core $(if $(KAFKA_BOOTSTRAP),,kafka)  ## start Kafka and a worker for every stage on this machine; TLS=1: mutual TLS
	@$(BIN)/python deploy/local/mill.py up $(if $(PARTITIONS),--partitions $(PARTITIONS)) $(if $(filter-out 0 no,$(TLS)),--tls)

down: | $(BIN)/python  ## stop them in order; log, index, tables and blobs stay
	@$(BIN)/python deploy/local/mill.py down

reset: | $(BIN)/python  ## stop them and remove log, index, tables and blobs; TOPICS=yes: in your own Kafka, too
	@$(BIN)/python deploy/local/mill.py reset $(if $(filter yes,$(TOPICS)),--topics)

# Tests open the report in a real browser: root on Debian gets it here, anybody else is told.
browser:
	@there() { [ -n "$${CHROMIUM:-}" ] || command -v chromium || command -v chromium-browser || command -v google-chrome; }; \
	if ! there >/dev/null && [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then \
	  echo "installing Chromium ..." >&2; export DEBIAN_FRONTEND=noninteractive; \
	  { apt-get -qq update && apt-get -qq install --no-install-recommends chromium fonts-dejavu-core; } </dev/null >&2 || true; fi; \
	there >/dev/null || { echo "the tests open the report in Chromium: install it (on Debian: apt-get install chromium)" \
	  "or set CHROMIUM=/path/to/it" >&2; exit 1; }

test: $(VENV)/.dev kafka browser  ## run the whole test suite
	$(BIN)/python -m pytest -n 3 --dist loadscope

test-faults: $(VENV)/.dev kafka  ## every fault of the suite with many documents: an hour
	$(BIN)/python -m pytest tests/faults tests/contract/test_log.py -m '' $(ARGS)

lint: $(VENV)/.dev  ## ruff, mypy, layers, protos, spelling, generated files up to date
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy benchmarks deploy docs/screenshots.py examples/demo.py tests/faults/fault_{flood,proxy}.py
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/codespell
	$(BIN)/python deploy/local/proto.py --check
	$(BIN)/python -m gristmill.cli.reference --check docs

fmt: $(VENV)/.dev  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: $(VENV)/.dev  ## generate services/gristmill/runtime/wire/generated from protos/
	$(BIN)/python deploy/local/proto.py

screenshots: $(VENV)/.dev browser  ## draw docs/images anew: the report of a small run, in a browser
	@$(BIN)/python docs/screenshots.py

docs: $(VENV)/.dev  ## write the generated pages of docs/ (configuration, tables, reasons)
	$(BIN)/python -m gristmill.cli.reference docs

lock: $(BIN)/python  ## pin requirements/*.in with hashes, without index addresses
	$(PIP) install --quiet uv==0.13.9
	for name in core dev bench-rensa bench-datasketch; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
	  requirements/$$name.in -o requirements/$$name.txt; done

check: lint test  ## exactly what CI runs

corpus: $(VENV)/.core  ## fetch the measuring corpus once: 60,000 files of 20 languages and more
	@$(BIN)/python benchmarks/corpus.py $(CORPUS)

languages: corpus  ## fetch the packages that the classifier of languages learns from, once
	@$(BIN)/python benchmarks/corpus.py build/languages --pins benchmarks/languages.toml

language-files: languages  ## lay out labelled files: a part to learn from, a part held out
	@$(BIN)/python benchmarks/language_files.py build/language-files $(CORPUS) build/languages

language-model: language-files  ## train the classifier of languages and write its weights
	@$(BIN)/python benchmarks/language_model.py build/language-files/learn

sound-files: languages  ## lay out the files of packages that budgets of errors are measured on
	@$(BIN)/python benchmarks/corpus.py build/sound --pins benchmarks/sound.toml
	@$(BIN)/python benchmarks/sound_files.py build/sound-files $(CORPUS) build/languages build/sound

# LABELLED is a directory of *.jsonl.gz with files that are labelled ok or error.
budgets: sound-files  ## measure the budgets of errors; needs LABELLED=DIR
	@$(BIN)/gristmill syntax calibrate --most 400 --data build/sound-files --data $(LABELLED) \
	  --out services/gristmill/syntax/budgets.toml
	@$(MAKE) docs

bench: $(VENV)/.core corpus  ## documents/s, MB/s, CPU seconds and memory, per stage and end to end
	@$(BIN)/python benchmarks/bench.py $(CORPUS) --out build/bench $(ARGS)

bench-syntax: $(VENV)/.core corpus  ## the syntax check beside a bare parse; what hostile files cost
	@$(BIN)/python benchmarks/syntax_bench.py $(CORPUS) --every 5 $(ARGS)
	@$(BIN)/python benchmarks/syntax_hostile.py $(CORPUS) --count 6000 $(ARGS)

bench-dedup: $(VENV)/.core corpus  ## dedup beside rensa and datasketch; the index with a million documents
	@$(BIN)/python benchmarks/dedup_bench.py $(CORPUS) --out build/bench/dedup $(ARGS)

bench-grpc: $(VENV)/.core kafka  ## a batched stream of a stage beside a bare gRPC echo of the same messages; Submit beside it
	@failed=0; $(BIN)/python benchmarks/grpc_bench.py $(ARGS) || failed=1; \
	echo; $(BIN)/python benchmarks/submit_bench.py || failed=1; exit $$failed

bench-submit: $(VENV)/.core kafka  ## the front door: speed beside a bare Kafka writer, memory behind a slow log
	@$(BIN)/python benchmarks/submit_bench.py $(ARGS)

bench-cut: $(VENV)/.dev  ## make a cut over a million scored rows, move it, and count by every reader
	@$(BIN)/python benchmarks/cut_bench.py $(ARGS)

bench-kafka: $(VENV)/.core corpus kafka  ## the mill over Kafka beside the local run: the same documents, the ratio
	@$(BIN)/python benchmarks/kafka_bench.py $(CORPUS) --out build/bench/kafka $(ARGS)

clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
