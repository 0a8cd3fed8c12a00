"""Where the work runs: the device, and as many threads as the process may really use."""

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
