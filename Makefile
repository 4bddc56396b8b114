# Everything sets itself up: Python ≥ 3.11, pip and make are all that must be there.
#   make sweep                    runs every sweep and draws its maps into results/<sweep>/maps/
#   make sweep SWEEP=keras_line   only this one       DEVICE=cpu|gpu    OUT=folder for the run folders
#   make report                   the page to explore of every run in results/, into its maps/     SWEEP=keras_line for one
#   make test                     the tests           make check        lint, types, layers, docs
#   make coverage                 the tests, and what of each file they run       make test-long    the few that take long
#   make test-page                the pages in a browser: pictures, sizes, accessibility (needs Chromium, and npm once)
#   make check-page               the types of the pages' scripts, by TypeScript (needs npm once)
#   make test-ray                 a real Ray cluster, Slurm's submitit and an object store, all on this machine
#   make test-frameworks          networks in Flax, Equinox and PyTorch, which it installs (some GB)
#   make faults                   kills, full disks, damage, hundreds of each; writes docs/reliability.md
#   make threads                  the pages on the four threads, measured anew
#   make gallery                  the page on the gallery of broken trainings, diagnosed anew   CASES='gaps codes' only these
#   make bench                    the benchmark (about 20 minutes; writes benchmarks/results/<machine>.json)
#   make bench BENCH='--only fractal_tanh --out fractal.json'
#   make bench-compare OLD=HEAD~3 what changed between two results: files or revisions   NEW=new.json
#   make fuzz                     20,000 odd inputs of every kind; writes docs/fuzz.json   FUZZ='--cases 500 --seed 7'
#   make gpu                      what matters on a GPU, in pieces   GPU='--quick --out gpu.json' rehearses it on a CPU

