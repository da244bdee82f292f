# The two commands: `make run` and `make test`. Both set up .venv first; the rest is the command `snnprune`.

PYTHON ?= python3
EXPERIMENT ?= digits
VENV ?= .venv
SNNPRUNE := $(VENV)/bin/python -m flows.cli
PLOTS_PAGE := $(VENV)/plots_page.html

export VENV
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help run flow plan test ui plots track deploy matrix setup setup-test lint lock docs
.DEFAULT_GOAL := help

help:
	@echo "make run  [EXPERIMENT=digits] [WORKERS=n]   set up, then data -> train -> prune -> evaluate -> compare -> report"
	@echo "make test                                   set up, then the whole test suite"
	@echo "make flow [EXPERIMENT=digits] [WORKERS=n]   the same as run, as a Prefect flow ([DASK=address])"
	@echo "make plan [EXPERIMENT=digits]               what run would do, and why"
	@echo "make ui [PORT=5000]                         open MLflow on http://127.0.0.1:5000"
	@echo "make plots [EXPERIMENT=digits]              draw DVC's plots of an experiment; needs no network"
	@echo "make deploy [PORT=4200]                     Prefect's server and schedules, until Ctrl-C"
	@echo "make track                                  bring MLflow up to date with the results"
	@echo "make matrix                                 bring matrix.yaml up to date with params.yaml (run does it, too)"
	@echo "make docs                                   docs/api.md anew from the docstrings"
	@echo "make lint, make lock                        ruff; the lock files anew from pyproject.toml"
	@echo "All but the first two are the command snnprune (.venv/bin/snnprune --help)."

run: setup
	@$(SNNPRUNE) run $(EXPERIMENT) $(if $(WORKERS),--workers $(WORKERS))

flow: setup
	@$(SNNPRUNE) run $(EXPERIMENT) --prefect $(if $(WORKERS),--workers $(WORKERS)) $(if $(DASK),--dask $(DASK))

plan: setup
	@$(SNNPRUNE) plan $(EXPERIMENT)

test: setup-test  # compiled before, so that not each of several processes compiles the same
	@$(VENV)/bin/python -m snnprune.sparse
	@$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

ui: setup
	@$(SNNPRUNE) ui $(if $(PORT),--port $(PORT))

plots: setup-test $(PLOTS_PAGE)
	@grep -q '^  - $(EXPERIMENT)/' dvc.yaml || { echo "error: dvc.yaml has no plots of $(EXPERIMENT); it has those of:" \
		$$(sed -n 's|^  - \([^/]*\)/accuracy:.*|\1|p' dvc.yaml); exit 1; }
	@$(VENV)/bin/python -m dvc plots show '$(EXPERIMENT)/' --html-template $(PLOTS_PAGE)

$(PLOTS_PAGE): scripts/plots_page.py
	@$(VENV)/bin/python -m scripts.plots_page $@

track: setup
	@$(SNNPRUNE) track

deploy: setup
	@$(SNNPRUNE) deploy $(if $(PORT),--port $(PORT))

matrix: setup
	@$(VENV)/bin/python -m pipeline.matrix

lint: setup-test
	@$(VENV)/bin/python -m ruff check . && $(VENV)/bin/python -m ruff format --check .

docs: setup-test
	@$(VENV)/bin/python -m scripts.api_reference

setup: FILE := requirements.lock
setup-test: FILE := requirements-test.lock
setup setup-test:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found; install Python 3.11 or later, or say make PYTHON=..."; exit 1; }
	@$(PYTHON) scripts/set_up.py $(FILE)

COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --no-annotate --quiet --custom-compile-command "make lock"

# NVIDIA's packages are left to torch: a build for the CPU needs none of them. torchvision of another build than torch's
# cannot be imported, and the peers do without it; so their file is installed with --no-deps.
lock: setup-test
	$(COMPILE) --extra pipeline --output-file requirements.lock
	$(COMPILE) --extra test --constraint requirements.lock --output-file requirements-test.lock
	$(COMPILE) --extra peers --constraint requirements-test.lock --output-file requirements-peers.lock
	sed -i -E '/^(nvidia|cuda|triton)-?/d' requirements.lock requirements-test.lock requirements-peers.lock
	sed -i '/^torchvision==/d' requirements-peers.lock
