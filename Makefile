# Everything that a developer does with this tree. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PATH := $(CURDIR)/.venv/bin:$(PATH)

TYPED := services clients/python/sishu tests scripts
# Processes that run tests, each with stores of its own; most of a test's time is waiting.
TESTERS ?= 3
PYTEST := python -m pytest --numprocesses $(TESTERS) --dist loadfile --no-loadscope-reorder --durations 20
EXTRAS := --extra local --extra engine --extra deepspeed --extra dev --extra bench

.PHONY: help setup demo test test-full test-engine-floor lint format gen bench-setup bench-ingest bench-generation bench-quality bench-dataset bench-train bench-estimate bench-inference bench pins clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv with the pinned dependencies.
	@scripts/setup.sh

demo: setup ## Turn the English examples into a tuned model and a report in out/demo/.
	@scripts/demo.sh

test: lint ## Lint, then all tests but most of the slow ones.
	$(PYTEST) -m "not full or gate"

test-full: lint ## Lint, then all tests.
	$(PYTEST)

test-engine-floor: setup ## Test the training engine on the oldest releases it supports and on the pinned ones.
	@scripts/test_engine_floor.sh

lint: setup ## Check format, types, generated code and contracts.
	ruff format --check .
	ruff check .
	python -m mypy $(TYPED)
	python scripts/generate.py --check
	buf lint protos
	scripts/check_breaking.sh

format: setup ## Format the code and mend what ruff can mend.
	ruff format .
	ruff check --fix .

gen: setup ## Generate the Python contracts from protos/.
	python scripts/generate.py

bench-setup: setup
	@VIRTUAL_ENV="$$PWD/.venv" uv pip install --quiet -c constraints.txt -e '.[local,engine,dev,bench]'

bench-ingest: bench-setup ## Measure reading, splitting, storing and listing of documents.
	@python -m tests.bench.bench_ingest

bench-generation: bench-setup ## Measure calls to language models: speed, concurrency, durability, cost.
	@python -m tests.bench.bench_generation

bench-quality: bench-setup ## Measure what the gates of questions and answers keep and catch.
	@python -m tests.bench.bench_quality

bench-dataset: bench-setup ## Measure imports, lists, deduplication, versions and exports of a million examples.
	@python -m tests.bench.bench_dataset

bench-train: bench-setup ## Measure fine-tuning: speed, losses, resuming, beside LLaMA-Factory and TRL.
	@python -m tests.bench.bench_train

bench-estimate: bench-setup ## Measure how near estimates of memory come to what training takes.
	@python -m tests.bench.bench_estimate

bench-inference: bench-setup ## Measure the built-in engine: speed alone and for eight, first tokens, memory.
	@python -m tests.bench.bench_inference

bench: bench-setup ## Measure everything; the figures go to standard output.
	@for file in tests/bench/bench_*.py; do python -m "tests.bench.$$(basename "$$file" .py)"; done

pins: setup ## Pin the newest versions of all dependencies in constraints.txt.
	uv pip compile pyproject.toml $(EXTRAS) --python-version 3.11 --upgrade --no-annotate \
		--custom-compile-command "make pins" -o constraints.txt

clean: ## Remove what these commands made, except outputs of your own in out/.
	@if [ -d out/demo-home ] && [ -x .venv/bin/sishu ]; then SISHU_HOME=out/demo-home sishu down; fi
	rm -rf .venv build services/ingest/outline/scan.*.so services/dataset/copies/loops.*.so services/dataset/versions/blocks.*.so out/demo out/demo-home .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
