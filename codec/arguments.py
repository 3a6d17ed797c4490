# SPDX-License-Identifier: Apache-2.0
"""Arguments as the C core takes them, or the error that names argument, value and rule."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from codec import _core

if TYPE_CHECKING:
    from codec.types import TableSet


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in low..high, or the error that says so."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer {low}..{high}, got {type(value).__name__}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} must be {low}..{high}, got {number}")
    return number


def choice(name: str, value: Any, allowed: dict[str, int]) -> int:
    """The integer behind an option string."""
    try:
        return allowed[value]
    except (KeyError, TypeError):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}") from None


def frozen(
    name: str, value: Any, dtype: type, shape: tuple[int | None, ...], low: int, high: int
) -> np.ndarray:
    """A read-only C-contiguous copy of an integer array whose shape and values are checked."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be an integer array, got dtype {array.dtype}")
    if array.ndim != len(shape) or any(
        want is not None and want != got for want, got in zip(shape, array.shape, strict=True)
    ):
        wanted = ", ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"{name} must have shape [{wanted}], got {list(array.shape)}")
    if array.size and (array.min() < low or array.max() > high):
        raise ValueError(f"{name} must hold values {low}..{high}, got {array.min()}..{array.max()}")
    copy = np.array(array, dtype=dtype, order="C")
    copy.flags.writeable = False
    return copy


def planes_as(name: str, planes: Any, shapes: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, ...]:
    """The arrays as int16 of these shapes, C-contiguous: copied only where they are not."""
    planes = tuple(planes)
    if len(planes) != len(shapes):
        raise ValueError(f"{name} must hold {len(shapes)} arrays, got {len(planes)}")
    for i, (plane, shape) in enumerate(zip(planes, shapes, strict=True)):
        if not isinstance(plane, np.ndarray) or plane.dtype != np.int16:
            found = f"dtype {plane.dtype}" if isinstance(plane, np.ndarray) else type(plane).__name__
            raise TypeError(f"{name}[{i}] must be an int16 array, got {found}")
        if plane.shape != shape:
            raise ValueError(f"{name}[{i}] must have shape {list(shape)}, got {list(plane.shape)}")
    return tuple(np.ascontiguousarray(plane) for plane in planes)


def size(name: str, shape: Any) -> tuple[int, int, int]:
    """(height, width, channels) of an image shape [H,W], [H,W,1] or [H,W,3]."""
    try:
        sides = tuple(index(side) for side in shape)
    except TypeError:
        raise TypeError(f"{name} must be a shape of integers, (H, W) or (H, W, 3), got {shape!r}") from None
    if len(sides) == 2:
        sides = (*sides, 1)
    if len(sides) != 3 or sides[2] not in (1, 3):
        raise ValueError(f"{name} must be (H, W), (H, W, 1) or (H, W, 3), got {tuple(shape)}")
    height, width, channels = sides
    for side, what in ((height, "height"), (width, "width")):
        if not 1 <= side <= _core.MAX_SIDE:
            raise ValueError(f"{name} has {what} {side}, allowed is 1..{_core.MAX_SIDE}")
    return height, width, channels


def image(image: Any, name: str = "image") -> np.ndarray:
    """uint8 [H,W] or [H,W,3] with pixels contiguous in a row: the caller's memory if it is so already, else
    one copy.
    """
    if type(image).__module__.partition(".")[0] == "PIL":
        raise TypeError(
            f'{name} is a Pillow image; pass numpy.asarray(image.convert("RGB")), or "L" for grey'
        )
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise TypeError(
            f"{name} must be uint8 with values 0..255, got {type(image).__name__} of dtype {array.dtype}"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)):
        raise ValueError(f"{name} must have shape [H, W], [H, W, 1] or [H, W, 3], got {list(array.shape)}")
    height, width, channels = size(f"{name}.shape", array.shape)
    if array.ndim == 3 and channels == 1:
        array = array[:, :, 0]
    samples = channels == 1 or array.strides[2] == 1
    pixels = array.strides[1] == channels or width == 1
    rows = abs(array.strides[0]) >= width * channels or height == 1  # less: rows that share memory
    return array if samples and pixels and rows else array.copy(order="C")


def subsampling(image: np.ndarray, subsampling: Any) -> int:
    """The subsampling to use: a grey picture has no chroma, so there is nothing to choose."""
    value = choice("subsampling", subsampling, _core.SUBSAMPLINGS)
    if image.ndim == 2:
        return _core.SUBSAMPLINGS["grey"]
    if value == _core.SUBSAMPLINGS["grey"]:
        raise ValueError(f"subsampling 'grey' needs an image [H, W] or [H, W, 1], got {list(image.shape)}")
    return value


def sets(table_sets: Any) -> tuple[TableSet, ...]:
    """The table sets as a tuple."""
    from codec.types import TableSet  # which imports this module

    if isinstance(table_sets, TableSet):
        raise TypeError("table_sets must be an iterable of TableSet; write (table_set,)")
    sets = tuple(table_sets)
    for i, one in enumerate(sets):
        if not isinstance(one, TableSet):
            raise TypeError(f"table_sets[{i}] must be a TableSet, got {type(one).__name__}")
    return sets


def output(out: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """`out` if it can take the picture in place, a new array if it is None."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy array, got {type(out).__name__}")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype}, got {out.dtype}; the argument dtype says which")
    if out.shape != shape:
        raise ValueError(f"out must have shape {list(shape)}, got {list(out.shape)}")
    if not (out.flags.writeable and out.flags.aligned):
        raise ValueError("out must be writable and aligned")
    channels, size = (1, out.itemsize) if len(shape) == 2 else (shape[2], out.itemsize)
    pixels = out.strides[1] == channels * size or shape[1] == 1
    if not pixels or (len(shape) == 3 and out.strides[2] != size):
        raise ValueError(f"out must have contiguous pixels in a row, got strides {list(out.strides)}")
    if abs(out.strides[0]) < shape[1] * channels * size and shape[0] > 1:
        raise ValueError(f"out must not have overlapping rows, got row stride {out.strides[0]}")
    return out


def roi(roi: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) inside the picture and not empty."""
    try:
        x0, y0, x1, y1 = roi
    except (TypeError, ValueError):
        raise ValueError(f"roi must be (x0, y0, x1, y1), got {roi!r}") from None
    x0, x1 = integer("roi x0", x0, 0, width - 1), integer("roi x1", x1, 1, width)
    y0, y1 = integer("roi y0", y0, 0, height - 1), integer("roi y1", y1, 1, height)
    if x0 >= x1 or y0 >= y1:
        raise ValueError(f"roi must have x0 < x1 and y0 < y1, got {(x0, y0, x1, y1)}")
    return x0, y0, x1, y1
