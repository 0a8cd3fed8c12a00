"""Questions that are clicked, and the answers that come back to them."""

import pytest

from vizlib.widgets import ask, questions, recall


@pytest.fixture
def shown(monkeypatch):
    """What was displayed, as HTML; and no question from before."""
    pages = []
    monkeypatch.setattr(questions, "_asked", {})
    monkeypatch.setattr(questions, "_recalled", {})
    monkeypatch.setattr(questions, "display", lambda page: pages.append(page.data))
    return pages


def test_where_nobody_clicks_the_options_are_listed_and_the_answer_is_folded(shown, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    ask("size", "How large is a < b?", ["large", "small"])
    recall("size", "small", "It was measured: 3 < 4.")
    assert "a &lt; b" in shown[0] and "<li>large</li><li>small</li>" in shown[0]
    assert (
        "<details>" in shown[1] and "small.</b> It was measured: 3 &lt; 4." in shown[1] and "You said" not in shown[1]
    )


def test_a_click_comes_back_before_and_after_the_explanation(shown, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "1")
    monkeypatch.setattr(questions, "show_widget", lambda widget, alt: shown.append(widget))
    ask("size", "How large?", ["large", "small"])
    recall("size", "small", "So it is.")
    again = questions._recalled["size"]
    assert "<details>" in again.widget.value
    questions._asked["size"].choice.value = "large"
    assert "You said: <i>large</i>.<" in again.widget.value and "<details open>" in again.widget.value
    questions._asked["size"].choice.value = "small"
    assert "<i>small</i>. ✓" in again.widget.value
    ask("size", "How large?", ["large", "small"])
    assert questions._asked["size"].given == "small", "running the cell again does not forget the answer"
    questions._asked["size"].close()


def test_what_cannot_be_asked_or_answered(shown, monkeypatch):
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    with pytest.raises(ValueError, match=r"two or more different answers.*\['a', 'a'\]"):
        ask("x", "?", ["a", "a"])
    with pytest.raises(LookupError, match=r"no question 'x'.*run the cell"):
        recall("x", "a", "")
    ask("x", "?", ["a", "b"])
    with pytest.raises(ValueError, match=r"one of \['a', 'b'\], got 'c'"):
        recall("x", "c", "")
