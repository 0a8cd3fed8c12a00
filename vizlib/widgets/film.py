"""An animation in a notebook."""

import base64
import html

from IPython.display import HTML


def film(animation: bytes, alt: str, width: int) -> HTML:
    """An animation in a notebook, from the bytes of a WebP or GIF file.

    Args:
        alt: What it shows, in a few words.
        width: How wide it is shown, in pixels.
    """
    if not alt.strip():
        raise ValueError("alt: expected a few words that say what the film shows, got none")
    kind = "webp" if animation[8:12] == b"WEBP" else "gif" if animation[:3] == b"GIF" else None
    if kind is None:
        raise ValueError(f"animation: expected the bytes of a WebP or GIF file, got {animation[:12]!r} …")
    source = f"data:image/{kind};base64,{base64.b64encode(animation).decode()}"
    return HTML(f'<img src="{source}" width="{width}" alt="{html.escape(alt)}">')
