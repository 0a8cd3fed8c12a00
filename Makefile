# `make help` lists the commands. Written for GNU make 3.81 and any POSIX shell.
# Settings, for example: make lab PORT=9000 ARGS=--no-browser, or make test PYTHON=python3.12
#   PYTHON    the Python that makes .venv (default: the first of python3, python3.13 … that is new enough)
#   TORCH     the build of PyTorch: auto (for this machine: without an NVIDIA card the small one for CPUs; where PyTorch's
#             own index is out of reach, as for index), cpu, cu128 or another of PyTorch's names, index (what PyPI gives)
#   PIP_ARGS  more options for `uv pip install`
#   PORT      of JupyterLab
#   NOTEBOOK  what to present, for example 09; PANEL one of its panels (make panel NOTEBOOK=12 PANEL=guided_dream)
#   ARGS      more options for JupyterLab, for pytest, or for what else the command runs
#   LESSONS   more options for pytest where it runs the lessons, for example LESSONS=--nbval-outputs=report
PYTHON =
TORCH = auto
PIP_ARGS =
PORT = 8888
NOTEBOOK = 00
PANEL =
ARGS =
LESSONS =

PY = .venv/bin/python
STAGE = @sh scripts/stage.sh $(if $(ARGS),--may-be-empty)
SOLUTIONS = tests/notebooks/test_solutions.py
STAGES_OF_THEIR_OWN = --ignore=tests/browser --ignore=tests/site --ignore=$(SOLUTIONS)
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help lab present panel slides site lowest format notebooks clean
.PHONY: test quick ruff units lessons solutions pages browser site-check
.NOTPARALLEL:

help:
	@echo "make lab        set up .venv and open the notebooks in JupyterLab"
	@echo "make present    a notebook as slides with live sliders: make present NOTEBOOK=09"
	@echo "make panel      its panels alone, without code: make panel NOTEBOOK=12"
	@echo "make slides     its slides in one page that needs no kernel, in build/slides"
	@echo "make site       build the pages to read, build/site/index.html: no kernel, no network"
	@echo "make test       set up .venv and check everything: ruff, units, lessons, pages"
	@echo "                (each is a command, too: make lessons; solutions, browser and site-check are parts of them)"
	@echo "make quick      the checks of a few minutes: no browser, no notebook is run, nothing that is marked slow"
	@echo "make lowest     the unit tests on the lowest versions that pyproject.toml allows"
	@echo "make try-run-all, try-panels, try-colab, try-colab-versions, try-classic, try-axe, try-html"
	@echo "                on demand: every notebook and panel in JupyterLab, stand-ins for other pages, accessibility, HTML"
	@echo "make networks   run all notebooks on other networks, and note which claims hold (long; NETWORKS=\"…\")"
	@echo "make format     lay out the code and the notebooks"
	@echo "make notebooks  run all notebooks without a browser and refresh their outputs"
	@echo "make clean      remove .venv and everything else that these commands made"

lab: .venv/lab.ready .venv/trusted
	$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb \
	    --ServerApp.ip=127.0.0.1 --ServerApp.port=$(PORT) $(ARGS)

present: .venv/present.ready .venv/trusted
	$(PY) scripts/present.py slides $(NOTEBOOK) --port $(PORT) -- $(ARGS)

panel: .venv/present.ready
	$(PY) scripts/present.py panel $(NOTEBOOK) --panel "$(PANEL)" --port $(PORT) -- $(ARGS)

slides: .venv/present.ready
	$(PY) scripts/present.py static $(NOTEBOOK) -- $(ARGS)

# --- the checks: a failing stage is the last one ----------------------------------------------------------------------

test: ruff units lessons pages

# A notebook's lines are what a cell shows without scrolling sideways, and vizlib is a library like any other there.
RUFF_NOTEBOOKS = --config "line-length=100" --config "src=[\"notebooks\"]" --config "include=[\"*.ipynb\"]" notebooks

ruff: .venv/test.ready
	@sh scripts/stage.sh "ruff" sh -ec '$(PY) -m ruff check .; $(PY) -m ruff check $(RUFF_NOTEBOOKS); \
	    $(PY) -m ruff format --check .; $(PY) -m ruff format --check $(RUFF_NOTEBOOKS)'

