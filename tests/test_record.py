"""What is remembered of predictions and exercises, when, and how the map shows it."""

import json
import os
from types import SimpleNamespace

import pytest
import torch
from bs4 import BeautifulSoup

from vizlib.widgets import check, progress_map, questions, record
from vizlib.widgets.lecture import SECTIONS


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file of a person who has notebook 04 open."""
    path = tmp_path / "cache" / "progress.json"
    monkeypatch.setenv("VIZLIB_PROGRESS", str(path))
    monkeypatch.setenv("JPY_SESSION_NAME", "/home/ada/course/notebooks/04_activations.ipynb")
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    return path


def table(record_: dict) -> list[list[str]]:
    page = BeautifulSoup(record.html_progress(record_), "html.parser")
    return [[cell.get_text() for cell in row.select("th, td")] for row in page.select("tr")]


def test_the_first_answer_counts(file):
    record.note_prediction("eyes", False)
    record.note_prediction("eyes", True)
    record.note_prediction("discs", True)
    assert record.load() == {"predictions": {"04_activations": {"eyes": False, "discs": True}}, "exercises": {}}
    assert os.listdir(file.parent) == ["progress.json"], "and nothing beside it"


def test_an_exercise_that_has_passed_stays_passed(file, capsys):
    assert not check.answer(..., 3, "count again")
    assert record.load()["exercises"] == {}, "no answer is no attempt"
    assert not check.answer(4, 3, "count again")
    (name,) = record.load()["exercises"]["04_activations"]
    assert record.load()["exercises"]["04_activations"] == {name: False}
    assert check.answer(3, 3, "count again")
    check.answer(5, 3, "count again")
    assert record.load()["exercises"]["04_activations"] == {name: True}


def test_an_implementation_counts_like_an_answer(file, capsys):
    def raises(x):
        raise ValueError("no")

    cases = [(torch.ones(2),)]
    for given, right in ((lambda x: ..., None), (raises, False), (lambda x: x + 1, False), (lambda x: x, True)):
        check.implementation(given, lambda x: x, cases, "look again")
        found = list(record.load()["exercises"].get("04_activations", {}).values())
        assert found == ([] if right is None else [right])


def test_a_click_is_noted_once_the_answer_has_been_asked_for(file, monkeypatch):
    monkeypatch.setattr(questions, "_asked", {})
    monkeypatch.setattr(questions, "_recalled", {})
    monkeypatch.setattr(questions, "show_widget", lambda widget, alt: None)
    questions.ask("size", "How large?", ["large", "small"])
    questions._asked["size"].choice.value = "large"
    assert record.load()["predictions"] == {}, "a person may still change it"
    questions._asked["size"].choice.value = "small"
    questions.recall("size", "small", "So it is.")
    assert record.load()["predictions"] == {"04_activations": {"size": True}}
    questions._asked["size"].choice.value = "large"
    assert record.load()["predictions"] == {"04_activations": {"size": True}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VIZLIB_PROGRESS", "0"),
        ("VIZLIB_PROGRESS", ""),  # a test, which names no file
        ("JPY_SESSION_NAME", "notebooks/solutions/04_activations.ipynb"),
        ("JPY_SESSION_NAME", "notebooks/my own.ipynb"),
        ("JPY_SESSION_NAME", ""),
    ],
)
def test_where_nothing_is_remembered(name, value, file, monkeypatch):
    monkeypatch.setenv(name, value)
    record.note_prediction("eyes", True)
    record.note_exercise("hint", True)
    assert not file.exists()


def test_nothing_is_remembered_where_a_program_runs_the_notebook(file, monkeypatch):
    monkeypatch.setattr(questions, "_asked", {})
    monkeypatch.setattr(questions, "display", lambda page: None)
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    questions.ask("size", "How large?", ["large", "small"])
    questions._asked["size"].choice.value = "small"
    questions.recall("size", "small", "So it is.")
    assert check.answer(3, 3, "hint") and not file.exists()


def test_a_click_is_noted_though_its_message_does_not_say_that_somebody_watches(file, monkeypatch):
    monkeypatch.setattr(questions, "_asked", {})
    monkeypatch.setattr(questions, "_recalled", {})
    monkeypatch.setattr(questions, "show_widget", lambda widget, alt: None)
    questions.ask("size", "How large?", ["large", "small"])
    questions.recall("size", "small", "So it is.")
    monkeypatch.delenv("VIZLIB_LIVE")
    questions._asked["size"].choice.value = "small"
    assert record.load()["predictions"] == {"04_activations": {"size": True}}


@pytest.mark.parametrize(
    "session", ["notebooks/04_activations-Copy1.ipynb", r"C:\course\04_activations.ipynb", "04_activations.ipynb"]
)
def test_the_notebook_is_known_by_its_name(session, file, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    record.note_prediction("eyes", True)
    assert list(record.load()["predictions"]) == ["04_activations"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"predictions": 3, "exercises": {"04_activations": [1]}}', "\0"])
def test_a_broken_file_is_an_empty_one_and_is_replaced(content, file):
    file.parent.mkdir()
    file.write_text(content)
    assert record.load() == {"predictions": {}, "exercises": {}}
    record.note_prediction("eyes", True)
    assert json.loads(file.read_text())["predictions"] == {"04_activations": {"eyes": True}}


def test_a_file_that_cannot_be_written_stops_nobody(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "cache").write_text("a file where the folder should be")
    record.note_prediction("eyes", True)
    record.reset()
    assert check.answer(3, 3, "hint") and (tmp_path / "cache").is_file()


def test_a_write_that_is_interrupted_leaves_the_old_file(file, monkeypatch):
    record.note_prediction("eyes", True)
    before = file.read_text()

    def full(self, *_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    record.note_prediction("discs", True)
    assert file.read_text() == before and os.listdir(file.parent) == ["progress.json"]


def test_the_map_has_a_row_for_each_notebook_and_says_in_words_what_its_signs_mean(file):
    record.note_prediction("eyes", False)
    record.note_prediction("discs", True)
    record.note_exercise("hint", True)
    rows = table(record.load())
    assert rows[0] == ["notebook", "predictions", "exercises"] and len(rows) == 1 + len(SECTIONS)
    assert rows[5] == ["04 · Activations", "□■ 1 of 2 right", "■ 1 passed"]
    assert rows[4][1:] == ["–", "–"]
    page = BeautifulSoup(record.html_progress(record.load()), "html.parser")
    assert [sign["aria-label"] for sign in page.select("[role=img]")] == ["not right", "right", "passed"]
    assert page.caption.get_text().startswith("1 of 2 predictions right, 1 exercise passed.")
    assert [link["href"] for link in page.select("a")] == [f"{section.slug}.ipynb" for section in SECTIONS]
    assert page.select("th[scope=row]") and page.select("th[scope=col]")


def test_a_page_that_runs_nothing_shows_an_empty_map_whatever_is_remembered(file, monkeypatch):
    record.note_prediction("eyes", True)
    shown = []
    monkeypatch.setattr(record, "display", lambda page: shown.append(page.data))
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    progress_map()
    assert shown == [record.html_progress({})] and "Nothing yet" in shown[0] and "■" not in shown[0]


def test_a_button_asks_before_it_forgets_everything(file, monkeypatch):
    record.note_prediction("eyes", True)
    shown, widgets = [], []
    handle = SimpleNamespace(update=lambda page: shown.append(page.data))
    monkeypatch.setattr(record, "display", lambda page, display_id: shown.append(page.data) or handle)
    monkeypatch.setattr(record, "show_widget", lambda widget, alt: widgets.append(widget))
    progress_map()
    assert "■" in shown[-1]
    ask, really, keep = widgets[0].children

    def seen() -> list[str]:
        return [button.description for button in widgets[0].children if button.layout.display != "none"]

    assert seen() == ["forget my progress"]
    ask.click()
    assert seen() == ["really forget all of it", "keep it"] and len(shown) == 1 and file.exists()
    keep.click()
    assert seen() == ["forget my progress"] and len(shown) == 1 and file.exists()
    ask.click()
    really.click()
    assert "■" not in shown[-1] and len(shown) == 2 and not file.exists()
    assert seen() == ["forget my progress"]
