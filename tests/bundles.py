"""Bundles for tests, made as the benchmarks make theirs."""

from drawn_bundles import broken as broken
from drawn_bundles import head_variant as head_variant
from drawn_bundles import other_backbone as other_backbone
from drawn_bundles import starter as starter
