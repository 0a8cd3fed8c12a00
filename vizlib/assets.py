"""Where bundled and downloaded files live. This is the only module that touches the network.

Whatever goes wrong (no connection, a truncated or altered file, a full or read-only disk) raises an `AssetError` whose
message says what to do. A failure never leaves half a file in the cache.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import URLError

import numpy as np
import pooch
import requests
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import Dataset
from tqdm import tqdm

if TYPE_CHECKING:  # importing torchvision takes seconds, and the bundled networks do without
    from torchvision.models import WeightsEnum

TIMEOUT = 30  # seconds without a byte from the server


class AssetError(OSError):
    """A file cannot be found, downloaded, stored or read; the message says what to do."""


# --- names ----------------------------------------------------------------------------------------------------------


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: "; did you mean 'conv1'?", or "" if no known name is close."""
    near = get_close_matches(str(name), list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""


# --- folders --------------------------------------------------------------------------------------------------------


def data_folder() -> Path:
    """The folder of the files that ship with vizlib: inside the installed package, or `data/` in a checkout."""
    package = Path(__file__).resolve().parent
    return package / "data" if (package / "data").is_dir() else package.parent / "data"


def data_path(name: str) -> Path:
    """The path of a bundled file, such as `data_path("minivgg.safetensors")`.

    Raises:
        AssetError: No file of this name comes with vizlib.
    """
    path = data_folder() / name
    if not path.is_file():
        there = ", ".join(sorted(file.name for file in data_folder().glob("*.*"))) or "nothing"
        raise AssetError(f"{name!r} does not come with vizlib: {data_folder()} has {there}; reinstall vizlib")
    return path


def cache_folder() -> Path:
    """The folder where downloads are kept: VIZLIB_CACHE if it is set, else the user's usual cache folder."""
    return Path(os.environ.get("VIZLIB_CACHE") or pooch.os_cache("vizlib")).expanduser().absolute()


def checkpoint_folder() -> Path:
    """The folder where torchvision's weights are kept: inside VIZLIB_CACHE if it is set, else torch.hub's folder."""
    root = cache_folder() if os.environ.get("VIZLIB_CACHE") else Path(torch.hub.get_dir())
    return root / "checkpoints"


def sha256(path: str | os.PathLike) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Inside the `with`, a temporary path to write a file or a folder to; at the end it replaces `path` in one move.

    After an exception `path` is unchanged, and nothing is left beside it.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield part
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink(missing_ok=True)


# --- downloads ------------------------------------------------------------------------------------------------------


class Download(NamedTuple):
    """A file that can be downloaded; `size` is in bytes."""

    url: str
    sha256: str
    size: int


_GITHUB = "https://raw.githubusercontent.com"
_STYLE = f"{_GITHUB}/jcjohnson/fast-neural-style/813c83441953ead2adb3f65f4cc2d5599d735fa7/images"
# This address names a branch, not a commit. If the file there ever changes, the hash check refuses it.
_CAT_DOG = f"{_GITHUB}/utkuozbulak/pytorch-cnn-visualizations/master/input_images/cat_dog.png"

DOWNLOADS = {
    "starry_night": Download(
        f"{_STYLE}/styles/starry_night.jpg", "0592ab0f7b51b3ce72608a95e53880bd93971e5b48f93a0ce8dfd3cbccf3d098", 315236
    ),
    "wave": Download(
        f"{_STYLE}/styles/wave.jpg", "14bcf58a39b7095168f27756d76d0c615bb8954acc5eae9e62c66a9684c2ee2b", 148634
    ),
    "the_scream": Download(
        f"{_STYLE}/styles/the_scream.jpg", "f3075cddeb974a9ee1d6418f7f33fd05185a7ac7dcb4288bd2805d499a9dcaee", 216723
    ),
    "composition_vii": Download(
        f"{_STYLE}/styles/composition_vii.jpg",
        "8f992ed4aecd6dd56972d7bc8166761de7c94e670ee6effa8fd05f3daeb33409",
        202426,
    ),
    "chicago": Download(
        f"{_STYLE}/content/chicago.jpg", "a1e8bf5a5ffec464ee1bb4c1dd6662e5b83a905a64ae10755e5801c3343cebe9", 219977
    ),
    "cat_dog": Download(_CAT_DOG, "8d30785a513e22a2f574c839c7e1751db943d0b5399347e7bb37736f6c5a95c2", 90226),
}


def names() -> list[str]:
    """The names of the files that `fetch` can download."""
    return list(DOWNLOADS)


def size(name: str) -> int:
    """The number of bytes that `fetch(name)` downloads if the file is not cached.

    Raises:
        AssetError: The name is not one of `names()`.
    """
    return _download(name).size


def is_cached(name: str) -> bool:
    """Whether a downloadable file is in the cache, complete and unaltered.

    Raises:
        AssetError: The name is not one of `names()`.
    """
    path = _cached_path(name)
    return path.is_file() and path.stat().st_size == size(name) and sha256(path) == _download(name).sha256


def fetch(name: str) -> Path:
    """The path of a downloadable file in the cache; if it is not there yet, it is downloaded with a progress bar.

    It is safe to call this from several threads and processes at once.

    Args:
        name: One of `names()`.

    Raises:
        AssetError: The name is unknown, there is no connection, the server reports an error, the content is not the
            expected one, or the cache cannot be written.
    """
    file, path = _download(name), _cached_path(name)
    with _explained(name, file.url, path, "a photo of vizlib.images.photos()"):
        if not is_cached(name):
            with tqdm(desc=name, total=file.size, unit="B", unit_scale=True, leave=False) as bar:
                downloader = pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)
                pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
                pooch.retrieve(file.url, f"sha256:{file.sha256}", path.name, path.parent, downloader=downloader)
    return path


