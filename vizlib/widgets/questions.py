"""A question before a cell runs: a person clicks an answer, and the text that explains the result comes back to it.

`ask(name, question, options)` stands under *Predict*, `recall(name, right, because)` under *Explain*. On a page that
runs nothing the options are a list, and the answer is folded.
"""

import html
from collections.abc import Sequence

import ipywidgets as W
from IPython.display import HTML, display

from vizlib.widgets import cells
from vizlib.widgets.page import answer_at_once, show_widget, watched
from vizlib.widgets.record import note_prediction

_asked: dict[str, "Question"] = {}
_recalled: dict[str, "_Recall"] = {}


class Question:
    """What was asked, and what was clicked. Made by `ask`.

    Attributes:
        options: The answers to choose from.
        given: The answer that was clicked, or None.
        choice, widget: The buttons, and the whole of what is on the page.
    """

    def __init__(self, name: str, question: str, options: Sequence[str], given: str | None = None):
        self.name, self.question, self.options, self.given = name, question, tuple(options), given
        self.choice = W.RadioButtons(options=list(options), value=given, layout={"width": "auto"})
        self.choice.add_class("vizlib-question")
        self.widget = W.VBox([W.HTML(f"<b>{html.escape(question)}</b>"), self.choice])
        self.choice.observe(self._click, "value")

    def _click(self, *_: object) -> None:
        self.given = self.choice.value
        if recall := _recalled.get(self.name):
            recall.refresh()

    def close(self) -> None:
        """Take it off the page; what was clicked is remembered."""
        for widget in (*self.widget.children, self.widget):
            widget.close()
        cells.disown(self)


class _Recall:
    """The place where an answer is looked at again."""

    def __init__(self, name: str, right: str, because: str):
        self.name, self.right, self.because, self.widget = name, right, because, W.HTML()
        self.refresh()

    def refresh(self) -> None:
        given = _asked[self.name].given
        self.widget.value = _answer(given, self.right, self.because)
        if given is not None:
            note_prediction(self.name, given == self.right)

    def close(self) -> None:
        self.widget.close()
        cells.disown(self)


def ask(name: str, question: str, options: Sequence[str]) -> None:
    """Put a question onto the page, with answers to click.

    Args:
        name: What `recall` calls it, one name for each question of a notebook.
        question: A sentence.
        options: Two or more answers, all different.

    Raises:
        ValueError: Fewer than two answers, or two that are equal.
    """
    if len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options: expected two or more different answers, got {list(options)}")
    before = _asked.get(name)
    given = before.given if before and before.given in options else None
    question_ = _asked[name] = Question(name, question, options, given)
    if watched():
        cells.own(question_)
        answer_at_once(question_.widget)
        show_widget(question_.widget, question)
    else:
        items = "".join(f"<li>{html.escape(option)}</li>" for option in options)
        display(HTML(f"<b>{html.escape(question)}</b><ul>{items}</ul><small>Run this cell to click an answer.</small>"))


def recall(name: str, right: str, because: str) -> None:
    """Come back to a question: what was clicked, what is right, and why; folded where nothing was clicked.

    Args:
        name: As `ask` had it.
        right: One of its options.
        because: A sentence or two, with the number that was measured.

    Raises:
        LookupError: Nothing of that name was asked.
        ValueError: `right` is not one of the options.
    """
    if name not in _asked:
        raise LookupError(f"no question {name!r} was asked, only {list(_asked)}: run the cell of the question first")
    if right not in _asked[name].options:
        raise ValueError(f"right: expected one of {list(_asked[name].options)}, got {right!r}")
    if watched():
        again = _recalled[name] = _Recall(name, right, because)
        cells.own(again)
        answer_at_once(again.widget)
        show_widget(again.widget, "The answer")
    else:
        display(HTML(_answer(_asked[name].given, right, because)))


def _answer(given: str | None, right: str, because: str) -> str:
    said = "" if given is None else f"<p>You said: <i>{html.escape(given)}</i>{'. ✓' if given == right else '.'}</p>"
    answer = f"<b>{html.escape(right)}.</b> {html.escape(because)}"
    fold = "<details>" if given is None else "<details open>"
    return f"{said}{fold}<summary>The answer to the prediction</summary>{answer}</details>"
