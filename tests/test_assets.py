"""Bundled files, downloads against a server on this machine, and reading weights."""

import hashlib
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
from io import BytesIO
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models import SqueezeNet1_0_Weights, Weights, WeightsEnum
from tqdm import tqdm

from vizlib import assets
from vizlib.assets import AssetError

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = ROOT.parent / "shared" / "images"  # the files as their origins published them, where they are at hand
BODY = b"a painting, as it were " * 1000
STATE = {"conv1.weight": torch.arange(6.0).view(2, 3), "steps": torch.tensor(7)}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def wave(server, cache, monkeypatch):
    """Calling it makes the server answer for the painting 'wave'; takes the options of `server.serve`."""

    def serve(body: bytes = BODY, expected: bytes = BODY, **options: object) -> None:
        url = server.serve("/wave.jpg", body, **options)
        download = assets.Download(url, hashlib.sha256(expected).hexdigest(), len(expected))
        monkeypatch.setitem(assets.DOWNLOADS, "wave", download)

    return serve


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- bundled files --------------------------------------------------------------------------------------------------


def test_data_path_of_a_bundled_file():
    assert assets.data_path("SOURCES.md").read_text(encoding="utf-8").startswith("# ")


def test_data_path_of_a_missing_file():
    with pytest.raises(AssetError, match=r"'minivg\.safetensors'.*SOURCES\.md"):
        assets.data_path("minivg.safetensors")


def test_data_inside_the_package_comes_first(tmp_path, monkeypatch):
    """As in a wheel, where there is no checkout."""
    (tmp_path / "vizlib" / "data").mkdir(parents=True)
    (tmp_path / "vizlib" / "data" / "net.json").write_text("{}")
    (tmp_path / "data").mkdir()
    monkeypatch.setattr(assets, "__file__", str(tmp_path / "vizlib" / "assets.py"))
    assert assets.data_path("net.json") == tmp_path / "vizlib" / "data" / "net.json"


def test_sha256_of_the_standards_example(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert assets.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# --- the cache ------------------------------------------------------------------------------------------------------


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("VIZLIB_CACHE", str(tmp_path))
    assert assets.cache_folder() == tmp_path
    assert assets.checkpoint_folder() == tmp_path / "checkpoints"


def test_the_cache_is_the_users_without_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("VIZLIB_CACHE", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert "vizlib" in assets.cache_folder().parts
    assert assets.checkpoint_folder() == tmp_path / "hub" / "checkpoints"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published files are not at hand")
@pytest.mark.parametrize("name", assets.names())
def test_the_registry_describes_the_published_files(name):
    download = assets.DOWNLOADS[name]
    published = PUBLISHED / download.url.rsplit("/", 1)[1]
    assert published.stem == name
    assert (download.sha256, assets.size(name)) == (assets.sha256(published), published.stat().st_size)
    assert download.url.startswith("https://raw.githubusercontent.com/")


# --- whole, or not at all -------------------------------------------------------------------------------------------


def fill(path: Path, folder: bool, content: str) -> None:
    """Write a file, or a folder with one in a folder."""
    if folder:
        (path / "inside").mkdir(parents=True)
        path = path / "inside" / "file"
    path.write_text(content)


@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_is_written_whole_takes_its_place_at_the_end(tmp_path, folder):
    path = tmp_path / "a.bin"
    with assets.whole(path) as part:
        fill(part, folder, "new")
        assert not path.exists() and part.parent == tmp_path
    assert [found.name for found in tmp_path.iterdir()] == ["a.bin"]
    assert (path / "inside" / "file" if folder else path).read_text() == "new"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "stopped"]
)
@pytest.mark.parametrize("folder", [False, True], ids=["file", "folder"])
def test_what_is_not_written_to_its_end_leaves_nothing_behind(tmp_path, folder, error):
    with pytest.raises(type(error)), assets.whole(tmp_path / "a.bin") as part:
        fill(part, folder, "half of")
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_replaced_is_as_it_was(tmp_path):
    path = tmp_path / "a.bin"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), assets.whole(path) as part:
        part.write_text("half of")
        raise ZeroDivisionError
    assert path.read_text() == "old" and [found.name for found in tmp_path.iterdir()] == ["a.bin"]


