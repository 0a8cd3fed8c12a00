"""Kernels that begin with vizlib imported: one process imports it once, and forks for each notebook that is opened.

Importing PyTorch, matplotlib and JupyterLab's kernel takes seconds of processor time, the fork some milliseconds, and
every notebook still has a process of its own. Jupyter starts the launcher,

    python forked_kernel.py SOCKET CONNECTION_FILE

which asks the parent of all kernels, `python forked_kernel.py SOCKET`, for a kernel, passes Interrupt on to it, writes
its process's number to CONNECTION_FILE.pid, and ends when it ends; the kernel ends when the launcher does. Nothing
heavy is imported at the top: launchers are quick.
"""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

LATE = (  # what vizlib imports only where it is needed
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.stats",
    "skimage.metrics",
    "sklearn.datasets",
    "sklearn.manifold",
)
INLINE = "module://matplotlib_inline.backend_inline"  # what ipykernel sets before matplotlib is imported


def serve(address: str) -> NoReturn:
    """Import everything, then fork a kernel for each launcher that asks."""
    os.environ.setdefault("MPLBACKEND", INLINE)
    import importlib
    import pkgutil

    import ipykernel.kernelapp  # noqa: F401

    import vizlib

    for module in pkgutil.walk_packages(vizlib.__path__, "vizlib."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)

    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
    signal.signal(signal.SIGCHLD, reap)
    while True:
        launcher, _ = server.accept()
        if os.fork() == 0:
            server.close()
            kernel(launcher)
        launcher.close()


def reap(*_: object) -> None:
    """Let kernels that have ended go, so that their processor time is counted as this process's."""
    with suppress(ChildProcessError):  # none is left
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def kernel(launcher: socket.socket) -> NoReturn:
    """In the forked process: be the kernel that the launcher was started for."""
    import ctypes

    from ipykernel.kernelapp import IPKernelApp

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the process that forked it
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder, connection_file = launcher.makefile().readline().rstrip("\n").split("\0")
    os.setsid()
    os.chdir(folder)
    launcher.sendall(f"{os.getpid()}\n".encode())
    threading.Thread(target=lambda: (launcher.recv(1), os._exit(1)), daemon=True).start()
    IPKernelApp.launch_instance(["-f", connection_file])
    os._exit(0)


def launch(address: str, connection_file: str, *_: str) -> None:
    """Have a kernel forked, and stand for it until it ends. Options for the kernel are not passed on."""
    with socket.socket(socket.AF_UNIX) as parent:
        connect(parent, address)
        parent.sendall(f"{os.getcwd()}\0{connection_file}\n".encode())
        pid = int(parent.makefile().readline())
        with open(f"{connection_file}.pid", "w") as file:
            file.write(str(pid))
        signal.signal(signal.SIGINT, lambda *_: os.kill(pid, signal.SIGINT))
        parent.recv(1)  # nothing is sent: it returns when the kernel has ended
    with suppress(FileNotFoundError):  # Jupyter's own clearing up was faster
        os.remove(f"{connection_file}.pid")


def connect(parent: socket.socket, address: str, seconds: float = 120) -> None:
    """Connect to the parent, which may still be importing."""
    for _ in range(int(seconds / 0.05)):
        with suppress(FileNotFoundError, ConnectionRefusedError):
            return parent.connect(address)
        time.sleep(0.05)
    raise TimeoutError(f"no kernels to fork at {address} after {seconds:.0f} s")


if __name__ == "__main__":
    serve(*sys.argv[1:]) if len(sys.argv) == 2 else launch(*sys.argv[1:])
