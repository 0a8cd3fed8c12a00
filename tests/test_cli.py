"""`python -m vizlib`: what it prints, and its exit status (0 done, 1 failed, 2 wrong usage)."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

from vizlib import assets, models
from vizlib.__main__ import main
from vizlib.images import galleries

BODY = b"a picture, as it were"


@pytest.fixture
def pictures(server, cache, monkeypatch):
    """Two pictures on the test's server: 'wave' is as it should be, 'chicago' is missing there."""
    for name in ("wave", "chicago"):
        download = assets.Download(server.url(f"/{name}.jpg"), hashlib.sha256(BODY).hexdigest(), len(BODY))
        monkeypatch.setitem(assets.DOWNLOADS, name, download)
    server.serve("/wave.jpg", BODY)


def usage_error(arguments: list[str], capsys) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_download_a_picture(pictures, cache, capsys):
    assert main(["download", "wave"]) == 0
    assert capsys.readouterr().out == "wave: ready\n"
    assert (cache / "images" / "wave.jpg").read_bytes() == BODY


def test_download_goes_on_past_a_failure_and_reports_it(pictures, server, capsys):
    assert main(["download", "chicago", "wave", "wave"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "wave: ready\n"
    assert re.search(f"chicago.*{re.escape(server.url('/chicago.jpg'))}.*404", printed.err)
    assert re.search("failed.*chicago$", printed.err.strip()), "the last line sums up"
    assert "Traceback" not in printed.err


def test_download_a_network(cache, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(models, "download", asked.append)
    assert main(["download", "alexnet"]) == 0
    assert asked == ["alexnet"]
    assert capsys.readouterr().out == "alexnet: ready\n"


def test_download_all(cache, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(models, "download", asked.append)
    monkeypatch.setattr("vizlib.__main__.fetch_collection", asked.append)
    monkeypatch.setattr(assets, "fetch", asked.append)
    assert main(["download", "--all"]) == 0
    networks = [name for name, size in models.names().items() if size]
    assert asked == [*assets.names(), *networks, *galleries.COLLECTIONS]
    assert "minivgg" not in asked  # bundled


def test_download_an_unknown_name(pictures, server, capsys):
    assert re.search("'wafe'.*'wave'", usage_error(["download", "wave", "wafe"], capsys))
    assert server.requests.total() == 0


@pytest.mark.parametrize("arguments", [["download"], ["download", "wave", "--all"], ["download", "zzzz"]])
def test_download_without_a_clear_wish_lists_what_there_is(arguments, cache, capsys):
    errors = usage_error(arguments, capsys)
    assert f"  {'starry_night':<20} 0.3 MB\n" in errors
    assert "  alexnet " in errors


@pytest.mark.parametrize("arguments", [[], ["dowload"], ["info", "extra"]])
def test_wrong_usage(arguments, capsys):
    assert "usage: python -m vizlib" in usage_error(arguments, capsys)


def test_info(pictures, cache, capsys):
    assets.fetch("wave")
    assert main(["info"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["python"].startswith(".".join(map(str, sys.version_info[:3])))
    assert (rows["torch"], rows["torchvision"]) == (
        torch.__version__.split("+")[0],
        torchvision.__version__.split("+")[0],
    )
    assert rows["device"].split()[0] in ("cpu", "cuda", "mps")
    assert rows["threads"].startswith(f"{torch.get_num_threads()} of ")
    assert rows["cache"].startswith(str(cache))
    assert "SOURCES.md (" in rows["bundled"]
    assert "chelsea" in rows["photos"]
    assert rows["cached"] == "wave (0.0 MB)"


def test_info_without_jupyterlab(cache, monkeypatch, capsys):
    monkeypatch.setattr("vizlib.__main__.PACKAGES", ("torch", "no-such-package"))
    assert main(["info"]) == 0
    assert "no-such-package not installed" in capsys.readouterr().out


@pytest.mark.slow
def test_as_a_module():
    command = [sys.executable, "-m", "vizlib", "download", "wafe"]
    result = subprocess.run(command, cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert result.returncode == 2
    assert re.search("'wafe'.*'wave'", result.stderr)
