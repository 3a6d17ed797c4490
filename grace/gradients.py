"""How much a network's loss depends on each DCT coefficient of a picture.

`grace.passes` says how a backward pass gets from the loss to the coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from grace.classes import weight_tensor
from grace.passes import Look

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["CoefficientGradients", "coefficient_gradients", "gradients_of"]

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
    class_weights: np.ndarray | None = None,
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
    class_weights : numpy.ndarray, optional
        ``[K]``: factors on the loss of pixels of each class (`grace.balanced_weights`).

    Returns
    -------
    CoefficientGradients

    Notes
    -----
    The clamp to 0..255 is not differentiated through. Memory grows with the tile, plus about 16
    bytes a pixel of the whole picture.
    """
    look = Look(model, image, subsampling=subsampling, tile=tile, overlap=overlap)
    return gradients_of(look, labels=labels, ignore_label=ignore_label, class_weights=class_weights)


def gradients_of(
    look: Look,
    *,
    labels: np.ndarray | None = None,
    ignore_label: int | str | None = _MODEL,
    class_weights: np.ndarray | None = None,
) -> CoefficientGradients:
    """`coefficient_gradients` from a forward pass that is there already."""
    height, width = look.height, look.width
    if ignore_label == _MODEL:
        ignore_label = getattr(look.model, "ignore_label", None)
    counted = height * width
    if labels is not None:
        labels = _checked_labels(labels, (height, width))
        if ignore_label is not None:
            counted = int(np.count_nonzero(labels != ignore_label))
            if not counted:
                raise ValueError(
                    f"labels hold nothing but the ignored label {ignore_label}: no pixel has a loss"
                )

    def objective(logits: Tensor, given: Tensor | None) -> Tensor:
        if given is None:
            target = logits.argmax(1)
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
        weight = weight_tensor(class_weights, logits)
        return F.cross_entropy(logits, target, weight, reduction="sum", ignore_index=skip)

    planes, total, own = look.backward(objective, labels)
    for plane in planes:
        plane *= 1 / counted
    return CoefficientGradients(planes, total / counted, own, look.subsampling, width, height)


def _checked_labels(labels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got dtype {labels.dtype}")
    if labels.shape != size:
        raise ValueError(f"labels are {list(labels.shape)} but the image is {list(size)}")
    return labels
