"""How readily labels change with each DCT coefficient: sensitivity that counts flips.

Agreement counts labels, not divergence. With m >= 0 the margin of a pixel, its largest logit less the second,
an error e of the coefficients moves it by g^T e, g = J^T (1_a - 1_b) being the gradient of the largest (a)
less the second (b). The label changes where that takes the margin through 0, which only a margin near 0
can be taken through. How near is near? Margins are read off a picture that has errors already, so take them
as known up to a spread w: density f(m) = exp(-m^2 / 2 w^2) / (w sqrt(2 pi)) at 0. Then

    flips = sum over pixels of f(m) E|g^T e|,    E|g^T e| = s sqrt(2 / pi),
    s^2 = sum over i of g_i^2 q_i^2 / 12

for independent errors of steps q. Levels are chosen by sums over coefficients, so the root has to go: its
tangent at s = w, s <= (s^2 / w + w) / 2, touches where errors are as large as the doubt about margins. What
is left of it that depends on the steps is a quadratic form,

    flips <= 1/2 sum over i of h_i q_i^2 / 12 + const,    h_i = sum over pixels of k(m) g_i^2,
    k(m) = exp(-m^2 / 2 w^2) / (pi w^2)

whose diagonal h random probes give, as in `grace.fisher`: v = sqrt(k(m)) (1_a - 1_b) with a random sign for
each pixel has the covariance that is wanted, and the mean of (J^T v)^2 is h. Signs have less variance than
normal variables, and one a pixel less than one a class. The Fisher information of two classes alone is the
same form with k(m) = 1 / (4 cosh^2(m / 2)), whose tail lets pixels count whose label nothing will change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from grace.classes import weight_tensor
from grace.fisher import FisherSensitivity
from grace.passes import Look

if TYPE_CHECKING:
    import numpy as np

    from rdct.vision.models import Model

__all__ = ["SPREAD", "MarginSensitivity", "margin_of", "margin_sensitivity"]

#: w, in logits. docs/experiments/beyond.md says how it was found.
SPREAD = 1.0


@dataclass(frozen=True)
class MarginSensitivity(FisherSensitivity):
    """Estimated readiness of labels to change with every coded coefficient of one picture.

    Attributes
    ----------
    planes : tuple of numpy.ndarray
        As of `FisherSensitivity`, but ``sum(h * e**2) / 2`` is a share of labels that change, up to a
        constant.
    spread : float
        w, in logits.
    """

    spread: float = SPREAD


def margin_sensitivity(
    model: Model,
    image: np.ndarray,
    *,
    probes: int = 1,
    seed: int = 0,
    spread: float = SPREAD,
    subsampling: str = "444",
    tile: int | tuple[int, int] | None = None,
    overlap: int = 128,
    class_weights: np.ndarray | None = None,
) -> MarginSensitivity:
    """Second-order sensitivity of a network's labels to the DCT coefficients of a picture.

    Parameters
    ----------
    model, image, probes, seed, subsampling, tile, overlap
        As for `grace.fisher_sensitivity`.
    spread : float
        w, above 0: how far from 0 a margin may be and still count, in logits.
    class_weights : numpy.ndarray, optional
        ``[K]``: what a label of each class that changes counts; by the class it changes from.

    Returns
    -------
    MarginSensitivity
    """
    look = Look(model, image, subsampling=subsampling, tile=tile, overlap=overlap)
    return margin_of(look, probes=probes, seed=seed, spread=spread, class_weights=class_weights)


def margin_of(
    look: Look,
    *,
    probes: int = 1,
    seed: int = 0,
    spread: float = SPREAD,
    class_weights: np.ndarray | None = None,
) -> MarginSensitivity:
    """`margin_sensitivity` from a forward pass that is there already."""
    if not (math.isfinite(spread) and spread > 0):
        raise ValueError(f"spread must be a number of logits above 0, got {spread}")
    # Drawn on the processor, so that the device the network runs on does not change the result.
    generator = torch.Generator().manual_seed(seed)

    def probe(logits: Tensor) -> Tensor:
        if logits.shape[1] < 2:
            raise ValueError("a network of one class has no margins: its label never changes")
        (largest, second), classes = (one.unbind(1) for one in logits.topk(2, 1))
        kernel = torch.exp(-((largest - second) ** 2) / (2 * spread**2)) / (math.pi * spread**2)
        weight = weight_tensor(class_weights, logits)
        if weight is not None:
            kernel = kernel * weight[classes[0]]
        signs = torch.randint(2, kernel.shape, generator=generator).to(logits) * 2 - 1
        size = (signs * kernel.sqrt())[:, None]
        found = torch.zeros_like(logits)
        found.scatter_(1, classes[0][:, None], size)
        return found.scatter_(1, classes[1][:, None], -size)

    planes, labels = look.squares(probe, probes)
    size = look.width, look.height
    return MarginSensitivity(planes, labels, look.subsampling, *size, probes, spread)
