"""What works on this machine and what to do about what does not: the page that `python -m vizlib doctor` prints.

Nothing is downloaded and nothing is changed; whether the cache folder can be written to is tried with a file that goes.
"""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import torch

from vizlib import __version__, assets, compute, models

OK, NOTE, FAULT = "ok", "note", "FAULT"
KERNEL_MEMORY = 1.2e9  # bytes that a notebook takes
SPACE = 1e9  # bytes on the disk for a few networks and collections
PAGES = ("jupyterlab", "notebook", "voila")  # what can show the notebooks
ROW = re.compile(r"^\| `([^`]+)` \| *(\d+) *\| *`(\w{64})` *\|", re.MULTILINE)  # of data/SOURCES.md
INSTALL = "install it with: python -m pip install -e '.[lab]' in the course's folder"


class Finding(NamedTuple):
    """A line of the page: what was looked at, how it is (ok, note or FAULT), and what to do about it, if anything."""

    what: str
    grade: str
    says: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Look at one thing after the other. A check that itself breaks is a FAULT, and the others go on."""
    for check in (
        python,
        packages,
        pages,
        widgets,
        memory,
        processors,
        network,
        bundled,
        cache,
        here,
        camera,
        progress,
    ):
        try:
            yield from check()
        except Exception as error:  # a broken installation may raise anything
            yield Finding(
                check.__name__, FAULT, f"{type(error).__name__}: {error}", "show this line when you ask for help"
            )


def report(findings: list[Finding]) -> str:
    """The page: a line for each finding, advice below it, and one sentence at the end."""
    lines = []
    for what, grade, says, advice in findings:
        lines.append(f"{grade:<6} {what:<11} {says}")
        if advice:
            lines.append(f"{'':<19}-> {advice}")
    faults = sum(finding.grade == FAULT for finding in findings)
    end = f"The course does not run yet: {faults} to repair, marked FAULT." if faults else "The course runs here."
    return "\n".join([*lines, "", end])


# --- what is installed ----------------------------------------------------------------------------------------------


def python() -> Iterator[Finding]:
    said = f"{platform.python_version()} on {platform.platform(terse=True)}, vizlib {__version__}"
    old = sys.version_info < (3, 11)
    yield Finding("python", FAULT if old else OK, said, "the course needs Python 3.11 or newer" if old else "")


def packages() -> Iterator[Finding]:
    missing, old = [], []
    for name, least in required().items():
        found = installed(name)
        if found is None:
            missing.append(name)
        elif numbers(found) < numbers(least):
            old.append(f"{name} {found} (needs {least})")
    if missing or old:
        wrong = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"too old: {', '.join(old)}"] * bool(old)
        yield Finding("packages", FAULT, "; ".join(wrong), INSTALL)
    else:
        shown = ", ".join(f"{name} {installed(name)}" for name in ("torch", "ipywidgets", "anywidget"))
        yield Finding("packages", OK, f"all {len(required())} there: {shown}, …")


def required() -> dict[str, str]:
    """The packages that vizlib needs in any case, with their least versions ('0' for any)."""
    try:
        lines = requires("vizlib") or []
    except PackageNotFoundError:  # it is imported from a folder that was not installed
        lines = ["torch", "torchvision", "ipywidgets", "anywidget"]
    plain = [re.match(r"([\w.-]+)(?:\[.*\])? *\(?(?:>=)?([\d.]*)", line) for line in lines if "extra ==" not in line]
    return {match[1]: match[2] or "0" for match in plain if match}


def installed(name: str) -> str | None:
    """The version of a package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def numbers(text: str) -> tuple[int, ...]:
    """A version as numbers to compare: '2.14.1+cpu' is (2, 14, 1)."""
    return tuple(map(int, re.findall(r"\d+", re.split(r"[+a-z]", text)[0])))


def pages() -> Iterator[Finding]:
    kernel = installed("ipykernel")
    if kernel is None:
        yield Finding("kernel", FAULT, "ipykernel is missing: no notebook can run", INSTALL)
    else:
        yield Finding("kernel", OK, f"ipykernel {kernel}")
    found = [f"{name} {installed(name)}" for name in PAGES if installed(name)]
    if "google.colab" in sys.modules or "COLAB_RELEASE_TAG" in os.environ:
        yield Finding("page", OK, "Colab: explorers follow their sliders, a live run takes half a minute in its cell")
    elif found:
        yield Finding("page", OK, ", ".join(found))
    else:
        advice = f"{INSTALL}; where another program shows the notebooks (VS Code, a JupyterHub), all is well"
        yield Finding("page", NOTE, "no JupyterLab in this environment", advice)


def widgets() -> Iterator[Finding]:
    lab, manager = installed("jupyterlab"), installed("jupyterlab_widgets")
    if lab and not manager:
        advice = "python -m pip install jupyterlab_widgets, then reload the page"
        yield Finding("controls", FAULT, "JupyterLab has no manager for widgets: cells show no controls", advice)
    elif os.environ.get("VIZLIB_LIVE") == "0":
        yield Finding("controls", NOTE, "VIZLIB_LIVE=0 asks for still pictures", "unset it to get the controls")
    else:
        yield Finding(
            "controls", OK, "sliders and live runs; the page asks you to trust a notebook that you downloaded"
        )


# --- the machine ----------------------------------------------------------------------------------------------------


