"""How much a network's answer moves with each DCT coefficient, to second order.

The gradient of a loss against the network's own labels vanishes where the network is certain,
though a larger error may well change its mind there. The Fisher information of its softmax does not:
for an error e of the coefficients, the divergence of the answer p from the one without it is

    KL = 1/2 e^T J^T F J e + ...,    F = diag(p) - p p^T in each pixel,

J being the derivative of the logits. Only the diagonal of J^T F J is wanted, and random probes give it
(Hutchinson's estimate, as IDSE uses it, arXiv 2504.02216): with u of independent normal entries,
v = sqrt(p) u - p sum(sqrt(p) u) has the covariance F, so that the mean of (J^T v)^2 is the diagonal.
A probe costs what a gradient does: one forward and one backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from grace.gradients import backward, checked_image, refuse_training, tiles_of

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["FisherSensitivity", "fisher_sensitivity"]


@dataclass(frozen=True)
class FisherSensitivity:
    """Estimated curvature of the divergence in every coded coefficient of one picture.

    Attributes
    ----------
    planes : tuple of numpy.ndarray
        Per component float32 ``[by, bx, 8, 8]``, not negative: h, so that independent small errors e
        cost ``sum(h * e**2) / 2``, a mean over the pixels of the divergence in nats. Coefficients are
        those of an orthonormal DCT of samples in 0..255; padding holds 0. A single value is as
        noisy as one probe is: only sums over many mean anything.
    labels : numpy.ndarray
        uint8 ``[H, W]``: the network's labels.
    subsampling : str
        "444", "422", "420" or "grey".
    width, height : int
        The picture's size.
    probes : int
        What was averaged over.
    """

    planes: tuple[np.ndarray, ...]
    labels: np.ndarray
    subsampling: str
    width: int
    height: int
    probes: int

    def mean(self) -> np.ndarray:
        """Mean of h over each component's blocks: float64 ``[components, 8, 8]``."""
        return np.stack([plane.mean((0, 1), dtype=np.float64) for plane in self.planes])


def fisher_sensitivity(
    model: Model,
    image: np.ndarray,
    *,
    probes: int = 1,
    seed: int = 0,
    subsampling: str = "444",
    tile: int | tuple[int, int] | None = None,
    overlap: int = 128,
) -> FisherSensitivity:
    """Second-order sensitivity of a network's answer to the DCT coefficients of a picture.

    Parameters
    ----------
    model : Model
        As for `grace.coefficient_gradients`.
    image : numpy.ndarray
        RGB ``[H, W, 3]``, uint8 or float in 0..255, raw or decoded; grey ``[H, W]`` with
        ``subsampling="grey"``.
    probes : int
        At least 1. Sums over a region's 576 coefficients a component are steady enough with one.
    seed : int
        Of the probes; equal seeds give equal results.
    subsampling : {"444", "422", "420", "grey"}
        How the codec will sample chroma.
    tile, overlap
        As for `grace.coefficient_gradients`.

    Returns
    -------
    FisherSensitivity
    """
    if probes < 1:
        raise ValueError(f"probes must be at least 1, got {probes}")
    image = checked_image(image, subsampling)
    refuse_training(model)
    height, width = image.shape[:2]
    tiles = tiles_of(height, width, tile, overlap)
    # Drawn on the processor, so that the device the network runs on does not change the result.
    generator = torch.Generator().manual_seed(seed)

    def objective(logits: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        noise = torch.randn(logits.shape, generator=generator).to(logits)
        probability = logits.detach().softmax(1)
        drawn = probability.sqrt() * noise
        probe = drawn - probability * drawn.sum(1, keepdim=True)
        return (logits * probe).sum(), logits.argmax(1)

    total: list[np.ndarray] = []
    for _ in range(probes):
        planes, _, own = backward(model, image, None, subsampling, tiles, objective)
        squares = [np.square(plane, out=plane) for plane in planes]
        total = [a + b for a, b in zip(total, squares, strict=True)] if total else squares
    for plane in total:
        plane *= 1 / (probes * height * width)
    return FisherSensitivity(tuple(total), own, subsampling, width, height, probes)
