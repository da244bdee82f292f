# The two commands: `make run` and `make test`. Both set up .venv from requirements.lock first.

PYTHON ?= python3
EXPERIMENT ?= digits
VENV := .venv
READY := $(VENV)/.installed-from-lock
SCALE_READY := $(VENV)/.installed-from-scale-lock
STORE := sqlite:///$(CURDIR)/mlruns/mlflow.db
UI := http://127.0.0.1:5000
PLOTS_PAGE := $(VENV)/plots_page.html

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export DVC_NO_ANALYTICS := 1
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run flow test ui plots track deploy matrix setup scale lint lock
.DEFAULT_GOAL := help

help:
	@echo "make run  [EXPERIMENT=digits] [WORKERS=n]   set up, then data -> train -> prune -> compare -> report"
	@echo "make test                                   set up, then the whole test suite"
	@echo "make flow [EXPERIMENT=digits] [WORKERS=n]   the same as run, as a Prefect flow"
	@echo "make ui                                     open MLflow on $(UI)"
	@echo "make plots [EXPERIMENT=digits]              draw DVC's plots of an experiment; needs no network"
	@echo "make deploy [PORT=4200]                     Prefect's server, worker and schedules, until Ctrl-C"
	@echo "make scale                                  set up, then what stages on other machines need (docs/scale.md)"
	@echo "make track                                  put right what MLflow shows of the results"
	@echo "make matrix                                 bring matrix.yaml up to date with params.yaml (run, flow do)"
	@echo "make lint                                   ruff"
	@echo "experiments, defined in params.yaml: digits, mnist, mnist-wide, mnist-conv, synthetic"

run: setup
	@python -m flows.experiment --experiment $(EXPERIMENT) --local $(if $(WORKERS),--workers $(WORKERS))

flow: setup
	@python -m flows.experiment --experiment $(EXPERIMENT) $(if $(WORKERS),--workers $(WORKERS)) $(if $(DASK),--dask $(DASK))

test: setup scale
	@python -m pytest $(PYTEST_ARGS)

ui: setup
	@case "$$MLFLOW_TRACKING_URI" in http*) echo "MLFLOW_TRACKING_URI is set: open $$MLFLOW_TRACKING_URI";; *) mkdir -p mlruns \
		&& echo "open $(UI), choose Model training at the top left, then an experiment" \
		&& MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --workers 1 --host 127.0.0.1 --port 5000 \
		--backend-store-uri "$${MLFLOW_TRACKING_URI:-$(STORE)}";; esac

plots: setup $(PLOTS_PAGE)
	@dvc plots show '$(EXPERIMENT)/' --html-template $(PLOTS_PAGE)

$(PLOTS_PAGE): scripts/plots_page.py $(READY)
	@python -m scripts.plots_page $@

track: setup
	@python -m flows.tracking

deploy: setup
	@python -m flows.deploy $(if $(PORT),--port $(PORT))

matrix: setup
	@python -m pipeline.matrix

lint: setup
	@ruff check . && ruff format --check .

setup: $(READY)

$(READY): requirements.lock
	@command -v git > /dev/null || { echo "error: git was not found; DVC needs it"; exit 1; }
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) was not found; install Python 3.11 or later, or say make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "error: Python 3.11 or later is needed, $(PYTHON) is %d.%d; say make PYTHON=..." % v[:2])'
	@echo "setting up $(VENV) from requirements.lock (a few minutes, once) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "error: could not make $(VENV); on Debian install python3-venv"; exit 1; }
	@$(VENV)/bin/python -m pip install -qq --requirement requirements.lock \
		|| { echo "error: could not install requirements.lock; see pip's message above"; exit 1; }
	@touch $@

scale: setup $(SCALE_READY)

$(SCALE_READY): requirements.lock requirements-scale.lock
	@$(VENV)/bin/python -m pip install -qq --requirement requirements-scale.lock \
		|| { echo "error: could not install requirements-scale.lock; see pip's message above"; exit 1; }
	@touch $@

lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install -qq --requirement requirements.in
	{ echo "# Made by 'make lock' from requirements.in."; .venv-lock/bin/python -m pip freeze | sed 's/+cpu$$//'; } > requirements.lock
	rm -rf .venv-lock
