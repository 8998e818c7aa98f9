# The verbs of the project. `make demo` and `make test` need Python 3.11.5 or newer and make, nothing else: they create
# one virtual environment and reuse it. Without make: docs/installing.md.

VENV ?= .venv
# The first interpreter that runs and is new enough for constraints.txt; 3.11 is the one the tests ran with.
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11, 5))' 2>/dev/null && echo $$python && break; done)
# PyPI's torch for Linux brings the CUDA libraries (gigabytes). On a machine without a GPU a fifth of it is enough:
#   make demo TORCH="torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu"
TORCH ?= torch==2.13.0
# Two spinning threads fall to a tenth of their speed when anything else runs on the machine.
export OMP_WAIT_POLICY ?= PASSIVE

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# One environment in two steps, each done once and again when the pins change: what training needs, then everything.
TRAIN := $(VENV)/.installed-train
ALL := $(VENV)/.installed

.PHONY: help demo test lint notebooks run-notebooks site bench install clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | while IFS='	' read -r verb text; do \
		printf '  make %-14s %s\n' "$$verb" "$$text"; done

install: $(ALL)  ## everything into $(VENV), 3.4 GB, with JupyterLab; `make demo` installs 1.8 GB of it

$(TRAIN): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11.5 or newer found; install one or set PYTHON=/path/to/python" >&2; exit 2; }
	@echo "Installing what training needs into $(VENV): 1.8 GB on disk. This takes minutes; pip prints nothing."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) $(TORCH)
	@$(PIP) --constraint constraints.txt --editable '.[train]'
	@touch $@

$(ALL): $(TRAIN)
	@echo "Installing the rest into $(VENV): 3.4 GB on disk in all. This takes minutes; pip prints nothing."
	@$(PIP) --constraint constraints.txt --editable '.[all]'
	@$(BIN)/python -m pip check
	@touch $@

demo: $(TRAIN)  ## the main job, offline: base model scored, QLoRA fine-tuning, adapter scored, report.html
	$(BIN)/lab demo

site: $(TRAIN)  ## the documentation as a web site, in build/site (elsewhere with ARGS=FOLDER)
	$(PIP) --constraint constraints.txt --editable '.[site]'
	$(BIN)/python scripts/docs_site.py $(ARGS)

# One OpenMP thread a worker: two workers on two cores, and sums do not depend on the number of threads.
test: $(ALL)  ## the tests of the default tier (choose others with ARGS="-m slow")
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile $(ARGS)

lint: $(ALL)  ## style, format, types and import floors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(ALL)  ## bring notebooks/ and solutions/ in line with their sources; executes what changed
	$(BIN)/lab course build

run-notebooks: $(ALL)  ## execute every notebook from its source, and the students' up to their first stub
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m notebooks $(ARGS) tests/test_course_notebooks.py

bench: $(ALL)  ## speed of training, decoding and scoring on this machine; fuzz of the call parser
	$(BIN)/lab speed
	$(BIN)/python benchmarks/calls.py
	$(BIN)/python benchmarks/retrieval.py
	@if [ -z "$$LAB_DATA" ]; then echo "scoring.py, decoding.py and training.py need LAB_DATA: skipped"; \
	else $(BIN)/python benchmarks/scoring.py && $(BIN)/python benchmarks/decoding.py && \
	$(BIN)/python benchmarks/training.py; fi

clean:  ## remove the environment and the caches; runs/ stays
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find lab_lib tests -name __pycache__ -type d -prune -exec rm -rf {} +
