"""The picture's path through the codec in floating point, its parts and their adjoints.

Every step from coefficients to RGB is linear up to the final clamp: inverse DCT, triangle
up-sampling of chroma, T.81's colour transform. The adjoint of a linear map carries gradients
backwards, so a gradient with respect to RGB becomes one with respect to coefficients without any
differentiable codec. All functions take torch tensors of any float dtype.

The codec does the same in integers (docs/bitstream.md section 9) and rounds once, at RGB.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from grace.geometry import geometry

__all__ = [
    "block_dct",
    "block_idct",
    "downsample",
    "picture_coefficients",
    "picture_from_coefficients",
    "rgb_to_ycc",
    "upsample",
    "upsample_adjoint",
    "ycc_adjoint",
    "ycc_to_rgb",
]

# T.81 (JFIF) with its coefficients not rounded to print.
_KR, _KG, _KB = 0.299, 0.587, 0.114
_RGB_OF_YCC = (
    (1.0, 0.0, 2 * (1 - _KR)),
    (1.0, -2 * (1 - _KB) * _KB / _KG, -2 * (1 - _KR) * _KR / _KG),
    (1.0, 2 * (1 - _KB), 0.0),
)
_YCC_OF_RGB = (
    (_KR, _KG, _KB),
    (-_KR / (2 * (1 - _KB)), -_KG / (2 * (1 - _KB)), 0.5),
    (0.5, -_KG / (2 * (1 - _KR)), -_KB / (2 * (1 - _KR))),
)


@lru_cache(maxsize=4)
def _basis(dtype: torch.dtype, device: torch.device) -> Tensor:
    n = torch.arange(8, dtype=torch.float64)
    basis = torch.cos((2 * n + 1) * n[:, None] * math.pi / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis.to(dtype).to(device)


def block_dct(plane: Tensor) -> Tensor:
    """Orthonormal 8x8 DCT of every block.

    Parameters
    ----------
    plane : torch.Tensor
        ``[..., H, W]`` with H, W multiples of 8.

    Returns
    -------
    torch.Tensor
        ``[..., H/8, W/8, 8, 8]``, indices vertical then horizontal frequency.
    """
    height, width = plane.shape[-2:]
    if height % 8 or width % 8:
        raise ValueError(f"block_dct takes sides that are multiples of 8, got {height}x{width}")
    basis = _basis(plane.dtype, plane.device)
    blocks = plane.unflatten(-1, (width // 8, 8)).unflatten(-3, (height // 8, 8))
    return basis @ blocks.transpose(-3, -2) @ basis.T


def block_idct(coefficients: Tensor) -> Tensor:
    """Inverse, and (being orthonormal) adjoint, of `block_dct`.

    Parameters
    ----------
    coefficients : torch.Tensor
        ``[..., by, bx, 8, 8]``.

    Returns
    -------
    torch.Tensor
        ``[..., 8 by, 8 bx]``.
    """
    if coefficients.ndim < 4 or coefficients.shape[-2:] != (8, 8):
        raise ValueError(f"block_idct takes [..., by, bx, 8, 8], got {list(coefficients.shape)}")
    basis = _basis(coefficients.dtype, coefficients.device)
    blocks = basis.T @ coefficients @ basis
    return blocks.transpose(-3, -2).flatten(-4, -3).flatten(-2, -1)


def _mix(planes: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("ij,...jhw->...ihw", matrix, planes)


def _matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype, device=like.device)


def rgb_to_ycc(rgb: Tensor) -> Tensor:
    """RGB ``[..., 3, H, W]`` in 0..255 to Y, Cb, Cr, all of them minus 128 (Cb, Cr around 0)."""
    ycc = _mix(rgb, _matrix(_YCC_OF_RGB, rgb))
    ycc[..., 0, :, :] -= 128
    return ycc


def ycc_to_rgb(ycc: Tensor) -> Tensor:
    """Inverse of `rgb_to_ycc`; no clamp to 0..255."""
    return _mix(ycc, _matrix(_RGB_OF_YCC, ycc)) + 128


def ycc_adjoint(gradient: Tensor) -> Tensor:
    """Gradient with respect to RGB ``[..., 3, H, W]`` -> with respect to Y, Cb, Cr."""
    return _mix(gradient, _matrix(_RGB_OF_YCC, gradient).T)


def downsample(plane: Tensor, across: int, down: int) -> Tensor:
    """Average `down` x `across` samples ``[..., H, W]``; an odd edge is replicated first."""
    height, width = plane.shape[-2:]
    if height % down:
        plane = torch.cat((plane, plane[..., -1:, :]), -2)
    if width % across:
        plane = torch.cat((plane, plane[..., -1:]), -1)
    if down == 2:
        plane = (plane[..., 0::2, :] + plane[..., 1::2, :]) / 2
    if across == 2:
        plane = (plane[..., 0::2] + plane[..., 1::2]) / 2
    return plane


def _stretch(plane: Tensor, dim: int) -> Tensor:
    # Outputs 2i and 2i+1 lie a quarter sample before and after input i.
    count = plane.shape[dim]
    first, last = plane.narrow(dim, 0, 1), plane.narrow(dim, count - 1, 1)
    before = torch.cat((first, plane.narrow(dim, 0, count - 1)), dim)
    after = torch.cat((plane.narrow(dim, 1, count - 1), last), dim)
    axis = dim % plane.ndim
    pairs = (0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after)
    return torch.stack(pairs, axis + 1).flatten(axis, axis + 1)


def upsample(plane: Tensor, across: int, down: int, height: int, width: int) -> Tensor:
    """libjpeg's triangle filter with replicated edges: chroma to the picture's size.

    Parameters
    ----------
    plane : torch.Tensor
        ``[..., ceil(height/down), ceil(width/across)]``, the true chroma size without padding.
    across, down : int
        1 or 2.
    height, width : int
        The picture's size.

    Returns
    -------
    torch.Tensor
        ``[..., height, width]``.
    """
    if down == 2:
        plane = _stretch(plane, -2)
    if across == 2:
        plane = _stretch(plane, -1)
    return plane[..., :height, :width]


def _gather(gradient: Tensor, dim: int) -> Tensor:
    """Transpose of `_stretch`, of any number of outputs: a missing last one counts as 0."""
    if gradient.shape[dim] % 2:
        zero = torch.zeros_like(gradient.narrow(dim, 0, 1))
        gradient = torch.cat((gradient, zero), dim)
    count = gradient.shape[dim] // 2
    pairs = gradient.unflatten(dim, (count, 2))
    # After unflatten the pair's axis stands right behind `dim`, counted from the front.
    axis = dim % gradient.ndim
    even, odd = pairs.select(axis + 1, 0), pairs.select(axis + 1, 1)
    result = 0.75 * (even + odd)
    # Even output i drew a quarter from input i-1, odd output i from input i+1; at the two ends from
    # the end sample itself.
    result.narrow(axis, 0, count - 1).add_(even.narrow(axis, 1, count - 1), alpha=0.25)
    result.narrow(axis, 1, count - 1).add_(odd.narrow(axis, 0, count - 1), alpha=0.25)
    result.narrow(axis, 0, 1).add_(even.narrow(axis, 0, 1), alpha=0.25)
    result.narrow(axis, count - 1, 1).add_(odd.narrow(axis, count - 1, 1), alpha=0.25)
    return result


def upsample_adjoint(gradient: Tensor, across: int, down: int) -> Tensor:
    """Transpose of `upsample`: ``[..., height, width]`` -> the true chroma size."""
    if across == 2:
        gradient = _gather(gradient, -1)
    if down == 2:
        gradient = _gather(gradient, -2)
    return gradient


def _padded(plane: Tensor, rows: int, columns: int) -> Tensor:
    below, right = 8 * rows - plane.shape[-2], 8 * columns - plane.shape[-1]
    return F.pad(plane[None], (0, right, 0, below), mode="replicate")[0]


def picture_coefficients(rgb: Tensor, subsampling: str = "444") -> tuple[Tensor, ...]:
    """The unquantised coefficients of a picture, as the codec would see them.

    Parameters
    ----------
    rgb : torch.Tensor
        ``[3, H, W]``, float, 0..255.
    subsampling : {"444", "422", "420", "grey"}

    Returns
    -------
    tuple of torch.Tensor
        Per component ``[by, bx, 8, 8]``.
    """
    shape = geometry(*rgb.shape[-2:], subsampling)
    ycc = rgb_to_ycc(rgb)
    planes = [ycc[:1]]
    if len(shape.sizes) == 3:
        planes += [downsample(ycc[c : c + 1], shape.across, shape.down) for c in (1, 2)]
    return tuple(
        block_dct(_padded(plane, *blocks))[0] for plane, blocks in zip(planes, shape.blocks, strict=True)
    )


def picture_from_coefficients(
    coefficients: tuple[Tensor, ...], height: int, width: int, subsampling: str = "444"
) -> Tensor:
    """The decoder in floating point: coefficients to RGB ``[3, H, W]``, neither rounded nor clamped.

    Linear in its first argument up to a constant, and differentiable by autograd: the reference that
    `grace.gradients` is tested against.
    """
    shape = geometry(height, width, subsampling)
    planes = [
        block_idct(part)[: size[0], : size[1]] for part, size in zip(coefficients, shape.sizes, strict=True)
    ]
    if len(planes) == 1:
        return (planes[0] + 128).expand(3, height, width)
    chroma = [upsample(plane, shape.across, shape.down, height, width) for plane in planes[1:]]
    return ycc_to_rgb(torch.stack((planes[0], *chroma)))
