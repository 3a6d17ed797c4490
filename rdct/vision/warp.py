"""Labels and pictures seen through a flow, and how well a keyframe still shows the current picture.

One rule for all three. Pixel x of the result shows the source at ``x + A``, where A is the flow of the cell
that x lies in, filled where it is invalid (`FlowField.filled`); the border of the source repeats. Labels take
the nearest pixel of the source, pictures interpolate bilinearly.

It is computed in integers, so that threads, instruction sets and the plain references beside the compiled
loops give the same bits:

1. A is rounded to 1/32 pixel (half up), x + A clamped to the picture;
2. labels round that to whole pixels (half up);
3. pictures weigh the four neighbours by products of 1/32, and round their sum to u8 (half up).
"""

from __future__ import annotations

import math

import numpy as np

from rdct.vision import warp_kernels
from rdct.vision.bands import in_bands
from rdct.vision.flow import FlowField
from rdct.vision.warp_kernels import HALF, ONE, POSITION_BITS, ROUND, WEIGHT_BITS

__all__ = [
    "warp_image",
    "warp_image_reference",
    "warp_labels",
    "warp_labels_reference",
    "warp_psnr",
    "warp_psnr_reference",
]

# Flows are cut off here (pixels), farther than any picture is wide.
_FARTHEST = 1 << 17


def _offsets(flow: FlowField, valid: np.ndarray | None) -> np.ndarray:
    """The filled flow in 1/32 pixel, i32 [rows, columns, 2]."""
    values = (flow if valid is None else flow.filled(valid)).values
    offsets = np.floor(values.astype(np.float64) * ONE + 0.5)
    return np.clip(offsets, -_FARTHEST * ONE, _FARTHEST * ONE).astype(np.int32)


def _fits(name: str, array: np.ndarray, flow: FlowField, channels: int | None) -> np.ndarray:
    array = np.asarray(array)
    wanted = flow.shape if channels is None else (*flow.shape, channels)
    if array.dtype != np.uint8 or array.shape != wanted:
        raise ValueError(
            f"{name} must be u8 {list(wanted)}, the size of the flow, got {array.dtype} {list(array.shape)}"
        )
    array = np.ascontiguousarray(array).view()
    array.flags.writeable = False  # whatever the caller's is, so that loops are compiled for one kind only
    return array


def _decibels(error: int, samples: int) -> float:
    return 10 * math.log10(255 * 255 * samples / error) if error else math.inf


def warp_labels(
    labels: np.ndarray, flow: FlowField, valid: np.ndarray | None = None, *, threads: int | None = None
) -> np.ndarray:
    """Labels of a keyframe, moved to the current picture.

    Parameters
    ----------
    labels : numpy.ndarray
        u8 ``[H, W]`` of the keyframe.
    flow : FlowField
        Backward, from the current picture to the keyframe.
    valid : numpy.ndarray, optional
        bool, one value a cell of `flow`; invalid ones are filled first. Leave it out for a flow that is
        filled already (`FlowAccumulator.filled`).
    threads : int, optional
        Default: as many as there are processors.

    Returns
    -------
    numpy.ndarray
        u8 ``[H, W]``.
    """
    labels = _fits("labels", labels, flow, None)
    warped = np.empty_like(labels)
    kernel = warp_kernels.labels_kernel(flow.stride)
    in_bands(kernel, flow.shape[0], threads, labels, _offsets(flow, valid), warped)
    return warped


def warp_image(
    image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None, *, threads: int | None = None
) -> np.ndarray:
    """A keyframe, moved to the current picture: for looking at, as `warp_psnr` does without.

    Parameters
    ----------
    image : numpy.ndarray
        u8 ``[H, W, 3]`` of the keyframe.
    flow, valid, threads
        As of `warp_labels`.

    Returns
    -------
    numpy.ndarray
        u8 ``[H, W, 3]``.
    """
    image = _fits("image", image, flow, 3)
    warped = np.empty_like(image)
    in_bands(
        warp_kernels.warp_image, flow.shape[0], threads, image, _offsets(flow, valid), flow.stride, warped
    )
    return warped


def warp_psnr(
    keyframe_image: np.ndarray,
    frame_image: np.ndarray,
    flow: FlowField,
    valid: np.ndarray | None = None,
    *,
    threads: int | None = None,
) -> float:
    """How well a keyframe, moved along, still shows the current picture; the moved picture is never stored.

    Peak 255, the mean squared error over all RGB samples of the whole picture, filled pixels included.

    Parameters
    ----------
    keyframe_image, frame_image : numpy.ndarray
        u8 ``[H, W, 3]`` RGB: the keyframe and the current picture.
    flow, valid, threads
        As of `warp_labels`.

    Returns
    -------
    float
        dB; infinity where the two are equal.
    """
    keyframe_image = _fits("keyframe_image", keyframe_image, flow, 3)
    frame_image = _fits("frame_image", frame_image, flow, 3)
    kernel = warp_kernels.error_kernel(flow.stride)
    offsets = _offsets(flow, valid)
    errors = in_bands(kernel, flow.shape[0], threads, keyframe_image, offsets, frame_image)
    return _decibels(int(sum(errors)), frame_image.size)


def _positions(flow: FlowField, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel looks, i64 [H, W] in 1/32 pixel: x and y."""
    height, width = flow.shape
    rows, columns = np.arange(height)[:, None], np.arange(width)[None, :]
    moved = _offsets(flow, valid)[rows // flow.stride, columns // flow.stride]
    x = np.clip(columns * ONE + moved[..., 0], 0, (width - 1) * ONE)
    y = np.clip(rows * ONE + moved[..., 1], 0, (height - 1) * ONE)
    return x, y


def warp_labels_reference(labels: np.ndarray, flow: FlowField, valid: np.ndarray | None = None) -> np.ndarray:
    """`warp_labels` in numpy."""
    labels = _fits("labels", labels, flow, None)
    x, y = _positions(flow, valid)
    return labels[(y + HALF) >> POSITION_BITS, (x + HALF) >> POSITION_BITS]


def warp_image_reference(image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None) -> np.ndarray:
    """`warp_image` in numpy."""
    image = _fits("image", image, flow, 3).astype(np.int64)
    x, y = _positions(flow, valid)
    left, top = x >> POSITION_BITS, y >> POSITION_BITS
    right, below = np.minimum(left + 1, flow.shape[1] - 1), np.minimum(top + 1, flow.shape[0] - 1)
    a, b = (x % ONE)[..., None], (y % ONE)[..., None]
    above = image[top, left] * (ONE - a) + image[top, right] * a
    under = image[below, left] * (ONE - a) + image[below, right] * a
    return ((above * (ONE - b) + under * b + ROUND) >> WEIGHT_BITS).astype(np.uint8)


def warp_psnr_reference(
    keyframe_image: np.ndarray, frame_image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None
) -> float:
    """`warp_psnr` in numpy, by way of the moved picture."""
    frame_image = _fits("frame_image", frame_image, flow, 3)
    moved = warp_image_reference(_fits("keyframe_image", keyframe_image, flow, 3), flow, valid)
    return _decibels(int(((moved.astype(np.int64) - frame_image) ** 2).sum()), frame_image.size)
