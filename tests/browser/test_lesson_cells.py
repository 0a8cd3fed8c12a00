"""What a small notebook takes from a lesson: what is needed of it, and nothing else."""

import pytest
from lesson_cells import slice_of, sliced

LESSON = [
    "import sys\nif 'google.colab' in sys.modules:\n    %pip install vizlib",
    "import torch\nfrom vizlib import plot\n\nnet, other = load('a'), load('b')\nphoto = net.photo\nprint(photo)",
    "photo = torch.zeros(3)\nfor step in range(100):\n    photo += step\nplot.show(photo)\nassert photo.sum() > 0",
    "SIZE = 3\n\n\n@plot.quick\ndef draw(image):\n    photo = image[SIZE]  # a local name\n    return helper(photo)",
    "def helper(x):\n    return x + knobs.rate\n\n\nknobs = Knobs(steps=60)\nknobs.rate = 2",
    "box = Box()\nbox.add_class('test')\nawait explore(draw, box, {name: name for name in net.names})",
    "knobs = None",
]


def test_a_cell_comes_whole_with_what_it_needs_and_no_more():
    assert sliced(LESSON, ("explore(",), "lesson") == [
        "from vizlib import plot\nnet, other = load('a'), load('b')",
        "SIZE = 3\n@plot.quick\ndef draw(image):\n    photo = image[SIZE]  # a local name\n    return helper(photo)",
        "def helper(x):\n    return x + knobs.rate\nknobs = Knobs(steps=60)\nknobs.rate = 2",
        LESSON[5],
    ]


def test_what_changes_a_name_comes_back_to_where_it_was_made():
    assert sliced([*LESSON[:3], "found = photo"], ("found",), "lesson") == [
        "import torch",
        "photo = torch.zeros(3)\nfor step in range(100):\n    photo += step",
        "found = photo",
    ]


def test_a_comprehension_and_an_augmented_assignment_need_what_they_read():
    cells = ["n = 3\nm = 4", "total = n\ntotal += 1", "values = [total * i for i in range(m)]"]
    assert sliced(cells, ("values",), "lesson") == cells


def test_a_lesson_that_has_changed_is_named():
    with pytest.raises(LookupError, match="00_start_here.*'no such words'"):
        slice_of("00_start_here", "no such words")
    with pytest.raises(LookupError, match="00_start_here.*'steps=7'"):
        slice_of("00_start_here", "import compute", replace={"steps=7": "steps=8"})
