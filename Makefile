.PHONY: nightly up down test check docs prove lock clean
PY := .venv/bin/python
PROJECT := flows pipelines knowledge evals faults tests bench

nightly: .venv/.ready  ## one whole night on the sample assistant
	@.venv/bin/plumbline nightly --report-only

up: .venv/.ready  ## Prefect and MLflow servers, a worker, every flow deployed
	@.venv/bin/plumbline up

down:  ## stop what `make up` started
	@.venv/bin/plumbline down

test: .venv/.ready check  ## set-up and every check

check: .venv/.ready docs  ## format, lint, types, import contracts, documentation, tests
	.venv/bin/ruff format --check $(PROJECT)
	.venv/bin/ruff check $(PROJECT)
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	$(PY) -m pytest

docs: .venv/.ready  ## the documentation as pages in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet

prove: .venv/.ready  ## the slow proofs, and every property on new examples
	$(PY) -m pytest -m "nightly or hypothesis" -n 0 --hypothesis-profile=prove

.venv/.ready: requirements.lock pyproject.toml
	@echo "Setting up .venv from requirements.lock (once, under a minute) ..."
	@python3 -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else f"Python 3.11 or later is needed, python3 is {v[0]}.{v[1]}.")'
	@python3 -m venv .venv
	@sed -n '/^uv==/,/^    # via/p' requirements.lock > .venv/uv.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.lock
	@.venv/bin/uv pip install --python $(PY) --quiet --no-deps --require-hashes -r requirements.lock
	@.venv/bin/uv pip install --python $(PY) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## pin every package anew (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --quiet --output-file requirements.lock

clean:  ## remove the environment, not the state
	rm -rf .venv
