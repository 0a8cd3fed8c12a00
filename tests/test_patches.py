"""The scan for top patches: against brute force, in parts, on other engines, stopped, and with bad input."""

import gc
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vizlib import hooks, models
from vizlib.analysis import patches
from vizlib.analysis.patches import TopPatches
from vizlib.analysis.receptive_field import receptive_field
from vizlib.images import galleries
from vizlib.images.galleries import Gallery
from vizlib.models import Network

LAYERS = ["relu1", "pool4", "conv7", "avgpool", "fc8"]


@pytest.fixture(scope="module")
def net() -> Network:
    return models.load("minivgg", "cpu")


@pytest.fixture(scope="module")
def photos() -> Gallery:
    return galleries.patches().subset(range(0, 708, 16))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Workers on this machine would otherwise compete for its cores; what is under test does not depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def assert_same(a: TopPatches, b: TopPatches) -> None:
    assert (a.side, a.done, a.total) == (b.side, b.done, b.total)
    for part in ("values", "images", "cells", "boxes"):
        ours, theirs = getattr(a, part), getattr(b, part)
        assert set(ours) == set(theirs)
        for layer in ours:
            close = 1e-6 if part == "values" else 0  # a linear layer may round otherwise in a batch of another size
            torch.testing.assert_close(ours[layer], theirs[layer], rtol=close, atol=close, msg=f"{part} of {layer}")


