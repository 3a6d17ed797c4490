"""Segmentation networks behind one small protocol.

>>> from rdct.vision import models
>>> model = models.load(models.DEFAULT_MODEL)        # doctest: +SKIP
>>> models.labels(model, picture)                    # doctest: +SKIP

Importing this package does not import torch; `load` and what follows from it do.
"""

from __future__ import annotations

from rdct.vision.models.classes import (
    CAMVID_CLASSES,
    CAMVID_PALETTE,
    CAMVID_VOID,
    CITYSCAPES_CLASSES,
    CITYSCAPES_PALETTE,
    CITYSCAPES_VOID,
    cityscapes_to_camvid,
    cityscapes_train_ids,
)
from rdct.vision.models.load import BUILTIN, DEFAULT_MODEL, load
from rdct.vision.models.protocol import Model, labels, logits
from rdct.vision.models.published import PUBLISHED

__all__ = [
    "BUILTIN",
    "CAMVID_CLASSES",
    "CAMVID_PALETTE",
    "CAMVID_VOID",
    "CITYSCAPES_CLASSES",
    "CITYSCAPES_PALETTE",
    "CITYSCAPES_VOID",
    "DEFAULT_MODEL",
    "PUBLISHED",
    "Model",
    "cityscapes_to_camvid",
    "cityscapes_train_ids",
    "labels",
    "load",
    "logits",
]
