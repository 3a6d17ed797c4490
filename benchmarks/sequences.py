# SPDX-License-Identifier: Apache-2.0
"""The sequence that video benchmarks run on: a drive at 2048x1024, or our own rendering of one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.pictures import HEIGHT, ROOT, SCENE, WIDTH, data_folder

__all__ = ["Sequence", "road_sequence"]

FOLDER, NAME = "cityscapes_frankfurt_seq", "frankfurt_000001_047548..047562"
RENDERED = 6


@dataclass(frozen=True)
class Sequence:
    """Consecutive frames with a name to put beside their numbers.

    Attributes
    ----------
    name : str
    images : tuple of numpy.ndarray
        uint8 ``[1024, 2048, 3]`` each, C-contiguous.
    """

    name: str
    images: tuple[np.ndarray, ...]

    @property
    def pixels(self) -> int:
        """Of one frame."""
        return self.images[0].shape[0] * self.images[0].shape[1]

    def back_and_forth(self) -> list[np.ndarray]:
        """The images there and back, so that what follows the last is near it: the first comes next."""
        return [*self.images, *self.images[-2:0:-1]]


def road_sequence(cache: Path) -> Sequence:
    """15 frames of Frankfurt in the data folder (17 a second), else a few of our own rendering.

    Parameters
    ----------
    cache : Path
        Folder in which renderings are kept from run to run (they take seconds each).
    """
    paths = sorted((data_folder() / FOLDER).glob("*_leftImg8bit.webp"))
    if paths:
        from rdct.vision.frames import open_source

        return Sequence(NAME, tuple(next(iter(open_source(path))).image for path in paths))
    return Sequence(f"examples/street.py, scene {SCENE}, {RENDERED} frames", tuple(_rendered(cache)))


def _rendered(cache: Path) -> list[np.ndarray]:
    kept = cache / f"street-{SCENE}-{WIDTH}x{HEIGHT}x{RENDERED}.npy"
    if not kept.is_file():
        sys.path.append(str(ROOT / "examples"))
        try:
            import street

            scene = street.Scene(SCENE, WIDTH, HEIGHT)
            images = np.stack([scene.frame(t, fps=17)[0] for t in range(RENDERED)])
        finally:
            sys.path.remove(str(ROOT / "examples"))
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_suffix(f".{os.getpid()}.npy")
        np.save(unfinished, images)
        unfinished.replace(kept)
    return list(np.load(kept, allow_pickle=False))
