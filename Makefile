# Everything is set up from a bare clone; only Python 3.11+, pip, git and make are needed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
# Of `make bench`: megapixels of the largest image, files to train on, and the Python of the peers,
# which may be missing.
LARGEST ?= 64
FILES ?= 6528
PEER ?= peers/bin/python

.DEFAULT_GOAL := help
.PHONY: help demo test check docs weights bench bench-quality bench-models clean

help:  ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "focusfix needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	touch $@

demo: $(VENV)/.runtime  ## Deblur the sample with the shipped weights and print the gain
	mkdir -p demo-output
	$(BIN)/focusfix deblur samples/out_of_focus.tif -o demo-output/deblurred.tif --overwrite
	$(BIN)/python samples/compare.py samples/out_of_focus.tif demo-output/deblurred.tif \
		samples/in_focus.tif demo-output/side-by-side.png

test: $(VENV)/.dev  ## Run the tests
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.dev  ## Format, lint, types, import floors, docstrings, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $$(git ls-files 'src/*.py')
	$(MAKE) docs

docs: $(VENV)/.dev  ## Build the documentation into docs/_build/html
	$(BIN)/sphinx-build --quiet -W --keep-going docs docs/_build/html

weights: $(VENV)/.runtime  ## Train the shipped weights again (hours): make weights DATA=folder
	for name in fluorescence brightfield multilevel-unet; do \
		$(BIN)/python benchmarks/make_weights.py $$name --data $(DATA) || exit 1; \
	done
	$(BIN)/python benchmarks/make_latent_line.py --data $(DATA)
	$(BIN)/python benchmarks/make_refocus.py refocus --data $(DATA)
	for name in fluorescence brightfield latent-line; do \
		$(BIN)/python benchmarks/fit_trust.py $$name --data $(DATA) || exit 1; \
	done

bench: RESULTS := --results benchmarks/RESULTS.md
bench: export OPENBLAS_NUM_THREADS = 1  # as in focusfix
bench: $(VENV)/.runtime  ## Measure speed and memory into benchmarks/RESULTS.md: make peers bench LARGEST=3600 FILES=52224
	$(BIN)/python benchmarks/bench_startup.py --images 1000 $(RESULTS)
	$(BIN)/python benchmarks/bench_engine.py $(RESULTS)
	$(BIN)/python benchmarks/bench_network.py --threads 1 --model fluorescence --peer-python $(PEER) $(RESULTS)
	$(BIN)/python benchmarks/bench_network.py --threads 1 --model u-net --peer-python $(PEER) $(RESULTS)
	env -u OMP_NUM_THREADS $(BIN)/python benchmarks/bench_network.py --model fluorescence --peer-python $(PEER) $(RESULTS)
	$(BIN)/python benchmarks/bench_precision.py $(RESULTS)
	$(BIN)/python benchmarks/bench_memory.py --largest $(LARGEST) $(RESULTS)
	$(BIN)/python benchmarks/bench_tile_memory.py $(RESULTS)
	$(BIN)/python benchmarks/bench_growth.py --largest $(LARGEST) $(RESULTS)
	$(BIN)/python benchmarks/bench_training.py $(RESULTS)
	$(BIN)/python benchmarks/bench_many_files.py --most-files $(FILES) $(RESULTS)
	$(BIN)/python benchmarks/bench_distributed.py $(RESULTS)
	$(BIN)/python benchmarks/simulate_cluster.py --page $(RESULTS)
	$(BIN)/python benchmarks/estimate_campaign.py --page

peers: benchmarks/peers.txt  ## Install what bench compares with, in an environment of its own (5 GB)
	$(PYTHON) -m venv peers
	peers/bin/python -m pip install --quiet --requirement benchmarks/peers.txt

bench-quality: $(VENV)/.runtime  ## Measure quality on held-out fields and real stacks
	$(BIN)/python benchmarks/bench_quality.py --data $(DATA)
	$(BIN)/python benchmarks/bench_stacks.py --data $(DATA)

bench-models: $(VENV)/.runtime  ## Compare every model that has weights (runs of train_models.py)
	$(BIN)/python benchmarks/bench_models.py --data $(DATA)
	$(BIN)/python benchmarks/papers/beads_table.py --data $(DATA)

clean:  ## Remove what was made
	rm -rf $(VENV) demo-output docs/_build build dist
