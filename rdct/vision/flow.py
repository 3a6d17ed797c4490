"""Optical flow the device can afford, and its composition back to a keyframe.

A flow here is *backward*: the content of the current picture at x was, in the earlier picture, at x + b(x).
So every pixel of the current picture finds its source by one look-up and there are no holes.

It has one value for each cell of ``stride x stride`` pixels, and a cell moves as a whole. That value is the
flow at the cell's centre, the point (stride j + (stride - 1) / 2, stride i + (stride - 1) / 2); only where
flows are composed does it matter what lies between centres, and there they are interpolated. Moving
cells as wholes instead of interpolating for every pixel changes neither PSNR nor labels measurably
(docs/experiments/video.md) and makes the warp several times as fast.

>>> flow = DisFlow()
>>> kept = FlowAccumulator((1024, 2048), flow.stride_for((1024, 2048)))
>>> kept.add(flow.between(flow.prepare(first), flow.prepare(second)))          # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from rdct.vision import flow_grid

__all__ = ["PRESETS", "DisFlow", "FlowAccumulator", "FlowField", "Prepared"]

PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
MAX_FINEST_SCALE = 6
# So many pixels are searched in real time on the device of the paper: see docs/experiments/video.md.
_AFFORDABLE = 180_000
# OpenCV's search wants a few patches along each side.
_MIN_SIDE = 32


def _shape(shape: tuple[int, int]) -> tuple[int, int]:
    height, width = shape[:2]
    if height < 1 or width < 1:
        raise ValueError(f"a picture has at least one pixel, got {height} rows of {width}")
    return int(height), int(width)


def _grid_shape(shape: tuple[int, int], stride: int) -> tuple[int, int]:
    if stride < 1 or stride > 1 << MAX_FINEST_SCALE or stride & (stride - 1):
        raise ValueError(f"stride must be a power of two, 1..{1 << MAX_FINEST_SCALE}, got {stride}")
    return -(-shape[0] // stride), -(-shape[1] // stride)


@dataclass(frozen=True, eq=False)
class FlowField:
    """A backward flow, one value a cell.

    Attributes
    ----------
    values : numpy.ndarray
        f32 ``[ceil(H / stride), ceil(W / stride), 2]``: dx, dy in pixels of the full picture; finite,
        read-only.
    stride : int
        Side of a cell in pixels: a power of two, 1..64.
    shape : (int, int)
        H, W of the picture.
    """

    values: np.ndarray = field(repr=False)
    stride: int
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _shape(self.shape))
        wanted = (*_grid_shape(self.shape, self.stride), 2)
        values = np.ascontiguousarray(self.values, np.float32).view()
        if values.shape != wanted:
            raise ValueError(
                f"a flow of stride {self.stride} over {self.shape[0]} rows of {self.shape[1]} pixels has "
                f"values {list(wanted)}, got {list(values.shape)}"
            )
        if not np.isfinite(values).all():
            raise ValueError("values must be finite; mark what is unknown in a mask instead")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @classmethod
    def identity(cls, shape: tuple[int, int], stride: int) -> FlowField:
        """No motion anywhere."""
        return cls(np.zeros((*_grid_shape(_shape(shape), stride), 2), np.float32), stride, shape)

    def dense(self) -> np.ndarray:
        """The flow of every pixel, f32 ``[H, W, 2]``; for looking at and for tests."""
        height, width = self.shape
        return self.values[np.arange(height)[:, None] // self.stride, np.arange(width) // self.stride]

    def filled(self, valid: np.ndarray) -> FlowField:
        """This flow with every invalid cell showing what the nearest valid one shows.

        The nearest fill of the project, the same for labels, pixels and levels. An invalid cell x
        takes the *source* of the nearest valid cell y, so its flow becomes y + A(y) - x, and everything
        warped by it shows at x what stands at y. Nearest by Euclidean distance; of several the one in
        the nearest column, then left before right, then above before below. Without any valid cell
        nothing moves.

        Parameters
        ----------
        valid : numpy.ndarray
            bool, one value a cell.
        """
        valid = np.asarray(valid)
        if valid.dtype != bool or valid.shape != self.values.shape[:2]:
            raise ValueError(
                f"valid must be bool {list(self.values.shape[:2])}, got {valid.dtype} {list(valid.shape)}"
            )
        if valid.all():
            return self
        if not valid.any():
            return FlowField.identity(self.shape, self.stride)
        return FlowField(flow_grid.fill(self.values, valid, self.stride), self.stride, self.shape)


def _reduced(plane: np.ndarray, factor: int) -> np.ndarray:
    """Averages over squares of this side; beyond the last row and column the plane counts as repeated."""
    rows, columns = _grid_shape(plane.shape, factor)
    below, right = rows * factor - plane.shape[0], columns * factor - plane.shape[1]
    if below or right:
        plane = cv2.copyMakeBorder(plane, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return cv2.resize(plane, (columns, rows), interpolation=cv2.INTER_AREA) if factor > 1 else plane


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture made ready for flow.

    Attributes
    ----------
    grey : numpy.ndarray
        u8 ``[ceil(H / 2**scale), ceil(W / 2**scale)]``: luma averaged over squares.
    scale : int
        Finest scale of the search.
    shape : (int, int)
        H, W of the picture.
    """

    grey: np.ndarray = field(repr=False)
    scale: int
    shape: tuple[int, int]


class DisFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016; OpenCV's) between grey pictures of reduced size.

    Parameters
    ----------
    preset : {"ultrafast", "fast", "medium"}
        OpenCV's presets: how many patches and iterations, and variational refinement in all but
        "ultrafast". On streets the scale decides how good the flow is and the preset hardly matters.
    finest_scale : int, optional
        0..6: the search ends at 1 / 2**finest_scale of the picture's sides. Default: the smallest that
        leaves at most 180,000 pixels to search, which is what reaches real time: 0 at 480x360, 1 at
        1242x375, 2 at 2048x1024.
    stride : int, optional
        Side of the cells of the result: a power of two, at least 2**finest_scale; what the search
        found finer than that is averaged. Default: 2**(finest_scale + 1).
    patch_size, patch_stride : int, optional
        In pixels of the finest scale, in place of the preset's (8, and 4 or in "medium" 3).

    Notes
    -----
    An instance keeps OpenCV's buffers: use one per thread. OpenCV splits the search over
    `cv2.getNumThreads()` threads, a setting of the whole process that is left alone here.
    """

    def __init__(
        self,
        preset: str = "ultrafast",
        finest_scale: int | None = None,
        stride: int | None = None,
        patch_size: int | None = None,
        patch_stride: int | None = None,
    ) -> None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(map(repr, PRESETS))}, got {preset!r}")
        if finest_scale is not None and not 0 <= finest_scale <= MAX_FINEST_SCALE:
            raise ValueError(f"finest_scale must be 0..{MAX_FINEST_SCALE}, got {finest_scale}")
        if stride is not None:
            _grid_shape((1, 1), stride)
            if stride < 1 << (finest_scale or 0):
                raise ValueError(
                    f"stride must be at least {1 << finest_scale}, a pixel of finest_scale "
                    f"{finest_scale}, got {stride}"
                )
        self.preset, self.finest_scale, self.stride = preset, finest_scale, stride
        self._search = cv2.DISOpticalFlow.create(PRESETS[preset])
        self._search.setFinestScale(0)
        if patch_size is not None:
            if not 4 <= patch_size <= 16:
                raise ValueError(f"patch_size must be 4..16 pixels, got {patch_size}")
            self._search.setPatchSize(patch_size)
        if patch_stride is not None:
            side = self._search.getPatchSize()
            if not 1 <= patch_stride <= side:
                raise ValueError(f"patch_stride must be 1..{side}, the patch size, got {patch_stride}")
            self._search.setPatchStride(patch_stride)

    def __repr__(self) -> str:
        return f"DisFlow({self.preset!r}, finest_scale={self.finest_scale}, stride={self.stride})"

    def scale_for(self, shape: tuple[int, int]) -> int:
        """Finest scale of the search in pictures of this shape (H, W)."""
        if self.finest_scale is not None:
            return self.finest_scale
        height, width = _shape(shape)
        coarsest = MAX_FINEST_SCALE if self.stride is None else self.stride.bit_length() - 1
        scale = 0
        while scale < coarsest and (height >> scale) * (width >> scale) > _AFFORDABLE:
            scale += 1
        return scale

    def stride_for(self, shape: tuple[int, int]) -> int:
        """Side of the cells of the flow between pictures of this shape (H, W)."""
        return self.stride or min(2 << self.scale_for(shape), 1 << MAX_FINEST_SCALE)

    def prepare(self, image: np.ndarray) -> Prepared:
        """Grey, and reduced to the finest scale; once per picture.

        Parameters
        ----------
        image : numpy.ndarray
            u8 ``[H, W, 3]`` RGB. Beyond its last row and column it counts as repeated.
        """
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be u8 [H, W, 3], got {image.dtype} {list(image.shape)}")
        shape = _shape(image.shape)
        scale = self.scale_for(shape)
        return Prepared(_reduced(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 1 << scale), scale, shape)

    def between(self, previous: Prepared, current: Prepared) -> FlowField:
        """Backward flow: where the content of `current` was in `previous`.

        Parameters
        ----------
        previous, current : Prepared
            Of pictures of one size.
        """
        if previous.shape != current.shape or previous.scale != current.scale:
            raise ValueError(
                f"flow needs two pictures prepared alike, got {previous.shape} at scale {previous.scale} "
                f"and {current.shape} at scale {current.scale}; start anew when the size changes"
            )
        rows, columns = current.grey.shape
        planes = [current.grey, previous.grey]
        below, right = max(_MIN_SIDE - rows, 0), max(_MIN_SIDE - columns, 0)
        if below or right:
            planes = [cv2.copyMakeBorder(p, 0, below, 0, right, cv2.BORDER_REPLICATE) for p in planes]
        values = self._search.calc(planes[0], planes[1], None)[:rows, :columns]
        stride = self.stride_for(current.shape)
        values = _reduced(values, stride >> current.scale)
        values *= 1 << current.scale
        return FlowField(values, stride, current.shape)


class FlowAccumulator:
    """The flow from the current picture back to a keyframe, step by step; its memory never grows.

    A step b_t composes as A_t(x) = b_t(x) + A_{t-1}(x + b_t(x)), bilinear and with the border repeated.
    (The paper adds up flows along the way: the same thing, read by gathering.) One look-up
    through A_t then replaces t look-ups, and nothing is interpolated twice.

    A cell is valid while its way has stayed inside the picture at every step. (The picture counts as filled
    up to whole cells here.) What left it and came back stays invalid.

    Parameters
    ----------
    shape : (int, int)
        H, W of the pictures.
    stride : int
        Of the flows to come.

    Attributes
    ----------
    steps : int
        Flows added since the start or the last `reset`.
    """

    def __init__(self, shape: tuple[int, int], stride: int) -> None:
        self._shape, self._stride = _shape(shape), stride
        _grid_shape(self._shape, stride)
        self.reset()

    def reset(self) -> None:
        """The current picture is the keyframe."""
        self._flow = FlowField.identity(self._shape, self._stride)
        self._excess = flow_grid.still_excess(*self._flow.values.shape[:2])
        self.steps = 0
        self._forget()

    @property
    def flow(self) -> FlowField:
        """From the current picture to the keyframe, as composed."""
        return self._flow

    @cached_property
    def valid(self) -> np.ndarray:
        """bool, one value a cell of `flow`; read-only."""
        valid = np.maximum(self._excess[..., 0], self._excess[..., 1]) <= 0
        valid.flags.writeable = False
        return valid

    @property
    def valid_share(self) -> float:
        """Share of the cells that are valid, 0..1."""
        return float(self.valid.mean())

    @cached_property
    def filled(self) -> FlowField:
        """`flow` with its invalid cells filled: what labels, pixels and levels are warped by."""
        return self._flow.filled(self.valid)

    def add(self, step: FlowField) -> None:
        """One picture further.

        Parameters
        ----------
        step : FlowField
            Backward flow from the new picture to the one before, of this shape and stride.
        """
        if step.shape != self._shape or step.stride != self._stride:
            raise ValueError(
                f"this accumulator is for {self._shape} at stride {self._stride}, got a flow of "
                f"{step.shape} at stride {step.stride}"
            )
        before = self._flow.values
        values, self._excess = flow_grid.compose(step.values, before, self._excess, self._stride)
        self._flow = FlowField(values, self._stride, self._shape)
        self.steps += 1
        self._forget()

    def _forget(self) -> None:
        for name in ("valid", "filled"):
            self.__dict__.pop(name, None)