def test_nothing_written_is_an_error_that_leaves_nothing(tmp_path):
    with pytest.raises(OSError), assets.whole(tmp_path / "a.bin"):
        pass
    assert list(tmp_path.iterdir()) == []


# --- fetch ----------------------------------------------------------------------------------------------------------


def test_fetch_downloads_once(wave, server, cache, capsys):
    wave()
    assert not assets.is_cached("wave")
    path = assets.fetch("wave")
    assert path.read_bytes() == BODY
    assert path.is_relative_to(cache)
    assert "wave:" in capsys.readouterr().err  # the progress bar
    assert assets.is_cached("wave")
    assert assets.fetch("wave") == path
    assert server.requests["/wave.jpg"] == 1
    assert files(cache) == ["wave.jpg"]


def test_fetch_replaces_an_altered_file(wave, server):
    wave()
    path = assets.fetch("wave")
    path.write_bytes(BODY[:-1] + b"?")
    assert not assets.is_cached("wave")
    assert assets.fetch("wave").read_bytes() == BODY
    assert server.requests["/wave.jpg"] == 2


def test_a_file_put_there_by_hand_is_enough(wave, server, cache):
    """What the message of a failed download advises."""
    wave()
    (cache / "images").mkdir(parents=True)
    (cache / "images" / "wave.jpg").write_bytes(BODY)
    assert assets.fetch("wave").read_bytes() == BODY
    assert server.requests.total() == 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"body": BODY[:-1] + b"?"}, "checksum"),
        ({"body": b"<html>please sign in"}, "checksum"),
        ({"body": BODY[:5000], "length": len(BODY)}, "connection"),
        ({"body": b"", "status": 404}, "404"),
        ({"body": b"", "status": 503}, "503"),
    ],
    ids=["corrupted", "sign-in page", "truncated", "not found", "unavailable"],
)
def test_a_failed_download_says_what_to_do_and_leaves_nothing(wave, server, cache, options, reason):
    wave(**options)
    with pytest.raises(AssetError) as caught:
        assets.fetch("wave")
    by_hand = cache / "images" / "wave.jpg"
    for part in ("wave", server.url("/wave.jpg"), reason, str(by_hand), "images.photos()"):
        assert part in str(caught.value)
    assert files(cache) == []
    wave()  # and the next try succeeds
    assert assets.fetch("wave").read_bytes() == BODY


def test_fetch_offline(wave, cache, monkeypatch, closed_port):
    wave()
    offline = assets.DOWNLOADS["wave"]._replace(url=f"http://127.0.0.1:{closed_port}/wave.jpg")
    monkeypatch.setitem(assets.DOWNLOADS, "wave", offline)
    with pytest.raises(AssetError, match=f"{closed_port}.*no connection.*online"):
        assets.fetch("wave")
    assert files(cache) == []


