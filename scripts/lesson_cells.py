"""The part of a lesson that a test needs: the cells that it asks for, and of earlier cells the lines that these need.

`slice_of("04_activations", "panels.activation_region(")` gives a few small cells: that panel's whole cell
and, before it, the imports, the network, and the functions that it uses. Long loops, pictures and assertions in between
are left out, because nothing that was asked for depends on them. It follows names (a backward slice): a statement is
kept where it binds a name that is needed, or changes what the name stands for (`knobs.net = …`, `kept.update(…)`).
"""

import ast
import json
import symtable
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from IPython.core.inputtransformer2 import TransformerManager
from notebook_files import ROOT

IMPORTS = ast.Import | ast.ImportFrom
DEFINITE = ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.ClassDef | IMPORTS
SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


@dataclass
class Statement:
    """A top-level statement of a cell: where it is, and what it does to the names of the notebook.

    Attributes:
        imports: Whether it is an import, whose names are modules and functions that no statement changes.
        binds: Names that it gives a new meaning; `definite` says that it always does.
        changes: Names whose object it changes.
        uses: Names that it reads while it runs; `later` are those that its functions read when they are called.
    """

    cell: int
    lines: range
    imports: bool
    definite: bool
    binds: set[str]
    changes: set[str]
    uses: set[str]
    later: set[str] = field(default_factory=set)


def sources(name: str) -> list[str]:
    """The sources of the code cells of notebooks/`name`.ipynb, in order."""
    notebook = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def slice_of(name: str, *words: str, replace: Mapping[str, str] | None = None) -> list[str]:
    """The code cells of a lesson that hold these words, and what they need of the cells before them.

    Args:
        name: The notebook's name without its suffix.
        words: For each cell that is wanted, words that the first such cell in the lesson holds.
        replace: Constants to replace, such as `{"steps=160": "steps=20"}`.

    Raises:
        LookupError: No cell holds the words, or none that was taken holds what is to be replaced.
    """
    return replaced(sliced(sources(name), words, name), replace or {}, name)


def sliced(cells: list[str], words: tuple[str, ...], name: str) -> list[str]:
    """As `slice_of`, of the sources of cells."""
    statements = [statement for number, cell in enumerate(cells) for statement in parsed(number, cell)]
    wanted = {found(cells, text, name) for text in words}
    kept: set[int] = set()
    for number in wanted:
        places = [i for i, statement in enumerate(statements) if statement.cell == number]
        need(statements, places, places[-1] + 1, kept)
    lines: dict[int, set[int]] = {}
    for statement in (statements[i] for i in kept):
        lines.setdefault(statement.cell, set()).update(statement.lines)
    return [
        cells[number]
        if number in wanted
        else "\n".join(line for i, line in enumerate(cells[number].splitlines(), 1) if i in lines[number])
        for number in sorted(lines)
    ]


def found(cells: list[str], words: str, name: str) -> int:
    """The number of the first cell that holds these words."""
    for number, cell in enumerate(cells):
        if words in cell:
            return number
    raise LookupError(f"no code cell of {name} holds {words!r}: has the lesson changed?")


def replaced(cells: list[str], replace: Mapping[str, str], name: str) -> list[str]:
    """The cells with other constants."""
    for old, new in replace.items():
        if not any(old in cell for cell in cells):
            raise LookupError(f"no cell that was taken from {name} holds {old!r} to replace: has the lesson changed?")
        cells = [cell.replace(old, new) for cell in cells]
    return cells


def need(statements: list[Statement], places: list[int], end: int, kept: set[int]) -> None:
    """Add to `kept` these statements and all that they depend on; functions are called up to the statement `end`."""
    imported = {name for statement in statements if statement.imports for name in statement.binds}
    todo = list(places)
    while todo:
        place = todo.pop()
        if place in kept:
            continue
        kept.add(place)
        statement = statements[place]
        todo += [i for name in statement.uses | statement.later for i in givers(statements, name, place, imported)]
        todo += [i for name in statement.later for i in givers(statements, name, end, imported)]


def givers(statements: list[Statement], name: str, end: int, imported: set[str]) -> Iterator[int]:
    """The statements before `end` that made what `name` stands for there, the last one first."""
    for place in range(end - 1, -1, -1):
        statement = statements[place]
        if name in statement.binds or (name in statement.changes and name not in imported):
            yield place
            if name in statement.binds and statement.definite:
                return


def parsed(number: int, cell: str) -> Iterator[Statement]:
    """The statements of a cell; a magic command is one that uses nothing."""
    code = TransformerManager().transform_cell(cell)
    rows = code.splitlines()
    for node in ast.parse(code).body:
        first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
        table = symtable.symtable("\n".join(rows[first - 1 : node.end_lineno]), "cell", "exec")
        symbols = table.get_symbols()
        binds = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
        uses = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
        lines = range(first, node.end_lineno + 1)
        changes = set() if isinstance(node, ast.Assert) else set(changed(node))
        imports, definite = isinstance(node, IMPORTS), isinstance(node, DEFINITE)
        yield Statement(number, lines, imports, definite, binds, changes, uses, set(global_names(table)))


def global_names(table: symtable.SymbolTable) -> Iterator[str]:
    """The notebook's names that functions, classes and comprehensions in a statement use."""
    for child in table.get_children():
        yield from (symbol.get_name() for symbol in child.get_symbols() if symbol.is_global())
        yield from global_names(child)


def changed(node: ast.AST) -> Iterator[str]:
    """The names of objects that a statement changes: by storing in them, or by calling a method for its effect."""
    if isinstance(node, SCOPES):
        return
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
        yield from root(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield from root(node.value.func) if isinstance(node.value.func, ast.Attribute) else ()
    for child in ast.iter_child_nodes(node):
        yield from changed(child)


def root(node: ast.AST) -> Iterator[str]:
    """The name at the left end of `name.attribute[index]`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id
