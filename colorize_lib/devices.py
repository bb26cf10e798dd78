"""Where and how numbers are computed: the device, its precision and its modes, and what it is called."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
from pathlib import Path

import torch

from .config import CHOICES

# Of CUDA alone; processors know neither.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # lets products repeat; a process reads it at its first one
torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32 in convolutions too, as on processors; bf16 is there for speed


def pick_device(name: str = "auto") -> torch.device:
    """The one place where a device is looked up: "auto" is CUDA where there is one. ValueError for other names."""
    if name not in CHOICES["device"]:
        raise ValueError(f"device={name!r} is not possible; allowed: {', '.join(CHOICES['device'])}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda' asked for, but PyTorch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if name in ("auto", "cuda") and torch.cuda.is_available() else "cpu")


def set_local_device(place: int, device: str = "auto") -> None:
    """Make the CUDA device number `place` of this machine the one that this process uses, if CUDA is used at all.

    Raises ValueError where there are not that many.
    """
    if device == "cpu" or not torch.cuda.is_available():
        return
    there = torch.cuda.device_count()
    if place >= there:
        raise ValueError(
            f"process {place + 1} of this machine finds no CUDA device for itself; the machine has {there}"
        )
    torch.cuda.set_device(place)


def device_name(device: torch.device) -> str:
    """What a passport calls a device, such as "CPU, 2 cores"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {os.cpu_count()} cores"


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 numbers itself: CUDA devices from Ampere on, and processors with AMX or
    AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return _bf16_units() != "none"


def check_precision(precision: str, device: torch.device) -> None:
    """Raise ValueError where `device` cannot compute in `precision`.

    In "bf16" the network multiplies in bf16; weights, losses and the optimiser's state are fp32. Devices that have
    no instructions for it would emulate bf16, on processors hundreds of times slower than fp32.
    """
    if precision == "bf16" and not multiplies_bf16(device):
        raise ValueError(
            f"precision='bf16' is not possible on {device_name(device)}, which has no instructions for it; "
            "give `-p precision fp32`"
        )


def _bf16_units() -> str:
    """The processor's instructions for products of bf16 numbers; PyTorch has no public question for them."""
    known = {"AMX": "_is_amx_tile_supported", "AVX-512 BF16": "_is_avx512_bf16_supported"}
    return next((name for name, ask in known.items() if getattr(torch.cpu, ask, lambda: False)()), "none")


@contextlib.contextmanager
def cuda_modes(deterministic: bool):
    """Within it CUDA repeats its results bit for bit, or chooses the fastest convolutions by trying; processors always
    repeat theirs. Raises RuntimeError inside where PyTorch has no deterministic way to compute something."""
    cudnn, before = torch.backends.cudnn, torch.are_deterministic_algorithms_enabled()
    tuned = cudnn.deterministic, cudnn.benchmark
    torch.use_deterministic_algorithms(deterministic or before)
    cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        cudnn.deterministic, cudnn.benchmark = tuned


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from now on, so that a run is not charged with the peak of one before it.

    Of a process only Linux can forget the peak; elsewhere it stays that of the whole life of the process.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the resident set's high water mark


def peak_memory(device: torch.device) -> int:
    """Bytes since `reset_peak_memory`: of tensors on a CUDA device, else of this process with Python and libraries."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if platform.system() == "Darwin" else 1024  # of ru_maxrss, see getrusage(2)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def synchronize(device: torch.device) -> None:
    """Until the device has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def machine(device: torch.device) -> dict:
    """What computed: processor, cores, threads, GPU and versions."""
    facts = {"processor": _processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    facts |= {"matrix_units": _bf16_units()}
    if device.type == "cuda":
        facts |= {"card": device_name(device), "cuda": torch.version.cuda}
    return facts | {"python": platform.python_version(), "torch": torch.__version__}


def _processor() -> str:
    """The processor's name, as Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