class Steps(nn.Module):
    """Whole numbers from 0 to 4, so that there are many ties: 3 channels of 4x4 cells from 8x8 pixels."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool((x * 4).floor()))


def steps() -> Network:
    module = Steps().eval().requires_grad_(False)
    return models.wrap(module, mean=(0, 0, 0), std=(1, 1, 1), input_size=8)


def noise(count: int, side: int = 8, seed: int = 0) -> Gallery:
    pictures = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return galleries.stack(pictures, [0] * count, ["noise"])


# --- the right patches ----------------------------------------------------------------------------------------------


def brute_force(net: Network, gallery: Gallery, layer: str, k: int) -> list[list[tuple]]:
    """For each channel the k best (value, image, row, column), by sorting all of them in Python."""
    maps = hooks.read(net, gallery.batch(range(len(gallery)), net.input_size), [layer])[layer]
    maps = maps if maps.ndim == 4 else maps[..., None, None]
    best = []
    for channel in maps.unbind(1):
        peaks = []
        for image, plane in zip(gallery.numbers, channel, strict=True):
            row, column = divmod(int(plane.numpy().argmax()), plane.shape[1])  # the first of equal ones
            peaks.append((plane.max().item(), image, row, column))
        best.append(sorted(peaks, key=lambda peak: (-peak[0], *peak[1:]))[:k])
    return best


def entries(top: TopPatches, layer: str) -> list[list[tuple]]:
    parts = (top.values[layer], top.images[layer], *top.cells[layer].unbind(2))
    return [list(zip(*(part[c].tolist() for part in parts), strict=True)) for c in range(len(parts[0]))]


@pytest.mark.parametrize(("count", "k", "batch_size"), [(30, 9, 8), (30, 4, 1), (5, 5, 16), (31, 1, 7)])
def test_the_same_as_sorting_everything_also_with_ties(count, k, batch_size):
    net, gallery = steps(), noise(count)
    top = patches.scan(net, gallery, ["pool"], k, batch_size=batch_size)
    assert entries(top, "pool") == brute_force(net, gallery, "pool", k)
    assert len({value for row in entries(top, "pool") for value, *_ in row}) <= 5, "there were ties"


def test_a_gallery_in_any_order_gives_the_same():
    net, gallery = steps(), noise(30)
    shuffled = gallery.subset(np.random.default_rng(0).permutation(30).tolist())
    assert_same(patches.scan(net, shuffled, ["pool"]), patches.scan(net, gallery, ["pool"]))


def test_several_layers_of_a_real_network_in_one_pass(net, photos):
    top = patches.scan(net, photos, LAYERS, k=5)
    assert (top.done, top.total, top.side, top.k) == (45, 45, 64, 5)
    for layer in LAYERS:
        ours, wanted = np.array(entries(top, layer)), np.array(brute_force(net, photos, layer, 5))
        np.testing.assert_allclose(ours[..., 0], wanted[..., 0], rtol=1e-4, atol=1e-4)
        assert (ours[..., 1:] == wanted[..., 1:]).all(2).mean() > 0.97, "rounding may swap neighbours, and hardly any"
    assert top.values["fc8"].shape == (200, 5) and top.cells["fc8"].eq(0).all()


def test_fewer_images_than_k_leave_empty_places():
    top = patches.scan(steps(), noise(3), ["pool"], k=5)
    assert top.images["pool"][:, 3:].eq(-1).all() and top.values["pool"][:, 3:].eq(float("-inf")).all()
    assert top.images["pool"][:, :3].ge(0).all()
    with pytest.raises(IndexError, match=r"pool.*channel 0\b.*rank 3\b.*\b3 images"):
        top.patch(noise(3), "pool", 0, 3)


def test_a_patch_is_what_the_winning_cell_sees(net, photos):
    top = patches.scan(net, photos, ["relu4"], k=3)
    channel, rank = 17, 1
    image = top.image(photos, "relu4", channel, rank)
    row, column = top.cells["relu4"][channel, rank].tolist()
    box = top.box("relu4", channel, rank)
    assert box == receptive_field(net, "relu4", (row, column), 64)
    assert torch.equal(top.patch(photos, "relu4", channel, rank), box.of(image))
    alone = torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    box.of(alone)[:] = top.patch(photos, "relu4", channel, rank)
    again = hooks.read(net, alone, ["relu4"])["relu4"][0, channel, row, column]
    assert again.item() == pytest.approx(top.values["relu4"][channel, rank].item(), rel=1e-4)


def test_numbers_mean_the_whole_collection(net, photos):
    part = galleries.patches().subset([700, 3, 512])
    top = patches.scan(net, part, ["relu2"], k=2)
    assert set(top.images["relu2"].flatten().tolist()) <= {700, 3, 512}
    whole = galleries.patches()
    assert torch.equal(top.patch(whole, "relu2", 5, 0), top.patch(part, "relu2", 5, 0))
    number = top.images["relu2"][5, 0].item()
    assert torch.equal(top.image(whole, "relu2", 5, 0), whole.batch([number], 64))


# --- in parts -------------------------------------------------------------------------------------------------------

entry = st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 2), st.integers(0, 2))  # value, image, cell


def made_of(rows: list[tuple], k: int = 3) -> TopPatches:
    """The top patches of one channel, from all its entries; as if the box of a cell were (row, column, 7, 8)."""
    best = sorted(rows, key=lambda row: (-row[0], *row[1:]))[:k]
    best += [(float("-inf"), -1, 0, 0)] * (k - len(best))
    values, images = torch.tensor([[float(row[0]) for row in best]]), torch.tensor([[row[1] for row in best]])
    cells = torch.tensor([[row[2:] for row in best]])
    boxes = torch.tensor([[(*row[2:], 7, 8) for row in best]], dtype=torch.int32)
    return TopPatches({"a": values}, {"a": images}, {"a": cells}, {"a": boxes}, 8, len(rows), len(rows))


@settings(max_examples=200, deadline=None)
@given(*[st.lists(entry, max_size=6)] * 3)
def test_merging_is_associative_and_commutative_and_the_same_as_all_at_once(a, b, c):
    whole = made_of(a + b + c)
    one, two, three = made_of(a), made_of(b), made_of(c)
    assert_same(patches.merge(patches.merge(one, two), three), whole)
    assert_same(patches.merge(one, patches.merge(two, three)), whole)
    assert_same(patches.merge(patches.merge(three, one), two), whole)


def test_shards_give_the_same_as_the_whole(net, photos):
    whole = patches.scan(net, photos, LAYERS)
    shards = photos.shards(4)
    assert_same(patches.scan(net, shards[::-1], LAYERS), whole)
    merged = patches.scan(net, shards[2], LAYERS)
    for i in (0, 3, 1):
        merged = patches.merge(patches.scan(net, shards[i], LAYERS), merged)
    assert_same(merged, whole)


def test_only_like_can_be_merged(net, photos):
    scans = [
        patches.scan(net, photos.subset([0]), layers, k, side)
        for layers, k, side in ((["relu1"], 2, 64), (["relu2"], 2, 64), (["relu1"], 3, 64), (["relu1"], 2, 80))
    ]
    for other in scans[1:]:
        with pytest.raises(ValueError, match=r"layers, k and side.*\['relu1'\].*\b2\b"):
            patches.merge(scans[0], other)


# --- on other engines -----------------------------------------------------------------------------------------------


@contextmanager
def dask_cluster() -> Iterator[Executor]:
    """Two worker processes of Dask on this machine."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        assert len({worker["id"] for worker in client.scheduler_info()["workers"].values()}) == 2
        yield client.get_executor()


ENGINES = {
    "threads": lambda: ThreadPoolExecutor(2),
    "processes": lambda: ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")),
    "dask": dask_cluster,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine", ["threads", *(pytest.param(name, marks=pytest.mark.slow) for name in ("processes", "dask"))]
)
def test_any_executor_gives_the_same_as_one_process(net, photos, engine):
    whole = patches.scan(net, photos, LAYERS)
    with ENGINES[engine]() as executor:
        steps = list(patches.scanning(net, photos.shards(5), LAYERS, executor=executor))
        assert_same(steps[-1], whole)
        assert_same(patches.scan(net, photos, LAYERS, executor=executor), whole)  # cut into shards by itself
    assert [step.total for step in steps] == [45] * 5 and [step.done for step in steps] == [9, 18, 27, 36, 45]
    assert not any(parameter.is_shared() for parameter in net.parameters()), "the weights stay where they were"


