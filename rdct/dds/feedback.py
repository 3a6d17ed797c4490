# SPDX-License-Identifier: Apache-2.0
"""Which regions of a picture a server wants to see better: DDS's feedback, for detection and segmentation.

Du et al., "Server-Driven Video Streaming for Deep Learning Inference", SIGCOMM 2020, section 3. Where the
paper and its public code differ, each rule here says which of the two it follows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from rdct.vision.detectors.protocol import Candidates
from rdct.vision.regions import Region, boxes_of, deduplicate, hulls, iou

__all__ = [
    "DetectionFeedback",
    "DetectionRules",
    "Dropped",
    "Reason",
    "SegmentationRules",
    "detection_feedback",
    "merge_rounds",
    "segmentation_feedback",
    "settled_objects",
    "uncertain_windows",
    "uncertainty",
]


def _share(name: str, value: float, high: float = 1.0) -> None:
    if not 0 <= value <= high:
        raise ValueError(f"{name} must be 0..{high:g}, got {value}")


# ------------------------------------------------------------------------------------------------ detection


@dataclass(frozen=True)
class DetectionRules:
    """How candidates of the first round are told apart, and how two rounds become one.

    Attributes
    ----------
    final_score : float
        A candidate of a score above this is an object, and final.
    labels : collection of int, optional
        The classes that are looked for; None for all. A sure candidate of another class is dropped.
    objectness : float
        Of the others, those above this are proposals: there is something, but what?
    max_area : float
        Proposals of more than this share of the picture are dropped. 0.04 is the paper's; its code has 0.01
        (0.0025 to 0.01) for vehicles seen from afar.
    overlap_iou : float
        So are those whose intersection over union with a final object is more than this.
    enlarge : float
        By how much of its sides a proposal grows on each side before it is asked for.
    duplicate_iou : float
        Regions that overlap by more than this say the same.
    merge_score, merge_iou : float
        When the rounds are merged, objects of at least this score that overlap by more than this and have one
        label become one, their hull.
    keep_first : bool
        What the first round was sure of stays, as the paper has it. False: the second round, which saw the
        whole picture too, takes its place; then what was seen wrongly in low quality can be taken back.
    """

    final_score: float = 0.5
    labels: Collection[int] | None = None
    objectness: float = 0.5
    max_area: float = 0.04
    overlap_iou: float = 0.3
    enlarge: float = 0.0
    duplicate_iou: float = 0.5
    merge_score: float = 0.3
    merge_iou: float = 0.3
    keep_first: bool = True

    def __post_init__(self) -> None:
        names = ("final_score", "objectness", "max_area", "overlap_iou", "duplicate_iou")
        for name in (*names, "merge_score", "merge_iou"):
            _share(f"rules.{name}", getattr(self, name))
        _share("rules.enlarge", self.enlarge, 10.0)


Reason: TypeAlias = Literal["class", "objectness", "area", "overlap"]


@dataclass(frozen=True)
class Dropped:
    """A candidate of the first round that is neither final nor asked for, and why."""

    region: Region
    reason: Reason


@dataclass(frozen=True)
class DetectionFeedback:
    """What the first round comes to.

    Attributes
    ----------
    final : tuple of Region
        Objects, doubles removed.
    wanted : tuple of Region
        What to send in high quality: inside the picture, without label, objectness for score.
    dropped : tuple of Dropped
    """

    final: tuple[Region, ...]
    wanted: tuple[Region, ...]
    dropped: tuple[Dropped, ...]


def detection_feedback(
    candidates: Candidates, size: tuple[int, int], rules: DetectionRules | None = None
) -> DetectionFeedback:
    """Tell final objects from regions to be seen better, and from what is neither.

    Parameters
    ----------
    candidates : Candidates
        Of the detector on the picture in low quality.
    size : (int, int)
        H, W of that picture.
    rules : DetectionRules, optional
    """
    rules = DetectionRules() if rules is None else rules
    final, proposals, dropped = [], [], []
    for n in range(len(candidates)):
        one = candidates.region(n)
        if one.score > rules.final_score:
            if rules.labels is None or one.label in rules.labels:
                final.append(one)
            else:
                dropped.append(Dropped(one, "class"))
        elif candidates.objectness[n] > rules.objectness:
            proposals.append((one, float(candidates.objectness[n])))
        else:
            dropped.append(Dropped(one, "objectness"))
    final = deduplicate(final, max_iou=rules.duplicate_iou)

    wanted = []
    for one, objectness in proposals:
        if one.area > rules.max_area * size[0] * size[1]:
            dropped.append(Dropped(one, "area"))
        elif (iou(boxes_of([one]), boxes_of(final)) > rules.overlap_iou).any():
            dropped.append(Dropped(one, "overlap"))
        else:
            grown = one.enlarged(rules.enlarge).clipped(size)
            wanted.append(Region(grown.x0, grown.y0, grown.x1, grown.y1, objectness))
    return DetectionFeedback(final, deduplicate(wanted, max_iou=rules.duplicate_iou), tuple(dropped))


def merge_rounds(
    first: Sequence[Region], second: Candidates, rules: DetectionRules | None = None
) -> tuple[Region, ...]:
    """The objects of both rounds: what the second found goes before the first, whatever the scores.

    Parameters
    ----------
    first : sequence of Region
        `DetectionFeedback.final`.
    second : Candidates
        Of the detector on the picture with the wanted regions in high quality.
    rules : DetectionRules, optional

    Returns
    -------
    tuple of Region
        Scores from ``rules.merge_score`` up.
    """
    rules = DetectionRules() if rules is None else rules
    fresh = second.regions(rules.merge_score, rules.labels)
    old = [one for one in first if rules.keep_first and one.score >= rules.merge_score]
    return hulls(deduplicate(fresh, old, max_iou=rules.duplicate_iou), max_iou=rules.merge_iou)


# --------------------------------------------------------------------------------------------- segmentation


@dataclass(frozen=True)
class SegmentationRules:
    """Which windows of a picture are asked for.

    Attributes
    ----------
    window : int
        Their side k, pixels.
    windows : int
        How many are searched for, n; fewer come out where one touches a settled object.
    max_object : float
        A connected piece of one class of more than this share of the picture is settled.
    max_unsure : float
        But only if its mean uncertainty is at most this. 1, as in the paper: whatever it is.
    background : collection of int
        Classes that are no objects, and never settled. The paper knows one class and a background; where
        every pixel has a class, name those that fill the picture here, or settle nothing (`max_object` 1).
    keep_first : bool
        Outside the windows the labels stay those of the first round. False: the second round, which saw
        the whole picture too, replaces them all.
    """

    window: int = 80
    windows: int = 4
    max_object: float = 0.004
    max_unsure: float = 1.0
    background: Collection[int] = (0,)
    keep_first: bool = True

    def __post_init__(self) -> None:
        if self.window < 1 or self.windows < 0:
            raise ValueError(
                f"rules.window must be 1 or more and rules.windows 0 or more, "
                f"got {self.window} and {self.windows}"
            )
        _share("rules.max_object", self.max_object)
        _share("rules.max_unsure", self.max_unsure)


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """How unsure a network is of each pixel: ``u = 1 - (p1 - p2)`` of the two likeliest classes.

    The paper's reading notes print a plus; its code, and sense, say minus.

    Parameters
    ----------
    probabilities : numpy.ndarray
        ``[K, H, W]``, K >= 2, 0..1; of logits take the softmax over K first.

    Returns
    -------
    numpy.ndarray
        float64 ``[H, W]``, 0..1.
    """
    probabilities = np.asarray(probabilities, np.float64)
    if probabilities.ndim != 3 or len(probabilities) < 2:
        raise ValueError(
            f"probabilities must be [K, H, W] of 2 classes or more, got {list(probabilities.shape)}"
        )
    if probabilities.size and not (probabilities.min() >= 0 and probabilities.max() <= 1):
        raise ValueError("probabilities must be 0..1; of logits take the softmax over the classes first")
    second, first = np.partition(probabilities, len(probabilities) - 2, axis=0)[-2:]
    return 1 - (first - second)


def uncertain_windows(
    unsure: np.ndarray, rules: SegmentationRules | None = None, settled: np.ndarray | None = None
) -> tuple[Region, ...]:
    """One after the other, the windows with the largest sums of `unsure`.

    What a window covers counts as seen for those after it. Sums come from a table of prefix sums, so the
    search takes four look-ups a position whatever the window's size. Between equal windows the topmost
    wins, then the leftmost.

    Parameters
    ----------
    unsure : numpy.ndarray
        ``[H, W]``, 0 or more.
    rules : SegmentationRules, optional
        A window larger than the picture is cut to it.
    settled : numpy.ndarray, optional
        bool ``[H, W]``. Counts 0, and a window that touches it is not asked for, though it has been searched.

    Returns
    -------
    tuple of Region
        Their score is the mean of `unsure` in them.
    """
    rules = SegmentationRules() if rules is None else rules
    left = np.array(unsure, np.float64)
    if settled is None:
        settled = np.zeros(left.shape, bool)
    left[settled] = 0
    height, width = (min(rules.window, side) for side in left.shape)
    found = []
    for _ in range(rules.windows):
        sums = np.pad(left.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        sums = (
            sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
        )
        y, x = map(int, np.unravel_index(sums.argmax(), sums.shape))
        if sums[y, x] <= 1e-9 * height * width:  # what is left are rounding errors
            break
        window = slice(y, y + height), slice(x, x + width)
        if not settled[window].any():
            score = min(float(left[window].mean()), 1.0)
            found.append(Region(x, y, x + width, y + height, score))
        left[window] = 0
    return tuple(found)


def settled_objects(
    labels: np.ndarray, rules: SegmentationRules | None = None, unsure: np.ndarray | None = None
) -> np.ndarray:
    """Pixels of large connected pieces of one class that the network is sure of, the background left out.

    Parameters
    ----------
    labels : numpy.ndarray
        u8 ``[H, W]``.
    rules : SegmentationRules, optional
    unsure : numpy.ndarray, optional
        ``[H, W]``, from `uncertainty`; without it every large piece counts as sure.

    Returns
    -------
    numpy.ndarray
        bool ``[H, W]``.
    """
    rules = SegmentationRules() if rules is None else rules
    settled = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        if label in rules.background:
            continue
        _, pieces, stats, _ = cv2.connectedComponentsWithStats((labels == label).astype(np.uint8))
        large = stats[:, cv2.CC_STAT_AREA] > rules.max_object * labels.size
        large[0] = False  # everything else
        if unsure is not None and rules.max_unsure < 1:
            sums = np.bincount(pieces.ravel(), unsure.ravel(), len(stats))
            large &= sums <= rules.max_unsure * stats[:, cv2.CC_STAT_AREA]
        settled |= large[pieces]
    return settled


def segmentation_feedback(
    probabilities: np.ndarray, rules: SegmentationRules | None = None
) -> tuple[Region, ...]:
    """The windows to be seen better, from class probabilities ``[K, H, W]`` of the picture in low quality."""
    unsure = uncertainty(probabilities)
    labels = np.asarray(probabilities).argmax(0).astype(np.uint8)
    return uncertain_windows(unsure, rules, settled_objects(labels, rules, unsure))
