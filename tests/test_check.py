"""Feedback on exercises."""

import json

import pytest
import torch

from vizlib import models
from vizlib.widgets import check


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3),
        (torch.tensor(3), 3),
        (0.50001, 0.5),
        (True, True),
        ("cat", {"cat", "dog"}),
        ([1, 2], [1, 2]),
        (torch.ones(2, 2), torch.ones(2, 2)),
        (torch.ones(2, dtype=torch.float64), torch.ones(2)),
    ],
)
def test_right_answers(given, expected, capsys):
    assert check.answer(given, expected, "hint")
    assert capsys.readouterr().out == "Right!\n"


@pytest.mark.parametrize(
    ("given", "expected", "said"),
    [
        (4, 3, "Not yet (4). look again"),
        ("3", 3, "Not yet (3). look again"),
        (float("nan"), 3, "Not yet (nan). look again"),
        ("cow", {"cat"}, "Not yet (cow). look again"),
        (torch.ones(3), torch.ones(2), "Not yet (a tensor of shape (3,)). look again"),
        (torch.zeros(2), torch.ones(2), "Not yet (a tensor of shape (2,)). look again"),
        (2, torch.ones(2), "Not yet (2). look again"),
        (torch.ones(2), 1, "Not yet (a tensor of shape (2,)). look again"),
    ],
)
def test_wrong_answers_get_the_hint(given, expected, said, capsys):
    assert not check.answer(given, expected, "look again")
    assert capsys.readouterr().out == said + "\n"


@pytest.mark.parametrize("given", [None, ...])
def test_no_answer_is_no_mistake(given, capsys):
    assert not check.answer(given, 3, "hint")
    assert capsys.readouterr().out.startswith("Not answered yet: replace the dots")


def test_a_claim_is_asserted_of_the_bundled_network_and_reported_of_others(tmp_path, monkeypatch, capsys):
    own, other = models.load("minivgg", "cpu"), models.load("alexnet", "cpu", weights="untrained")
    monkeypatch.setenv("VIZLIB_CLAIMS", str(tmp_path / "claims"))
    check.claim(own, torch.tensor(True), "edges come first")
    assert capsys.readouterr().out == ""
    with pytest.raises(AssertionError, match="edges come first"):
        check.claim(own, 1 > 2, "edges come first")
    check.claim(other, False, "edges come first")
    assert capsys.readouterr().out == "NOT true of alexnet (untrained): edges come first.\n"
    check.claim(other, True, "edges come first")
    assert capsys.readouterr().out == "Also true of alexnet (untrained): edges come first.\n"
    lines = [json.loads(line) for line in (tmp_path / "claims").read_text().splitlines()]
    assert [line["holds"] for line in lines] == [True, False, False, True]
    assert lines[2] == {"network": "alexnet (untrained)", "claim": "edges come first", "holds": False}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (lambda x: 2 * x, "Right!"),
        (lambda x: ..., "Not answered yet"),
        (lambda x: None, "Not answered yet"),
        (lambda x: x + 2, "on test 2 its values are others. Double it."),
        (lambda x: (2 * x)[None], r"its shape is (1, 1), not (1,). Double it."),
        (lambda x: 1 / 0, "stopped with ZeroDivisionError: division by zero. Double it."),
    ],
)
def test_a_function_is_tried_on_several_inputs(given, words, capsys):
    inputs = [(torch.tensor([2.0]),), (torch.tensor([3.0]),)]
    assert check.function(given, lambda x: 2 * x, inputs, "Double it.") == (words == "Right!")
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
