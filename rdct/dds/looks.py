# SPDX-License-Identifier: Apache-2.0
"""What a model makes of the two pictures of a frame: one that finds objects, and one that labels pixels."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from rdct.dds.feedback import (
    DetectionRules,
    SegmentationRules,
    detection_feedback,
    merge_rounds,
    settled_objects,
    uncertain_windows,
    uncertainty,
)
from rdct.dds.grid import inside
from rdct.offload.labels import decode_labels, encode_labels
from rdct.offload.messages import MAX_REGIONS
from rdct.vision.models.classes import default_palette
from rdct.vision.regions import Region, hulls

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.models import Model

__all__ = ["DetectionLook", "Look", "Seen", "SegmentationLook", "look_of"]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a look came to.

    Attributes
    ----------
    size : (int, int)
        H, W of the picture; what regions are measured in.
    wanted : tuple of Region
        To be seen better; none after the second look.
    found : tuple of Region
        Objects.
    labels : bytes or None
        Instead of objects the label of every pixel, coded: it waits long, and a map of small numbers codes
        to a hundredth of its size.
    """

    size: tuple[int, int]
    wanted: tuple[Region, ...] = ()
    found: tuple[Region, ...] = ()
    labels: bytes | None = None


class Look(Protocol):
    """A model and the rules of its two rounds."""

    class_names: tuple[str, ...]
    palette: np.ndarray

    def first(self, picture: np.ndarray) -> Seen:
        """What is seen in low quality, and what is wanted."""
        ...

    def second(self, before: Seen, picture: np.ndarray) -> Seen:
        """The last word: what the first look saw, and a picture that holds what it wanted."""
        ...


class DetectionLook:
    """Objects: `DetectionRules` say which are final, which are asked for, and how two rounds become one.

    Parameters
    ----------
    detector : Detector
    rules : DetectionRules, optional
    """

    def __init__(self, detector: Detector, rules: DetectionRules | None = None) -> None:
        self.class_names = tuple(detector.class_names)
        self.palette = default_palette(len(self.class_names))
        self._detector = detector
        self._rules = DetectionRules() if rules is None else rules

    def first(self, picture: np.ndarray) -> Seen:
        size = picture.shape[:2]
        says = detection_feedback(self._detector(picture), size, self._rules)
        found = hulls(says.final, max_iou=self._rules.merge_iou)
        return Seen(size, tuple(map(_as_sent, says.wanted[:MAX_REGIONS])), _within(found, size))

    def second(self, before: Seen, picture: np.ndarray) -> Seen:
        size = picture.shape[:2]
        first = [one.resized(before.size, size) for one in before.found]
        return Seen(size, found=_within(merge_rounds(first, self._detector(picture), self._rules), size))


class SegmentationLook:
    """Labels: the windows that the network is unsure of are asked for, and relabelled when they are there.

    Parameters
    ----------
    model : Model
        It answers with logits; see `rdct.vision.models`.
    rules : SegmentationRules, optional
    """

    def __init__(self, model: Model, rules: SegmentationRules | None = None) -> None:
        self.class_names = tuple(model.class_names)
        self.palette = np.asarray(model.palette)
        self._model = model
        self._rules = SegmentationRules() if rules is None else rules

    def first(self, picture: np.ndarray) -> Seen:
        from rdct.vision import models

        probabilities = _softmax(models.logits(self._model, picture))
        labels = probabilities.argmax(0).astype(np.uint8)
        if len(probabilities) < 2:  # one class leaves nothing to be unsure of
            return Seen(labels.shape, labels=encode_labels(labels))
        unsure = uncertainty(probabilities)
        settled = settled_objects(labels, self._rules, unsure)
        wanted = uncertain_windows(unsure, self._rules, settled)
        return Seen(labels.shape, wanted, labels=encode_labels(labels))

    def second(self, before: Seen, picture: np.ndarray) -> Seen:
        from rdct.vision import models

        size = height, width = picture.shape[:2]
        labels = models.labels(self._model, picture)
        if self._rules.keep_first:
            first = decode_labels(before.labels, before.size[0] * before.size[1])
            kept = cv2.resize(first, (width, height), interpolation=cv2.INTER_NEAREST)
            windows = [one.resized(before.size, size) for one in before.wanted]
            labels = np.where(inside(windows, size), labels, kept)
        return Seen(size, labels=encode_labels(labels))


def look_of(model: Any, rules: DetectionRules | SegmentationRules | None = None) -> Look:
    """The look that suits a model: what labels pixels says which label counts nowhere, a detector does not.

    Parameters
    ----------
    model : Detector or Model
    rules : DetectionRules or SegmentationRules, optional
        Of the model's own kind.

    Raises
    ------
    ValueError
        Rules of the other kind.
    """
    labels_pixels = hasattr(model, "ignore_label")
    kind = SegmentationRules if labels_pixels else DetectionRules
    if rules is not None and not isinstance(rules, kind):
        does = "labels pixels" if labels_pixels else "finds objects"
        raise ValueError(
            f"{getattr(model, 'name', 'the model')!r} {does}: its rules are {kind.__name__}, "
            f"got {type(rules).__name__}"
        )
    return SegmentationLook(model, rules) if labels_pixels else DetectionLook(model, rules)


def _softmax(logits: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    powers = np.exp(logits - logits.max(0))
    return powers / powers.sum(0)


def _within(found: Collection[Region], size: tuple[int, int]) -> tuple[Region, ...]:
    """As many as a message takes, inside the picture."""
    return tuple(one.clipped(size) for one in tuple(found)[:MAX_REGIONS])


def _as_sent(region: Region) -> Region:
    """In single precision: both ends have to find the same cells touched."""
    box = (float(np.float32(side)) for side in (region.x0, region.y0, region.x1, region.y1))
    return Region(*box, region.score, region.label)
