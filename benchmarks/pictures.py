# SPDX-License-Identifier: Apache-2.0
"""The picture that benchmarks run on: a road frame of 2048x1024 pixels, or our own rendering of one."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Picture", "data_folder", "road_frame", "small_street"]

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT = 2048, 1024
# Looked for in this order, below the data folder.
FRAMES = (
    "cityscapes_frankfurt_seq/frankfurt_000001_047552_leftImg8bit.webp",
    "cityscapes_aachen/aachen_000000_000019_leftImg8bit.webp",
)
# Scene and frame of examples/street.py that stand in for it.
SCENE = 821


@dataclass(frozen=True)
class Picture:
    """A picture with a name to put beside its numbers.

    Attributes
    ----------
    name : str
    rgb : numpy.ndarray
        uint8 ``[1024, 2048, 3]``, C-contiguous, read-only.
    """

    name: str
    rgb: np.ndarray

    @property
    def pixels(self) -> int:
        return self.rgb.shape[0] * self.rgb.shape[1]


def data_folder() -> Path:
    """$RDCT_DATA, or ../shared/data beside the repository."""
    return Path(os.environ.get("RDCT_DATA") or ROOT.parent / "shared" / "data")


def road_frame(cache: Path) -> Picture:
    """The first of `FRAMES` in the data folder, else our own rendering.

    Parameters
    ----------
    cache : Path
        Folder in which the rendering is kept from run to run (it takes seconds). Pictures of the data
        folder are never copied.
    """
    for frame in FRAMES:
        path = data_folder() / frame
        if path.is_file():
            return _picture(path.stem, _read(path))
    return _picture(f"examples/street.py, scene {SCENE}", _rendered(cache))


def small_street() -> np.ndarray:
    """uint8 [360, 480, 3]: examples/street.png, from which fixed Huffman tables are made."""
    return _read(ROOT / "examples" / "street.png")


def _picture(name: str, rgb: np.ndarray) -> Picture:
    if rgb.shape != (HEIGHT, WIDTH, 3):
        raise ValueError(f"{name} should be {WIDTH}x{HEIGHT} RGB, is {rgb.shape}")
    rgb = np.ascontiguousarray(rgb)
    rgb.flags.writeable = False
    return Picture(name, rgb)


def _read(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _rendered(cache: Path) -> np.ndarray:
    kept = cache / f"street-{SCENE}-{WIDTH}x{HEIGHT}.npy"
    if kept.is_file():
        return np.load(kept, allow_pickle=False)
    sys.path.append(str(ROOT / "examples"))
    try:
        import street

        rgb, _ = street.render(SCENE, WIDTH, HEIGHT)
    finally:
        sys.path.remove(str(ROOT / "examples"))
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_suffix(f".{os.getpid()}.npy")
    np.save(unfinished, rgb)
    unfinished.replace(kept)
    return rgb
