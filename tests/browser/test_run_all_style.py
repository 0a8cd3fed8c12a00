"""Run All, twice, in notebooks with live runs; `make try-run-all` does it in all of them."""

import pytest
from run_all import run_all_twice


@pytest.mark.parametrize("name", ["14_style_transfer", "15_fast_style_transfer"])
def test_run_all_ends_without_an_error_and_every_panel_shows_a_picture(open_notebook, name):
    run_all_twice(open_notebook(name))
