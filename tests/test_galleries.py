"""Galleries: one contract for all of them, and what happens with files and downloads that are not as they should be."""

import hashlib
import io
import pickle
import re
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.datasets import CIFAR10, Imagenette

from vizlib import assets, images
from vizlib.images import galleries
from vizlib.images.galleries import Gallery

pytestmark = pytest.mark.usefixtures("cache")


def photo(path: Path, color: str = "red", size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Two sub-folders and one photo beside them."""
    root = tmp_path / "album"
    photo(root / "cats" / "a.png", "red")
    photo(root / "cats" / "b.jpg", "green")
    photo(root / "dogs" / "c.jpg", "blue", (200, 100))
    photo(root / "d.png", "white")
    return root


def keeps_the_contract(gallery: Gallery) -> None:
    n = len(gallery)
    assert n > 0 and gallery.labels.shape == (n,) and gallery.labels.dtype == torch.int64
    for i in (0, n // 2, n - 1):
        images.check(gallery.image(i))
        assert len(gallery.image(i)) == 1 and gallery.names[gallery.label(i)] == gallery.names[gallery.labels[i]]
        thumbnail = gallery.thumbnail(i, 24)
        assert thumbnail.shape == (24, 24, 3) and thumbnail.dtype == np.uint8
    assert gallery.batch([n - 1, 0], 16).shape == (2, 3, 16, 16)
    again = pickle.loads(pickle.dumps(gallery))
    assert torch.equal(again.image(n - 1), gallery.image(n - 1)) and again.names == gallery.names
    assert gallery.digest(range(min(n, 3))) == again.digest(range(min(n, 3)))
    few = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(gallery)).subset([n - 1, 0, n - 1])))  # sent on, in part
    assert few.numbers == (n - 1, 0, n - 1) and torch.equal(few.image(2), gallery.image(n - 1))
    assert few.digest([0, 1]) == gallery.digest([n - 1, 0])


def test_every_gallery_keeps_the_contract(album):
    pictures = torch.rand(3, 3, 8, 9)
    for gallery in (
        galleries.patches(),
        galleries.digits(),
        galleries.folder(album),
        galleries.stack(pictures, [0, 1, 1], ["no", "yes"]),
    ):
        keeps_the_contract(gallery)


def test_patches_are_crops_at_four_scales_and_their_mirror_images():
    gallery = galleries.patches()
    assert 500 <= len(gallery) <= 1000 and gallery.names == tuple(images.photos())
    assert set(gallery.classes) == set(range(len(gallery.names)))
    chelsea = images.load("chelsea")  # 300 pixels high: not resized
    first = gallery.image(0)
    assert first.shape == (1, 3, 300, 300) and torch.equal(first, chelsea[:, :, :, 75:375])
    assert torch.equal(gallery.image(1), first.flip(3))
    assert {gallery.image(i).shape[2] for i in range(len(gallery)) if gallery.label(i) == 0} == {300, 150, 100, 75}


def test_overlapping_patches_share_pixels_and_the_others_do_not():
    gallery = galleries.patches()
    shared = galleries.overlapping(gallery)
    assert torch.equal(shared, shared.T) and shared.diagonal().all()
    assert shared[0, 1], "a patch and its mirror image"
    crops = [gallery.source.crops[i] for i in range(80)]
    covered = torch.zeros(len(crops), 500, 500, dtype=torch.bool)
    for canvas, crop in zip(covered, crops, strict=True):
        crop.box.of(canvas)[:] = True
    for i, crop in enumerate(crops):
        same_photo = torch.tensor([other.photo == crop.photo for other in crops])
        assert torch.equal(shared[i, :80], same_photo & (covered & covered[i]).flatten(1).any(1))
    assert torch.equal(galleries.overlapping(galleries.digits().subset(range(4))), torch.eye(4, dtype=torch.bool))


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    gallery = galleries.digits()
    assert len(gallery) == 1797 and gallery.names == tuple("0123456789")
    assert np.array_equal((gallery.image(5)[0, 0] * 16).numpy(), load_digits().images[5])
    assert gallery.label(5) == load_digits().target[5]


@given(n=st.integers(1, 30), total=st.integers(1, 25))
def test_shards_are_the_whole_in_order(n, total):
    gallery = galleries.stack(torch.rand(total, 3, 1, 1), [0] * total, ["a"])
    shards = gallery.shards(n)
    assert len(shards) == min(n, total) and sum((shard.numbers for shard in shards), ()) == tuple(range(total))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_subset_keeps_its_order_and_knows_where_it_came_from():
    gallery = galleries.digits()
    part = gallery.subset([7, 3]).subset([1, 0, 1])
    assert part.numbers == (3, 7, 3) and torch.equal(part.image(0), gallery.image(3))
    assert part.labels.tolist() == [gallery.label(3), gallery.label(7), gallery.label(3)]


def test_digest_is_of_the_content(album):
    gallery = galleries.folder(album)
    before = gallery.digest([0, 1])
    assert before != gallery.digest([1, 0]) and before == galleries.folder(album).digest([0, 1])
    photo(album / "cats" / "a.png", "yellow")
    assert galleries.folder(album).digest([0, 1]) != before


# --- a folder of one's own ------------------------------------------------------------------------------------------


def test_a_folder_takes_its_labels_from_where_the_photos_lie(album):
    gallery = galleries.folder(str(album))
    assert gallery.names == ("album", "cats", "dogs") and gallery.name == "album"
    assert [gallery.names[c] for c in gallery.classes] == ["cats", "cats", "album", "dogs"]
    assert gallery.image(3).shape == (1, 3, 100, 200) and gallery.skipped == ()


def test_files_that_cannot_be_read_are_listed_and_skipped(album, monkeypatch):
    whole = photo(album / "whole.jpg", size=(300, 300)).read_bytes()
    (album / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (album / "notes.txt").write_text("no picture")
    (album / "empty.png").touch()
    (album / ".hidden.png").write_bytes(b"not looked at")
    (album / ".cache").mkdir()
    (album / ".cache" / "x.png").write_bytes(b"not looked at")
    photo(album / "huge.png", size=(300, 301))
    monkeypatch.setattr(images, "MAX_PIXELS", 90_000)
    gallery = galleries.folder(album)
    assert len(gallery) == 5
    assert [line.split(":")[0] for line in gallery.skipped] == ["cut.jpg", "empty.png", "huge.png", "notes.txt"]
    assert "90,300" in gallery.skipped[2] and "90,000" in gallery.skipped[2]


def test_a_folder_is_found_again_from_elsewhere(album, monkeypatch, tmp_path):
    monkeypatch.chdir(album)
    gallery = galleries.folder(".")
    assert gallery.name == "album" and "album" in gallery.names
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickle.dumps(gallery)).image(0).shape == (1, 3, 30, 40)


def test_a_shard_takes_only_its_own_images_to_another_process(tmp_path):
    pictures = torch.rand(64, 3, 16, 16)
    for i in range(1000):
        Image.new("RGB", (4, 4)).save(tmp_path / f"a photo with a name of some length {i}.png")
    for gallery, fewest in ((galleries.stack(pictures, [0] * 64, ["a"]), 64), (galleries.folder(tmp_path), 1000)):
        whole = len(pickle.dumps(gallery))
        assert max(len(pickle.dumps(shard)) for shard in gallery.shards(32)) < 1.5 * whole / 32 + 1000
        assert len(pickle.dumps(gallery)) == whole and len(gallery) == fewest


def test_what_passes_the_look_at_a_folder_can_be_loaded(album):
    numbers = np.linspace(0, 3, 40 * 50, dtype=np.float32).reshape(40, 50)
    Image.fromarray(numbers).save(album / "float.tif")
    Image.fromarray((numbers * 1e8).astype(np.int32)).save(album / "int.tif")
    Image.fromarray((numbers * 20_000).astype(np.uint16)).save(album / "grey16.png")
    Image.new("CMYK", (50, 40)).save(album / "print.jpg")
    gallery = galleries.folder(album)
    assert [line.split(":")[0] for line in gallery.skipped] == ["float.tif", "int.tif"]
    assert gallery.batch(range(len(gallery)), 8).shape == (6, 3, 8, 8)


@pytest.mark.filterwarnings("error")
def test_a_photo_with_a_broken_colour_profile_is_read(album):
    content = (album / "d.png").read_bytes()
    at = content.index(b"IDAT") - 4
    profile = bytes(4) + b"iCCP" + zlib.crc32(b"iCCP").to_bytes(4, "big")
    (album / "d.png").write_bytes(content[:at] + profile + content[at:])
    assert galleries.folder(album).skipped == () and galleries.folder(album).image(2).min() == 1


def test_a_bomb_is_skipped_without_a_warning(album):
    Image.new("1", (9000, 11000)).save(album / "bomb.png")
    (skipped,) = galleries.folder(album).skipped
    assert all(part in skipped for part in ("bomb.png", "99,000,000", "40,000,000"))


def test_galleries_can_be_compared_and_used_as_keys(album):
    pictures = torch.rand(2, 3, 4, 4)
    one, other = (galleries.stack(pictures.clone(), [0, 0], ["a"]) for _ in range(2))
    assert one != other and one == one and len({one, other}) == 2
    assert galleries.folder(album) == galleries.folder(album)


def test_a_folder_without_a_photo_is_an_error(tmp_path):
    with pytest.raises(images.ImageError, match=f"{re.escape(str(tmp_path))}.*photos"):
        galleries.folder(tmp_path)
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(images.ImageError, match=r"\b1\b.*notes\.txt"):
        galleries.folder(tmp_path)
    with pytest.raises(images.ImageError, match=r"notes\.txt.*folder"):
        galleries.folder(tmp_path / "notes.txt")


# --- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "error", "message"),
    [
        (lambda g: g.image(1797), IndexError, "image 1797.*'digits'.*1797"),
        (lambda g: g.image(-1), IndexError, "image -1.*'digits'.*1797"),
        (lambda g: g.subset([0, 2000]), IndexError, "image 2000.*1797"),
        (lambda g: g.shards(0), ValueError, r"\bn\b.*\b0\b.*\b1\b"),
        (lambda g: galleries.stack(torch.rand(2, 3, 4, 4), [0], ["a"]), ValueError, r"labels.*\b2\b.*got 1\b"),
        (lambda g: galleries.stack(torch.rand(1, 3, 4, 4), [1], ["a"]), ValueError, "labels.*0 to 0.*from 1"),
        (lambda g: galleries.stack(torch.rand(1, 1, 4, 4), [0], ["a"]), images.ImageError, r"pictures.*\(1, 1, 4, 4\)"),
        (lambda g: galleries.cifar10("val"), ValueError, "split.*'val'.*'test'.*'train'"),
        (lambda g: galleries.imagenette("test"), ValueError, "split.*'test'.*'val'.*'train'"),
        (lambda g: galleries.imagenette(size="64px"), ValueError, "size.*'64px'.*'160px'"),
    ],
)
def test_mistakes_are_named(act, error, message):
    with pytest.raises(error, match=message):
        act(galleries.digits())


# --- torchvision's datasets, from a server on this machine ----------------------------------------------------------


def archive(files: dict[str, bytes]) -> tuple[bytes, str]:
    """A .tgz and its MD5."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue(), hashlib.md5(buffer.getvalue()).hexdigest()


def jpeg(color: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (20, 16), color).save(file, "jpeg")
    return file.getvalue()


def test_imagenette_is_downloaded_once_and_whole(server, monkeypatch):
    folders = (("n01440764", "red"), ("n03888257", "blue"))
    files = {f"imagenette2-160/val/{wnid}/{i}.jpeg": jpeg(color) for wnid, color in folders for i in range(2)}
    body, md5 = archive(files)
    url = server.serve("/imagenette2-160.tgz", body)
    monkeypatch.setitem(Imagenette._ARCHIVES, "160px", (url, md5))
    gallery = galleries.imagenette()
    assert gallery.names == ("tench", "parachute") and gallery.classes == (0, 0, 1, 1)
    keeps_the_contract(gallery)
    asked = server.requests.total()
    assert len(galleries.imagenette()) == 4 and server.requests.total() == asked  # the second time it is in the cache


def test_a_collection_reports_its_bytes_is_remembered_and_preferred(server, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "jpeg")
    folders = ("n01440764", "n03888257")
    body, md5 = archive({f"imagenette2-160/val/{wnid}/0.jpeg": file.getvalue() for wnid in folders})
    monkeypatch.setitem(Imagenette._ARCHIVES, "160px", (server.serve("/imagenette2-160.tgz", body), md5))
    assert not galleries.is_here("imagenette") and galleries.preferred().name == "patches"
    monkeypatch.setitem(
        galleries.COLLECTIONS, "imagenette", galleries.COLLECTIONS["imagenette"]._replace(size=len(body))
    )
    steps = list(galleries.fetching("imagenette", every=0.001))
    counts = [step.done for step in steps]
    assert counts == sorted(counts) and all(0 <= count <= len(body) for count in counts)
    assert steps[-1].done == steps[-1].total == len(body) and len(steps[-1].gallery) == 2
    assert all(step.gallery is None for step in steps[:-1])
    asked = server.requests.total()
    assert galleries.is_here("imagenette") and galleries.preferred().name == "imagenette val"
    assert len(list(galleries.fetching("imagenette"))) <= 2 and server.requests.total() == asked
    assert assets.bytes_arrived("imagenette-160px") == 0, "nothing is under way any more"


def test_a_collection_that_cannot_be_fetched_is_not_here(server, monkeypatch):
    monkeypatch.setitem(Imagenette._ARCHIVES, "160px", (server.url("/none.tgz"), "0" * 32))
    with pytest.raises(assets.AssetError, match="imagenette-160px"):
        list(galleries.fetching("imagenette"))
    assert not galleries.is_here("imagenette") and galleries.preferred().name == "patches"
    for ask in (galleries.is_here, lambda name: list(galleries.fetching(name))):
        with pytest.raises(ValueError, match=r"name is 'mnist'.*'imagenette' or 'cifar10'"):
            ask("mnist")


def test_the_bytes_of_a_download_under_way_are_counted(cache):
    part = cache / "datasets" / ".cifar10.0123.part"
    part.mkdir(parents=True)
    assert assets.bytes_arrived("cifar10") == 0
    (part / "c.tgz").write_bytes(b"x" * 700)
    assert assets.bytes_arrived("cifar10") == 700 and assets.bytes_arrived("imagenette-160px") == 0


def test_a_download_that_ends_while_its_bytes_are_counted_is_no_error(cache, monkeypatch):
    gone = cache / "datasets" / ".cifar10.0123.part"
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: iter([gone]))  # it was there when it was listed
    assert assets.bytes_arrived("cifar10") == 0


