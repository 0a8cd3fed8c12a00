"""On demand, `make try-run-all`: Run All, twice, in all sixteen notebooks, as a person in JupyterLab sees it.

VIZLIB_NOTEBOOKS=09,12 chooses some of them.
"""

import os

import pytest
from lab_server import ROOT
from run_all import run_all_twice

CHOSEN = os.environ.get("VIZLIB_NOTEBOOKS", "").split(",")
NAMES = [p.stem for p in sorted((ROOT / "notebooks").glob("[01]*.ipynb")) if p.stem.startswith(tuple(CHOSEN))]


@pytest.mark.parametrize("name", NAMES)
def test_run_all_ends_without_an_error_and_every_panel_shows_a_picture(open_notebook, name):
    run_all_twice(open_notebook(name))
