"""`python -m vizlib doctor`: a line for each thing, advice where something is wrong, and an exit status."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vizlib import assets, compute, doctor, models
from vizlib.__main__ import main
from vizlib.doctor import FAULT, NOTE, OK, Finding, available_memory, examine, numbers, report


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A machine without settings of a person, and an empty cache."""
    for name in ("VIZLIB_NETWORK", "VIZLIB_WEIGHTS", "VIZLIB_LIVE", "VIZLIB_PROGRESS", "COLAB_RELEASE_TAG"):
        monkeypatch.delenv(name, raising=False)


def found(what: str) -> list[Finding]:
    return [finding for finding in examine() if finding.what == what]


def grade(what: str) -> str:
    return found(what)[-1].grade


def test_where_all_is_well_the_page_says_so_and_nothing_is_downloaded(monkeypatch, server, capsys):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("it must not download")

    for module, name in ((assets, "fetch"), (models, "download"), (torch.hub, "download_url_to_file")):
        monkeypatch.setattr(module, name, refuse)
    assert main(["doctor"]) == 0
    page = capsys.readouterr().out
    for what in ("python", "packages", "kernel", "page", "memory", "processor", "network", "files", "cache", "camera"):
        assert re.search(rf"^(ok|note) +{what} ", page, re.MULTILINE), f"{what} in {page}"
    assert page.endswith("The course runs here.\n") and FAULT not in page
    assert len(page.splitlines()) < 40 and max(map(len, page.splitlines())) < 200, "one page"


def test_what_the_course_cannot_do_without_gives_status_1(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "installed", lambda name: None if name == "ipykernel" else "99.0")
    assert main(["doctor"]) == 1
    page = capsys.readouterr().out
    assert re.search(r"^FAULT +kernel .*\n +-> install it with", page, re.MULTILINE)
    assert page.endswith("The course does not run yet: 1 to repair, marked FAULT.\n")


def test_missing_and_old_packages_are_named(monkeypatch):
    monkeypatch.setattr(doctor, "required", lambda: {"torch": "99.1", "no-such-package": "0", "numpy": "1.0"})
    (finding,) = found("packages")
    assert finding.grade == FAULT and "missing: no-such-package; too old: torch" in finding.says
    assert "99.1" in finding.says and "numpy" not in finding.says and "pip install" in finding.advice


def test_what_is_required_is_what_the_project_declares():
    required = doctor.required()
    assert required["torch"] == "2.3" and required["scikit-image"] == "0.22"
    assert "jupyterlab" not in required and "pytest" not in required


@pytest.mark.parametrize(
    ("older", "newer"), [("2.9.1", "2.14.1+cpu"), ("1.26", "2.0.0"), ("7.7", "7.7.1"), ("4.6.0rc1", "4.6.1")]
)
def test_versions_are_compared_as_numbers(older, newer):
    assert numbers(older) < numbers(newer)


def test_a_page_without_jupyterlab_is_no_fault_and_one_without_controls_is(monkeypatch):
    monkeypatch.setattr(doctor, "installed", lambda name: None if name in doctor.PAGES else "99.0")
    assert grade("page") == NOTE and "VS Code" in found("page")[0].advice
    monkeypatch.setattr(doctor, "installed", lambda name: None if name == "jupyterlab_widgets" else "99.0")
    assert grade("controls") == FAULT
    monkeypatch.setattr(doctor, "installed", lambda name: "99.0")
    monkeypatch.setenv("VIZLIB_LIVE", "0")
    assert grade("controls") == NOTE
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-2026")
    assert "Colab" in found("page")[0].says


