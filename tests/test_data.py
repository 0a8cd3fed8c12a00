"""data/ holds what data/SOURCES.md says, and nothing that could run code."""

import hashlib
import re
from pathlib import Path

import pytest
from update_sources import refreshed

DATA = Path(__file__).resolve().parent.parent / "data"
FILES = sorted(path for path in DATA.rglob("*") if path.is_file() and path.name != "SOURCES.md")
SUFFIXES = {".safetensors", ".json", ".csv", ".png", ".jpg", ".webp"}
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # the SHA-256 of b"abc"


def table() -> dict[str, list[str]]:
    """The rows of SOURCES.md: file to [bytes, SHA-256, origin]."""
    lines = (DATA / "SOURCES.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {row[0]: row[1:] for row in rows}


def test_every_file_has_a_row_and_every_row_a_file():
    assert FILES
    assert set(table()) == {path.relative_to(DATA).as_posix() for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_row_is_true(path):
    length, digest, origin = table()[path.relative_to(DATA).as_posix()]
    content = path.read_bytes()
    advice = "run python scripts/update_sources.py"
    assert (int(length), digest) == (len(content), hashlib.sha256(content).hexdigest()), advice
    assert len(origin) > 10


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_can_run_code(path):
    assert path.suffix in SUFFIXES
    start = path.read_bytes()[:2]
    assert start != b"PK"  # a zip, as torch.save writes
    assert not re.match(rb"\x80[\x00-\x05]", start)  # a pickle


# --- scripts/update_sources.py --------------------------------------------------------------------------------------

PROSE = "# Title\n\nProse with a | in it.\n\n| file | bytes | SHA-256 | origin |\n|---|---|---|---|\n"


def test_refreshed_changes_sizes_and_sums_alone(tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a.json").write_bytes(b"abc")
    (tmp_path / "b.csv").write_bytes(b"")
    (tmp_path / "SOURCES.md").write_text("not listed")
    text = PROSE + "| `small/a.json` | 9 | `old` | from `here` |\n| `b.csv` | | | from there |\n\nMore | prose.\n"
    empty = hashlib.sha256(b"").hexdigest()
    expected = PROSE + f"| `small/a.json` | 3 | `{ABC}` | from `here` |\n| `b.csv` | 0 | `{empty}` | from there |\n"
    assert refreshed(text, tmp_path) == expected + "\nMore | prose.\n"
    assert refreshed(expected, tmp_path) == expected


def test_refreshed_wants_a_row_for_every_file(tmp_path):
    (tmp_path / "a.json").write_bytes(b"abc")
    with pytest.raises(SystemExit, match=r"a\.json.*\badd\b"):
        refreshed(PROSE, tmp_path)


def test_refreshed_wants_a_file_for_every_row(tmp_path):
    with pytest.raises(SystemExit, match=r"a\.json.*\bremove\b"):
        refreshed(PROSE + "| `a.json` | 3 | `0` | from here |\n", tmp_path)
