# SPDX-License-Identifier: Apache-2.0
"""FastestDet (github.com/dog-qiuqiu/FastestDet, BSD-3-Clause): a detector small enough for any machine.

Its weights do not come with this project. The network gives, for each cell of a grid: an object score; the
box's centre relative to the cell (through tanh) and its sides relative to the picture (through the logistic
function); and a score for each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rdct.vision.detectors.coco import COCO_CLASSES
from rdct.vision.detectors.onnx import Backend, OnnxDetector
from rdct.vision.detectors.protocol import Candidates

__all__ = ["FastestDet", "decode"]

#: The score is objectness to the one power times class score to the other, as in the published evaluation.
_POWERS = 0.6, 0.4


def decode(outputs: Sequence[np.ndarray]) -> Candidates:
    """Candidates of one picture, one a cell; boxes 0..1 of the picture and perhaps beyond it.

    Parameters
    ----------
    outputs : sequence of numpy.ndarray
        One of float32 ``[1, 5 + K, rows, columns]``.
    """
    (output,) = outputs
    if output.ndim != 4 or output.shape[0] != 1 or output.shape[1] < 6:
        raise ValueError(f"FastestDet gives [1, 5 + K, rows, columns], this network {list(output.shape)}")
    objectness, offsets, sides, classes = np.split(output[0].astype(np.float64), (1, 3, 5))
    rows, columns = objectness.shape[1:]
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)))
    centre = (cells + np.tanh(offsets)) / np.array([columns, rows])[:, None, None]
    half = 0.5 / (1 + np.exp(-sides))
    objectness = np.clip(objectness[0], 0, 1)
    scores = objectness ** _POWERS[0] * np.clip(classes.max(0), 0, 1) ** _POWERS[1]
    boxes = np.concatenate([centre - half, centre + half]).reshape(4, -1).T
    return Candidates(boxes, scores.ravel(), classes.argmax(0).ravel(), objectness.ravel())


def FastestDet(path: str | Path, *, backend: Backend = "opencv", **options) -> OnnxDetector:
    """The detector in `path`, trained on COCO for pictures of 352 x 352.

    Parameters
    ----------
    path : str or Path
        The published ``FastestDet.onnx``.
    backend : {"opencv", "onnxruntime"}
    **options
        Of `OnnxDetector`.
    """
    said = {"input_size": (352, 352), "class_names": COCO_CLASSES, "name": "fastestdet", "channels": "BGR"}
    return OnnxDetector(path, decode, backend=backend, **{**said, **options})
