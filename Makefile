PYTHON ?= python3
BIN := .venv/bin
TORCH ?= torch==2.13.0

.PHONY: demo test check kernels laws bench fast golden notebooks size build figures clean

demo: .venv/installed  ## run the first scenario
	$(BIN)/kvsim run scenarios/multiturn.yaml

test: .venv/tested  ## run the tests
	$(BIN)/pytest -n auto --dist worksteal

check: .venv/developed  ## lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

laws: .venv/tested  ## the laws, with many more examples
	$(BIN)/pytest tests/laws --hypothesis-profile=thorough --timeout=7200

kernels: .venv-kernels/installed  ## Triton kernels against float64, interpreted and compiled
	.venv-kernels/bin/pytest tests/kernels tests/unit/test_calibrate.py

bench: .venv/developed  ## speed, beside a bare loop measured in the same run
	$(BIN)/python tests/bench/bench.py

fast: .venv-fast/installed  ## compiled by mypyc in .venv-fast: the same results, in less than half the time
	.venv-fast/bin/pytest tests/golden tests/laws -n auto --dist worksteal

golden: .venv/tested  ## accept changed golden numbers; say why in the commit
	$(BIN)/pytest tests/golden --update-golden

notebooks: .venv/tested  ## run the notebooks anew and keep what comes out
	$(BIN)/python tests/notebook.py

size:  ## lines per room
	@for room in sim policies models hardware traces calibration kernels src/kvsim/cli \
	  src/kvsim/scenario src/kvsim/report tests; do \
	  printf '%-20s %6d\n' $$room $$(cat $$(find $$room/ -name '*.py') /dev/null | wc -l); done

build: .venv/developed  ## sdist and wheel, each installed into an empty environment and run
	rm -rf dist
	$(BIN)/python -m build -q
	for package in dist/*.whl dist/*.tar.gz; do .ci/try $$package || exit 1; done

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q -e .
	touch $@

.venv/tested: .venv/installed
	$(BIN)/pip install -q -e '.[test]'
	touch $@

.venv/developed: .venv/tested
	$(BIN)/pip install -q -e '.[dev]'
	touch $@

.venv-kernels/installed: pyproject.toml
	$(PYTHON) -m venv .venv-kernels
	.venv-kernels/bin/pip install -q $(TORCH) triton
	.venv-kernels/bin/pip install -q -e '.[test]'
	touch $@

.venv-fast/installed: pyproject.toml setup.py $(wildcard sim/*.py calibration/*.py models/attention.py)
	rm -rf build .venv-fast
	$(PYTHON) -m venv .venv-fast
	.venv-fast/bin/pip install -q 'setuptools>=77' wheel 'mypy[mypyc]>=1.10' types-PyYAML '.[test]'
	KVSIM_COMPILE=1 .venv-fast/bin/pip install -q --no-build-isolation --no-deps --force-reinstall .
	touch $@

clean:
	rm -rf .venv .venv-fast .venv-kernels dist build runs
