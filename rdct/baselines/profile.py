# SPDX-License-Identifier: Apache-2.0
"""What a setting costs and what it is worth: AWStream's offline profile, and its Pareto set.

Zhang et al., "AWStream: Adaptive Wide-Area Streaming Analytics", SIGCOMM 2018, section 4.2. Every combination
of quality, scale and frame rate is run on training frames; accuracy is measured against the same model on
the raw frames.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from rdct.baselines.answering import Looking, labels_pixels
from rdct.baselines.stills import Still, decode
from rdct.offload import wire
from rdct.offload.messages import Packet
from rdct.vision.regions import Matches, Region, match

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["Point", "Profile", "Setting", "grid", "measure", "pareto"]


@dataclass(frozen=True)
class Setting:
    """One value for each knob.

    Attributes
    ----------
    quality : int
        1..100.
    scale : float
        More than 0, at most 1.
    every : int
        One of so many frames is sent.
    coding : {"jpeg", "rdct"}
    """

    quality: int = 75
    scale: float = 1.0
    every: int = 1
    coding: str = "jpeg"

    def __post_init__(self) -> None:
        self.still  # noqa: B018  (it checks)
        if self.every < 1:
            raise ValueError(f"every must be 1 frame or more, got {self.every}")

    @property
    def still(self) -> Still:
        """How its frames are coded."""
        return Still(self.quality, self.scale, self.coding)


@dataclass(frozen=True)
class Point:
    """A setting, and what it came to on the training frames.

    Attributes
    ----------
    setting : Setting
    bps : float
        Bits a second, whole messages.
    accuracy : float
        0..1: F1 of boxes at an IoU of 0.5, matched one to one over all frames; or the share of pixels whose
        label is the reference's.
    """

    setting: Setting
    bps: float
    accuracy: float


def pareto(points: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no other beats: none has at most their bits and at least their accuracy.

    Of points equal in both the first stays.

    Returns
    -------
    tuple of Point
        Bits and accuracy ascending: the levels.
    """
    kept: list[Point] = []
    for one in sorted(points, key=lambda one: (one.bps, -one.accuracy)):
        if not kept or one.accuracy > kept[-1].accuracy:
            kept.append(one)
    return tuple(kept)


@dataclass(frozen=True)
class Profile:
    """The settings worth having.

    Attributes
    ----------
    points : tuple of Point
        A Pareto set, bits ascending; at least one.
    """

    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        if not self.points:
            raise ValueError("a profile needs at least one point")
        if pareto(self.points) != tuple(self.points):
            raise ValueError(
                "the points of a profile must be a Pareto set, bits ascending; use pareto(points)"
            )

    @classmethod
    def of(cls, points: Iterable[Point]) -> Profile:
        """From all points that were measured."""
        return cls(pareto(points))

    @property
    def rates(self) -> tuple[float, ...]:
        """Bits a second of each level."""
        return tuple(one.bps for one in self.points)

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps({"points": [asdict(one) for one in self.points]}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            It is no such text.
        """
        try:
            rows = json.loads(text)["points"]
            points = [
                Point(Setting(**row["setting"]), float(row["bps"]), float(row["accuracy"])) for row in rows
            ]
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no profile: {type(error).__name__} {error}") from None
        return cls(tuple(points))


def grid(
    qualities: Sequence[int] = (20, 35, 55, 75, 90),
    scales: Sequence[float] = (0.35, 0.5, 0.75, 1.0),
    every: Sequence[int] = (1, 2, 4),
    coding: str = "jpeg",
) -> list[Setting]:
    """Every combination."""
    return [Setting(q, s, n, coding) for q, s, n in product(qualities, scales, every)]


def measure(
    frames: Sequence[Frame],
    model: Any,
    settings: Iterable[Setting],
    *,
    fps: float,
    looking: Looking | None = None,
) -> list[Point]:
    """Run settings on training frames.

    Frames that a setting leaves out have the last answer before them. Labels of reduced pictures are those of
    the picture enlarged again, as `AnsweringServer` does it.

    Parameters
    ----------
    frames : sequence of Frame
        In order, all of one size.
    model : Detector or Model
        The server's.
    settings : iterable of Setting
    fps : float
        Of the frames.
    looking : Looking, optional
        For detectors.

    Returns
    -------
    list of Point
        One a setting, in their order.
    """
    if not frames or len({one.size for one in frames}) != 1:
        raise ValueError("a profile needs frames of one size, at least one")
    if not fps > 0:
        raise ValueError(f"fps must be more than 0, got {fps}")
    looking = Looking() if looking is None else looking
    reference = [_answer(model, looking, one.image, one.size) for one in frames]
    seen: dict[tuple[Still, int], tuple[int, Any]] = {}  # many settings send the same pictures

    def sent(still: Still, n: int) -> tuple[int, Any]:
        if (still, n) not in seen:
            frame = frames[n]
            data = still.encode(frame.image)
            size = len(wire.encode(Packet(frame.index, frame.time_s, n + 1, data)))
            image = decode(data, frame.size[0] * frame.size[1])
            seen[still, n] = size, _answer(model, looking, image, frame.size)
        return seen[still, n]

    points = []
    for setting in settings:
        answers = [sent(setting.still, n - n % setting.every) for n in range(len(frames))]
        total = sum(size for size, _ in answers[:: setting.every])
        accuracy = _accuracy([found for _, found in answers], reference)
        points.append(Point(setting, 8 * total * fps / len(frames), accuracy))
    return points


def _answer(model: Any, looking: Looking, image: np.ndarray, size: tuple[int, int]) -> Any:
    if labels_pixels(model):
        from rdct.vision import models

        if image.shape[:2] != size:
            image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
        return models.labels(model, image)
    return tuple(one.resized(image.shape[:2], size) for one in looking.objects(model, image))


def _accuracy(found: Sequence[Any], reference: Sequence[Any]) -> float:
    if isinstance(reference[0], np.ndarray):
        return float(np.mean([(a == b).mean() for a, b in zip(found, reference, strict=True)]))
    boxes: Sequence[tuple[Region, ...]] = found
    return sum((match(a, b) for a, b in zip(boxes, reference, strict=True)), Matches()).f1
