"""A picture on the page, with a description for those who cannot see it, and the progress bar beside it."""

import base64
import html

import ipywidgets as W


def tag(content: bytes, format: str, alt: str, style: str) -> str:
    """An HTML image from the bytes of a file; it is drawn in one go with its surroundings, so it does not flicker."""
    source = f"data:image/{format};base64,{base64.b64encode(content).decode()}"
    return f'<img src="{source}" alt="{html.escape(alt)}" style="{style}" decoding="sync">'


class Picture(W.HTML):
    """A picture that can be replaced. ipywidgets' own image widget has no description (`alt`) for screen readers.

    Attributes:
        content: The bytes of the file that is shown; b"" while there is none.
        format: Its format, 'png' or 'jpeg'.
    """

    def __init__(self, alt: str, css_class: str):
        if not alt.strip():
            raise ValueError("alt: expected a few words that say what the picture shows, got none")
        super().__init__()
        self._alt, self.content, self.format = alt, b"", ""
        self.add_class("vizlib-picture")
        self.add_class(css_class)

    def show(self, content: bytes, format: str, width: str = "100%") -> None:
        """Show the bytes of a file.

        Args:
            width: How wide, in CSS; never wider than the page.
        """
        self.content, self.format = content, format
        self.value = tag(content, format, self._alt, f"width:{width}")

    def clear(self) -> None:
        """Show nothing."""
        self.content, self.format, self.value = b"", "", ""


def bar(label: str, done: int, total: int) -> str:
    """A progress bar in HTML; without a known total (0) it says only that something is going on."""
    place = f'value="{min(done, total)}" max="{total}"' if total else ""
    return f'<progress {place} aria-label="{html.escape(label)}"></progress>'
