# Everything runs in .venv, made from Python >= 3.11, pip and this file alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
OUT ?= runs/benchmark

PEERS := .venv-peers
SCIMILARITY := .venv-scimilarity
MATCHERS := .venv-matchers
MATCHING := totalvi multivi maxfuse scglue matchclot
SUITES := cross_dataset k562 one_model representations validation quality query best hard_negatives

# Tests run in processes side by side: threads of products this small would wait for one another.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help benchmark full test check fast tables setup clean peers scimilarity matchers lineage ablation annotation typing
PROCESSES ?= 2
# Rows that have a record are kept; AGAIN=--again runs them too.
AGAIN ?=
.DELETE_ON_ERROR:

help:
	@echo "make benchmark   set up, fetch the default data, run the quick rows of cross_dataset and k562"
	@echo "make test        set up, check style and types, run the tests"
	@echo "make full        every row of every suite but lineage, ablation, annotation and typing, less rows of packages, five seeds (speed: one), into results/"
	@echo "make ablation    the suite ablation, five seeds, PROCESSES (2) rows at a time"
	@echo "make annotation  the suite annotation with CellTypist and scANVI: trains three small source models first"
	@echo "make typing      the suite typing (types by prompts) with CellTypist and scANVI, in the same environment as annotation"
	@echo "make lineage     the suite lineage with CellRank and Palantir, in an environment of its own"
	@echo "make scimilarity encoder, decoder and alignment beside the scimilarity package, in an environment of its own"
	@echo "make matchers    rows of totalVI, MultiVI, MaxFuse, GLUE and MatchCLOT, in an environment of its own"
	@echo "make tables      tables and figures from the committed records"

# Reused while the pins and the project file are unchanged.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python >= 3.11 is needed, this is %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev,scvi]"
	@touch $@

setup: $(STAMP)

# CellRank brings pygpcca, which wants Jinja2 3.0.3 and no other: every other pin is the same.
$(PEERS)/.ready: pyproject.toml constraints.txt constraints-peers.txt
	$(PYTHON) -m venv $(PEERS)
	grep -v '^Jinja2==' constraints.txt > $(PEERS)/constraints.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(PEERS)/constraints.txt --constraint constraints-peers.txt --editable ".[dev,scvi,peers]"
	@touch $@

peers: $(PEERS)/.ready

# The package reads zarr 2; every other pin is the same.
$(SCIMILARITY)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(SCIMILARITY)
	grep -vE '^(zarr|numcodecs)==' constraints.txt > $(SCIMILARITY)/constraints.txt
	$(SCIMILARITY)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(SCIMILARITY)/constraints.txt --editable ".[dev]" "scimilarity==0.4.1" "zarr<3"
	@touch $@

scimilarity: $(SCIMILARITY)/.ready
	$(SCIMILARITY)/bin/python -m pytest tests/scimilarity/test_peer.py -W "ignore:anndata will no longer support zarr v2:DeprecationWarning"

# They bring much that is their own, and change no pin.
$(MATCHERS)/.ready: pyproject.toml constraints.txt constraints-matchers.txt
	$(PYTHON) -m venv $(MATCHERS)
	$(MATCHERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --constraint constraints-matchers.txt --editable ".[dev,scvi,matchers]"
	@touch $@

matchers: $(MATCHERS)/.ready
	$(MATCHERS)/bin/python -m benchmarks run cross_dataset --profile full --model $(MATCHING) $(AGAIN) --processes $(PROCESSES)

lineage: $(PEERS)/.ready
	$(PEERS)/bin/python -m benchmarks run lineage --profile full $(AGAIN)

annotation: $(PEERS)/.ready
	$(PEERS)/bin/python -m benchmarks run annotation --profile full $(AGAIN)

typing: $(PEERS)/.ready
	$(PEERS)/bin/python -m benchmarks run typing --profile full $(AGAIN) --processes $(PROCESSES)

benchmark: $(STAMP)
	for suite in cross_dataset k562; do $(BIN)/python -m benchmarks run $$suite --profile quick --out $(OUT) --processes $(PROCESSES) || exit 1; done

full: $(STAMP)
	for suite in $(SUITES); do $(BIN)/python -m benchmarks run $$suite --profile own $(AGAIN) --processes $(PROCESSES) || exit 1; done
	$(BIN)/python -m benchmarks run speed --profile full --seeds 1 $(AGAIN)

ablation: $(STAMP)
	$(BIN)/python -m benchmarks run ablation --profile full $(AGAIN) --processes $(PROCESSES)

test:
	@start=$$(date +%s); $(MAKE) --no-print-directory check && \
	  $(ONE_THREAD) $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal && \
	  took=$$(( $$(date +%s) - start )) && \
	  echo "make test, set-up included where there was any: $$(( took / 60 )) min $$(( took % 60 )) s"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tables: $(STAMP)
	$(BIN)/python -m benchmarks tables

clean:
	rm -rf $(VENV) $(PEERS) $(SCIMILARITY) $(MATCHERS) runs .pytest_cache .mypy_cache .ruff_cache
