# make lab, make test, make notebooks, make clean. Written for GNU make 3.81 and any POSIX shell.
# Settings, for example: make lab PORT=9000 ARGS=--no-browser, or make test PYTHON=python3.12
PYTHON =
PIP_ARGS =
PORT = 8888
ARGS =

PY = .venv/bin/python
export OMP_WAIT_POLICY = PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help lab test notebooks clean

help:
	@echo "make lab        set up .venv and open the notebooks in JupyterLab"
	@echo "make test       set up .venv and check everything"
	@echo "make notebooks  run all notebooks without a browser and refresh their outputs"
	@echo "make clean      remove .venv and everything else that these commands made"

lab: .venv/lab.ready
	$(PY) -m jupyterlab notebooks/00_start_here.ipynb --ServerApp.ip=127.0.0.1 --ServerApp.port=$(PORT) $(ARGS)

# One pytest run; conftest.py puts what is quick first. No tests found is exit status 5, a failure like any other.
test: .venv/test.ready
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest tests notebooks --nbval-lax --nbval-current-env --nbval-cell-timeout=120 $(ARGS)

notebooks: .venv/test.ready
	$(PY) scripts/run_notebooks.py $(ARGS)

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find . \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +

# The set-up. It is done again when pyproject.toml changes or the folder was moved (vizlib is installed by its path).
READY = .venv/lab.ready .venv/test.ready
.PHONY: $(foreach file,$(READY),$(if $(filter-out $(CURDIR),$(shell cat $(file) 2>/dev/null)),$(file)))

$(READY): .venv/%.ready: pyproject.toml
	@$(PY) -c 'import pip' 2>/dev/null || { $(FIND_PYTHON); echo "$$python -m venv .venv"; "$$python" -m venv --clear .venv; }
	$(PY) -m pip install $(PIP_ARGS) --editable ".[$*]"
	@echo '$(CURDIR)' > $@

FIND_PYTHON = for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python) ''; do \
        "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
    done; \
    if [ -z "$$python" ]; then \
        echo 'vizlib needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python3.' >&2; exit 1; \
    elif ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
        echo "$$python has no venv module: on Debian or Ubuntu, run 'apt install python3-venv' as root and try again." >&2; exit 1; \
    fi
