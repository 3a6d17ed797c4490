"""All pictures of a build through the codec, several at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import codec
from grace.pictures import Pictures

__all__ = ["Coder", "processors", "stored_scale"]


def processors() -> int:
    """Processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def stored_scale(scale: float) -> float:
    """The scale as a stream stores it: a multiple of 1/256."""
    return min(max(round(256 * scale), 1), 65535) / 256


class Coder:
    """Codes the pictures under one table set.

    Parameters
    ----------
    pictures : Pictures
    subsampling : str
    region_blocks : int
    threads : int
        Pictures coded at a time; the result does not depend on it.
    """

    def __init__(self, pictures: Pictures, subsampling: str, region_blocks: int, threads: int) -> None:
        self.pictures = pictures
        self.subsampling = subsampling
        self.region_blocks = region_blocks
        self.threads = threads

    def plan(
        self, index: int, table_set: codec.TableSet, level_map: np.ndarray | None, scale: float
    ) -> codec.QuantPlan:
        """Of one picture; without a map at the middle level throughout."""
        if level_map is None:
            shape = codec.map_shape(*self.pictures[index].shape[:2], self.region_blocks)
            level_map = np.full(shape, table_set.levels // 2, np.uint8)
        return codec.QuantPlan(table_set, level_map, self.region_blocks, scale)

    def each(
        self,
        encode: Callable,
        table_set: codec.TableSet,
        maps: Sequence[np.ndarray] | None = None,
        scale: float = 1.0,
        **options: object,
    ) -> Iterator:
        """What `encode` returns for every picture, in order."""

        def one(index: int) -> object:
            plan = self.plan(index, table_set, None if maps is None else maps[index], scale)
            return encode(self.pictures[index], plan, subsampling=self.subsampling, **options)

        return self.over(one)

    def over(self, function: Callable[[int], object]) -> Iterator:
        """`function` of every picture's index, in order."""
        if self.threads == 1:
            yield from map(function, range(len(self.pictures)))
            return
        with ThreadPoolExecutor(self.threads) as pool:
            yield from pool.map(function, range(len(self.pictures)))

    def sizes(self, table_set: codec.TableSet, maps: Sequence[np.ndarray] | None, scale: float) -> list[int]:
        """Bytes of every picture in a stream that names its table set."""
        return [len(data) for data in self.each(codec.encode, table_set, maps, scale, tables="id")]
