# `make run` and `make test` are all a newcomer needs; each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test unit lint format bench clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt \
		--editable '.[s3,gcs,azure,postgres,report]' --group test --group lint meltano
	touch $@

## The main job on the bundled sample bucket: no credentials, nothing is sent.
run: $(STAMP)
	$(BIN)/meltano run tap-braze-currents target-mixpanel

## Every test, with the gate on coverage.
test: $(STAMP)
	$(BIN)/python -m pytest -n auto --cov --cov-fail-under=95

## The fast ones, while working.
unit: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "not slow"

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/deptry .

## Speed as ratios, on generated data; BENCH="--events 200000" makes it shorter.
bench: $(STAMP)
	$(BIN)/python -m bench $(BENCH)

format: $(STAMP)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv .meltano dry_run dead_letter artifacts bench/results