units: .venv/test.ready
	$(STAGE) "unit tests" $(PY) -m pytest tests $(STAGES_OF_THEIR_OWN) -n auto $(ARGS)

# With their solutions. `-n auto` is a process for each core while memory suffices; a notebook's cells stay together
# (conftest.py).
lessons: .venv/test.ready
	$(STAGE) "lessons" $(PY) -m pytest notebooks --ignore=notebooks/solutions $(SOLUTIONS) --nbval-lax \
	    --nbval-current-env --nbval-forked --nbval-cell-timeout=120 -n auto --dist loadscope $(LESSONS) $(ARGS)

solutions: .venv/test.ready
	$(STAGE) "solutions" $(PY) -m pytest $(SOLUTIONS) --nbval-forked -n auto $(ARGS)

# JupyterLab, and the pages to read. One process builds the site and opens it, so the others are not idle meanwhile.
pages: .venv/test.ready
	$(STAGE) "pages" $(PY) -m pytest tests/browser tests/site -n auto --dist loadscope $(ARGS)

browser: .venv/test.ready
	$(STAGE) "browser" $(PY) -m pytest tests/browser -n auto --dist loadscope $(ARGS)

site-check: .venv/test.ready
	$(STAGE) "site" $(PY) -m pytest tests/site $(ARGS)

quick: ruff
	$(STAGE) "quick tests" $(PY) -m pytest tests $(STAGES_OF_THEIR_OWN) -n auto -m "not slow" $(ARGS)

# On demand: what takes long, or needs more than the tests' environment. Each is one file, tests/browser/try_*.py.
TRIES = try-run-all try-panels try-colab try-colab-versions try-classic try-axe try-html
.PHONY: $(TRIES)

$(TRIES): .venv/test.ready
	@sh scripts/front_ends.sh $@
	$(STAGE) "$@" env VIZLIB_AXE=.venv/axe/package/axe.min.js \
	    VIZLIB_HTML=.venv/html/node_modules/.bin/html-validate \
	    $(PY) -m pytest tests/browser/$(subst -,_,$@).py $(ARGS)

# The course on other networks: NAME, or NAME=WEIGHTS (a file, or "untrained"), with spaces between.
NETWORKS = minivgg squeezenet1_0=../shared/models/squeezenet1_0-imagenet.safetensors resnet18=untrained alexnet=untrained
.PHONY: networks

networks: .venv/test.ready
	$(PY) scripts/run_networks.py $(NETWORKS) $(ARGS)

lowest: .venv/test.ready
	sh scripts/lowest_versions.sh $(ARGS)

# --- the pages to read ------------------------------------------------------------------------------------------------

site: .venv/site.ready
	$(PY) scripts/make_site.py $(ARGS)

# --- the rest ---------------------------------------------------------------------------------------------------------

format: .venv/test.ready
	$(PY) -m ruff format .
	$(PY) -m ruff format $(RUFF_NOTEBOOKS)

notebooks: .venv/test.ready
	$(PY) scripts/run_notebooks.py $(ARGS)

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The set-up. It is done again when pyproject.toml changes or the folder was moved (vizlib is installed by its path).
READY = .venv/lab.ready .venv/present.ready .venv/test.ready .venv/site.ready
.PHONY: $(foreach file,$(READY),$(if $(filter-out $(CURDIR),$(shell cat $(file) 2>/dev/null)),$(file)))

$(READY): .venv/%.ready: pyproject.toml
	@PYTHON='$(PYTHON)' TORCH='$(TORCH)' sh scripts/set_up.sh $* $(PIP_ARGS)
	@echo '$(CURDIR)' > $@

# JupyterLab drops what a stored notebook shows in HTML, and with a reload its controls, unless this machine trusts it.
# Only the course's own notebooks: their names begin with a number.
COURSE = $(wildcard notebooks/[0-9][0-9]_*.ipynb notebooks/*/[0-9][0-9]_*.ipynb)
.venv/trusted: .venv/lab.ready $(COURSE)
	@echo "+ trust the notebooks"
	@$(PY) -m nbformat.sign $(COURSE) > /dev/null
	@touch $@