def fetch_url(url: str, *, max_bytes: int = 50_000_000, timeout: float = TIMEOUT) -> bytes:
    """The bytes at a web address, for a user's own image.

    Args:
        url: An http or https address.
        max_bytes: The largest response that is accepted.
        timeout: How many seconds to wait for the next byte from the server before giving up.

    Raises:
        AssetError: The address is not http or https, there is no connection, the server reports an error, or the
            response is too long.
    """
    if not re.match("https?://", url, re.IGNORECASE):
        raise AssetError(f"{url!r} is not a web address: it should begin with https:// or http://")
    body = bytearray()
    try:
        with requests.get(url, stream=True, timeout=timeout, headers={"User-Agent": "vizlib"}) as response:
            response.raise_for_status()
            for chunk in response.iter_content(2**16):
                body += chunk
                if len(body) > max_bytes:
                    raise AssetError(f"{url} is longer than {max_bytes:,} bytes: use a smaller file")
    except requests.RequestException as error:
        raise AssetError(
            f"{url} could not be read: {_reason(error)}. Check the address in a browser, or save the file from there "
            "and open the saved copy"
        ) from error
    return bytes(body)


def _download(name: str) -> Download:
    if name not in DOWNLOADS:
        hint = did_you_mean(name, DOWNLOADS)
        raise AssetError(f"{name!r} is not a downloadable file; expected one of {', '.join(DOWNLOADS)}{hint}")
    return DOWNLOADS[name]


def _cached_path(name: str) -> Path:
    return cache_folder() / "images" / _download(name).url.rsplit("/", 1)[1]


# When the hash differs, pooch raises a ValueError and torch.hub a RuntimeError.
_FAILED_DOWNLOADS = (
    *(requests.RequestException, URLError, HTTPException, ConnectionError, TimeoutError),
    *(ValueError, RuntimeError),
)


