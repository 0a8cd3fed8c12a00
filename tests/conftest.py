"""Fixtures for every test: a web server on this machine, a cache of one's own, a browser."""

import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:  # each takes its seconds to import, and the process that only shares out the tests needs none of them
    from playwright.sync_api import Browser
    from torch import nn

    from vizlib.images import galleries

TINY_IMAGENET = Path(__file__).parents[2] / "shared" / "datasets" / "tiny-imagenet-200.zip"


class Answer(NamedTuple):
    body: bytes
    status: int
    length: int
    before: Callable[[], object]


class FileServer:
    """Answers on the loopback interface with what a test gave it, and counts the requests for each path."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._answers: dict[str, Answer] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def serve(
        self,
        path: str,
        body: bytes,
        *,
        status: int = 200,
        length: int | None = None,
        before: Callable[[], object] = lambda: None,
    ) -> str:
        """From now on answer `path` with `body`, and return the whole address; all other paths are a 404.

        Args:
            status: The HTTP status.
            length: What Content-Length claims, if not the truth: more than `len(body)` is a download cut short.
            before: Called before answering, in the server's thread.
        """
        self._answers[path] = Answer(body, status, len(body) if length is None else length, before)
        return self.url(path)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self
        missing = Answer(b"", 404, 0, lambda: None)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.requests[self.path] += 1
                answer = owner._answers.get(self.path, missing)
                answer.before()
                try:
                    self.send_response(answer.status)
                    self.send_header("Content-Length", str(answer.length))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except ConnectionError:
                    pass  # the client has gone, as some tests want

            def log_message(self, *_: object) -> None:
                """Keep the test's output clean."""

        return Handler


@pytest.fixture(autouse=True)
def same_randomness() -> None:
    """Every test draws the same random numbers, whichever tests run before it in its process."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(params=["groups", "strides", "reflection", "transposed"])
def uneven(request: pytest.FixtureRequest) -> "nn.Sequential":
    """Layers from 3 to 8 channels whose windows differ in height and width, or that see the image in an odd way."""
    from torch import nn

    conv = nn.Conv2d
    layers = {
        "groups": (conv(3, 6, 3, groups=3, padding=1), nn.ReLU(), conv(6, 8, (3, 1), dilation=(2, 1))),
        "strides": (
            conv(3, 6, (7, 3), stride=(3, 1), padding=(2, 0)),
            nn.GELU(),
            conv(6, 8, (1, 5), stride=(1, 4), padding=(0, 3)),
        ),
        "reflection": (
            conv(3, 8, 3, padding=1, padding_mode="reflect"),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.SiLU(inplace=True),
        ),
        "transposed": (conv(3, 8, 3, 2), nn.ConvTranspose2d(8, 8, 3, 2, groups=2), nn.GroupNorm(2, 8)),
    }
    return nn.Sequential(*layers[request.param])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A web server on a free port of this machine, reached without any proxy."""
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    running = FileServer()
    yield running
    running.close()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for vizlib's downloads, so that a test sees and changes nobody's files."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("VIZLIB_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_imagenet() -> "Callable[[int], galleries.Gallery]":
    """From n to a gallery of Tiny ImageNet's validation images, 50 of every n-th class."""
    import torch

    from vizlib import images
    from vizlib.images import galleries

    if not TINY_IMAGENET.is_file():
        pytest.skip("Tiny ImageNet is not beside this checkout")

    def every(n: int) -> galleries.Gallery:
        with zipfile.ZipFile(TINY_IMAGENET) as archive:
            root = "tiny-imagenet-200/val/"
            rows = [line.split("\t")[:2] for line in archive.read(root + "val_annotations.txt").decode().splitlines()]
            names = sorted({wnid for _, wnid in rows})[::n]
            rows = [(file, wnid) for file, wnid in rows if wnid in names]
            pictures = torch.cat([images.load(archive.read(f"{root}images/{file}")) for file, _ in rows])
        return galleries.stack(pictures, [names.index(wnid) for _, wnid in rows], names, "tiny imagenet")

    return every


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Browser]":
    """The browser. Its camera shows a film; a page has to be allowed to use it."""
    from fake_camera import film_as_camera
    from lab_server import find_chromium
    from playwright.sync_api import sync_playwright

    executable = find_chromium()
    options = film_as_camera(tmp_path_factory.mktemp("camera"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--disable-dev-shm-usage", *options])
        yield browser
        browser.close()
