"""The classes that notebooks and panels name: networks of Tiny ImageNet and of ImageNet have them all."""

import ast
from collections.abc import Iterator

import torchvision
from notebook_files import ROOT, find_notebooks, read

from vizlib import models

TINY = frozenset(models.load("minivgg", "cpu").classes)
IMAGENET = frozenset(torchvision.models.get_model_weights("squeezenet1_0").DEFAULT.meta["categories"])


def sources() -> Iterator[tuple[str, str]]:
    """Where it stands, and the code: of every code cell, without lines that are IPython's own, and of every panel."""
    for path in find_notebooks():
        for number, cell in enumerate(read(path).cells):
            if cell.cell_type == "code":
                lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
                if "setup" not in cell.metadata.get("tags", []):  # it has a line of IPython's as the body of an `if`
                    yield f"{path.name}, cell {number}", "\n".join(lines)
    for path in sorted((ROOT / "vizlib/widgets/panels").glob("*.py")):
        yield path.name, path.read_text(encoding="utf-8")


def class_names(code: str) -> set[str]:
    """The strings in a piece of code that are names of Tiny ImageNet's classes."""
    strings = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    return {text for text in strings if isinstance(text, str) and text in TINY}


def lacking(code: str, other: frozenset[str] = IMAGENET) -> set[str]:
    """The class names in a piece of code that another list of classes does not have."""
    return class_names(code) - other


def test_every_class_that_is_named_is_one_of_both_lists():
    missing = {place: lacking(code) for place, code in sources() if lacking(code)}
    assert missing == {}, "a network with ImageNet's classes cannot be asked for these"


def test_the_cells_and_the_panels_are_read():
    named = {place: class_names(code) for place, code in sources()}
    assert {"tabby", "teapot", "king penguin"} <= set().union(*named.values())


def test_a_name_that_the_other_list_lacks_is_found():
    code = "panels.occlusion_map(net, target='espresso')\nask(net, f'{one}', ['teapot', 'espresso'])"
    assert lacking(code) == set()
    assert lacking(code, IMAGENET - {"espresso"}) == {"espresso"}


def test_words_that_are_no_classes_are_left_alone():
    assert class_names("ask('rocket', 'unicorn', 'a picture of an espresso')") == set()