PYTHON ?= python3
SWEEP  ?= $(patsubst sweeps/%.toml,%,$(wildcard sweeps/*.toml))
DEVICE ?= auto
OUT    ?= results
BENCH  ?=
OLD    ?=
NEW    ?=
GPU    ?=
CASES  ?=
FUZZ   ?= --out docs/fuzz.json
CUDA   := $(shell nvidia-smi -L >/dev/null 2>&1 && echo ',cuda')

BIN     := .venv/bin
WORKERS := -n auto --maxprocesses 4 --dist loadfile
INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: sweep map report test check-page test-page coverage test-long test-ray test-frameworks faults check format docs figures threads gallery bench bench-compare fuzz gpu performance clean
.DEFAULT_GOAL := sweep

.venv/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nanmap needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12")'
	@echo "setting up .venv (once; takes about a minute)"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/installed: .venv/created pyproject.toml constraints.txt
	@$(INSTALL) -e '.$(CUDA:,%=[%])'
	@touch $@

.venv/developing: .venv/created pyproject.toml constraints.txt
	@$(INSTALL) -e '.[dev,keras$(CUDA)]'
	@touch .venv/installed $@

.venv/benchmarking: .venv/installed
	@$(INSTALL) -e '.[bench]'
	@touch $@

sweep: .venv/installed
	@set -e; for name in $(basename $(notdir $(SWEEP))); do \
		$(BIN)/nanmap sweep sweeps/$$name.toml --out $(OUT)/$$name --device $(DEVICE); \
	done

map: .venv/installed
	@set -e; for name in $(basename $(notdir $(SWEEP))); do $(BIN)/nanmap map $(OUT)/$$name; done

report: .venv/installed
	@set -e; for name in $(basename $(notdir $(SWEEP))); do \
		if [ -f $(OUT)/$$name/manifest.json ]; then $(BIN)/nanmap report $(OUT)/$$name; \
		else echo "no run of $$name yet: make sweep SWEEP=$$name"; fi; \
	done

test: .venv/developing
	@$(BIN)/pytest -m 'not long' $(WORKERS)

coverage: .venv/developing
	@$(BIN)/pytest -m 'not long' $(WORKERS) --cov --cov-report=term

test-long: .venv/developing
	@$(BIN)/pytest -m long

.venv/distributing: .venv/developing
	@$(INSTALL) -e '.[ray,slurm]' 'moto[s3,server]'
	@touch $@

test-ray: .venv/distributing
	@$(BIN)/pytest tests/test_handing_out.py tests/test_ray.py tests/test_slurm.py tests/test_objects.py

# PyTorch beside them is some GB with its CUDA; and torchax says of itself no bound: constraints.txt has the two that fit.
.venv/frameworks: .venv/developing
	@$(INSTALL) -e '.[flax,equinox,torch]'
	@touch $@

test-frameworks: .venv/frameworks
	@$(BIN)/pytest tests/test_own_frameworks.py tests/test_own_torch.py

# One at a time: some of them count what the others would change.
faults: .venv/developing
	@$(BIN)/pytest tests --faults docs/reliability/counts.json
	@$(BIN)/python docs/reliability/make_page.py

AXE := axe-core@4.14.1
.venv/axe: .venv/developing
	@mkdir -p $@.new && cd $@.new && npm pack --silent $(AXE) >/dev/null && tar -xzf axe-core-*.tgz && cd ../.. && mv $@.new $@

TSC := typescript@7.0.2
.venv/tsc: .venv/developing
	@npm install --silent --no-audit --no-fund --prefix $@.new $(TSC) && mv $@.new $@

check-page: .venv/tsc
	@.venv/tsc/node_modules/.bin/tsc -p tests/types_of_pages

test-page: check-page .venv/axe
	@$(BIN)/pytest -m '' tests/test_page.py tests/test_page_looks.py tests/test_serve.py

check: .venv/developing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/pytest tests/test_layers.py
	@$(BIN)/python docs/make_reference.py --check
	@$(BIN)/python -m benchmarks.pages --check

format: .venv/developing
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/developing
	@$(BIN)/python docs/make_reference.py

bench: .venv/benchmarking
	@$(BIN)/python -m benchmarks $(BENCH)

bench-compare: .venv/installed
	@$(BIN)/python -m benchmarks.compare $(if $(OLD),'$(OLD)') $(if $(NEW),--new '$(NEW)')

fuzz: .venv/developing
	@$(BIN)/python -m fuzz $(FUZZ)

gpu: .venv/developing
	@$(BIN)/python -m benchmarks.gpu $(GPU)

# The tables and the roofline of docs/performance.md and README.md, from a committed result of `make bench`.
performance: .venv/developing
	@$(BIN)/python -m benchmarks.pages

# The maps of the README, two of them from results of `make sweep`.
TWENTY = --set axes.batch_size.values='[1,2,3,4,6,8,10,12,16,20]' --set axes.n.values='[20]' \
	--set axes.scale_inputs.values='["none"]' --set axes.learning_rate.log='[2e-3,2e-2]' --set axes.learning_rate.num=61
figures: .venv/installed
	@$(BIN)/nanmap sweep sweeps/keras_line.toml $(TWENTY) --no-maps --out $(OUT)/edges
	@$(BIN)/nanmap edge sweeps/keras_line.toml $(TWENTY) --out $(OUT)/edges
	@$(BIN)/nanmap edge sweeps/square_sgd.toml --out $(OUT)/square_sgd
	@$(BIN)/nanmap edge sweeps/keras_line.toml --out $(OUT)/keras_line
	@$(BIN)/nanmap map $(OUT)/edges --x learning_rate --y batch_size --select init=normal --out docs/images/edges.png
	@$(BIN)/nanmap map $(OUT)/square_sgd --x learning_rate --y batch_size --facet scale_inputs --select budget='1000 updates' --out docs/images/square_sgd.png
	@$(BIN)/nanmap map $(OUT)/keras_line --x learning_rate --y n --facet scale_inputs --select batch_size=64 --out docs/images/keras_line.png
	@$(BIN)/python docs/draw_outcomes.py

# The pages on the four threads: every sweep in sweeps/threads, then the figures, maps and pages that follow from them.
threads: .venv/installed
	@set -e; for name in $(patsubst sweeps/threads/%.toml,%,$(wildcard sweeps/threads/*.toml)); do \
		$(BIN)/nanmap sweep sweeps/threads/$$name.toml --out $(OUT)/threads/$$name --device cpu --no-maps; \
	done
	@$(BIN)/python docs/threads/make_pages.py $(OUT)/threads

# The page on the gallery: every config of configs/gallery diagnosed, and its fix tried on starts that nobody used.
gallery: .venv/developing
	@$(BIN)/python docs/gallery/make_configs.py
	@$(BIN)/python docs/make_gallery_page.py --measure $(CASES)
	@$(BIN)/python docs/make_answer.py

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .coverage
