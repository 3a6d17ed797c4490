"""A folder (or list) of pictures, read when needed, with labels beside them where given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["SUFFIXES", "Pictures"]

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".ppm", ".bmp", ".tif", ".tiff")
_LABEL_SUFFIXES = (".png", ".webp", ".npy")
#: Pictures in memory at once; beyond it they are read again.
_CACHE_BYTES = 512 << 20


class Pictures:
    """Pictures by number, in a stable order.

    Parameters
    ----------
    source : str, Path or sequence
        A folder (its pictures in order of name), or a sequence of paths or of uint8 ``[H, W, 3]``
        arrays.
    labels : str, Path or sequence, optional
        A folder with a label picture (8-bit class indices) of the same stem for each, or a sequence
        of paths or integer arrays.
    limit : int, optional
        Keep only so many, spread evenly.
    """

    def __init__(
        self,
        source: str | Path | Sequence,
        labels: str | Path | Sequence | None = None,
        limit: int | None = None,
    ) -> None:
        items = _listed(source, SUFFIXES, "pictures")
        marks: list | None = None
        if labels is not None:
            marks = _matched(items, labels)
        if limit is not None:
            if limit < 1:
                raise ValueError(f"limit must be at least 1, got {limit}")
            if limit < len(items):
                chosen = [(2 * i + 1) * len(items) // (2 * limit) for i in range(limit)]
                items = [items[i] for i in chosen]
                marks = None if marks is None else [marks[i] for i in chosen]
        self._items = items
        self._marks = marks
        self._cache: dict[int, np.ndarray] = {}
        self._cached = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def labelled(self) -> bool:
        return self._marks is not None

    def name(self, index: int) -> str:
        item = self._items[index]
        return item.name if isinstance(item, Path) else f"#{index}"

    def sha256(self, index: int) -> str:
        """Of the file's bytes, or of the array's size and bytes."""
        item = self._items[index]
        if isinstance(item, Path):
            return hashlib.sha256(item.read_bytes()).hexdigest()
        digest = hashlib.sha256(repr((item.dtype.str, item.shape)).encode())
        digest.update(np.ascontiguousarray(item))
        return digest.hexdigest()

    def __getitem__(self, index: int) -> np.ndarray:
        """uint8 RGB ``[H, W, 3]``."""
        if index in self._cache:
            return self._cache[index]
        if index >= len(self):
            raise IndexError(index)
        item = self._items[index]
        image = _read(item) if isinstance(item, Path) else item
        if isinstance(item, Path) and self._cached + image.nbytes <= _CACHE_BYTES:
            self._cache[index] = image
            self._cached += image.nbytes
        return image

    def labels(self, index: int) -> np.ndarray:
        """Integer ``[H, W]``, checked against the picture's size."""
        if self._marks is None:
            raise ValueError("these pictures have no labels")
        mark = self._marks[index]
        labels = _read_labels(mark) if isinstance(mark, Path) else np.asarray(mark)
        size = self[index].shape[:2]
        if labels.shape != size:
            raise ValueError(
                f"labels of {self.name(index)} are {list(labels.shape)} but the picture is "
                f"{list(size)}; they must be [H, W] class indices of equal size"
            )
        return labels


def _listed(source: str | Path | Sequence, suffixes: tuple[str, ...], what: str) -> list:
    if isinstance(source, (str, Path)):
        folder = Path(source)
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {str(folder)!r}")
        items = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and p.is_file())
        if not items:
            raise ValueError(f"no {what} in {str(folder)!r}; looked for {', '.join(suffixes)}")
        return items
    items = [Path(item) if isinstance(item, str) else item for item in source]
    if not items:
        raise ValueError(f"no {what} given")
    for index, item in enumerate(items):
        if isinstance(item, Path):
            continue
        if not (
            isinstance(item, np.ndarray)
            and item.dtype == np.uint8
            and item.ndim == 3
            and item.shape[2] == 3
            and item.size
        ):
            raise ValueError(f"picture {index} must be a path or a uint8 array [H, W, 3]")
    return items


def _matched(items: list, labels: str | Path | Sequence) -> list:
    if not isinstance(labels, (str, Path)):
        marks = [Path(mark) if isinstance(mark, str) else mark for mark in labels]
        if len(marks) != len(items):
            raise ValueError(f"{len(items)} pictures but {len(marks)} label maps")
        return marks
    folder = Path(labels)
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {str(folder)!r}")
    by_stem = {p.stem: p for p in sorted(folder.iterdir()) if p.suffix.lower() in _LABEL_SUFFIXES}
    marks = []
    for item in items:
        if not isinstance(item, Path):
            raise ValueError("a folder of labels goes with pictures from files, not arrays")
        if item.stem not in by_stem:
            raise ValueError(f"{str(folder)!r} has no label picture for {item.name}")
        marks.append(by_stem[item.stem])
    return marks


def _read(path: Path) -> np.ndarray:
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith(("I", "F")):
                raise ValueError(f"{path}: {upright.mode} pictures (over 8 bits) are not supported")
            return np.asarray(upright.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        # A damaged PNG is a SyntaxError to Pillow.
        raise ValueError(f"{path}: not a readable picture ({error})") from error


def _read_labels(path: Path) -> np.ndarray:
    from PIL import Image

    if path.suffix.lower() == ".npy":
        labels = np.load(path, allow_pickle=False)
    else:
        try:
            with Image.open(path) as picture:
                labels = np.asarray(picture)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path}: not a readable label picture ({error})") from error
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        labels = labels[..., 0]  # class indices stored as grey RGB
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: labels must be [H, W] class indices, got {labels.shape}")
    return labels
