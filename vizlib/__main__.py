"""The command line, `python -m vizlib`: `doctor` says what works here, `info` what is installed, `download` fetches."""

import argparse
import platform
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

import torch

from vizlib import __version__, assets, doctor, images, models
from vizlib.compute import available_cpus, default_device
from vizlib.images import galleries

PACKAGES = ("torch", "torchvision", "ipywidgets", "ipykernel", "jupyterlab")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status.

    It is 0, or 1 after a failed download (the reason is on stderr) or where `doctor` finds that the course cannot run.

    Raises:
        SystemExit: Wrong usage, with status 2.
    """
    parser = argparse.ArgumentParser(prog="python -m vizlib", description="A command-line helper for the notebooks.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="doctor | info | download")
    commands.add_parser("doctor", help="say what works here, and what to do about what does not")
    commands.add_parser("info", help="show versions, device, threads and which files are present")
    download = commands.add_parser(
        "download", help="fetch pictures, networks and collections now, to work offline later"
    )
    download.add_argument("names", nargs="*", metavar="NAME", help="what to fetch")
    download.add_argument("--all", action="store_true", help="fetch everything")
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        findings = list(doctor.examine())
        print(doctor.report(findings))
        return int(any(finding.grade == doctor.FAULT for finding in findings))
    if options.command == "info":
        print(info())
        return 0
    offered = downloads()
    unknown = [name for name in options.names if name not in offered]
    if unknown:
        near = get_close_matches(unknown[0], offered, n=1)
        download.error(f"there is no {unknown[0]!r}" + (f"; did you mean {near[0]!r}?" if near else f"\n{listing()}"))
    if bool(options.names) == options.all:
        download.error(f"give either names or --all\n{listing()}")
    return fetch_all(options.names or list(offered))


class Offer(NamedTuple):
    """Something that can be downloaded: its size in bytes, and the function that fetches it by name."""

    size: int
    fetch: Callable[[str], object]


def downloads() -> dict[str, Offer]:
    """Everything that can be downloaded, by name: first the pictures, then the networks and collections."""
    pictures = {name: Offer(assets.size(name), assets.fetch) for name in assets.names()}
    networks = {name: Offer(size, models.download) for name, size in models.names().items() if size}
    collections = {name: Offer(it.size, fetch_collection) for name, it in galleries.COLLECTIONS.items()}
    return pictures | networks | collections


def fetch_collection(name: str) -> object:
    """A labelled collection of photos, downloaded with torchvision's progress bar."""
    return galleries.COLLECTIONS[name].open()


def fetch_all(names: list[str]) -> int:
    """Fetch each name, carrying on after a failure, and return 0, or 1 if any failed."""
    offered, failed = downloads(), []
    for name in dict.fromkeys(names):
        try:
            offered[name].fetch(name)
            print(f"{name}: ready")
        except assets.AssetError as error:
            print(error, file=sys.stderr)
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def listing() -> str:
    """The available downloads and their sizes, one per line."""
    return "\n".join(f"  {name:<20} {megabytes(offer.size)}" for name, offer in downloads().items())


def info() -> str:
    """Versions, device, threads and the files that are present, as a table to paste into a request for help."""
    device = default_device()
    gpu = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    bundled = sorted(path for path in assets.data_folder().glob("*") if path.is_file())
    here = {name for name in assets.names() if assets.is_cached(name)} | set(models.cached())
    here |= {name for name in galleries.COLLECTIONS if galleries.is_here(name)}
    cached = [f"{name} ({megabytes(offer.size)})" for name, offer in downloads().items() if name in here]
    rows = {
        "vizlib": __version__,
        "python": f"{platform.python_version()} on {platform.platform()}",
        **{package: installed(package) for package in PACKAGES},
        "device": f"{device}{gpu}",
        "threads": f"{torch.get_num_threads()} of {available_cpus()} CPUs",
        "cache": f"{assets.cache_folder()}; networks in {assets.checkpoint_folder()}",
        "bundled": ", ".join(f"{path.name} ({megabytes(path.stat().st_size)})" for path in bundled) or "nothing",
        "photos": ", ".join(images.photos()),
        "cached": ", ".join(cached) or "nothing",
    }
    return "\n".join(f"{name:<12} {value}" for name, value in rows.items())


def installed(package: str) -> str:
    """The version of a package, or 'not installed'."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def megabytes(size: int) -> str:
    """A size in bytes, written for people: '0.3 MB'."""
    return f"{size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
