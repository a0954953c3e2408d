# Start with `make run` and `make test`; each creates .venv when it is missing.
PYTHON ?= python3
BIN := .venv/bin
TO_RUN := .venv/.installed-to-run
TO_TEST := .venv/.installed
# Tests of one xdist_group share a worker, and with it what is set up for a whole module.
PARALLEL := -n auto --dist loadgroup --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1
INSTALL = $(PYTHON) -m venv .venv \
	&& $(BIN)/python -m pip install --quiet 'pip>=25.1' \
	&& $(BIN)/python -m pip install --quiet --constraint constraints.txt meltano --editable

.PHONY: run test unit test-matrix lint audit constraints format bench clean

$(TO_RUN): pyproject.toml constraints.txt
	$(INSTALL) .
	touch $@

$(TO_TEST): pyproject.toml constraints.txt
	$(INSTALL) '.[aws-profiles,google-auth,postgres,report,inbox]' --group test --group lint
	touch $@ $(TO_RUN)

## A dry run on the bundled sample bucket: no credentials, nothing is sent.
run: $(TO_RUN)
	$(BIN)/meltano run tap-braze-currents target-mixpanel

## Every test, and the minimum coverage.
test: $(TO_TEST)
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-fail-under=95

## The fast tests.
unit: $(TO_TEST)
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

## The wheel alone on every Python of this machine, with the lowest and the newest dependencies.
test-matrix: $(TO_TEST)
	WHEEL_MATRIX=all $(BIN)/python -m pytest tests/packaging

lint: $(TO_TEST)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/deptry .

## Known vulnerabilities of the pinned versions; needs the network. uv is a dependency of Meltano.
audit: $(TO_TEST)
	@$(BIN)/uv tool run pip-audit --requirement constraints.txt --no-deps --disable-pip || { \
		echo "make audit failed: a pinned version has a vulnerability that is listed above, or pip-audit"; \
		echo "and its data could not be reached, which needs the network. Nothing is known to be safe."; \
		exit 1; }

## Throughput as ratios, on generated data; BENCH="--events 200000" makes it shorter.
bench: $(TO_TEST)
	$(BIN)/python -m bench $(BENCH)
	$(BIN)/python -m bench.networks

format: $(TO_TEST)
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

## New versions for constraints.txt; uv is a dependency of Meltano.
constraints:
	(echo '# Versions that this project is developed and tested with, for Python 3.10 to 3.13.'; \
	echo "# Written by \`make constraints\` on $$(date -u +%F); \`make run\` and \`make test\` install exactly these."; \
	echo meltano | $(BIN)/uv pip compile --quiet --universal --python-version 3.10 \
		--no-annotate --no-header --all-extras --group pyproject.toml:test \
		--group pyproject.toml:lint pyproject.toml - ) > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv .meltano dry_run dead_letter artifacts bench/results