def test_fetch_from_a_server_that_does_not_answer(wave, cache, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(assets, "TIMEOUT", 0.1)
    wave(before=lambda: over.wait(10))
    with pytest.raises(AssetError, match="wave.*in time.*online"):
        assets.fetch("wave")
    over.set()
    assert files(cache) == []


def test_ctrl_c_midway_leaves_nothing_and_the_next_try_succeeds(wave, cache, monkeypatch):
    class Interrupted(tqdm):
        def update(self, n: float = 1) -> bool | None:
            if self.n > len(BODY) / 2:
                assert len(files(cache)) == 1  # the part that has arrived
                raise KeyboardInterrupt
            return super().update(n)

    wave()
    with monkeypatch.context() as patch:
        patch.setattr(assets, "tqdm", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            assets.fetch("wave")
    assert files(cache) == []
    assert assets.fetch("wave").read_bytes() == BODY


@pytest.mark.slow
def test_two_processes_at_once(wave, server, cache, monkeypatch):
    """Both are kept waiting until both have asked, so that neither finds the other's file."""
    monkeypatch.setattr(assets, "TIMEOUT", 60)  # the other process starts slowly
    both = threading.Barrier(2, timeout=60)
    wave(before=both.wait)
    other = (
        "import sys; from vizlib import assets; url, digest, size = sys.argv[1:];"
        "assets.DOWNLOADS['wave'] = assets.Download(url, digest, int(size)); print(assets.sha256(assets.fetch('wave')))"
    )
    arguments = map(str, assets.DOWNLOADS["wave"])
    process = subprocess.Popen(
        [sys.executable, "-c", other, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert assets.fetch("wave").read_bytes() == BODY
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert output.strip() == hashlib.sha256(BODY).hexdigest(), errors
    assert server.requests["/wave.jpg"] == 2
    assert files(cache) == ["wave.jpg"]


def test_eight_threads_at_once(wave, cache):
    wave()
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(assets.fetch("wave").read_bytes())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [BODY] * 8
    assert files(cache) == ["wave.jpg"]


def test_a_cache_that_cannot_be_made(wave, cache):
    wave()
    cache.write_text("a file where the folder should be")
    with pytest.raises(AssetError, match=f"wave.*{re.escape(str(cache))}.*VIZLIB_CACHE"):
        assets.fetch("wave")
    assert cache.read_text() == "a file where the folder should be"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written(wave, cache):
    wave()
    cache.mkdir(mode=0o500)
    with pytest.raises(AssetError, match="wave.*Permission denied.*VIZLIB_CACHE"):
        assets.fetch("wave")


def test_a_disk_that_is_full(wave, cache):
    resource = pytest.importorskip("resource", reason="Windows has no limit on file sizes")
    content = bytes(2**21)
    wave(content, expected=content)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, limits[1]))
    try:
        with pytest.raises(AssetError, match="wave.*File too large.*VIZLIB_CACHE"):
            assets.fetch("wave")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(cache) == []


@pytest.mark.parametrize("ask", [assets.fetch, assets.size, assets.is_cached])
def test_an_unknown_name(ask):
    with pytest.raises(AssetError, match="'wafe'.*'wave'"):
        ask("wafe")


# --- fetch_url ------------------------------------------------------------------------------------------------------


def test_fetch_url(server):
    assert assets.fetch_url(server.serve("/photo", BODY)) == BODY


@pytest.mark.parametrize("url", ["ftp://example.org/a.png", "file:///etc/hostname", "example.org/a.png", ""])
def test_fetch_url_takes_web_addresses_only(url):
    with pytest.raises(AssetError, match=f"{re.escape(repr(url))}.*https://"):
        assets.fetch_url(url)


def test_fetch_url_without_a_host():
    with pytest.raises(AssetError, match="http://.*No host"):
        assets.fetch_url("http://")


def test_fetch_url_has_a_bound_on_bytes(server):
    url = server.serve("/photo", BODY)
    with pytest.raises(AssetError, match="/photo.*22,999.*smaller"):
        assets.fetch_url(url, max_bytes=len(BODY) - 1)
    assert assets.fetch_url(url, max_bytes=len(BODY)) == BODY


def test_fetch_url_not_found(server):
    with pytest.raises(AssetError, match="/nothing.*404.*[Cc]heck the address"):
        assets.fetch_url(server.url("/nothing"))


def test_fetch_url_offline(closed_port):
    with pytest.raises(AssetError, match=f"{closed_port}.*no connection"):
        assets.fetch_url(f"http://127.0.0.1:{closed_port}/a.png")


def test_fetch_url_cut_short(server):
    url = server.serve("/photo", BODY[:100], length=len(BODY))
    with pytest.raises(AssetError, match="/photo.*connection"):
        assets.fetch_url(url)


def test_fetch_url_gives_up_waiting(server):
    over = threading.Event()
    url = server.serve("/photo", BODY, before=lambda: over.wait(10))
    with pytest.raises(AssetError, match="/photo.*in time"):
        assets.fetch_url(url, timeout=0.1)
    over.set()


# --- torchvision's weights ------------------------------------------------------------------------------------------


def saved(state: object) -> bytes:
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def zoo(server, body: bytes, **options: object) -> WeightsEnum:
    """A network of torchvision's kind on the test's server, the first digits of its hash in its file's name."""
    url = server.serve(f"/net-{hashlib.sha256(saved(STATE)).hexdigest()[:8]}.pth", body, **options)

    class NetWeights(WeightsEnum):
        V1 = Weights(url=url, transforms=None, meta={"_file_size": 4.778})

    return NetWeights.V1


def test_torchvision_weights_download_once(server, cache):
    weights = zoo(server, saved(STATE))
    assert not assets.torchvision_weights_cached(weights)
    for _ in range(2):
        state = assets.torchvision_weights(weights)
        assert state.keys() == STATE.keys()
        assert all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert assets.torchvision_weights_cached(weights)
    assert server.requests.total() == 1
    assert [path.parent for path in cache.rglob("*.pth")] == [cache / "checkpoints"]


def test_torchvision_weights_use_torch_hubs_folder(server, tmp_path, monkeypatch):
    monkeypatch.delenv("VIZLIB_CACHE", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assets.torchvision_weights(zoo(server, saved(STATE)))
    assert [path.parent for path in tmp_path.rglob("*.pth")] == [tmp_path / "hub" / "checkpoints"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"body": saved({"other": torch.zeros(1)})}, "checksum"),
        ({"body": saved(STATE)[:500], "length": 10_000}, "(checksum|connection)"),
        ({"body": b"", "status": 404}, "404"),
    ],
    ids=["corrupted", "truncated", "not found"],
)
def test_a_failed_download_of_weights(server, cache, options, reason):
    with pytest.raises(AssetError, match=f"V1.*http.*{reason}.*'minivgg'"):
        assets.torchvision_weights(zoo(server, **options))
    assert files(cache) == []


