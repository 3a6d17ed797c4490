"""How much a network's loss depends on each DCT coefficient of a picture.

One backward pass down to the network's RGB input, then the exact linear map to coefficients: the
adjoint of T.81's colour transform, the adjoint of chroma up-sampling, and the orthonormal block
DCT, which is its own inverse's adjoint. No differentiable codec is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from grace.dct import block_dct, upsample_adjoint, ycc_adjoint
from grace.geometry import Geometry, geometry
from grace.tiles import ALIGN, Tile, cut

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["AUTO_TILE_PIXELS", "CoefficientGradients", "coefficient_gradients"]

#: Pictures of more pixels than this are tiled unless told otherwise.
AUTO_TILE_PIXELS = 1_200_000
_AUTO_TILE = (640, 896)
_MODEL = "the model's own"


@dataclass(frozen=True)
class CoefficientGradients:
    """Gradient of the loss with respect to every coded coefficient of one picture.

    Attributes
    ----------
    planes : tuple of numpy.ndarray
        Per component float32 ``[by, bx, 8, 8]``: loss per unit of coefficient (orthonormal DCT of
        samples in 0..255). Whole MCUs as the codec codes them; padding holds 0.
    loss : float
        Mean cross-entropy over the pixels that count.
    labels : numpy.ndarray
        uint8 ``[H, W]``: the network's own labels.
    subsampling : str
        "444", "422", "420" or "grey".
    width, height : int
        The picture's size.
    """

    planes: tuple[np.ndarray, ...]
    loss: float
    labels: np.ndarray
    subsampling: str
    width: int
    height: int

    @property
    def coefficients(self) -> int:
        """Number M of coded coefficients over all planes, padding blocks included."""
        return sum(plane.size for plane in self.planes)

    def mean_magnitude(self) -> np.ndarray:
        """Mean of \\|g\\| over each component's blocks: float64 ``[components, 8, 8]``."""
        return np.stack([np.abs(p).mean((0, 1), dtype=np.float64) for p in self.planes])


def coefficient_gradients(
    model: Model,
    image: np.ndarray,
    *,
    labels: np.ndarray | None = None,
    subsampling: str = "444",
    tile: int | tuple[int, int] | None = None,
    overlap: int = 128,
    ignore_label: int | str | None = _MODEL,
) -> CoefficientGradients:
    """Gradient of a network's loss with respect to the DCT coefficients of a picture.

    The loss is the mean cross-entropy per pixel, by default against the network's own labels (the
    "fake" gradient: no ground truth needed, and it vanishes only where the network is certain).

    Parameters
    ----------
    model : Model
        As `rdct.vision.models.load` gives it, or any callable from float ``[1, 3, H, W]`` in 0..255
        to logits ``[1, K, H, W]`` that autograd can follow, in evaluation mode.
    image : numpy.ndarray
        RGB ``[H, W, 3]``, uint8 or float in 0..255, raw or decoded; grey ``[H, W]`` (seen by the
        network as RGB) with ``subsampling="grey"``.
    labels : numpy.ndarray, optional
        Integer ``[H, W]`` to take the loss against. Pixels of `ignore_label` do not count.
    subsampling : {"444", "422", "420", "grey"}
        How the codec will sample chroma.
    tile : int or (int, int), optional
        Largest height and width of a tile's core; multiples of 32. By default pictures above 1.2
        megapixels are cut into cores of at most 640x896, smaller ones are not cut.
    overlap : int
        Context around a core, a multiple of 32. Gradients are exact for a network that looks no
        further; one that pools over the whole picture sees the tile as its picture.
    ignore_label : int or None
        Given label that counts nowhere; by default the model's.

    Returns
    -------
    CoefficientGradients

    Notes
    -----
    The clamp to 0..255 is not differentiated through. Memory grows with the tile, plus about 16
    bytes a pixel of the whole picture.
    """
    image = checked_image(image, subsampling)
    height, width = image.shape[:2]
    refuse_training(model)
    if ignore_label == _MODEL:
        ignore_label = getattr(model, "ignore_label", None)
    counted = height * width
    if labels is not None:
        labels = _checked_labels(labels, (height, width))
        if ignore_label is not None:
            counted = int(np.count_nonzero(labels != ignore_label))
            if not counted:
                raise ValueError(
                    f"labels hold nothing but the ignored label {ignore_label}: no pixel has a loss"
                )

    def objective(logits: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        own = logits.argmax(1)
        if given is None:
            target = own
        else:
            target = given
            classes = logits.shape[1]
            wrong = (target < 0) | (target >= classes)
            if ignore_label is not None:
                wrong &= target != ignore_label
            if wrong.any():
                raise ValueError(
                    f"labels hold {int(target[wrong][0])}, outside 0..{classes - 1} of this "
                    f"network and not the ignored label {ignore_label}"
                )
        skip = -100 if given is None or ignore_label is None else ignore_label
        # Summed, not averaged: per-pixel means of 1e-8 waste float32's range inside the network.
        return F.cross_entropy(logits, target, reduction="sum", ignore_index=skip), own

    cores = tiles_of(height, width, tile, overlap)
    planes, total, own = backward(model, image, labels, subsampling, cores, objective)
    for plane in planes:
        plane *= 1 / counted
    return CoefficientGradients(planes, total / counted, own, subsampling, width, height)


def refuse_training(model: object) -> None:
    """Raise ValueError for a network whose answers are not those it is used for."""
    if getattr(model, "training", False):
        raise ValueError(
            "model is in training mode, where batch norm and dropout would distort the gradient; "
            "call model.eval() first"
        )


def checked_image(image: np.ndarray, subsampling: str) -> np.ndarray:
    """The picture as the network sees it, RGB ``[H, W, 3]``."""
    image = np.asarray(image)
    if image.dtype != np.uint8 and image.dtype.kind != "f":
        raise TypeError(f"image must be uint8 or float in 0..255, got dtype {image.dtype}")
    if image.ndim == 2 and image.size:
        if subsampling != "grey":
            raise ValueError(f'a grey image [H, W] takes subsampling="grey", not {subsampling!r}')
        return np.broadcast_to(image[..., None], (*image.shape, 3))
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ValueError(f"image must be RGB [H, W, 3] or grey [H, W], got {list(image.shape)}")
    return image


def _checked_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}")
    if labels.shape != size:
        raise ValueError(f"labels are {list(labels.shape)} but the image is {list(size)}")
    return labels


