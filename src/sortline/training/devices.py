"""What a network is trained on: a device, the arithmetic worth taking there, threads and memory."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sortline.training.recipe import FinetuneRecipe

# From malloc.h of glibc.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def device_of(rank: int) -> torch.device:
    """The GPU of that number, or the CPU where there is none."""
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def computes_bfloat16(recipe: FinetuneRecipe, device: torch.device) -> bool:
    """Whether to train in bfloat16. It needs no loss scaling: its exponents reach as far as float32's."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Without such instructions it is emulated: 1.5 images/s against 18 on an AVX2 machine.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def training_threads(threads: int) -> Iterator[None]:
    """Torch computes with so many threads, and keeps the memory it has been given; afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with _kept_memory():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _kept_memory() -> Iterator[None]:
    """Freed memory stays with the process, as far as the C library is glibc.

    By default glibc hands each large tensor back to the kernel, which zeroes its pages anew a moment later: a training
    step of MobileNetV2 took 40 % longer for that.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TOP_PAD, 64 * 2**20)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, 65536)
        libc.mallopt(_TRIM_THRESHOLD, 128 * 1024)
        libc.mallopt(_TOP_PAD, 128 * 1024)
        libc.malloc_trim(0)
