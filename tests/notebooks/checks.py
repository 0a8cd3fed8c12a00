"""What every notebook must be: each check takes a notebook and its path, and yields a sentence for each defect."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from IPython.core.inputtransformer2 import TransformerManager
from nbconvert.filters.markdown import markdown2html
from nbformat import NotebookNode
from nbval.plugin import comment_markers, metadata_tags
from notebook_files import is_setup, is_stale
from outputs import tolerance
from run_notebooks import LARGEST_FILE, WIDGET_VIEW
from slides import is_marked

Check = Callable[[NotebookNode, Path], Iterator[str]]

LONGEST_CELL = 25  # lines
ATTACHMENT = "in-this-cell:"
STEPS = ["Predict", "Code", "Explore", "Explain"]
MACHINE_PATH = re.compile(r"(?:/home|/Users|/root|/tmp|/work|/mnt|/opt|[A-Z]:\\Users)[/\\]\w")
PATH_IN_CODE = re.compile(r"(?:/[^/\s]+/|~[/\\]|file:|[A-Za-z]:[\\/])\S*")
INSTALLER = re.compile(r"^\s*[!%]+\s*(?:\S+ -m )?(?:pip|conda|mamba|uv|apt|apt-get)\b", re.MULTILINE)


# --- reading a notebook ---------------------------------------------------------------------------------------------


def cells(notebook: NotebookNode, kind: str) -> list[tuple[int, NotebookNode]]:
    """The cells of a kind ('code' or 'markdown') that are not empty, each with its index."""
    return [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == kind and cell.source.strip()]


def syntax(cell: NotebookNode) -> ast.AST:
    """A code cell's syntax tree, with IPython's magics turned into calls."""
    return ast.parse(TransformerManager().transform_cell(cell.source))


def rendered(cell: NotebookNode) -> BeautifulSoup:
    """A Markdown cell as HTML, so that links and pictures are found however they are written."""
    source = cell.source.replace("attachment:", ATTACHMENT)  # nbconvert would put the picture here, or stop without one
    return BeautifulSoup(markdown2html(source), "html.parser")


def sections(notebook: NotebookNode) -> list[list[str]]:
    """Each second-level heading (`## …`) with the headings below it."""
    found: list[list[str]] = []
    for _, cell in cells(notebook, "markdown"):
        for heading in rendered(cell).select("h2, h3, h4"):
            if heading.name == "h2" or not found:
                found.append([])
            found[-1].append(heading.get_text().rstrip("¶").strip())
    return found


def is_opening(path: Path) -> bool:
    """Whether it is notebook 00, which teaches nothing yet."""
    return path.name.startswith("00")


def texts(output: NotebookNode) -> Iterator[str]:
    """What an output says in words: its stream, its plain text, its HTML."""
    yield output.get("text", "")
    for kind in ("text/plain", "text/html", "text/markdown"):
        yield output.get("data", {}).get(kind, "")


# --- its outputs ----------------------------------------------------------------------------------------------------


def outputs_are_fresh(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if is_stale(notebook):
        yield "its outputs are older than its code: run `make notebooks`"


def outputs_are_complete(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for count, (i, cell) in enumerate(cells(notebook, "code"), 1):
        if cell.execution_count != count:
            yield f"cell {i} ran as number {cell.execution_count} instead of {count}: run `make notebooks`"
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {i} ended in {output.ename}: {output.evalue}"
            if output.get("name") == "stderr":
                yield f"cell {i} wrote a warning: {output.text.strip()[:200]!r}"


def widgets_have_a_picture(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "code"):
        for output in cell.outputs:
            data = output.get("data", {})
            if WIDGET_VIEW in data and not any(kind == "text/html" or kind.startswith("image/") for kind in data):
                yield f"cell {i} shows a widget alone: display a picture or text/html with it"


def pictures_have_alt_text(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "markdown"):
        for image in rendered(cell).select("img"):
            if not image.get("alt", "").strip():
                yield f"cell {i}: the picture {image.get('src', '')[:60]!r} has no alt text"
    for i, cell in cells(notebook, "code"):
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip():
                    yield f"cell {i}: its {kind} has no alt text: show it with plot.show(figure, alt=...)"
            page = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
            for image in page.select("img"):
                if not image.get("alt", "").strip():
                    yield f"cell {i}: a picture in its HTML has no alt text"


def file_is_small(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if path.stat().st_size >= LARGEST_FILE:
        limit = f"must stay under {LARGEST_FILE / 1e6:g}: show smaller pictures"
        yield f"the file has {path.stat().st_size / 1e6:.2f} MB and {limit}"


# --- its code -------------------------------------------------------------------------------------------------------


def setup_is_cell_1(notebook: NotebookNode, path: Path) -> Iterator[str]:
    places = [i for i, cell in enumerate(notebook.cells) if is_setup(cell)]
    if places != [1]:
        yield f"set-up cells at {places} instead of [1]: run python scripts/update_links.py"


def nothing_else_is_installed(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "code"):
        if INSTALLER.search(cell.source) and not is_setup(cell):
            yield f"cell {i} installs something: only the set-up cell may"


def cells_are_short(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "code"):
        lines = len(cell.source.splitlines())
        if lines > LONGEST_CELL:
            yield f"cell {i} has {lines} lines and may have {LONGEST_CELL}: split it, or move plumbing to vizlib"


def markers_are_spelt_right(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """nbval passes over a marker that it does not know, and a cell would go unchecked or fail for no visible reason."""
    for i, cell in cells(notebook, "code"):
        for line in cell.source.splitlines():
            marker = line.strip().lstrip("#").strip()
            alone = line.strip().startswith("#") and marker in comment_markers
            if re.search(r"#.*nbval", line, re.IGNORECASE) and not alone:
                yield f"cell {i}: {line.strip()!r} is not one of nbval's markers alone on its line"
        for tag in cell.metadata.get("tags", []):
            if "nbval" in tag.lower() and tag not in metadata_tags:
                yield f"cell {i}: the tag {tag!r} is not one of nbval's"


def tolerances_are_spelt_right(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "code"):
        try:
            tolerance(cell)
        except TypeError as error:
            yield f"cell {i}: its tolerance has a name that is neither numbers nor pictures ({error})"


def paths_are_relative(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "code"):
        strings = [n.value for n in ast.walk(syntax(cell)) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
        for text in strings:
            if not is_setup(cell) and PATH_IN_CODE.fullmatch(text):
                yield f"cell {i}: {text!r} works on one machine only"
        for output in cell.outputs:
            for match in filter(None, map(MACHINE_PATH.search, texts(output))):
                yield f"cell {i}: its output names a path of the machine that ran it, {match[0]!r}…"


def a_claim_is_asserted(notebook: NotebookNode, path: Path) -> Iterator[str]:
    nodes = [node for _, cell in cells(notebook, "code") for node in ast.walk(syntax(cell))]
    claims = [node for node in nodes if isinstance(node, ast.Attribute) and node.attr == "claim"]
    if not claims and not any(isinstance(node, ast.Assert) and node.msg for node in nodes):
        yield "no cell makes a claim: write `check.claim(net, ..., 'what holds')` where the text states a number"


def slides_are_marked(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if not is_marked(notebook):
        yield "its cells are not marked as slides, or not as the rule has it: run python scripts/slides.py"


# --- its text -------------------------------------------------------------------------------------------------------


def links_lead_somewhere(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for i, cell in cells(notebook, "markdown"):
        page = rendered(cell)
        targets = [a["href"] for a in page.select("a[href]")] + [img.get("src", "") for img in page.select("img")]
        for target in targets:
            parts = urlsplit(target)
            if target.startswith(ATTACHMENT) and target.removeprefix(ATTACHMENT) not in cell.get("attachments", {}):
                yield f"cell {i} shows {target.removeprefix(ATTACHMENT)!r}, which is not attached to it"
            if not parts.scheme and parts.path and not (path.parent / unquote(parts.path)).exists():
                yield f"cell {i} links to {target!r}, which does not exist"


def head_is_complete(notebook: NotebookNode, path: Path) -> Iterator[str]:
    source, number = notebook.cells[0].source, path.name[:2]
    blocks = source.split("\n\n")
    if not re.fullmatch(rf"# {number} · \S.*", blocks[0]):
        yield f"cell 0 must begin with `# {number} · Title`, not {blocks[0][:60]!r}"
    if len(blocks) < 2 or not re.fullmatch(r"[^*#!\[].*[.?!]", blocks[1], re.DOTALL):
        yield "cell 0 needs one sentence below the title"
    for badge in ("[![Open in Colab](", "[![Launch on Binder]("):
        if badge not in source:
            yield f"cell 0 has no badge {badge}…: run python scripts/update_links.py"
    if not re.search(r"^\*\*Lecture section:\*\* \S", source, re.MULTILINE):
        yield "cell 0 has no line `**Lecture section:** …`"
    if not re.search(r"^\*\*Time:\*\* about \d+ minutes\b", source, re.MULTILINE):
        yield "cell 0 has no line `**Time:** about N minutes`"
    objectives = re.search(r"^\*\*Objectives\*\*\n+((?:[-*] .*\n?|  .*\n?)+)", source, re.MULTILINE)
    bullets = len(re.findall(r"^[-*] ", objectives[1], re.MULTILINE)) if objectives else 0
    if bullets != 3:
        yield f"cell 0 has {bullets} bullets below `**Objectives**` instead of 3"


def sections_are_complete(notebook: NotebookNode, path: Path) -> Iterator[str]:
    found = sections(notebook)
    titles = [section[0] for section in found]
    if "Summary" not in titles:
        yield "no section `## Summary`"
    if is_opening(path):
        return
    if "Your turn" not in titles:
        yield "no section `## Your turn`"
    if not any(goes_through_steps(section) for section in found):
        yield f"no section goes through {', '.join(f'`### {step}`' for step in STEPS)}, in this order"


def goes_through_steps(section: list[str]) -> bool:
    """Whether its headings begin with the four steps' names, in their order."""
    rest = iter(section)
    return all(any(heading.startswith(step) for heading in rest) for step in STEPS)


