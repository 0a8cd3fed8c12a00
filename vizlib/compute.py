"""Where computation runs: the device, and the number of threads that the process may really use."""

import time
from functools import cache

import joblib
import torch


def default_device() -> torch.device:
    """The best device available: CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def available_cpus() -> int:
    """The number of CPUs that this process may use, given its affinity and the container's cgroup limit."""
    return joblib.cpu_count()


def limit_threads() -> int:
    """Lower torch's number of threads to `available_cpus()` (never raise it) and return the number now in force.

    A container reports all of the host's processors, and sixty threads that share one processor run slower than one.
    """
    threads = max(1, min(torch.get_num_threads(), available_cpus()))
    torch.set_num_threads(threads)
    return threads


def bf16(device: torch.device, wanted: bool) -> torch.autocast:
    """Inside the `with`, convolutions and matrix products run in bfloat16 if `wanted`; compute losses outside it.

    The pictures come out different, as they would with another seed. It pays only where `bf16_is_faster()`.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=bool(wanted))


@cache
def bf16_is_faster() -> bool:
    """Whether the CPU runs a convolution faster in bfloat16 than in float32, measured in about ten milliseconds.

    On a processor without bfloat16 units it is several times slower.
    """
    return _convolution_seconds(torch.bfloat16) < 0.8 * _convolution_seconds(torch.float32)


@torch.inference_mode()
def _convolution_seconds(dtype: torch.dtype) -> float:
    """The time in seconds of the fastest of five runs of a small convolution, after one warm-up run."""
    images = torch.ones(1, 64, 56, 56, dtype=dtype).to(memory_format=torch.channels_last)
    kernels = torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        torch.nn.functional.conv2d(images, kernels)
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])
