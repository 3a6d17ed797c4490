"""Labels and pictures seen through a flow, and how well a keyframe still shows the current picture.

One rule for all three. Pixel x of the result shows the source at ``x + A(x)``, A being the flow of the
keyframe filled where it is invalid (`FlowField.filled`), bilinear between its nodes, the source's border
repeated. Labels take the nearest source pixel, pictures interpolate bilinearly.

It is computed in integers, so that threads, instruction sets and the plain references beside the compiled
loops give the same bits:

1. nodes are rounded to 1/64 pixel (half up);
2. between them the flow is exact; x + A(x) is rounded to 1/32 pixel (half up) and clamped to the picture;
3. labels round that to whole pixels (half up);
4. pictures weigh their four neighbours by products of 1/32, and round the sum (half up).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from rdct.vision.bands import in_bands
from rdct.vision.flow import FlowField

__all__ = [
    "warp_image",
    "warp_image_reference",
    "warp_labels",
    "warp_labels_reference",
    "warp_psnr",
    "warp_psnr_reference",
]

_NODE_BITS = 6
_POSITION_BITS = 5
_ONE = 1 << _POSITION_BITS
_HALF = _ONE >> 1
_WEIGHT_BITS = 2 * _POSITION_BITS
# Nodes are kept within this many pixels, farther than any picture is wide.
_FARTHEST = 1 << 17


def _nodes(flow: FlowField, valid: np.ndarray | None) -> np.ndarray:
    """The filled flow in 1/64 pixel, i64 [rows, columns, 2]."""
    values = (flow if valid is None else flow.filled(valid)).values
    fixed = np.floor(values.astype(np.float64) * (1 << _NODE_BITS) + 0.5)
    return np.clip(fixed, -_FARTHEST << _NODE_BITS, _FARTHEST << _NODE_BITS).astype(np.int64)


def _fits(name: str, array: np.ndarray, flow: FlowField, channels: int | None) -> np.ndarray:
    array = np.asarray(array)
    wanted = flow.shape if channels is None else (*flow.shape, channels)
    if array.dtype != np.uint8 or array.shape != wanted:
        raise ValueError(
            f"{name} must be u8 {list(wanted)}, the size of the flow, got {array.dtype} {list(array.shape)}"
        )
    return np.ascontiguousarray(array)


def _positions(nodes: np.ndarray, stride: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel looks, i64 [H, W] in 1/32 pixel: x and y."""
    height, width = shape
    rows, columns, _ = nodes.shape
    two = 2 * stride

    def along(length: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        cell, part = np.divmod(2 * np.arange(length) + 1 - stride, two)
        return np.clip(cell, 0, count - 1), np.clip(cell + 1, 0, count - 1), part

    i, below, b = along(height, rows)
    j, right, a = along(width, columns)
    a, b = a[None, :, None], b[:, None, None]
    down = nodes[i] * (two - b) + nodes[below] * b
    flow = down[:, j] * (two - a) + down[:, right] * a
    shift = _NODE_BITS - _POSITION_BITS + 2 * (stride.bit_length())
    flow = (flow + (1 << (shift - 1))) >> shift
    x = np.clip(
        (np.arange(width) << _POSITION_BITS)[None, :] + flow[..., 0], 0, (width - 1) << _POSITION_BITS
    )
    y = np.clip(
        (np.arange(height) << _POSITION_BITS)[:, None] + flow[..., 1], 0, (height - 1) << _POSITION_BITS
    )
    return x, y


def warp_labels_reference(labels: np.ndarray, flow: FlowField, valid: np.ndarray | None = None) -> np.ndarray:
    """`warp_labels` in numpy."""
    labels = _fits("labels", labels, flow, None)
    x, y = _positions(_nodes(flow, valid), flow.stride, flow.shape)
    return labels[(y + _HALF) >> _POSITION_BITS, (x + _HALF) >> _POSITION_BITS]


def warp_image_reference(image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None) -> np.ndarray:
    """`warp_image` in numpy."""
    image = _fits("image", image, flow, 3)
    height, width = flow.shape
    x, y = _positions(_nodes(flow, valid), flow.stride, flow.shape)
    left, top = x >> _POSITION_BITS, y >> _POSITION_BITS
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = (x & (_ONE - 1))[..., None], (y & (_ONE - 1))[..., None]
    wide = image.astype(np.int64)
    above = wide[top, left] * (_ONE - a) + wide[top, right] * a
    under = wide[below, left] * (_ONE - a) + wide[below, right] * a
    return ((above * (_ONE - b) + under * b + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS).astype(np.uint8)


def warp_psnr_reference(
    keyframe_image: np.ndarray, frame_image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None
) -> float:
    """`warp_psnr` in numpy, by way of the warped picture."""
    frame_image = _fits("frame_image", frame_image, flow, 3)
    warped = warp_image_reference(_fits("keyframe_image", keyframe_image, flow, 3), flow, valid)
    error = int(((warped.astype(np.int64) - frame_image) ** 2).sum())
    return _decibels(error, frame_image.size)


def _decibels(error: int, samples: int) -> float:
    return 10 * math.log10(255 * 255 * samples / error) if error else math.inf


@numba.njit(cache=True, nogil=True)
def _row(nodes, stride, y, row):
    """The flow on the nodes' columns in row y of the picture, in 1/(2 stride) of a node's unit."""
    rows, columns, _ = nodes.shape
    two = 2 * stride
    n = 2 * y + 1 - stride
    cell = n // two
    part = n - cell * two
    i, below = max(cell, 0), min(cell + 1, rows - 1)
    for j in range(columns):
        row[j, 0] = nodes[i, j, 0] * (two - part) + nodes[below, j, 0] * part
        row[j, 1] = nodes[i, j, 1] * (two - part) + nodes[below, j, 1] * part
    # Beyond the last column the flow is constant.
    row[columns, 0] = row[columns - 1, 0]
    row[columns, 1] = row[columns - 1, 1]


@numba.njit(cache=True, nogil=True)
def _warp_labels(start, stop, labels, nodes, stride, shift, warped):
    height, width = labels.shape
    columns = nodes.shape[1]
    row = np.empty((columns + 1, 2), np.int64)
    half = 1 << (shift - 1)
    for y in range(start, stop):
        _row(nodes, stride, y, row)
        for j in range(-1, columns):
            first, last = max(j * stride + stride // 2, 0), min((j + 1) * stride + stride // 2, width)
            left = max(j, 0)
            part = 2 * first + 1 - stride - j * 2 * stride
            dx, dy = row[j + 1, 0] - row[left, 0], row[j + 1, 1] - row[left, 1]
            u = row[left, 0] * 2 * stride + dx * part + half
            v = row[left, 1] * 2 * stride + dy * part + half
            for x in range(first, last):
                p = ((x << _POSITION_BITS) + (u >> shift) + _HALF) >> _POSITION_BITS
                q = ((y << _POSITION_BITS) + (v >> shift) + _HALF) >> _POSITION_BITS
                warped[y, x] = labels[min(max(q, 0), height - 1), min(max(p, 0), width - 1)]
                u += 2 * dx
                v += 2 * dy


@numba.njit(cache=True, nogil=True)
def _warp_image(start, stop, image, nodes, stride, shift, frame, warped, store):
    height, width, _ = image.shape
    columns = nodes.shape[1]
    row = np.empty((columns + 1, 2), np.int64)
    half = 1 << (shift - 1)
    error = 0
    for y in range(start, stop):
        _row(nodes, stride, y, row)
        for j in range(-1, columns):
            first, last = max(j * stride + stride // 2, 0), min((j + 1) * stride + stride // 2, width)
            left = max(j, 0)
            part = 2 * first + 1 - stride - j * 2 * stride
            dx, dy = row[j + 1, 0] - row[left, 0], row[j + 1, 1] - row[left, 1]
            u = row[left, 0] * 2 * stride + dx * part + half
            v = row[left, 1] * 2 * stride + dy * part + half
            for x in range(first, last):
                p = min(max((x << _POSITION_BITS) + (u >> shift), 0), (width - 1) << _POSITION_BITS)
                q = min(max((y << _POSITION_BITS) + (v >> shift), 0), (height - 1) << _POSITION_BITS)
                px, py = p >> _POSITION_BITS, q >> _POSITION_BITS
                a, b = p & (_ONE - 1), q & (_ONE - 1)
                right, below = min(px + 1, width - 1), min(py + 1, height - 1)
                for c in range(3):
                    above = image[py, px, c] * (_ONE - a) + image[py, right, c] * a
                    under = image[below, px, c] * (_ONE - a) + image[below, right, c] * a
                    value = (above * (_ONE - b) + under * b + (1 << (_WEIGHT_BITS - 1))) >> _WEIGHT_BITS
                    if store:
                        warped[y, x, c] = value
                    else:
                        error += (value - frame[y, x, c]) ** 2
                u += 2 * dx
                v += 2 * dy
    return error


def _shift(stride: int) -> int:
    # From 1/64 pixel times (2 stride)^2 to 1/32 pixel.
    return _NODE_BITS - _POSITION_BITS + 2 * stride.bit_length()


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
        bool, one value a node of `flow`; invalid ones are filled first. Leave it out for a flow that is
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
    nodes = _nodes(flow, valid)
    in_bands(_warp_labels, flow.shape[0], threads, labels, nodes, flow.stride, _shift(flow.stride), warped)
    return warped


def warp_image(
    image: np.ndarray, flow: FlowField, valid: np.ndarray | None = None, *, threads: int | None = None
) -> np.ndarray:
    """A keyframe, moved to the current picture.

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
    nodes = _nodes(flow, valid)
    in_bands(
        _warp_image,
        flow.shape[0],
        threads,
        image,
        nodes,
        flow.stride,
        _shift(flow.stride),
        image,
        warped,
        True,
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
    nodes = _nodes(flow, valid)
    nothing = np.empty((0, 0, 3), np.uint8)
    errors = in_bands(
        _warp_image,
        flow.shape[0],
        threads,
        keyframe_image,
        nodes,
        flow.stride,
        _shift(flow.stride),
        frame_image,
        nothing,
        False,
    )
    return _decibels(sum(errors), frame_image.size)
