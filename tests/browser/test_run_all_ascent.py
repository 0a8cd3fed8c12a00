"""Run All, twice, in notebooks with live runs; `make try-run-all` does it in all of them."""

import pytest
from run_all import run_all_twice


@pytest.mark.parametrize("name", ["09_gradient_ascent", "12_deepdream"])
def test_run_all_ends_without_an_error_and_every_panel_shows_a_picture(open_notebook, name):
    run_all_twice(open_notebook(name))
