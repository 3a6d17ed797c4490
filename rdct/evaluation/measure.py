"""One picture, one system, one point of its dial: code, decode, ask the network, count."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np

from rdct.evaluation.codecs import Setup, System, build
from rdct.evaluation.pictures import Picture, read_labels, read_picture
from rdct.evaluation.resize import Shrinking, resize_labels, resize_picture, split
from rdct.vision import metrics

__all__ = ["Bench", "Task", "fold_ignored", "make_setup"]


@dataclass(frozen=True)
class Task:
    """The points of one picture and system that are not on record yet.

    Attributes
    ----------
    picture : Picture
    system : str
        What `build` makes it from.
    points : tuple of (dial, table modes)
    identity : dict
        The fields of the records that do not depend on the point.
    """

    picture: Picture
    system: str
    points: tuple[tuple[float, tuple[str | None, ...]], ...]
    identity: dict[str, Any] = field(default_factory=dict)


def make_setup(model: str, tables: str | None) -> Setup:
    """Load network and tables by what the user typed; without tables, the sets shipped for the network."""
    import grace
    from rdct.vision import models

    network = models.load(model)
    if tables is not None:
        return Setup(network, grace.load_tables(tables))
    try:
        return Setup(network, grace.load_tables(f"{network.name}-measured"), grace.load_tables(network.name))
    except FileNotFoundError:
        return Setup(network)


def fold_ignored(matrix: np.ndarray, ignore: int | None) -> np.ndarray:
    """Take the ignored class out of a ``[K, K + 1]`` matrix whose network may answer it.

    A void answer on a pixel that counts is a miss (last column), not a class of its own.
    """
    if ignore is None or not 0 <= ignore < len(matrix):
        return matrix
    folded = np.delete(np.delete(matrix, ignore, 0), ignore, 1)
    folded[:, -1] += np.delete(matrix[:, ignore], ignore)
    return folded


class Bench:
    """Network and systems, ready to measure; one for each worker.

    Parameters
    ----------
    setup : Setup
    threads : int
        Threads of torch; 1, because the workers share the machine's cores.
    resize : str
        One of `rdct.evaluation.resize.MODES`.
    """

    def __init__(self, setup: Setup, threads: int = 1, resize: str = "working") -> None:
        self.setup = setup
        self._before, self._after = split(getattr(setup.model, "working_size", None), resize)
        # What the systems plan for; what is measured is always the network itself.
        self._planned = setup
        if self._after is not None:
            self._planned = replace(setup, model=Shrinking(setup.model, self._after))
        self._systems: dict[str, System] = {}
        # Tasks come picture by picture, so two are enough.
        self._raw = lru_cache(maxsize=2)(self._look)
        try:
            import torch
        except ImportError:  # a network without torch brings its own threads
            return
        torch.set_num_threads(threads)

    def _look(self, picture: Picture) -> tuple[np.ndarray, int, np.ndarray, np.ndarray | None]:
        """What every codec gets, the pixels it was made from, the labels on it, the true ones."""
        source = read_picture(picture.path)
        image, truth = resize_picture(source, self._before), None
        if picture.labels is not None:
            truth = read_labels(picture.labels, source.shape[:2])
            truth = resize_labels(resize_labels(truth, self._before), self._after)
        return image, source.shape[0] * source.shape[1], self._ask(image), truth

    def _ask(self, image: np.ndarray) -> np.ndarray:
        from rdct.vision import models

        return models.labels(self.setup.model, resize_picture(image, self._after))

    def measure(self, task: Task) -> Iterator[dict[str, Any]]:
        """One record for each point and table mode, in order."""
        if task.system not in self._systems:
            self._systems[task.system] = build(task.system, self._planned)
        system = self._systems[task.system]
        image, source_pixels, raw, truth = self._raw(task.picture)
        model = self.setup.model
        for dial, modes in task.points:
            began = time.perf_counter()
            coded = system.code(image, dial, modes)
            encode_s = time.perf_counter() - began
            streams = list(coded.streams.items())
            began = time.perf_counter()
            decoded = system.decode(streams[0][1])
            decode_s = time.perf_counter() - began
            if decoded.shape != image.shape or decoded.dtype != np.uint8:
                raise RuntimeError(f"decoded to {decoded.dtype} {decoded.shape}, not uint8 {image.shape}")
            for mode, data in streams[1:]:
                if not np.array_equal(system.decode(data), decoded):
                    raise RuntimeError(f"tables {mode} and {streams[0][0]} decode to different pixels")
            labels = coded.labels
            # The labels a system came by are of its own network, which is not the one measured with `after`.
            if labels is None or self._after or not np.array_equal(coded.decoded, decoded):
                labels = self._ask(decoded)
            classes = len(model.class_names)
            against_raw = metrics.confusion(labels, raw, classes, ignore=None)
            against_truth = None
            if truth is not None:
                matrix = metrics.confusion(labels, truth, classes, ignore=model.ignore_label)
                against_truth = fold_ignored(matrix, model.ignore_label).ravel().tolist()
            psnr = metrics.psnr(decoded, image)
            for mode, data in streams:
                yield {
                    **task.identity,
                    "dial": dial,
                    "tables": mode,
                    "width": image.shape[1],
                    "height": image.shape[0],
                    "source_pixels": source_pixels,
                    "bytes": len(data),
                    "parts": system.parts(data),
                    "agreement": metrics.agreement(labels, raw),
                    "psnr": round(psnr, 4) if np.isfinite(psnr) else None,
                    "raw_confusion": against_raw.ravel().tolist(),
                    "truth_confusion": against_truth,
                    "encode_s": round(encode_s, 5),
                    "decode_s": round(decode_s, 5),
                    "facts": dict(coded.facts),
                }
