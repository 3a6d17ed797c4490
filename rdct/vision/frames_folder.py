"""Frames from a folder of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rdct.vision.frames import DEFAULT_FPS, PICTURES, Source, SourceError

__all__ = ["FolderSource", "natural_order"]


def natural_order(path: Path) -> tuple:
    """Sorting key of a file's name in which numbers count as numbers: frame2 before frame10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)], path.name


class FolderSource(Source):
    """The pictures of a folder in natural order, or one picture.

    Sizes may differ from frame to frame. A file that is no picture is an error that names it, as
    leaving it out would shift the times of all that follow.

    Parameters
    ----------
    path : Path
    fps : float, optional
        15 by default.
    live, loop : bool
        As of `open_source`.
    """

    def __init__(
        self, path: Path, *, fps: float | None = None, live: bool = False, loop: bool = False
    ) -> None:
        if path.is_dir():
            inside = (file for file in path.iterdir() if file.suffix.lower() in PICTURES and file.is_file())
            self.paths = sorted(inside, key=natural_order)
        else:
            self.paths = [path]
        if not self.paths:
            raise SourceError(
                f"no pictures in the folder {path}: none of its files ends in {' '.join(PICTURES)}"
            )
        from PIL import Image

        try:
            with Image.open(self.paths[0]) as image:
                size = (image.height, image.width)
        except OSError as error:
            raise SourceError(f"{self.paths[0]} is no picture: {error}") from error
        super().__init__(str(path), fps or DEFAULT_FPS, size, len(self.paths), live=live, loop=loop)

    def _pass(self) -> Iterator[tuple[float, np.ndarray]]:
        from PIL import Image

        for index, path in enumerate(self.paths):
            try:
                with Image.open(path) as image:
                    rgb = np.array(image.convert("RGB"))
            except OSError as error:
                raise SourceError(
                    f"frame {index} of {self.name}, {path.name}, cannot be read: {error}"
                ) from error
            yield index / self.fps, rgb
