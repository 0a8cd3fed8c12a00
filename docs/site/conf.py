"""Sphinx's settings for the reading site, which scripts/make_site.py builds."""

import base64
import hashlib
import inspect
import json
import re
import tomllib
from pathlib import Path, PurePosixPath

from docutils import nodes

ROOT = Path(__file__).resolve().parents[2]  # of build/site-source/conf.py as of docs/site/conf.py
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]

project = "Visualizing and understanding"
author = "the vizlib authors"
copyright = author
language = "en"

extensions = ["myst_nb", "sphinx_design", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_static"]

nb_execution_mode = "off"
nb_merge_streams = True
nb_number_source_lines = False
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
add_module_names = False
suppress_warnings = ["ref.python"]  # a word in an annotation that several classes have as an attribute
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "repository_url": URLS["Repository"],
    "use_repository_button": True,
    "use_issues_button": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "collapse_navbar": True,
    "show_toc_level": 2,
    "home_page_in_toc": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}

mathjax_path = "mathjax/tex-chtml-full.js"
mathjax4_config = None
mathjax3_config = {"options": {"enableMenu": False}, "chtml": {"matchFontHeight": False}}

CODE = re.compile(r"(`[^`]+`)(\w?)")


def as_restructured_text(app, what, name, obj, options, lines: list[str]) -> None:
    """Docstrings are plain text with `code`: let nothing else in them be taken for markup."""
    for number, line in enumerate(lines):
        if line.startswith("    ") and line.lstrip().startswith((">>>", "...")):
            continue
        parts = CODE.split(line)  # text, code, the letter after it, text, …
        for index, part in enumerate(parts):
            match index % 3:
                case 0:
                    parts[index] = part.replace("|", "\\|")
                case 1:
                    parts[index] = f"`{part}`"
                case 2 if part:
                    parts[index] = f"\\ {part}"
        lines[number] = "".join(parts)


def is_foreign(app, what, name, obj, skip, options) -> bool | None:
    """Leave out functions of torch that a class keeps under a name of its own."""
    return True if inspect.isbuiltin(obj) else None


def described(app, doctree) -> None:
    """Give each stored picture the alt text that its notebook has for it; its file is named after its bytes."""
    path = app.env.doc2path(app.env.docname)
    if path.suffix != ".ipynb":
        return
    texts = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            for kind, options in output.get("metadata", {}).items():
                if isinstance(options, dict) and "alt" in options:
                    content = base64.b64decode("".join(output["data"][kind]))
                    texts[hashlib.sha256(content).hexdigest()] = options["alt"]
    for image in doctree.findall(nodes.image):
        image.setdefault("alt", texts.get(PurePosixPath(image["uri"]).stem, ""))


FOLDED = re.compile(r'<p class="(collapsed|expanded) admonition-title">(.*?)</p>')  # in a summary, which takes no <p>
SIGNATURE = re.compile(r"<dl>\n((?:<dd>.*?</dd>\n)+)</dl>")  # one parameter on each line


def accessible(app, page, template, context, doctree) -> None:
    """Mend what a screen reader stumbles over in the HTML of Sphinx and myst-nb."""

    def lines(match: re.Match) -> str:
        rows = match[1].replace("<dd>", '<span class="sig-line">').replace("</dd>", "</span>")
        return f'<span class="sig-lines">{rows}</span>'

    if "body" in context:
        body = context["body"].replace(' aria-label="Toggle hidden content"', "")  # it hides "Show the code"
        body = FOLDED.sub(r'<span class="\1">\2</span>', body)
        context["body"] = SIGNATURE.sub(lines, body)


def setup(app) -> None:
    app.connect("html-page-context", accessible)
    app.connect("doctree-read", described)
    app.connect("autodoc-process-docstring", as_restructured_text, priority=400)  # before napoleon
    app.connect("autodoc-skip-member", is_foreign)
