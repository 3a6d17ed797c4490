"""A clip in memory: frames at the size every codec gets, their true labels, and what identifies them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rdct.vision.frames import DEFAULT_FPS, PICTURES, Frame, open_source
from rdct.vision.frames_folder import natural_order

if TYPE_CHECKING:
    from rdct.evaluation.video.scenario import VideoScenario

__all__ = ["Clip", "load"]


@dataclass(frozen=True, eq=False)
class Clip:
    """Consecutive frames.

    Attributes
    ----------
    frames : list of Frame
        At ``index / fps``.
    fps : float
    truth : list of numpy.ndarray or None
        u8 ``[H, W]`` for every frame.
    sha256, truth_sha256 : str or None
        Of the samples.
    original : (int, int)
        Width and height of the source.
    """

    frames: list[Frame] = field(repr=False)
    fps: float
    truth: list[np.ndarray] | None = field(repr=False)
    sha256: str
    truth_sha256: str | None
    original: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """H, W."""
        return self.frames[0].size

    @property
    def duration_s(self) -> float:
        """The last frame lasts as long as the others."""
        return len(self.frames) / self.fps


def load(scenario: VideoScenario) -> Clip:
    """Read, resize and hash.

    Raises
    ------
    FileNotFoundError, ValueError
        No frames, frames of different sizes, labels missing or of another size.
    """
    fps, images = _frames(scenario)
    if not images:
        raise ValueError(f"{scenario.source} has no frames")
    if len({image.shape for image in images}) > 1:
        raise ValueError(f"{scenario.source}: frames are of different sizes; give one size for all")
    height, width = images[0].shape[:2]
    truth = _truth(scenario, len(images), (height, width)) if scenario.labels else None
    if scenario.size is not None and scenario.size != (width, height):
        import cv2

        images = [cv2.resize(image, scenario.size, interpolation=cv2.INTER_AREA) for image in images]
        if truth is not None:
            truth = [cv2.resize(one, scenario.size, interpolation=cv2.INTER_NEAREST) for one in truth]
    frames = [Frame(index, index / fps, image) for index, image in enumerate(images)]
    return Clip(
        frames, fps, truth, _sha256(images), None if truth is None else _sha256(truth), (width, height)
    )


def _sha256(arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256(repr((len(arrays), arrays[0].shape)).encode())
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def _paths(source: str) -> list[Path] | None:
    """The files of a folder or of a pattern, in the order of the frames; None of anything else."""
    path = Path(source)
    if path.is_dir():
        found = (p for p in path.iterdir() if p.suffix.lower() in PICTURES)
    elif "*" in path.name:
        found = path.parent.glob(path.name)
    else:
        return None
    return sorted(found, key=natural_order)


def _frames(scenario: VideoScenario) -> tuple[float, list[np.ndarray]]:
    from rdct.evaluation.pictures import read_picture

    paths = _paths(scenario.source)
    if paths is not None:
        return scenario.fps or DEFAULT_FPS, [read_picture(path) for path in paths[: scenario.limit]]
    with open_source(scenario.source, fps=scenario.fps) as source:
        return source.fps, [frame.image for frame in islice(source, scenario.limit)]


def _truth(scenario: VideoScenario, count: int, shape: tuple[int, int]) -> list[np.ndarray]:
    from rdct.evaluation.pictures import listed, read_labels

    paths = _paths(scenario.source)
    if paths is None:
        raise ValueError(f"labels go with a folder of pictures; {scenario.source} is none")
    return [read_labels(one.labels, shape) for one in listed(paths[:count], scenario.labels)]