@contextmanager
def _explained(what: str, url: str, path: Path, alternative: str) -> Iterator[None]:
    """Turn any failure of a download into an `AssetError` that says what to do."""
    try:
        yield
    except _FAILED_DOWNLOADS as error:
        raise AssetError(
            f"{what} could not be downloaded from {url}: {_reason(error)}. Try again when online, or save that "
            f"file by hand as {path}; {alternative} works offline"
        ) from error
    except OSError as error:
        raise AssetError(
            f"{what} could not be stored as {path}: {error.strerror or error}. Make room on the disk, or "
            "set the environment variable VIZLIB_CACHE to a folder that can be written to"
        ) from error


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words; pooch, requests, urllib and torch.hub each say it differently."""
    status = getattr(getattr(error, "response", None), "status_code", None) or getattr(error, "code", None)
    if status:
        return f"the server answered with error {status}"
    if isinstance(error, TimeoutError | requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, ConnectionResetError | HTTPException | requests.exceptions.ChunkedEncodingError):
        return "the connection was lost"
    if isinstance(error, ConnectionError | URLError | requests.ConnectionError):
        return f"no connection to the server ({type(error).__name__})"
    if isinstance(error, requests.RequestException):
        return str(error)
    return "what arrived is not the expected file (its checksum differs; it may be a sign-in page of your network)"


# --- weights --------------------------------------------------------------------------------------------------------


def torchvision_weights(weights: "WeightsEnum") -> dict[str, Tensor]:
    """The state dict of a torchvision network; if it is not on disk yet, it is downloaded with a progress bar.

    Args:
        weights: A member of one of torchvision's enums, such as `AlexNet_Weights.IMAGENET1K_V1`.

    Raises:
        AssetError: There is no connection, the server reports an error, the content is not the expected one, the
            folder cannot be written, or the file is damaged.
    """
    path = _weights_path(weights)
    digest = re.search(r"-([0-9a-f]{8,})\.", path.name)  # torchvision's file names end with its first digits
    if not path.is_file():
        with _explained(str(weights), weights.url, path, "the bundled network 'minivgg'"):
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(weights.url, str(path), digest and digest[1], progress=True)
    return load_state_dict(path)


def torchvision_weights_cached(weights: "WeightsEnum") -> bool:
    """Whether `torchvision_weights(weights)` needs no download."""
    return _weights_path(weights).is_file()


def torchvision_weights_size(weights: "WeightsEnum") -> int:
    """The size of the download in bytes, to within a kilobyte: torchvision gives it in MiB to three decimals."""
    return round(weights.meta["_file_size"] * 2**20)


def _weights_path(weights: "WeightsEnum") -> Path:
    return checkpoint_folder() / weights.url.rsplit("/", 1)[1]


def load_state_dict(path: str | os.PathLike) -> dict[str, Tensor]:
    """A state dict, from parameter names to tensors on the CPU, read from a `.safetensors` or `torch.save` file.

    Code in the file is never run.

    Raises:
        AssetError: The file does not exist, is damaged, holds no state dict, or is a pickle that would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise AssetError(f"there is no weights file {path}: check the path and the working directory")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # on unexpected bytes the readers may raise almost anything
        code = re.search(r"(?:GLOBAL|Unsupported class) (\S+)", str(error))  # torch from 2.4 on, and before
        if code:
            raise AssetError(f"{path} is not a plain state dict: reading it would run {code[1]}. {_HOW}") from error
        raise AssetError(f"{path} is damaged or not a weights file: delete it and download it again. {_HOW}") from error
    if not (isinstance(state, dict) and state and all(isinstance(value, Tensor) for value in state.values())):
        held = (
            f"a dict with {', '.join(map(repr, list(state)[:4]))}" if isinstance(state, dict) else type(state).__name__
        )
        raise AssetError(f"{path} holds {held}, not a state dict (names to tensors). {_HOW}")
    return state


_HOW = "vizlib reads .safetensors files and files written by torch.save(model.state_dict(), path)"


# --- cached results -------------------------------------------------------------------------------------------------


def stored_array(path: Path) -> np.ndarray | None:
    """The array that `store_array` wrote to `path`, or None if there is none or it cannot be read."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None


def store_array(path: Path, array: np.ndarray) -> None:
    """Write an array to `path`, completely or not at all. If that fails, nothing is raised: it is only a cache."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as part, open(part, "wb") as file:
            np.save(file, array)


# --- datasets -------------------------------------------------------------------------------------------------------


def dataset_folder(name: str) -> Path:
    """Where a dataset lies once it is downloaded and unpacked."""
    return cache_folder() / "datasets" / name


def bytes_arrived(name: str) -> int:
    """How many bytes of a dataset's download are on disk while it is under way; 0 before and after."""
    sizes = [0]
    with suppress(OSError):  # the folder may go at any moment, and so may each file in it
        for folder in dataset_folder(name).parent.glob(f".{name}.*.part"):
            for path in folder.iterdir():
                with suppress(OSError):
                    sizes.append(path.stat().st_size if path.is_file() else 0)
    return max(sizes)


def torchvision_dataset(kind: type, name: str, **options: object) -> Dataset:
    """One of torchvision's datasets, downloaded and unpacked (completely or not at all) if it is not in the cache.

    Args:
        kind: The class, such as `torchvision.datasets.CIFAR10`.
        name: The name of its folder in the cache.
        options: Further arguments for the class.

    Raises:
        AssetError: There is no connection, the server reports an error, the content is not the expected one, the
            folder cannot be written, or the cached dataset is incomplete.
    """
    root = dataset_folder(name)
    if not root.is_dir():
        with _explained(name, "the address in torchvision", root, "galleries.patches()"), whole(root) as part:
            part.mkdir(parents=True)
            kind(part, download=True, **options)
    try:
        return kind(root, download=False, **options)
    except (RuntimeError, OSError) as error:
        raise AssetError(
            f"{root} is not a complete {name} dataset: delete it and download it again ({error})"
        ) from error


# --- a person's progress --------------------------------------------------------------------------------------------


def progress_path() -> Path | None:
    """The file that remembers predictions and exercises, or None where nothing is to be remembered.

    It is `progress.json` in the cache folder, or what VIZLIB_PROGRESS names; VIZLIB_PROGRESS=0 switches it off. A test
    remembers nothing unless it names a file.
    """
    named = os.environ.get("VIZLIB_PROGRESS", "")
    if named:
        return None if named == "0" else Path(named).expanduser().absolute()
    return None if "PYTEST_CURRENT_TEST" in os.environ else cache_folder() / "progress.json"
