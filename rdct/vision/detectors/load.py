# SPDX-License-Identifier: Apache-2.0
"""`load(spec)`: from what a user types to a ready detector.

Model files decide results, so a spec comes from the command line or the caller only, never from a stream or a
message.
"""

from __future__ import annotations

from rdct.vision.detectors.fastestdet import FastestDet
from rdct.vision.detectors.protocol import Detector

__all__ = ["FORMS", "load"]

_KINDS = {"fastestdet": FastestDet}
#: What a spec may be, for messages.
FORMS = "fastestdet:FILE.onnx"


def load(spec: str, **options) -> Detector:
    """The detector that `spec` names.

    Parameters
    ----------
    spec : str
        ``fastestdet:FILE.onnx``.
    **options
        Of the detector; see `OnnxDetector`.

    Raises
    ------
    ValueError
        No detector of that name.
    OSError
        Its file is missing, or cannot be read.
    """
    kind, _, path = spec.partition(":")
    if kind not in _KINDS or not path:
        raise ValueError(f"{spec!r} names no detector; write {FORMS}")
    return _KINDS[kind](path, **options)
