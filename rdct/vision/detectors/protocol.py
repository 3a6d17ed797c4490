# SPDX-License-Identifier: Apache-2.0
"""What the rest of the project may assume of a detector."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from rdct.vision.regions import Region

__all__ = ["Candidates", "Detector", "suppressed"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a detector takes to be objects, the sure and the doubtful alike.

    Attributes
    ----------
    boxes : numpy.ndarray
        float64 ``[N, 4]``: x0, y0, x1, y1 in pixels of the picture, half-open, inside it.
    scores : numpy.ndarray
        float64 ``[N]``, 0..1: that there is an object, and of this class.
    labels : numpy.ndarray
        int64 ``[N]``: the likeliest class.
    objectness : numpy.ndarray
        float64 ``[N]``, 0..1: that there is an object, of whatever class. A detector without such an output
        gives the sum of its class scores, background left out.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    objectness: np.ndarray

    def __post_init__(self) -> None:
        for name, dtype, shape in (
            ("boxes", np.float64, (-1, 4)),
            ("scores", np.float64, (-1,)),
            ("labels", np.int64, (-1,)),
            ("objectness", np.float64, (-1,)),
        ):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype).reshape(shape))
        lengths = {len(self.boxes), len(self.scores), len(self.labels), len(self.objectness)}
        if len(lengths) != 1:
            raise ValueError(f"boxes, scores, labels and objectness must be of one length, got {lengths}")
        for name in ("scores", "objectness"):
            values = getattr(self, name)
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"{name} must be probabilities 0..1; take the sigmoid of logits first")

    def __len__(self) -> int:
        return len(self.boxes)

    def regions(self, min_score: float = 0.5, labels: Collection[int] | None = None) -> tuple[Region, ...]:
        """Those of at least this score, of these classes only if any are named."""
        return tuple(
            self.region(n)
            for n in range(len(self))
            if self.scores[n] >= min_score and (labels is None or self.labels[n] in labels)
        )

    def region(self, n: int) -> Region:
        """Number `n` as a `Region`, with its score and label."""
        return Region(*self.boxes[n].tolist(), float(self.scores[n]), int(self.labels[n]))


@runtime_checkable
class Detector(Protocol):
    """A network that finds objects.

    Attributes
    ----------
    name : str
        What tables and records call it.
    class_names : tuple of str
        One per class.
    """

    name: str
    class_names: tuple[str, ...]

    def __call__(self, image: np.ndarray) -> Candidates:
        """Candidates in a picture, u8 RGB ``[H, W, 3]`` of any size; deterministic.

        Doubles are removed already; boxes of low score are not.
        """
        ...


def suppressed(candidates: Candidates, max_iou: float, min_score: float = 0.0) -> Candidates:
    """Non-maximum suppression by score within each class, through OpenCV.

    Parameters
    ----------
    candidates : Candidates
    max_iou : float
        Of two boxes of one class with more than this intersection over union, the one of lower score goes.
    min_score : float
        So do all below this.
    """
    if not len(candidates):
        return candidates
    boxes = candidates.boxes.copy()
    boxes[:, 2:] -= boxes[:, :2]  # OpenCV's are x, y, width, height
    kept = cv2.dnn.NMSBoxesBatched(
        boxes.tolist(), candidates.scores.tolist(), candidates.labels.tolist(), min_score, max_iou
    )
    # Sorted by score, for OpenCV's order is that of classes.
    n = np.asarray(kept, np.int64).reshape(-1)
    n = n[np.argsort(-candidates.scores[n], kind="stable")]
    return Candidates(
        candidates.boxes[n], candidates.scores[n], candidates.labels[n], candidates.objectness[n]
    )