def test_cifar10_is_read_as_torchvision_reads_it(server, monkeypatch):
    data = np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8)
    batch = pickle.dumps({"data": data, "labels": [3, 1, 0, 9]})
    meta = pickle.dumps({"label_names": list("abcdefghij")})
    lists = {"train_list": [(f"data_batch_{i}", batch) for i in range(1, 6)], "test_list": [("test_batch", batch)]}
    body, md5 = archive({f"cifar-10-batches-py/{name}": b for part in lists.values() for name, b in part} | {
        "cifar-10-batches-py/batches.meta": meta
    })  # fmt: skip
    for name, part in lists.items():
        monkeypatch.setattr(CIFAR10, name, [[file, hashlib.md5(content).hexdigest()] for file, content in part])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": hashlib.md5(meta).hexdigest()})
    monkeypatch.setattr(CIFAR10, "url", server.serve("/c.tgz", body))
    monkeypatch.setattr(CIFAR10, "filename", "c.tgz")
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5)
    gallery = galleries.cifar10()
    assert gallery.classes == (3, 1, 0, 9) and gallery.names == tuple("abcdefghij")
    expected = torch.from_numpy(data[2].reshape(1, 3, 32, 32)).float() / 255
    assert torch.allclose(gallery.image(2), expected)
    keeps_the_contract(gallery)


def test_offline_says_what_to_do_and_leaves_nothing_behind(monkeypatch, cache, server):
    monkeypatch.setitem(Imagenette._ARCHIVES, "160px", (server.url("/none.tgz"), "0" * 32))
    with pytest.raises(assets.AssetError, match=r"imagenette-160px.*galleries\.patches\(\)"):
        galleries.imagenette()
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert not list((cache / "datasets").iterdir())


def test_a_cache_that_was_damaged_is_named(cache):
    (cache / "datasets" / "cifar10").mkdir(parents=True)
    with pytest.raises(assets.AssetError, match="cifar10.*delete"):
        galleries.cifar10()
