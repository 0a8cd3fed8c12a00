"""Refresh the sizes and SHA-256 sums in data/SOURCES.md. The prose and the origins stay as they are.

python scripts/update_sources.py
"""

import hashlib
import re
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
ROW = re.compile(r"^\| `([^`]+)` \|[^|]*\|[^|]*\|(.*)\|$", re.MULTILINE)


def refreshed(text: str, folder: Path) -> str:
    """The text of SOURCES.md with each row's size and sum taken from the file in `folder` that it names.

    Raises:
        SystemExit: A file has no row, or a row has no file.
    """
    rows = {name for name, _ in ROW.findall(text)}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {"SOURCES.md"}
    for name in sorted(files - rows):
        raise SystemExit(f"{name} has no row: add '| `{name}` | | | where it comes from |' to SOURCES.md")
    for name in sorted(rows - files):
        raise SystemExit(f"{name} is in SOURCES.md but not in {folder}: make the file, or remove its row")

    def row(match: re.Match[str]) -> str:
        content = (folder / match[1]).read_bytes()
        return f"| `{match[1]}` | {len(content)} | `{hashlib.sha256(content).hexdigest()}` |{match[2]}|"

    return ROW.sub(row, text)


def main() -> None:
    sources = DATA / "SOURCES.md"
    sources.write_text(refreshed(sources.read_text(encoding="utf-8"), DATA), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
