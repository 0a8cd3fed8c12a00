"""How a panel is laid out: the picture beside its controls or above them, what matters in sight, the rest folded."""

from collections.abc import Sequence

import ipywidgets as W

from vizlib.widgets.browser import Labels

STYLE = """<style>
.vizlib-panel { flex-flow: row wrap; align-items: flex-start; gap: 4px 16px; overflow: visible; }
.vizlib-panel .widget-hbox, .vizlib-panel .widget-vbox { max-width: 100%; }
.vizlib-panel .vizlib-shows { flex: 3 1 460px; min-width: min(400px, 100%); max-width: 760px; }
.vizlib-panel .vizlib-controls { flex: 2 1 330px; max-width: 600px; }
.vizlib-panel.vizlib-above .vizlib-shows, .vizlib-panel.vizlib-above .vizlib-controls { flex-basis: 100%;
  max-width: 100%; }
.vizlib-panel .vizlib-picture, .vizlib-panel .vizlib-picture .widget-html-content { width: 100%; }
.vizlib-panel .widget-vbox > .jupyter-widgets:not(.widget-box) {
  max-width: calc(100% - 2 * var(--jp-widgets-margin, 2px)) !important; }
.vizlib-panel .vizlib-picture img { display: block; max-width: 100%; max-height: 72vh; object-fit: contain;
  object-position: left top; }
.vizlib-panel.vizlib-above .vizlib-controls, .vizlib-panel.vizlib-above .vizlib-folded { display: grid; width: 100%;
  grid-template-columns: repeat(auto-fill, minmax(min(390px, 100%), 1fr)); gap: 0 16px; align-items: start; }
.vizlib-panel.vizlib-above .vizlib-folded { grid-column: 1 / -1; }
.vizlib-panel.vizlib-above .vizlib-more { justify-self: start; }
.vizlib-panel.vizlib-above .vizlib-status { grid-row: span 2; }
.vizlib-panel.vizlib-above .vizlib-picture img { max-height: 58vh; }
.vizlib-panel.vizlib-above.vizlib-live .vizlib-picture img { max-height: 49vh; }
.vizlib-panel progress { width: 110px; vertical-align: middle; }
.vizlib-panel .vizlib-image { flex: 1 1 240px; max-width: 300px; min-width: 180px; }
.vizlib-panel .vizlib-bring { flex: 0 1 auto; flex-flow: row wrap; }
.vizlib-panel .widget-readout { min-width: 6.5em; }
.vizlib-panel .vizlib-more { flex: 0 0 auto; width: auto; }
.vizlib-panel .widget-html-content { line-height: 1.35; white-space: normal; }
.vizlib-panel :focus-visible { outline: 2px solid #1a73e8; outline-offset: 2px; }
.jp-OutputArea:has(.vizlib-live) .vizlib-still, .output:has(.vizlib-live) .vizlib-still { display: none; }
</style>"""


def frame(left: Sequence[W.Widget], right: Sequence[W.Widget], layout: str = "beside") -> W.Box:
    """A panel with its picture on the left and its controls on the right, or the picture above them.

    Raises:
        ValueError: The layout is neither 'beside' nor 'above'.
    """
    if layout not in ("beside", "above"):
        raise ValueError(f"layout is {layout!r}, expected 'beside' or 'above'")
    columns = W.VBox([W.HTML(STYLE, layout={"display": "none"}), Labels(), *left]), W.VBox(list(right))
    for column, name in zip(columns, ("vizlib-shows", "vizlib-controls"), strict=True):
        column.add_class(name)
    panel = W.Box(columns)
    panel.add_class("vizlib-panel")
    panel.add_class(f"vizlib-{layout}")
    return panel


def more(folded: Sequence[W.Widget]) -> list[W.Widget]:
    """The controls behind a button, hidden until it is pressed; an accordion would not obey the keyboard."""
    if not folded:
        return []
    button = W.ToggleButton(
        False, description="more", icon="caret-right", layout={"width": "auto", "align_self": "flex-start"}
    )
    button.add_class("vizlib-more")
    box = W.VBox(list(folded), layout={"display": "none"})
    box.add_class("vizlib-folded")

    def fold(change: dict) -> None:
        box.layout.display = None if change["new"] else "none"
        button.icon = "caret-down" if change["new"] else "caret-right"

    button.observe(fold, "value")
    return [button, box]
