# SPDX-License-Identifier: Apache-2.0
"""Section 9 of docs/bitstream.md in float64: the transform, up-sampling and colour, without rounding."""

import numpy as np
from reference import SAMPLING, SKIP, block_levels, ceil_div

_K = np.arange(8)
#: Orthonormal DCT-II: coefficients = BASIS @ samples.
BASIS = (
    np.cos(np.pi * (2 * _K[None, :] + 1) * _K[:, None] / 16) * np.where(_K == 0, np.sqrt(1 / 8), 0.5)[:, None]
)
RGB_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]]
)


def blocks(plane):
    """[8 by, 8 bx] -> [by,bx,8,8]"""
    h, w = plane.shape
    return plane.reshape(h // 8, 8, w // 8, 8).swapaxes(1, 2)


def unblocks(array):
    by, bx = array.shape[:2]
    return array.swapaxes(1, 2).reshape(8 * by, 8 * bx)


def dct(plane):
    """Samples (value - 128) -> orthonormal coefficients in JPEG units, float64 [by,bx,8,8]."""
    return BASIS @ blocks(np.asarray(plane, np.float64)) @ BASIS.T


def idct(array):
    return unblocks(BASIS.T @ np.asarray(array, np.float64) @ BASIS)


def ycc_planes(image, subsampling):
    """uint8 picture -> float64 planes (value - 128) of whole MCUs, as section 9 says but without its
    rounding.
    """
    image = np.asarray(image, np.float64)
    hs, vs = {"444": (1, 1), "422": (2, 1), "420": (2, 2), "grey": (1, 1)}[subsampling]
    pad = [(0, -image.shape[0] % (8 * vs)), (0, -image.shape[1] % (8 * hs))] + [(0, 0)] * (image.ndim - 2)
    image = np.pad(image, pad, mode="edge")
    if image.ndim == 2:
        return [image - 128]
    ycc = image @ RGB_TO_YCC.T
    ycc[..., 0] -= 128
    h, w = image.shape[:2]
    return [ycc[..., 0]] + [ycc[..., c].reshape(h // vs, vs, w // hs, hs).mean(axis=(1, 3)) for c in (1, 2)]


def _upsample(plane, axis):
    """Triangle filter: each sample becomes two, at 3/4 near + 1/4 far; edges replicated."""
    plane = np.moveaxis(plane, axis, 0)
    before, after = np.concatenate([plane[:1], plane[:-1]]), np.concatenate([plane[1:], plane[-1:]])
    out = np.stack([0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after], axis=1)
    return np.moveaxis(out.reshape(-1, *plane.shape[1:]), 0, axis)


def pixels(planes, subsampling, width, height):
    """float64 planes (value - 128) of one slice -> float64 picture 0..255, not rounded; [H,W] or [H,W,3]."""
    y = planes[0][:height, :width]
    if len(planes) == 1:
        return np.clip(y + 128, 0, 255)
    hs, vs = {"444": (1, 1), "422": (2, 1), "420": (2, 2)}[subsampling]
    chroma = []
    for plane in planes[1:]:
        plane = plane[: ceil_div(height, vs), : ceil_div(width, hs)]
        if vs == 2:
            plane = _upsample(plane, 0)
        if hs == 2:
            plane = _upsample(plane, 1)
        chroma.append(plane[:height, :width])
    ycc = np.stack([y, *chroma], axis=-1)
    return np.clip(ycc @ np.linalg.inv(RGB_TO_YCC).T + 128, 0, 255)


def picture(s, planes):
    """Parsed stream and its quantised coefficients -> float64 picture 0..255, slice by slice, not rounded."""
    name = {0: "444", 1: "422", 2: "420", 3: "grey"}[s.subsampling]
    vs = SAMPLING[s.subsampling][1]
    samples = []
    for c, plane in enumerate(planes):
        levels = np.array(block_levels(s, c))
        steps = s.steps[np.where(levels == SKIP, 0, levels), c].reshape(*levels.shape, 8, 8)
        samples.append(idct(np.clip(plane.astype(np.int64) * steps, -2048, 2047)))
    rows, out = 8 * s.slice_rows * s.region_blocks, []
    for top in range(0, s.height, rows):
        cut = [
            one[top // (vs if c else 1) : (top + rows) // (vs if c else 1)] for c, one in enumerate(samples)
        ]
        out.append(pixels(cut, name, s.width, min(rows, s.height - top)))
    return np.concatenate(out)
