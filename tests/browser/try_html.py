"""On demand, `make try-html`: html-validate (npm) finds no fault in the HTML of the reading site."""

import json
import os
import subprocess
from pathlib import Path

import make_site

CHECKER = Path(os.environ.get("VIZLIB_HTML", "node_modules/.bin/html-validate"))
RULES = {"root": True, "extends": ["html-validate:standard"]}  # what HTML itself demands, no matters of taste


def faults(folder: Path, files: list[Path]) -> list[str]:
    rules = folder / "rules.json"
    rules.write_text(json.dumps(RULES))
    done = subprocess.run([CHECKER, "--config", rules, "--formatter", "json", *files], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    return [f"{report['filePath']}: {fault['message']}" for report in found for fault in report["messages"]]


def test_the_checker_finds_a_fault(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p><ul></p>")
    assert faults(tmp_path, [page])


def test_no_fault_in_the_html(tmp_path):
    make_site.build()
    pages = [path for path in sorted(make_site.SITE.rglob("*.html")) if "_static" not in path.parts]
    assert len(pages) > 40
    assert faults(tmp_path, pages) == []