def test_the_result_does_not_depend_on_the_number_of_threads(net, photos):
    alone = patches.scan(net, photos, LAYERS)
    torch.set_num_threads(3)
    assert_same(patches.scan(net, photos, LAYERS), alone)


def test_a_worker_computes_on_as_many_threads_as_this_process_has_and_only_meanwhile():
    torch.set_num_threads(2)
    seen, meet = [], threading.Barrier(2)

    def note(i: int) -> None:
        if i in (0, 8):  # the first and the second batch wait for each other
            meet.wait(30)
        seen.append((threading.get_ident(), torch.get_num_threads()))

    gallery = generated(64, Generated(note))
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as executor:
        patches.scan(steps(), [gallery], ["pool"], executor=executor)
        assert len(set(seen)) == 2 and {threads for _, threads in seen} == {1}  # a thread of torch's for each
        assert executor.submit(torch.get_num_threads).result() == 1


def test_forked_processes_would_hang_and_are_refused(net, photos):
    torch.set_num_threads(2)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as executor:
        with pytest.raises(ValueError, match=r"get_context\('spawn'\)"):
            patches.scan(net, photos, ["relu1"], executor=executor)


# --- memory and stopping --------------------------------------------------------------------------------------------


def live_bytes() -> int:
    """Bytes of all tensors that anybody still holds."""
    gc.collect()
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), Tensor)]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


class Generated:
    """Pictures that are made when they are asked for: a gallery of any length that takes no memory."""

    def __init__(self, when_opened: Callable[[int], object] = lambda i: None):
        self.when_opened = when_opened

    def __call__(self, i: int) -> Tensor:
        self.when_opened(i)
        return torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(i))


def interrupt_at(number: int) -> Generated:
    def when_opened(i: int) -> None:
        if i == number:
            raise KeyboardInterrupt

    return Generated(when_opened)


def generated(count: int, source: Generated | None = None) -> Gallery:
    return Gallery("generated", ("noise",), source or Generated(), tuple(range(count)), (0,) * count)


def test_memory_does_not_grow_with_the_gallery():
    sizes = {}

    def measure(i: int) -> None:
        if i % 320 == 312:  # the first of a batch; as many images wait to be sorted in each time
            sizes[i] = live_bytes()

    patches.scan(steps(), generated(1600, Generated(measure)), ["pool", "classifier.0"], k=3)
    assert len(sizes) == 5 and len(set(sizes.values())) == 1, f"bytes of all tensors after so many images: {sizes}"


def as_it_was(net: Network) -> None:
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def test_stopping_keeps_what_is_done_and_leaves_the_network_as_it_was():
    net, opened = steps(), []
    scan = patches.scanning(net, generated(100, Generated(opened.append)), ["pool"], k=3)
    next(scan)
    top = next(scan)
    as_it_was(net)  # also while it waits
    scan.close()
    assert len(opened) == 16, "nothing was read ahead"
    assert (top.done, top.total) == (16, 100)
    assert_same(patches.scan(net, generated(16), ["pool"], k=3), TopPatches(**{**vars(top), "total": 16}))
    as_it_was(net)


def test_an_earlier_result_does_not_change_when_the_scan_goes_on():
    net = steps()
    scan = patches.scanning(net, generated(100), ["classifier.0"], k=3)
    first = next(scan)
    values, numbers = first.values["classifier.0"].clone(), first.images["classifier.0"].clone()
    assert not torch.equal(list(scan)[-1].values["classifier.0"], values)
    assert torch.equal(first.values["classifier.0"], values) and torch.equal(first.images["classifier.0"], numbers)


def test_an_interrupt_in_the_middle_of_a_batch_keeps_the_batches_before():
    net, results = steps(), []
    with pytest.raises(KeyboardInterrupt):
        for top in patches.scanning(net, generated(100, interrupt_at(21)), ["pool"]):
            results.append(top)
    assert results[-1].done == 16
    as_it_was(net)


def test_an_error_inside_the_network_leaves_no_hook():
    net = steps()
    handle = net.module.pool.register_forward_hook(lambda *_: 1 / 0, prepend=True)
    with pytest.raises(ZeroDivisionError):
        patches.scan(net, generated(3), ["pool"])
    handle.remove()
    as_it_was(net)


class Gate:
    """Opens pictures freely up to a number, then waits. Threads only: it is sent there as it is."""

    gates: dict[str, threading.Event] = {}

    def __init__(self, name: str):
        self.name = name
        self.gates[name] = threading.Event()

    def __call__(self, i: int) -> Tensor:
        if i >= 2:
            self.gates[self.name].wait(60)
        return torch.full((1, 3, 8, 8), i / 20)


