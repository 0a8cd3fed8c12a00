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


def double(x):
    return 2 * x


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (..., "Not written yet"),
        (lambda x: None, "Not written yet"),
        (lambda x: x + x, "Right! It gives what vizlib gives on 2 inputs"),
        (lambda x: 2 * x + 0.01, "on input 1 of 2 a value is off by 0.01. Double it."),
        (lambda x: (2 * x)[:1], "on input 1 of 2 it gave shape (1,) instead of (3,)"),
        (lambda x: "six", "it gave six instead of a tensor"),
        (lambda x: {}["a"], "on input 1 of 2 it raised KeyError"),
        (lambda x: torch.cat([x, x])[:3] * 2 if len(x) == 3 else x, "on input 2 of 2"),
    ],
)
def test_a_function_is_compared_on_every_input(given, said, capsys):
    cases = [(torch.tensor([1.0, 2.0, 3.0]),), (torch.tensor([4.0]),)]
    right = check.implementation(given, double, cases, "Double it.")
    assert said in capsys.readouterr().out and right == said.startswith("Right")


def test_numbers_and_several_results_are_compared_too(capsys):
    assert check.implementation(lambda x: (x, torch.tensor(2.0)), lambda x: (x, 2), [(1,)], "")
    assert not check.implementation(lambda x: x, lambda x: (x, 2), [(1,)], "")
    assert not check.implementation(lambda x: 3, lambda x: 2, [(1,)], "")
    assert "it gave 1 instead of 2 results" in capsys.readouterr().out
