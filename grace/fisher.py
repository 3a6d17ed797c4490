"""How much a network's answer moves with each DCT coefficient, to second order.

The gradient of a loss against the network's own labels vanishes where the network is certain,
though a larger error may well change its mind there. The Fisher information of its softmax does not:
for an error e of the coefficients, the divergence of the answer p from the one without it is

    KL = 1/2 e^T J^T F J e + ...,    F = diag(p) - p p^T in each pixel,

J being the derivative of the logits. Only the diagonal of J^T F J is wanted, and random probes give it
(Hutchinson's estimate, as IDSE uses it, arXiv 2504.02216): with u of independent normal entries,
v = sqrt(p) u - p sum(sqrt(p) u) has the covariance F, so that the mean of (J^T v)^2 is the diagonal.
A probe costs what a gradient does: one forward and one backward pass; each probe more, a backward pass.

Where some classes count more than others, the divergence of a pixel is weighted by the class that the
network sees there, and F with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from grace.classes import weight_tensor
from grace.passes import Look

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["FisherSensitivity", "fisher_of", "fisher_sensitivity"]


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
    class_weights: np.ndarray | None = None,
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
        At least 1. A region sums 576 coefficients a component, but they move together: with one probe its sum
        is off by a factor of exp(0.4) to exp(0.6) (docs/experiments/beyond.md), and halving that takes four.
    seed : int
        Of the probes; equal seeds give equal results.
    subsampling : {"444", "422", "420", "grey"}
        How the codec will sample chroma.
    tile, overlap, class_weights
        As for `grace.coefficient_gradients`.

    Returns
    -------
    FisherSensitivity
    """
    look = Look(model, image, subsampling=subsampling, tile=tile, overlap=overlap)
    return fisher_of(look, probes=probes, seed=seed, class_weights=class_weights)


def fisher_of(
    look: Look, *, probes: int = 1, seed: int = 0, class_weights: np.ndarray | None = None
) -> FisherSensitivity:
    """`fisher_sensitivity` from a forward pass that is there already."""
    # Drawn on the processor, so that the device the network runs on does not change the result.
    generator = torch.Generator().manual_seed(seed)

    def probe(logits: Tensor) -> Tensor:
        noise = torch.randn(logits.shape, generator=generator).to(logits)
        probability = logits.softmax(1)
        drawn = probability.sqrt() * noise
        found = drawn - probability * drawn.sum(1, keepdim=True)
        weight = weight_tensor(class_weights, logits)
        return found if weight is None else found * weight[logits.argmax(1)].sqrt()[:, None]

    planes, labels = look.squares(probe, probes)
    return FisherSensitivity(planes, labels, look.subsampling, look.width, look.height, probes)