def test_torchvision_weights_offline(server, cache):
    weights = zoo(server, saved(STATE))
    server.close()
    with pytest.raises(AssetError, match="V1.*no connection.*'minivgg'"):
        assets.torchvision_weights(weights)
    assert files(cache) == []


def test_torchvision_weights_in_a_folder_that_cannot_be_made(server, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(AssetError, match=f"V1.*{re.escape(str(cache))}.*VIZLIB_CACHE"):
        assets.torchvision_weights(zoo(server, saved(STATE)))


def test_a_damaged_file_in_the_checkpoint_folder(server, cache):
    weights = zoo(server, saved(STATE))
    assets.torchvision_weights(weights)
    path = next(cache.rglob("*.pth"))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(AssetError, match=f"{re.escape(str(path))}.*damaged.*delete"):
        assets.torchvision_weights(weights)


def test_torchvision_weights_size():
    size = assets.torchvision_weights_size(SqueezeNet1_0_Weights.IMAGENET1K_V1)
    assert abs(size - 4.778 * 1024 * 1024) < 1


# --- reading weights ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_load_state_dict(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(safetensors.torch.save(STATE) if suffix == ".safetensors" else saved(STATE))
    state = assets.load_state_dict(str(path))
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


class RunsCode:
    """Unpickling it the ordinary way writes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"echo > {self.path}",)


def test_code_in_a_pickle_is_not_run(tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(saved({"weight": RunsCode(tmp_path / "ran")}))
    with pytest.raises(AssetError, match=r"(posix|nt)\.system"):
        assets.load_state_dict(path)
    assert files(tmp_path) == ["evil.pth"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.pth", saved(STATE)[:-200], "damaged"),
        ("net.safetensors", safetensors.torch.save(STATE)[:-2], "damaged"),
        ("net.safetensors", saved(STATE), "damaged"),
        ("net.pth", b"", "damaged"),
        ("net.pth", b"<html>not found</html>", "damaged"),
        ("net.pth", pickle.dumps(STATE, 2), r"torch\.storage\._load_from_bytes"),
        ("net.pth", saved({"epoch": 3, "state_dict": STATE}), "'epoch', 'state_dict'"),
        ("net.pth", saved(torch.zeros(3)), r"\bTensor\b"),
        ("net.pth", saved([1, 2]), r"\blist\b"),
        ("net.pth", saved({}), "state dict"),
    ],
    ids=[
        "cut",
        "cut safetensors",
        "wrong suffix",
        "empty",
        "html",
        "pickle",
        "checkpoint",
        "tensor",
        "list",
        "no entry",
    ],
)
def test_load_state_dict_of_something_else(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AssetError, match=message) as caught:
        assets.load_state_dict(path)
    assert str(path) in str(caught.value)
    assert "torch.save(model.state_dict(), path)" in str(caught.value)


@pytest.mark.parametrize("name", ["nothing.pth", "."])
def test_load_state_dict_of_no_file(tmp_path, name):
    with pytest.raises(AssetError, match=re.escape(str(tmp_path / name))):
        assets.load_state_dict(tmp_path / name)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@given(content=st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_load_state_dict_of_any_bytes(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    with pytest.raises(AssetError):
        assets.load_state_dict(path)