def tiles_of(height: int, width: int, tile: int | tuple[int, int] | None, overlap: int) -> list[Tile]:
    """What a backward pass is cut into; see `coefficient_gradients`."""
    if tile is None:
        if height * width <= AUTO_TILE_PIXELS:
            tile = tuple(-(-side // ALIGN) * ALIGN for side in (height, width))
        else:
            tile = _AUTO_TILE
    elif isinstance(tile, int):
        tile = (tile, tile)
    return list(cut(height, width, tile, overlap))


def backward(
    model: Model,
    image: np.ndarray,
    labels: np.ndarray | None,
    subsampling: str,
    tiles: list[Tile],
    objective: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]],
) -> tuple[tuple[np.ndarray, ...], float, np.ndarray]:
    """Sum over tiles of the objective on their cores, and its gradient per coefficient."""
    height, width = image.shape[:2]
    shape = geometry(height, width, subsampling)
    rows, columns = (8 * side for side in shape.blocks[0])
    # Full-size Y, Cb, Cr gradients. Padding stays 0: no pixel depends on it.
    gradient = [np.zeros((rows, columns), np.float32) for _ in shape.sizes]
    own = np.empty((height, width), np.uint8)
    total = 0.0
    for tile in tiles:
        seen = tile.rows.slice, tile.columns.slice
        core = tile.core_rows.slice, tile.core_columns.slice
        inner = tile.core_rows.within(tile.rows), tile.core_columns.within(tile.columns)
        given = None if labels is None else labels[core]
        value, own[core], ycc = _tile_backward(model, image[seen], given, inner, objective)
        total += value
        for plane, share in zip(gradient, ycc, strict=False):
            plane[seen] += share
    planes = []
    while gradient:
        planes.append(_to_blocks(gradient.pop(0), shape, len(planes)))
    return tuple(planes), total, own


def _tile_backward(
    model: Model,
    image: np.ndarray,
    labels: np.ndarray | None,
    inner: tuple[slice, slice],
    objective: Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]],
) -> tuple[float, np.ndarray, np.ndarray]:
    """Objective on the inner part, labels there, and the gradient of Y, Cb, Cr ``[3, H, W]``."""
    device = getattr(model, "device", "cpu")
    part = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
    x = torch.from_numpy(part).to(device).requires_grad_(True)
    given = None
    if labels is not None:
        given = torch.from_numpy(labels.astype(np.int64)[None]).to(device)
    with torch.enable_grad():
        logits = _answer(model, x)
        value, best = objective(logits[(..., *inner)], given)
        # Not value.backward(): parameters of a network that is not frozen stay untouched.
        (rgb,) = torch.autograd.grad(value, x)
    labels = best[0].to(torch.uint8).cpu().numpy()
    return float(value.detach()), labels, ycc_adjoint(rgb[0]).cpu().numpy()


def _answer(model: Model, x: Tensor) -> Tensor:
    logits = model(x)
    if logits.ndim != 4 or logits.shape[0] != 1 or logits.shape[2:] != x.shape[2:]:
        raise ValueError(
            f"model answered {list(logits.shape)} to a {list(x.shape)} input; logits must be "
            "[1, K, H, W] at the input's size"
        )
    if not logits.requires_grad:
        raise ValueError(
            "the model's answer does not depend on its input in a way autograd can follow; "
            "a model under torch.no_grad, or one that rounds its input, has no gradient"
        )
    return logits


def _to_blocks(plane: np.ndarray, shape: Geometry, component: int) -> np.ndarray:
    """A full-size component's gradient -> ``[by, bx, 8, 8]``; may reuse the memory of `plane`."""
    rows, columns = shape.blocks[component]
    if component and (shape.across, shape.down) != (1, 1):
        height, width = shape.sizes[0]
        true = upsample_adjoint(torch.from_numpy(plane[:height, :width]), shape.across, shape.down).numpy()
        plane = np.zeros((8 * rows, 8 * columns), np.float32)
        plane[: true.shape[0], : true.shape[1]] = true
    # A row of blocks takes as much memory before the transform as after it.
    blocks = plane.reshape(rows, 8, 8 * columns)
    for row in blocks:
        row.reshape(columns, 8, 8)[:] = block_dct(torch.from_numpy(row))[0].numpy()
    return plane.reshape(rows, columns, 8, 8)
