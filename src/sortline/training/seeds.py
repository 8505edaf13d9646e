"""Random numbers as functions of where they are used: a run taken up anywhere draws what it would have drawn."""

import hashlib

import torch


def derived(seed: int, *place: str | int) -> int:
    """A number of 63 bits for this seed and place, such as ("order", epoch): near places get unrelated numbers."""
    digest = hashlib.blake2b(repr((seed, *place)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def generator(seed: int, *place: str | int) -> torch.Generator:
    """A generator on the CPU for this seed and place."""
    return torch.Generator().manual_seed(derived(seed, *place))


def seed_layers(seed: int, *place: str | int) -> None:
    """What layers draw next, such as dropout, on the CPU and on GPUs: a function of this seed and place."""
    torch.manual_seed(derived(seed, *place))
