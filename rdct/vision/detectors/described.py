# SPDX-License-Identifier: Apache-2.0
"""Any ONNX detector, by a description of what its outputs hold.

A description is a JSON file beside the network::

    {"file": "yolo.onnx", "input_size": [640, 640], "class_names": "coco", "channels": "RGB",
     "boxes": [0, 0, 4], "form": "centre", "unit": "input", "objectness": [0, 4, 5], "classes": [0, 5, 85]}

The fields from "boxes" on are those of `Layout`, the others those of `OnnxDetector`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rdct.vision.detectors.coco import COCO_CLASSES
from rdct.vision.detectors.onnx import OnnxDetector
from rdct.vision.detectors.protocol import Candidates

__all__ = ["Layout", "described"]


@dataclass(frozen=True)
class Layout:
    """Where a network's outputs hold what. Each row of an output is a candidate.

    Attributes
    ----------
    boxes, classes : (int, int, int)
        Number of the output, first column, column after the last. Boxes take four.
    objectness : (int, int, int), optional
        One column. None: the sum of the class scores, at most 1.
    input_size : (int, int)
        Height and width of the network's input.
    form : {"corners", "centre", "origin"}
        x0, y0, x1, y1; or centre x, y, width, height; or x0, y0, width, height.
    unit : {"input", "share"}
        Boxes are pixels of the input, or 0..1 of it.
    columns_first : bool
        Outputs are ``[1, columns, N]``, not ``[1, N, columns]``.
    activation : {"none", "sigmoid", "softmax"}
        What makes probabilities of class scores; sigmoid makes them of objectness, too. Softmax runs over all
        columns of classes, the background's too.
    background : int, optional
        Column among the classes that is no class; left out.
    product : bool
        A score is class times objectness. False: the class score alone, as it has that in it already.
    """

    boxes: tuple[int, int, int]
    classes: tuple[int, int, int]
    objectness: tuple[int, int, int] | None = None
    input_size: tuple[int, int] = (1, 1)
    form: Literal["corners", "centre", "origin"] = "corners"
    unit: Literal["input", "share"] = "share"
    columns_first: bool = False
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    background: int | None = None
    product: bool = True

    def __post_init__(self) -> None:
        for name, width in (("boxes", 4), ("classes", None), ("objectness", 1)):
            part = getattr(self, name)
            if part is None and name == "objectness":
                continue
            part = tuple(part)
            whole = len(part) == 3 and all(type(n) is int and n >= 0 for n in part)
            if not whole or part[2] - part[1] < 1 or (width and part[2] - part[1] != width):
                many = f"{width} column{'s' * (width > 1)}" if width else "columns"
                raise ValueError(f"{name} must be [output, first, end] with {many}, got {list(part)}")
            object.__setattr__(self, name, part)
        for name, allowed in (
            ("form", ("corners", "centre", "origin")),
            ("unit", ("input", "share")),
            ("activation", ("none", "sigmoid", "softmax")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        count = self.classes[2] - self.classes[1]
        if self.background is not None and not 0 <= self.background < count:
            raise ValueError(f"background must be one of {count} columns of classes, got {self.background}")

    @property
    def class_count(self) -> int:
        """Without the background."""
        return self.classes[2] - self.classes[1] - (self.background is not None)

    def __call__(self, outputs: Sequence[np.ndarray]) -> Candidates:
        """Candidates of one picture; boxes 0..1 of it, and perhaps beyond.

        Raises
        ------
        ValueError
            There is no such output or column, or scores are no probabilities.
        """
        boxes = self._part(outputs, self.boxes)
        scores = self._part(outputs, self.classes)
        if self.activation == "softmax":
            scores = np.exp(scores - scores.max(1, keepdims=True))
            scores /= scores.sum(1, keepdims=True)
        elif self.activation == "sigmoid":
            scores = 1 / (1 + np.exp(-scores))
        if self.background is not None:
            scores = np.delete(scores, self.background, axis=1)
        if self.objectness is None:
            objectness = np.minimum(scores.sum(1), 1)
        else:
            objectness = self._part(outputs, self.objectness)[:, 0]
            if self.activation == "sigmoid":
                objectness = 1 / (1 + np.exp(-objectness))
        best = scores.max(1)
        if self.objectness is not None and self.product:
            best = best * objectness
        return Candidates(self._corners(boxes), best, scores.argmax(1), objectness)

    def _part(self, outputs: Sequence[np.ndarray], part: tuple[int, int, int]) -> np.ndarray:
        number, first, end = part
        if number >= len(outputs):
            raise ValueError(f"the description speaks of output {number}, the network has {len(outputs)}")
        rows = np.asarray(outputs[number], np.float64)
        rows = rows[0] if rows.ndim == 3 and len(rows) == 1 else rows
        rows = rows.T if self.columns_first else rows
        if rows.ndim != 2 or rows.shape[1] < end:
            raise ValueError(
                f"output {number} must have rows of {end} columns or more, got {list(outputs[number].shape)}"
                + ("; are its columns first?" if not self.columns_first else "")
            )
        return rows[:, first:end]

    def _corners(self, boxes: np.ndarray) -> np.ndarray:
        low, other = boxes[:, :2], boxes[:, 2:]
        if self.form == "centre":
            low = low - other / 2
        high = other if self.form == "corners" else low + other
        corners = np.concatenate([low, high], axis=1)
        if self.unit == "input":
            height, width = self.input_size
            corners = corners / [width, height, width, height]
        # Networks do answer with corners swapped; such a box is empty.
        corners[:, 2:] = np.maximum(corners[:, 2:], corners[:, :2])
        return corners


#: What a description may say of the network itself.
_OF_NETWORK = ("name", "mean", "scale", "channels", "max_iou", "min_score", "backend")


def described(path: str | Path, **options: Any) -> OnnxDetector:
    """The detector of a description.

    Parameters
    ----------
    path : str or Path
        JSON; its "file" is relative to its own folder.
    **options
        Of `OnnxDetector`; they come before what the description says.

    Raises
    ------
    OSError
        A file is missing or cannot be read.
    ValueError
        The description breaks a rule of `Layout`, or names a field that there is not.
    """
    path = Path(path)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no description {str(path)!r}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise ValueError(f"{path} must hold one JSON object, got {type(said).__name__}")
    missing = [name for name in ("file", "input_size", "boxes", "classes", "class_names") if name not in said]
    if missing:
        raise ValueError(f"{path} lacks {', '.join(missing)}")
    of_layout = [one.name for one in fields(Layout)]
    unknown = [name for name in said if name not in (*of_layout, *_OF_NETWORK, "file", "class_names")]
    if unknown:
        raise ValueError(f"{path} speaks of {', '.join(unknown)}, which mean nothing here")
    size = said["input_size"]
    if not (isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
        raise ValueError(f"{path}: input_size must be [height, width], got {size}")
    try:
        layout = Layout(**{name: said[name] for name in of_layout if name in said})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    names = COCO_CLASSES if said["class_names"] == "coco" else tuple(said["class_names"])
    if len(names) != layout.class_count:
        raise ValueError(f"{path}: there are {layout.class_count} columns of classes and {len(names)} names")
    known = {name: said[name] for name in _OF_NETWORK if name in said}
    more = {"input_size": tuple(size), "class_names": names, **known, **options}
    return OnnxDetector(path.parent / said["file"], layout, **more)