def test_a_bundled_file_that_was_cut_short_or_is_gone_is_named(tmp_path, monkeypatch):
    for name in ("SOURCES.md", "minivgg.json", "claims.json"):
        shutil.copy(assets.data_folder() / name, tmp_path / name)
    rows = [line for line in (tmp_path / "SOURCES.md").read_text().splitlines() if "minivgg.json" in line]
    rows += ["| `gone.json` | 3 | `" + "0" * 64 + "` | nowhere |"]
    (tmp_path / "SOURCES.md").write_text("\n".join(rows))
    monkeypatch.setattr(assets, "data_folder", lambda: tmp_path)
    (finding,) = list(doctor.bundled())
    assert finding.grade == FAULT and "1 of 2" in finding.says and "gone.json" in finding.says
    (tmp_path / "minivgg.json").write_text("{")
    assert "2 of 2" in next(doctor.bundled()).says
    (tmp_path / "SOURCES.md").unlink()
    assert grade("bundled") == FAULT, "a check that breaks is a fault, and the others go on"


@pytest.mark.parametrize(("free", "expected"), [(None, OK), (5e9, OK), (0.4e9, NOTE)])
def test_little_memory_is_noted(free, expected, monkeypatch):
    monkeypatch.setattr(doctor, "available_memory", lambda: free)
    (finding,) = found("memory")
    assert finding.grade == expected and bool(finding.advice) == (expected == NOTE)


def test_a_container_has_what_its_limit_leaves(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 32000000 kB\nMemAvailable:   16000000 kB\n")
    assert available_memory(tmp_path / "meminfo", tmp_path) == 16000000 * 1024
    (tmp_path / "memory.current").write_text("500000000\n")
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert available_memory(tmp_path / "meminfo", tmp_path) == 1.5e9
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory(tmp_path / "meminfo", tmp_path) == 16000000 * 1024
    assert available_memory(tmp_path / "none", tmp_path / "none") is None


def test_threads_that_a_variable_holds_back_are_noted(monkeypatch):
    monkeypatch.setattr(compute, "available_cpus", lambda: 64)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (finding,) = found("processor")
    assert finding.grade == NOTE and "OMP_NUM_THREADS" in finding.advice and "64" in finding.says
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert grade("processor") == OK


def test_a_network_that_cannot_be_loaded_and_one_that_is_not_here(monkeypatch):
    monkeypatch.setenv("VIZLIB_NETWORK", "resnet18")
    assert grade("network") == NOTE and "download resnet18" in found("network")[-1].advice
    monkeypatch.setenv("VIZLIB_NETWORK", "resnet19")
    assert grade("network") == FAULT

    def broken(*_: object, **__: object) -> None:
        raise assets.AssetError("minivgg.safetensors is damaged")

    monkeypatch.delenv("VIZLIB_NETWORK")
    monkeypatch.setattr(models, "load", broken)
    (finding,) = found("network")
    assert finding.grade == FAULT and "damaged" in finding.says and "files" in finding.advice


def test_a_cache_that_cannot_be_written_or_is_full_is_noted_with_what_to_do(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VIZLIB_CACHE", str(tmp_path / "file" / "cache"))
    (finding,) = found("cache")
    assert finding.grade == NOTE and "VIZLIB_CACHE" in finding.advice and "cannot be written" in finding.says
    monkeypatch.setenv("VIZLIB_CACHE", str(tmp_path / "cache"))
    assert grade("cache") == OK and list((tmp_path / "cache").iterdir()) == []
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    assert grade("cache") == NOTE


def test_progress_is_said_to_be_off_or_where_it_is(monkeypatch, tmp_path):
    assert "not remembered" in found("progress")[0].says, "a test remembers nothing"
    monkeypatch.setenv("VIZLIB_PROGRESS", str(tmp_path / "p.json"))
    assert str(tmp_path / "p.json") in found("progress")[0].says


def test_advice_stands_below_its_line():
    page = report([Finding("a", NOTE, "little", "take more"), Finding("b", OK, "fine")]).splitlines()
    assert page[0].startswith("note") and page[1].strip() == "-> take more" and page[2].startswith("ok")


@pytest.mark.slow
def test_as_a_command_it_imports_no_widgets():
    code = """
import json, runpy, sys
sys.argv = ["vizlib", "doctor"]
try:
    runpy.run_module("vizlib", run_name="__main__")
except SystemExit as ended:
    heavy = ("ipywidgets", "torchvision", "matplotlib")
    print(json.dumps([ended.code, [name for name in heavy if name in sys.modules]]))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stdout + done.stderr
