"""The top patches of all channels for ever more photos: seconds and memory, in one process, in two, and on Dask.

    python -m benchmarks.scale --data path/to/photos [--counts 1000 10000] [--network minivgg] [--workers 2]

Every photo of the folder counts, subfolders included; with fewer than asked for, all are taken. Each way scans the same
photos for the top nine patches of every channel of every layer, and all must find the same. A worker has one thread of
torch. Seconds contain the start of the workers, because a person waits for it; the memory is the peak of the process
with its children, beyond what it took before the scan. The last line fits seconds = start + photos / rate.

`--cluster ADDRESS` adds a scan on the Dask cluster whose scheduler is at that address; its workers need vizlib, and the
photos under the same path.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import torch
from distributed import Client, LocalCluster

from vizlib import models
from vizlib.analysis import patches
from vizlib.analysis.patches import TopPatches
from vizlib.analysis.receptive_field import receptive_fields
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from memory_meter import MemoryMeter

IMAGENET = 1_281_167  # training images


@contextmanager
def processes(workers: int) -> Iterator[Executor]:
    """A pool of spawned processes."""
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield pool


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """Dask workers on this machine, each a process of one thread."""
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """An existing Dask cluster."""
    with Client(address) as client:
        yield client.get_executor()


def first(gallery: Gallery, count: int) -> Gallery:
    """The first photos of a gallery."""
    return replace(gallery, numbers=gallery.numbers[:count], classes=gallery.classes[:count])


def scan(net: Network, gallery: Gallery, way: Callable[[], object]) -> tuple[TopPatches, float, float]:
    """The patches, the seconds, and the peak of the memory in MB beyond what was taken before."""
    own = psutil.Process()
    before, began = own.memory_info().rss / 1e6, time.perf_counter()
    with MemoryMeter(own) as meter, way() as executor:
        top = patches.scan(net, gallery, list(net.layers), executor=executor)
        seconds = time.perf_counter() - began
        peak = meter.read()
    return top, seconds, peak - before


def same(a: TopPatches, b: TopPatches) -> bool:
    """Whether two scans found the same patches."""
    return all(torch.equal(a.images[layer], b.images[layer]) for layer in a.images)


def fit(counts: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """The seconds before the first photo, and the photos a second after it, through the first and the last point."""
    rate = (counts[-1] - counts[0]) / (seconds[-1] - seconds[0])
    return seconds[0] - counts[0] / rate, rate


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of photos")
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--network", default="minivgg")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cluster", help="the address of a Dask scheduler, such as tcp://10.0.0.1:8786")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    net = models.load(options.network, "cpu", "trained" if options.network in models.cached() else "untrained")
    photos = galleries.folder(options.data)
    ways = {
        "one process": nullcontext,
        f"{options.workers} processes": partial(processes, options.workers),
        f"{options.workers} Dask workers": partial(dask, options.workers),
    }
    if options.cluster:
        ways[f"Dask at {options.cluster}"] = partial(cluster, options.cluster)
    neurons = sum(map(len, receptive_fields(net, list(net.layers), net.input_size).values()))
    print(f"{net.name}: the top 9 patches of {neurons:,} channels, {net.input_size} px, one thread for each worker")
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    counts = [min(count, len(photos)) for count in options.counts]
    for count in counts:
        reference = None
        for way, workers in ways.items():
            top, took, memory = scan(net, first(photos, count), workers)
            seconds[way].append(took)
            reference = reference or top
            assert same(top, reference), f"{way} finds other patches than {next(iter(ways))}"
            line = f"  {count:>7,} photos, {way:<18} {took:8.1f} s {count / took:7.0f} a second {memory:7.0f} MB"
            print(line, flush=True)
    if len(set(counts)) > 1:
        for way, taken in seconds.items():
            start, rate = fit(counts, taken)
            hours = (start + IMAGENET / rate) / 3600
            print(f"  {way}: {start:.1f} s + {1000 / rate:.1f} ms a photo; ImageNet's {IMAGENET:,} in {hours:.1f} h")


if __name__ == "__main__":
    main()
