# The list of commands. Every target sets up what it needs; only Python 3.11+ has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The tests mostly wait for servers and leases: three at a time keep two cores busy; the slower proofs bring load of
# their own. A file stays in one process.
SIDE_BY_SIDE := --dist loadfile -n

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-full docs openapi grafana check format up api worker lock audit bench bench-quality bench-dispatch bench-rivals bench-broker bench-submissions soak mutants clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Stepstream needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

setup: $(STAMP) ## Create .venv and install everything into it

demo: setup ## Run a real research task over real documents, from submission to report
	@$(BIN)/stepstream demo

test: setup ## Run the tests (under 6 minutes on 2 cores)
	$(BIN)/python -m pytest -m "not full" $(SIDE_BY_SIDE) 3

test-full: setup ## Run the slower proofs as well
	$(BIN)/python -m pytest -m full $(SIDE_BY_SIDE) 2

docs: setup ## Write the list of commands into docs/cli.md
	$(BIN)/python -m tests.cli_page

check: setup ## Lint and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: setup ## Write docs/openapi.json and docs/report.schema.json anew
	$(BIN)/python -c 'from app.api.document import snapshot; from app.main import create_app; print(snapshot(create_app().openapi()), end="")' > docs/openapi.json
	$(BIN)/python -c 'import json; from app.model.report import Report; print(json.dumps(Report.model_json_schema(), indent=2))' > docs/report.schema.json

grafana: setup ## Write the dashboard for Grafana from its source
	$(BIN)/python deploy/grafana/dashboard.py

# Everything an image has but what only a laptop or a developer needs; a test holds them to pyproject.toml.
LOCKED_EXTRAS := llm otel pdf
UV := $(BIN)/uv pip compile --quiet --no-annotate --custom-compile-command "make lock" --constraint constraints.txt \
  --generate-hashes --python-version 3.11.9 --python-platform linux

lock: setup ## Write the hashed requirements of the container image anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(UV) pyproject.toml $(LOCKED_EXTRAS:%=--extra %) --output-file deploy/docker/requirements.txt
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml | $(UV) - --output-file deploy/docker/build.txt

audit: setup ## Look for known vulnerabilities in what is locked, and for doubtful places in the program
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt bandit pip-audit
	$(BIN)/python -m tests.deploy.audit

up: setup ## Redis, API and workers in one terminal; Ctrl-C ends all
	@$(BIN)/stepstream up

api: setup ## The API alone
	@$(BIN)/stepstream api

worker: setup ## Workers alone
	@$(BIN)/dramatiq actors

bench: setup ## Measure a whole task: latency, throughput, share per station
	$(BIN)/python -m benchmarks.task_latency

bench-quality: setup ## Score retrieval and reports over real documents (a minute; the half that is tuned on)
	$(BIN)/python -m benchmarks.quality

bench-dispatch: setup ## What dispatch costs Redis, and what batching gains (about 10 minutes)
	$(BIN)/python -m benchmarks.dispatch_scale
	$(BIN)/python -m benchmarks.batching

bench-submissions: setup ## What a submission costs beside a bare route, and where (about 3 minutes)
	$(BIN)/python -m benchmarks.submissions
	$(BIN)/python -m benchmarks.submission_layers

bench-rivals: setup ## Three-step tasks beside other queues, which it installs (about 20 minutes)
	$(BIN)/python -m benchmarks.task_rivals

bench-broker: setup ## Measure the broker against Dramatiq's own (about 15 minutes)
	$(BIN)/python -m benchmarks.broker_throughput
	$(BIN)/python -m benchmarks.broker_floor
	$(BIN)/python -m benchmarks.broker_latency
	$(BIN)/python -m benchmarks.broker_scale
	$(BIN)/python -m benchmarks.broker_recovery
	$(BIN)/python -m benchmarks.broker_delays

soak: setup ## Minutes of random faults against the broker, then against everything; a ledger judges
	$(BIN)/python -m tests.soak.broker --seconds 5 --control
	$(BIN)/python -m tests.soak.broker --seconds 120
	$(BIN)/python -m tests.soak.tasks --seconds 10 --control
	$(BIN)/python -m tests.soak.tasks --seconds 120

mutants: setup ## Break broker and dispatch on purpose: every mutation must be caught by a test
	$(BIN)/python -m tests.mutants

clean: ## Remove everything that was generated
	rm -rf $(VENV) .stepstream build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