def last_cell_leads_on(notebook: NotebookNode, path: Path) -> Iterator[str]:
    cell, later = notebook.cells[-1], [p.name for p in path.parent.glob("[0-9][0-9]_*.ipynb") if p.name > path.name]
    links = [a["href"] for a in rendered(cell).select("a[href]")] if cell.cell_type == "markdown" else []
    following = [name for name in later if int(name[:2]) == int(path.name[:2]) + 1]
    if following and following[0] not in links:
        yield f"the last cell does not link to the next notebook, {following[0]}"
    elif not set(later) & set(links) and not re.search(r"\b(coming|last notebook)\b", cell.source):
        yield "the last cell must link to the next notebook, or say that it is coming or that this is the last notebook"


def exercise_has_a_solution(notebook: NotebookNode, path: Path) -> Iterator[str]:
    has_exercise = any(section[0] == "Your turn" for section in sections(notebook))
    if has_exercise and not (path.parent / "solutions" / path.name).exists():
        yield f"its exercise has no solutions/{path.name}"


FOR_ALL: list[Check] = [
    outputs_are_fresh,
    outputs_are_complete,
    widgets_have_a_picture,
    pictures_have_alt_text,
    file_is_small,
    setup_is_cell_1,
    nothing_else_is_installed,
    cells_are_short,
    markers_are_spelt_right,
    tolerances_are_spelt_right,
    paths_are_relative,
    a_claim_is_asserted,
    slides_are_marked,
    links_lead_somewhere,
]
FOR_LESSONS: list[Check] = [head_is_complete, sections_are_complete, last_cell_leads_on, exercise_has_a_solution]