def memory() -> Iterator[Finding]:
    free = available_memory()
    if free is None:
        yield Finding("memory", OK, "not known on this system; a notebook takes about 1 GB")
    elif free < KERNEL_MEMORY:
        advice = "shut down kernels that you no longer need (Kernel, Shut Down All Kernels), or close other programs"
        yield Finding("memory", NOTE, f"{free / 1e9:.1f} GB free, and a notebook takes about 1 GB", advice)
    else:
        yield Finding("memory", OK, f"{free / 1e9:.1f} GB free: room for {int(free / KERNEL_MEMORY)} notebooks at once")


def available_memory(proc: Path = Path("/proc/meminfo"), cgroup: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The bytes that a new process could have, given the container's limit; None where the system does not say."""
    try:
        kilobytes = re.search(r"^MemAvailable: +(\d+)", proc.read_text(), re.MULTILINE)
        free = float(kilobytes[1]) * 1024 if kilobytes else None
    except OSError:
        free = None
    try:
        limit, used = ((cgroup / f"memory.{name}").read_text().strip() for name in ("max", "current"))
        left = None if limit == "max" else float(limit) - float(used)
    except OSError:
        left = None
    return min((number for number in (free, left) if number is not None), default=None)


def processors() -> Iterator[Finding]:
    shown, allowed, threads = os.cpu_count() or 1, compute.available_cpus(), torch.get_num_threads()
    device = compute.default_device()
    said = f"PyTorch uses {threads} of the {allowed} CPUs that it may use"
    said += f" (the system shows {shown})" if shown > allowed else ""
    if threads < allowed:
        variable = next((name for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ), None)
        advice = f"unset {variable} to use all of them" if variable else ""
        yield Finding("processor", NOTE if variable else OK, said, advice)
    else:
        yield Finding("processor", OK, said)
    yield Finding("device", OK, str(device) if device.type != "cpu" else "the CPU: all notebooks are made for it")


def network() -> Iterator[Finding]:
    try:
        net = models.load("minivgg", device="cpu")
    except assets.AssetError:
        yield Finding("network", FAULT, "the file of minivgg is missing or damaged", "see files")
        return
    with torch.inference_mode():
        logits = net(torch.zeros(1, 3, net.input_size, net.input_size))
    if logits.shape != (1, len(net.classes)) or not logits.isfinite().all():
        yield Finding("network", FAULT, f"minivgg answers with {tuple(logits.shape)}", "reinstall vizlib and PyTorch")
    else:
        yield Finding("network", OK, f"minivgg answers, {len(net.classes)} classes")
    wanted = os.environ.get("VIZLIB_NETWORK", "minivgg")
    if wanted == "minivgg":
        return
    if wanted not in models.names():
        yield Finding(
            "network", FAULT, f"VIZLIB_NETWORK={wanted} is not a network", f"one of {', '.join(models.names())}"
        )
    elif wanted not in models.cached() and not os.environ.get("VIZLIB_WEIGHTS"):
        advice = f"python -m vizlib download {wanted}, while there is a connection"
        yield Finding("network", NOTE, f"VIZLIB_NETWORK={wanted} is not here yet", advice)


# --- files ----------------------------------------------------------------------------------------------------------


def bundled() -> Iterator[Finding]:
    folder = assets.data_folder()
    rows = ROW.findall((folder / "SOURCES.md").read_text(encoding="utf-8"))
    wrong = [name for name, size, digest in rows if not whole(folder / name, int(size), digest)]
    if wrong or not rows:
        named = ", ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "") or "SOURCES.md"
        advice = "in a clone: git checkout data; from a ZIP: unpack it again; otherwise reinstall vizlib"
        yield Finding(
            "files", FAULT, f"{len(wrong)} of {len(rows)} bundled files are missing or changed: {named}", advice
        )
    else:
        yield Finding("files", OK, f"all {len(rows)} bundled files are whole")


def whole(path: Path, size: int, digest: str) -> bool:
    """Whether a file is there with this size and SHA-256."""
    return path.is_file() and path.stat().st_size == size and assets.sha256(path) == digest


def cache() -> Iterator[Finding]:
    folder = assets.cache_folder()
    advice = "set the environment variable VIZLIB_CACHE to a folder with room that can be written to"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"vizlib")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        said = f"{folder} cannot be written to ({error.strerror or error}): nothing can be downloaded"
        yield Finding("cache", NOTE, said, advice)
        return
    said = f"{folder} can be written to, {free / 1e9:.1f} GB free"
    yield Finding("cache", OK if free > SPACE else NOTE, said, "" if free > SPACE else advice)


def here() -> Iterator[Finding]:
    from vizlib.images import galleries  # here, because it is not needed to run

    networks = ", ".join(models.cached())
    collections = [name for name in galleries.COLLECTIONS if galleries.is_here(name)]
    more = f"; collections: {', '.join(collections)}" if collections else ""
    advice = "" if more else "for more without a connection: python -m vizlib download squeezenet1_1 imagenette"
    yield Finding("offline", OK, f"networks: {networks}{more}", advice)


# --- what only the page or the person knows -------------------------------------------------------------------------


def camera() -> Iterator[Finding]:
    said = "a page may use it at https://… or at http://localhost and http://127.0.0.1 only; it asks you first"
    yield Finding("camera", OK, said)


def progress() -> Iterator[Finding]:
    path = assets.progress_path()
    if path is None:
        yield Finding("progress", OK, "not remembered (VIZLIB_PROGRESS=0)")
    else:
        yield Finding("progress", OK, f"remembered in {path}, on this machine alone; VIZLIB_PROGRESS=0 switches it off")
