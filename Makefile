# The two commands of the README: `make demo` and `make test`. Everything they need goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint typecheck unit bench-tiny clean

demo: $(VENV)/.demo-ready
	$(BIN)/mpc demo demo

test: lint typecheck unit bench-tiny

lint: $(VENV)/.test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The repository root is the package: a link gives type checkers the name `mpc` whatever the folder is called.
typecheck: $(VENV)/.test-ready
	mkdir -p .typing && ln -sfn .. .typing/mpc
	MYPYPATH=.typing $(BIN)/mypy $(addprefix -p mpc.,cli core datasets evaluate formats geometry models motion pages people reconstruct render sampling train)

unit: $(VENV)/.test-ready
	$(BIN)/pytest -q

# Benchmarks must run, if only on toy sizes; their full figures are in docs/. (loader.py, localise.py: tests/cli/test_main.py)
bench-tiny: $(VENV)/.test-ready
	$(BIN)/python benchmarks/render.py --tiny > /dev/null
	$(BIN)/python benchmarks/metrics.py --tiny > /dev/null
	$(BIN)/python benchmarks/labels.py --points 2000 --exact 50 > /dev/null
	$(BIN)/python benchmarks/train.py --size 64 --steps 1 --batch 2 --points 512 > /dev/null
	$(BIN)/python benchmarks/mining.py --steps 3 --seeds 0 > /dev/null

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-ready: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[people]'
	touch $@

$(VENV)/.test-ready: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[people,fbx,exr,dev]'
	touch $@

clean:
	rm -rf demo .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis
