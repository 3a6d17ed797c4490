# SPDX-License-Identifier: Apache-2.0
"""`load(spec)`: from what a user types to a ready detector.

Model files decide results, so a spec comes from the command line or the caller only, never from a stream or a
message.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from rdct.vision.detectors.described import described
from rdct.vision.detectors.faster_rcnn import FasterRcnn
from rdct.vision.detectors.fastestdet import FastestDet
from rdct.vision.detectors.protocol import Detector

__all__ = ["FORMS", "is_spec", "load"]

#: What a spec may be, for messages.
FORMS = "fastestdet:FILE.onnx, onnx:DESCRIPTION.json, faster-rcnn:WEIGHTS.pth, or detector:FILE.py:FACTORY"


def _from_python(spec: str, **options) -> Detector:
    file, _, factory = spec.rpartition(":")
    if not file.endswith(".py") or not factory:
        raise ValueError(f"{spec!r} names no Python file and callable in it; write detector:FILE.py:FACTORY")
    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {file!r}")
    module_spec = importlib.util.spec_from_file_location(f"rdct_detector_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(module_spec)
    # Registered, because dataclasses and torch look a class's module up by name.
    sys.modules[module_spec.name] = module
    module_spec.loader.exec_module(module)
    make = getattr(module, factory, None)
    if not callable(make):
        raise ValueError(f"{file} defines no callable {factory!r}; name one that returns the detector")
    detector = make(**options)
    if not isinstance(detector, Detector):
        raise ValueError(
            f"{factory} of {file} returned {type(detector).__name__}, which is no detector: it needs name, "
            "class_names and a call, as rdct.vision.detectors.Detector says"
        )
    return detector


_KINDS: dict[str, Callable[..., Detector]] = {
    "fastestdet": FastestDet,
    "onnx": described,
    "faster-rcnn": FasterRcnn,
    "detector": _from_python,
}


def is_spec(spec: str) -> bool:
    """Whether `load` is meant by `spec`, though its file may be missing."""
    return spec.partition(":")[0] in _KINDS


def load(spec: str, **options) -> Detector:
    """The detector that `spec` names.

    Parameters
    ----------
    spec : str
        ``fastestdet:FILE.onnx``; ``onnx:DESCRIPTION.json``, any other ONNX detector
        (`rdct.vision.detectors.described`); ``faster-rcnn:WEIGHTS.pth``, torchvision's; or
        ``detector:FILE.py:FACTORY``, a Python file, which runs with all your rights, and a callable in it
        that returns a `Detector`.
    **options
        Of the detector.

    Raises
    ------
    ValueError
        No detector of that name, or its description breaks a rule.
    OSError
        Its file is missing, or cannot be read.
    ImportError
        What it runs with is not installed.
    """
    kind, _, path = spec.partition(":")
    if kind not in _KINDS or not path:
        raise ValueError(f"{spec!r} names no detector; write {FORMS}")
    return _KINDS[kind](path, **options)
