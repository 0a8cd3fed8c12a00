"""What a person has predicted and which exercises have passed: kept on this machine, and shown as a map in notebook 00.

Only what happens before a person's eyes is noted, and only in the course's own notebooks: a notebook that a program
runs notes and shows nothing. A file that cannot be read or written never stops a lesson; then nothing is remembered.
"""

import hashlib
import html
import json
import os
import re
from pathlib import PurePath

import ipywidgets as W
from IPython import get_ipython
from IPython.display import HTML, display

from vizlib import assets
from vizlib.widgets import cells
from vizlib.widgets.lecture import SECTIONS, Section
from vizlib.widgets.page import answer_at_once, show_widget, watched

Record = dict[str, dict[str, bool]]  # what -> whether it was right; for each notebook
EMPTY = "Nothing yet. Answer a prediction or pass an exercise in any notebook, then run this cell again."
LOCAL = "It is kept on the machine that runs this notebook, and nowhere else."
SLUGS = {section.slug for section in SECTIONS}


def note_prediction(name: str, right: bool) -> None:
    """Note how a person answered a question; the first answer counts: it was given before the explanation.

    It may be called from a click, where nothing says any more that somebody is watching; so its caller knows.
    """
    _note("predictions", name, right, first=True)


def note_exercise(hint: str, right: bool) -> None:
    """Note whether an exercise has passed, by its hint, which no two exercises share; once passed, it stays so.

    Nothing is noted where a program runs the notebook.
    """
    if watched():
        _note("exercises", hashlib.sha256(hint.encode()).hexdigest()[:8], right, first=False)


def load() -> dict[str, Record]:
    """All that is remembered: 'predictions' and 'exercises', each by notebook. Empty where there is no such file."""
    path = assets.progress_path()
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        found = {}
    return {
        kind: _checked(found.get(kind) if isinstance(found, dict) else None) for kind in ("predictions", "exercises")
    }


def reset() -> None:
    """Forget everything."""
    path = assets.progress_path()
    try:
        if path:
            path.unlink(missing_ok=True)
    except OSError as error:
        print(f"{path} could not be removed: {error.strerror or error}")


def progress_map() -> None:
    """Show which predictions were right and which exercises passed, by notebook, with a button that forgets it all.

    The button asks before it does: a first click offers to forget or to keep everything.
    """
    if not watched():
        display(HTML(html_progress({})))
        return
    shown = display(HTML(html_progress(load())), display_id=True)  # not in a widget: there, links lead nowhere
    ask, really, keep = (
        W.Button(description=text, layout={"width": "auto"})
        for text in ("forget my progress", "really forget all of it", "keep it")
    )
    ask.add_class("vizlib-forget")
    really.add_class("vizlib-forget-really")
    really.button_style = "danger"

    def asking(now: bool) -> None:
        ask.layout.display = "none" if now else None
        really.layout.display = keep.layout.display = None if now else "none"

    def forget(_: W.Button) -> None:
        reset()
        shown.update(HTML(html_progress(load())))
        asking(False)

    ask.on_click(lambda _: asking(True))
    keep.on_click(lambda _: asking(False))
    really.on_click(forget)
    asking(False)
    row = W.HBox([ask, really, keep])
    cells.own(cells.Parts(row))
    answer_at_once(row)
    show_widget(row, "A button that forgets your progress, after it has asked")


def html_progress(record: dict[str, Record]) -> str:
    """The map as an HTML table: a row for each notebook with a link, its predictions and its exercises."""
    predictions, exercises = record.get("predictions", {}), record.get("exercises", {})
    head = "".join(f'<th scope="col" style="text-align:left">{text}</th>' for text in _COLUMNS)
    rows = "".join(_row(section, predictions, exercises) for section in SECTIONS)
    answers = [right for by_name in predictions.values() for right in by_name.values()]
    passed = sum(right for by_name in exercises.values() for right in by_name.values())
    total = f"{sum(answers)} of {len(answers)} predictions right, {passed} exercise{'s' * (passed != 1)} passed."
    caption = f"<caption style='text-align:left'><b>{total if answers or passed else EMPTY}</b> {LOCAL}</caption>"
    return f'<table class="vizlib-progress">{caption}<tr>{head}</tr>{rows}</table>'


_COLUMNS = ("notebook", "predictions", "exercises")


def _row(section: Section, predictions: Record, exercises: Record) -> str:
    right = list(predictions.get(section.slug, {}).values())
    passed = list(exercises.get(section.slug, {}).values())
    marks = "".join(_mark(one, "right", "not right") for one in right)
    said = f"{marks} {sum(right)} of {len(right)} right" if right else "–"
    done = "".join(_mark(one, "passed", "not yet passed") for one in passed)
    solved = f"{done} {sum(passed)} passed" if passed else "–"
    link = f'<a href="{section.slug}.ipynb">{section.number} · {html.escape(section.title)}</a>'
    return f'<tr><th scope="row" style="text-align:left">{link}</th>{_cell(said)}{_cell(solved)}</tr>'


def _cell(text: str) -> str:
    return f'<td style="text-align:left">{text}</td>'


def _mark(good: bool, yes: str, no: str) -> str:
    """A filled or an open square, told apart by shape, and by words for who does not see it."""
    color, sign, words = ("#1b7837", "■", yes) if good else ("#b35806", "□", no)
    return f'<span role="img" aria-label="{words}" title="{words}" style="color:{color};font-size:130%">{sign}</span>'


def _note(kind: str, name: str, right: bool, first: bool) -> None:
    path, notebook = assets.progress_path(), _notebook()
    if path is None or not notebook:
        return
    record = load()
    mine = record[kind].setdefault(notebook, {})
    if name in mine and (first or mine[name]):
        return
    mine[name] = bool(right)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with assets.whole(path) as part:
            part.write_text(json.dumps(record, indent=1), encoding="utf-8")
    except OSError:  # a full or read-only disk: the lesson goes on
        pass


def _notebook() -> str:
    """The lesson that this kernel runs, by its slug; '' if it is none of them or the front end does not say."""
    shell = get_ipython()
    said = os.environ.get("JPY_SESSION_NAME") or getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or ""
    path = PurePath(str(said).replace("\\", "/"))
    slug = re.sub(r"(-Copy)?\d*$", "", path.stem)
    return slug if slug in SLUGS and path.parent.name not in ("solutions", "appendix") else ""


def _checked(found: object) -> Record:
    """What of a file's content is a record: names of notebooks, each with names and truth values."""
    if not isinstance(found, dict):
        return {}
    return {
        notebook: {str(name): right for name, right in by_name.items() if isinstance(right, bool)}
        for notebook, by_name in found.items()
        if isinstance(by_name, dict)
    }
