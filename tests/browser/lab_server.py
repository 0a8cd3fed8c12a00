"""A real JupyterLab as a child process, without the person's own settings; and the browser to see it with.

Besides the usual kernel, `python3`, it has one that starts at once, `FORKED` (see forked_kernel.py), where the system
can fork safely, on Linux.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLIDES = ROOT / "scripts" / "rise"  # the extension that `make present` adds; it acts in slides alone
CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
WHOLE = {"windowingMode": "none"}  # every cell is on the page, also those far from what is shown
FORKED = "forked" if sys.platform == "linux" else "python3"
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab: its address, its token, and the folder that it shows."""

    url: str
    token: str
    folder: Path


@contextmanager
def jupyterlab(folder: Path) -> Iterator[Lab]:
    """Serve `folder`/notebooks on a free loopback port, with settings of its own, until the `with` ends.

    Raises:
        RuntimeError: It ended at once or did not answer within a minute; the message holds its log.
    """
    (folder / "notebooks").mkdir()
    overrides = folder / "config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text(
        json.dumps(
            {"@jupyterlab/apputils-extension:notification": QUIET, "@jupyterlab/notebook-extension:tracker": WHOLE}
        )
    )
    options = [
        "--no-browser",
        "--allow-root",
        "--expose-app-in-browser",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0",
        f"--ServerApp.root_dir={folder / 'notebooks'}",
    ]
    with ExitStack() as stack:
        if FORKED == "forked":
            wait_for_kernels = stack.enter_context(forked_kernels(folder))
        server = stack.enter_context(child(folder, "lab", "-m", "jupyterlab", *options))
        if FORKED == "forked":
            wait_for_kernels()
        yield wait_for(server, folder)


@contextmanager
def forked_kernels(folder: Path) -> Iterator[Callable[[], None]]:
    """Give a JupyterLab the kernel `FORKED`, whose parent lives as long as this `with`; call what comes to wait for it.

    Raises:
        RuntimeError: It could not be started; the message holds its log.
    """
    spec = folder / "data" / "kernels" / FORKED / "kernel.json"
    spec.parent.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as short:  # a socket's address has at most 107 bytes
        script, address = str(Path(__file__).with_name("forked_kernel.py")), Path(short, "kernels")
        argv = [sys.executable, "-S", script, str(address), "{connection_file}"]
        spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3 (forked)", "language": "python"}))
        with child(folder, "kernels", script, str(address)) as parent:

            def wait() -> None:
                deadline = time.monotonic() + 120
                while not address.exists():
                    if parent.poll() is not None or time.monotonic() > deadline:
                        raise RuntimeError(f"no kernels to fork:\n{(folder / 'kernels.log').read_text()}")
                    time.sleep(0.05)

            yield wait


@contextmanager
def child(folder: Path, name: str, *command: str) -> Iterator[subprocess.Popen]:
    """A Python process that writes to `folder`/`name`.log and is ended with the `with`."""
    with open(folder / f"{name}.log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, *command],
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()  # JupyterLab ends its kernels, too
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def environment(folder: Path) -> dict[str, str]:
    """This process's environment, with every Jupyter folder under `folder` and without what changes notebooks."""
    kept = {name: value for name, value in os.environ.items() if name not in ("VIZLIB_LIVE", "MPLBACKEND")}
    places = {
        "IPYTHONDIR": "ipython",
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    own = {name: str(folder / place) for name, place in places.items()}
    own |= {name: str(SLIDES) for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")}
    return kept | own | {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT)}


def wait_for(server: subprocess.Popen, folder: Path) -> Lab:
    """The server's address, read from the file that it writes when it listens."""
    info = folder / "runtime" / f"jpserver-{server.pid}.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        if info.exists() and info.read_text().endswith("}"):
            found = json.loads(info.read_text())
            return Lab(f"http://127.0.0.1:{found['port']}", found["token"], folder / "notebooks")
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{(folder / 'lab.log').read_text()}")


def find_chromium() -> str:
    """The Chromium or Chrome of this machine. Without one, the test is skipped; where CI is set, it fails."""
    found = next(filter(None, map(shutil.which, [*CHROMIUM, MAC_CHROME])), None)
    if found is None:
        reason = f"no Chromium found: install one, so that the PATH has one of {', '.join(CHROMIUM)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found