def test_stopping_cancels_the_tasks_that_have_not_begun():
    net, submitted = steps(), []

    class Watching(ThreadPoolExecutor):
        def submit(self, *args, **kwargs):
            submitted.append(super().submit(*args, **kwargs))
            return submitted[-1]

    gallery = Gallery("gate", ("gray",), Gate("a"), tuple(range(20)), (0,) * 20)
    with Watching(1) as executor:
        scan = patches.scanning(net, gallery.shards(10), ["pool"], executor=executor)
        top = next(scan)  # the first shard; the second waits at the gate, the others in the queue
        scan.close()
        Gate.gates["a"].set()
    assert (top.done, top.total) == (2, 20) and set(top.images["pool"].flatten().tolist()) == {0, 1, -1}
    assert sum(task.cancelled() for task in submitted) >= 8
    as_it_was(net)


def test_an_error_in_a_worker_arrives_here(net, photos):
    broken = Gallery("broken", ("none",), interrupt_at(0), (0,), (0,))
    with ThreadPoolExecutor(1) as executor, pytest.raises(KeyboardInterrupt):
        patches.scan(steps(), [broken], ["pool"], executor=executor)


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (LookupError, "'conv9'.*minivgg.*conv1", {"layers": ["conv9"]}),
        (ValueError, "0 layers.*45 images", {"layers": []}),
        (ValueError, r"\bk\b.*\b0\b.*\b1\b", {"k": 0}),
        (ValueError, r"batch_size.*-1.*\b1\b", {"batch_size": -1}),
        (ValueError, "1 layers.*0 images", {"gallery": []}),
    ],
)
def test_bad_input_is_named(net, photos, error, message, options):
    with pytest.raises(error, match=message):
        patches.scan(net, **({"gallery": photos, "layers": ["relu1"]} | options))


@pytest.mark.parametrize(
    ("error", "message", "place"),
    [
        (LookupError, "'relu2'.*relu1", ("relu2", 0, 0)),
        (IndexError, r"relu1.*0 to 63.*0 to 1.*\b64\b", ("relu1", 64, 0)),
        (IndexError, r"relu1.*0 to 1.*\b2\b", ("relu1", 0, 2)),
    ],
)
def test_a_patch_that_is_not_there_is_named(net, photos, error, message, place):
    top = patches.scan(net, photos.subset(range(4)), ["relu1"], k=2)
    with pytest.raises(error, match=message):
        top.patch(photos, *place)


class _Disturbed(nn.Module):
    """Between a convolution and its ReLU, which both work on the same memory, something else changes the maps."""

    def __init__(self, between):
        super().__init__()
        self.conv, self.relu, self.fc, self.between = (
            nn.Conv2d(3, 6, 3),
            nn.ReLU(inplace=True),
            nn.Linear(6, 2),
            between,
        )

    def forward(self, x):
        x = self.conv(x)
        self.between(x)
        return self.fc(self.relu(x).mean((2, 3)))


@pytest.mark.parametrize("between", [lambda x: None, lambda x: x.neg_(), lambda x: x.mul_(-1).mul_(-1)])
def test_peaks_after_a_relu_are_those_of_its_maps(between):
    torch.manual_seed(0)
    module = _Disturbed(between).eval()
    module.conv.bias.data[0] = -100  # a channel that never fires
    net = models.wrap(module, input_size=32, classes=["a", "b"])
    photos = torch.rand(5, 3, 32, 32)
    found = patches.scan(net, galleries.stack(photos, [0] * 5, ["photo"]), ["conv", "relu"], k=5, batch_size=2)
    with torch.no_grad():
        x = module.conv(net.normalize(photos))
        expected = {"conv": x.clone()}
        between(x)
        expected["relu"] = x.relu()
    for layer, maps in expected.items():
        values, places = nn.functional.adaptive_max_pool2d(maps, 1, return_indices=True)
        order = values.flatten(1).T.argsort(dim=1, descending=True, stable=True)
        torch.testing.assert_close(found.values[layer], values.flatten(1).T.gather(1, order))
        cells = places.flatten(1).T.gather(1, order)
        assert torch.equal(found.cells[layer], torch.stack([cells // 30, cells % 30], 2))


def test_maps_before_a_relu_in_place_are_looked_at_once(monkeypatch):
    looked = []
    real = patches._peak
    monkeypatch.setattr(patches, "_peak", lambda output: looked.append(1) or real(output))
    net = models.load("minivgg", "cpu")
    patches.scan(net, galleries.stack(torch.rand(2, 3, 64, 64), [0, 0], ["x"]), list(net.layers), k=1)
    assert len(looked) == len(net.layers) - 7
