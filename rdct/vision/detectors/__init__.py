# SPDX-License-Identifier: Apache-2.0
"""Object detectors behind one small protocol.

>>> from rdct.vision import detectors
>>> detector = detectors.load("fastestdet:FastestDet.onnx")       # doctest: +SKIP
>>> detector(picture).regions(min_score=0.5)                      # doctest: +SKIP

They run through OpenCV, or through onnxruntime where that is installed and asked for; neither needs torch.
`FasterRcnn` runs through torchvision, which is an extra of its own.
"""

from __future__ import annotations

from rdct.vision.detectors.coco import COCO_CLASSES, VEHICLES
from rdct.vision.detectors.described import Layout, described
from rdct.vision.detectors.faster_rcnn import FasterRcnn
from rdct.vision.detectors.fastestdet import FastestDet
from rdct.vision.detectors.load import FORMS, is_spec, load
from rdct.vision.detectors.onnx import OnnxDetector
from rdct.vision.detectors.protocol import Candidates, Detector, suppressed

__all__ = [
    "COCO_CLASSES",
    "FORMS",
    "VEHICLES",
    "Candidates",
    "Detector",
    "FasterRcnn",
    "FastestDet",
    "Layout",
    "OnnxDetector",
    "described",
    "is_spec",
    "load",
    "suppressed",
]
