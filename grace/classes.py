"""Weights of classes, so that what is rare is not starved.

Losses and divergences are sums over pixels, and most pixels are road, sky and building: a pole that is lost
costs next to nothing. Weighting every pixel by the inverse of its class's share makes all classes count
alike, however few pixels they have. Shares are counted on the network's labels of the pictures that its
tables were made from, as no other labels are needed for anything else.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from rdct.vision.models import Model

__all__ = [
    "BALANCED",
    "LEAST_SHARE",
    "balanced_weights",
    "class_counts",
    "class_weights_of",
    "load_weights",
    "weight_tensor",
]

#: What a command line says instead of a file.
BALANCED = "balanced"
#: Classes of a smaller share are weighted as if they had this one: chance hits must not steer the codec.
LEAST_SHARE = 1e-3


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Pixels of each class, int64 ``[K]``; labels beyond the classes are left out."""
    return np.bincount(np.asarray(labels).ravel(), minlength=classes)[:classes]


def balanced_weights(shares: np.ndarray, power: float = 1.0) -> np.ndarray:
    """Weights that make classes count alike.

    Parameters
    ----------
    shares : numpy.ndarray
        ``[K]``: how many pixels, or which share of them, each class has.
    power : float
        0 (all pixels alike) .. 1 (all classes alike).

    Returns
    -------
    numpy.ndarray
        float64 ``[K]``: ``share ** -power`` to a scale at which the mean over the pixels is 1. Shares below
        0.1 %, those of absent classes among them, count as 0.1 %.
    """
    shares = np.asarray(shares, np.float64)
    if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError(f"shares must be numbers from 0, one for each class and not all 0, got {shares}")
    if not 0 <= power <= 1:
        raise ValueError(f"power is {power}, outside 0..1")
    shares = shares / shares.sum()
    weights = np.maximum(shares, LEAST_SHARE) ** -power
    return weights / (shares * weights).sum()


def load_weights(path: str | Path, class_names: tuple[str, ...]) -> np.ndarray:
    """Weights from a JSON file.

    Parameters
    ----------
    path : str or Path
        ``{"Pole": 4, "Sky": 0.5}``: classes that are not named have weight 1; or a list of K numbers.
    class_names : tuple of str
        The network's.

    Returns
    -------
    numpy.ndarray
        float64 ``[K]``.

    Raises
    ------
    ValueError
        The file is none of this; names the file and what is wrong.
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: no JSON ({error})") from None
    if isinstance(found, dict):
        if unknown := [name for name in found if name not in class_names]:
            raise ValueError(f"{path}: no class {unknown[0]!r}; the network has {', '.join(class_names)}")
        found = [found.get(name, 1.0) for name in class_names]
    if not isinstance(found, list) or not all(type(one) in (int, float) for one in found):
        raise ValueError(f"{path}: weights are a list of numbers or an object of them by class name")
    if len(found) != len(class_names):
        raise ValueError(f"{path}: {len(found)} weights for {len(class_names)} classes")
    if not all(math.isfinite(one) and one >= 0 for one in found) or not any(found):
        raise ValueError(f"{path}: weights must be 0 or more, finite, and not all 0")
    return np.array(found, np.float64)


def class_weights_of(what: str, model: Model, shares: np.ndarray | None) -> np.ndarray:
    """The weights that a command line asks for.

    Parameters
    ----------
    what : str
        "balanced", or a file for `load_weights`.
    model : Model
    shares : numpy.ndarray or None
        What "balanced" is made from: `NetworkTables.class_shares`.
    """
    if what != BALANCED:
        return load_weights(what, tuple(model.class_names))
    if shares is None:
        raise ValueError(
            "the table set says nothing of how often each class occurs; make it anew with stac-tables "
            "build, count with stac-tables classes, or give a JSON file of weights"
        )
    if len(shares) != len(model.class_names):
        raise ValueError(
            f"the table set counts {len(shares)} classes, the network has {len(model.class_names)}"
        )
    return balanced_weights(shares)


def weight_tensor(weights: np.ndarray | None, logits: Tensor) -> Tensor | None:
    """Weights where and as the logits ``[N, K, H, W]`` are, or None."""
    if weights is None:
        return None
    import torch

    weights = np.asarray(weights, np.float64)
    classes = logits.shape[1]
    if weights.shape != (classes,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"class_weights must be {classes} numbers from 0, one for each class, got {weights}")
    return torch.from_numpy(weights).to(logits)
