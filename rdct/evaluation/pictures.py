"""Pictures and their labels on disk, and what identifies them in a record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["Picture", "find", "listed", "read_labels", "read_picture"]

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".ppm", ".bmp", ".tif", ".tiff", ".avif", ".jxl")


@dataclass(frozen=True)
class Picture:
    """One picture file, with its labels where there are any."""

    path: Path
    labels: Path | None = None

    @property
    def name(self) -> str:
        return self.path.stem

    def sha256(self) -> str:
        """Of the file's bytes, so that it can be checked against a list of sums."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def find(folder: Path, labels: Path | None = None, limit: int | None = None) -> list[Picture]:
    """The pictures of a folder in the order of their names.

    Parameters
    ----------
    folder : Path
        Not searched deeper.
    labels : Path, optional
        Folder with one label picture of the same stem for each.
    limit : int, optional
        Take so many, spread evenly over the list, first one included.

    Raises
    ------
    FileNotFoundError
        No folder, no picture in it, or a picture without labels.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"no picture in {folder} (looked for {', '.join(SUFFIXES)})")
    return listed(paths, labels, limit)


def listed(paths: list[Path], labels: Path | None = None, limit: int | None = None) -> list[Picture]:
    """Pictures given one by one, each paired with its labels; `limit` as for `find`."""
    if limit is not None and limit < len(paths):
        paths = [paths[index * len(paths) // limit] for index in range(limit)]
    if labels is None:
        return [Picture(Path(path)) for path in paths]
    if not Path(labels).is_dir():
        raise FileNotFoundError(f"no folder {labels}")
    of_stem = {path.stem: path for path in sorted(Path(labels).iterdir())}
    missing = [Path(path).name for path in paths if Path(path).stem not in of_stem]
    if missing:
        raise FileNotFoundError(f"no labels in {labels} for {', '.join(missing[:3])}")
    return [Picture(Path(path), of_stem[Path(path).stem]) for path in paths]


def read_picture(path: Path) -> np.ndarray:
    """RGB uint8 ``[H, W, 3]``, by the rules of `stac-encode` (docs/cli.md)."""
    from stac import pictures

    try:
        return pictures.as_rgb(pictures.read_picture(path.read_bytes()).samples)
    except pictures.PictureError as error:
        raise ValueError(f"{path}: {error}") from error


def read_labels(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Class indices ``[H, W]`` from a one-channel picture (a palette's indices count as such)."""
    from PIL import Image

    with Image.open(path) as file:
        if file.mode not in ("L", "P", "I", "I;16"):
            raise ValueError(f"{path}: mode {file.mode} holds no class indices (one channel needed)")
        labels = np.array(file)
    if labels.shape != tuple(shape):
        raise ValueError(f"{path}: labels are {labels.shape}, the picture is {tuple(shape)}")
    return labels
