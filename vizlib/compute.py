"""Where the work runs: the device, and as many threads as the process may really use."""

import time
from functools import cache

import joblib
import torch


def default_device() -> torch.device:
    """The first that is there of CUDA, Apple's MPS and the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def available_cpus() -> int:
    """CPUs that this process may use: its affinity and the container's cgroup limit, not what the host has."""
    return joblib.cpu_count()


def limit_threads() -> int:
    """Lower torch's threads to `available_cpus()`, never raise them; returns the number in force.

    A container reports the host's processors. Sixty threads sharing one of them run slower than one does.
    """
    threads = max(1, min(torch.get_num_threads(), available_cpus()))
    torch.set_num_threads(threads)
    return threads


def bf16(device: torch.device, wanted: bool) -> torch.autocast:
    """Inside the `with`, convolutions and products run in bfloat16, if that is wanted; losses should stay outside.

    It gives other pictures, as another seed would, and pays only where `bf16_is_faster`.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(wanted))


@cache
def bf16_is_faster() -> bool:
    """Whether the CPU runs a convolution faster in bfloat16 than in float32: it is tried, in some ten milliseconds.

    A processor without units for it is several times slower.
    """
    return _convolution_seconds(torch.bfloat16) < 0.8 * _convolution_seconds(torch.float32)


@torch.inference_mode()
def _convolution_seconds(dtype: torch.dtype) -> float:
    """The fastest of five runs of a small convolution, after one that does not count."""
    images = torch.ones(1, 64, 56, 56, dtype=dtype).to(memory_format=torch.channels_last)
    kernels = torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        torch.nn.functional.conv2d(images, kernels)
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])
