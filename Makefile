# The two commands of the README: `make demo` and `make test`. Everything they need goes into .venv. `make help` lists all.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Fast and broad: what a change breaks most often shows here within a minute. The whole suite is `make unit`.
FAST := tests/test_architecture.py tests/test_front_door.py tests/geometry tests/motion tests/sampling tests/formats

# The networks that find a person in a picture. Without them photographs need a mask, and tests of them are skipped.
FETCH := $(BIN)/mpc fetch || echo "continuing without the networks that find people in photographs"

.PHONY: help demo test check format lint typecheck unit bench-tiny docs base clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

demo: $(VENV)/.demo-ready ## run the whole chain on free people, about ten minutes -> demo/report.html
	$(BIN)/mpc demo demo

test: lint typecheck unit bench-tiny docs ## run everything that CI runs

check: lint ## run linters and fast tests, within a minute
	$(BIN)/pytest -q -m "not slow and not gpu" --numprocesses auto --maxprocesses 4 --dist worksteal $(FAST)

format: $(VENV)/.test-ready ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(VENV)/.test-ready ## run ruff and codespell
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell

# The repository root is the package: a link gives type checkers the name `mpc` whatever the folder is called.
typecheck: $(VENV)/.test-ready ## run mypy, strict
	mkdir -p .typing && ln -sfn .. .typing/mpc
	MYPYPATH=.typing $(BIN)/mypy -m mpc $(addprefix -p mpc.,cli core datasets evaluate formats geometry models motion pages people reconstruct render sampling subjects train view)

# Several processes share the tests (at most four: some tests need 1 GB).
unit: $(VENV)/.test-ready ## run all tests
	$(BIN)/pytest -q --numprocesses auto --maxprocesses 4 --dist worksteal

# Benchmarks must run, if only on toy sizes; their full figures are in docs/. (loader.py, localise.py: tests/cli/test_main.py)
bench-tiny: $(VENV)/.test-ready ## run the benchmarks on toy sizes
	$(BIN)/python benchmarks/render.py --tiny > /dev/null
	$(BIN)/python benchmarks/metrics.py --tiny > /dev/null
	$(BIN)/python benchmarks/labels.py --points 2000 --exact 50 > /dev/null
	$(BIN)/python benchmarks/train.py --size 64 --steps 1 --batch 2 --points 512 > /dev/null
	$(BIN)/python benchmarks/threads.py --tiny > /dev/null
	$(BIN)/python benchmarks/mining.py --steps 3 --seeds 0 > /dev/null
	$(BIN)/python benchmarks/segment.py --tiny > /dev/null
	PYTHON=$(BIN)/python benchmarks/gpu.sh --dry .site/gpu > /dev/null
	$(BIN)/python benchmarks/live.py --tiny > /dev/null
	$(BIN)/python benchmarks/point_query.py --tiny > /dev/null
	$(BIN)/python benchmarks/search.py --tiny > /dev/null
	$(BIN)/python benchmarks/person_labels.py . --people 1 --rigs 0 --size 64 > /dev/null

# Guides, and a page for each room from the docstrings. Any unknown link, page or argument is an error.
docs: $(VENV)/.test-ready ## build the documentation site -> .site/html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "python3 -m http.server -d .site/html  shows the site, search included, on port 8000"

# The network of the package, from nothing: free people, renders, shards, training. Each step keeps what is finished, so
# the same command continues after a stop; status 3 says that some people could not be used. A folder of BVH clips adds
# poses of scans and animations of rigs, one of MakeHuman assets dresses a quarter: make base POSES=folder ASSETS=folder
BASE := runs-base
SCANS ?= 1200
RIGS ?= 60
POSES ?=
ASSETS ?=
base: $(VENV)/.demo-ready ## make the people of the shipped network and train it, days on two cores -> runs-base/
	mkdir -p $(BASE)
	$(BIN)/mpc people $(BASE)/models --scans $(SCANS) --rigged $(RIGS) --rig-poses 30 --seed 31 --texture-size 512 \
		$(if $(POSES),--bvh $(POSES)) $(if $(ASSETS),--assets $(ASSETS) --assets-share 0.25)
	$(BIN)/mpc render $(BASE)/models --out $(BASE)/renders --size 256 --views 12 --step 30 --jitter 15 10 4 \
		--extent 2.5 --centre surface --rays 64 --seed 31 --poses kmeans:20 \
		--layers depth_front depth_back smooth_normal_front smooth_normal_back || [ $$? = 3 ]
	$(BIN)/mpc sample $(BASE)/renders --out $(BASE)/shards --near 40000 --uniform 10000 --colours 20000 \
		--split 0.92 0.04 0.04 --layers depth_front depth_back smooth_normal_front smooth_normal_back --seed 31 || [ $$? = 3 ]
	$(BIN)/mpc train $(BASE)/shards --out $(BASE)/runs --name level1 --config examples/base.toml \
		$(if $(wildcard $(BASE)/runs/level1/run.json),--resume,--preset base)

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-ready: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[people]'
	$(FETCH)
	touch $@

$(VENV)/.test-ready: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[people,fbx,exr,films,heic,mask,view,cluster,dev,docs]'
	$(FETCH)
	touch $@

clean: ## remove what these commands wrote
	rm -rf demo .typing .site .mypy_cache .ruff_cache .pytest_cache .hypothesis
