# SPDX-License-Identifier: Apache-2.0
"""CloudSeg: reduced frames, which the server enlarges by super-resolution before its model sees them.

Wang et al., "Bridging the Edge-Cloud Barrier for Real-time Advanced Vision Analytics", HotCloud 2019. Its
device is `rdct.baselines.uniform.UniformEdge` at a scale of 0.5. The network is
`rdct.baselines.super_resolution`; trained with a task's loss it is CloudSeg's, by pixels alone it is what NAS
(Yeo et al., OSDI 2018) would make of it. The shipped weights are of the latter kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rdct.baselines.answering import AnsweringServer

__all__ = ["CloudSegServer"]


class CloudSegServer(AnsweringServer):
    """Doubles the sides of pictures that come reduced, then answers. Keeps `rdct.offload.Server`.

    What has more than the device's own size after that is reduced to it. What has less is enlarged to it only
    with ``enlarge``; for instance at a scale of 0.35, as VPaaS runs CloudSeg.

    Parameters
    ----------
    model : Detector or Model
    tables : object, optional
        Left alone, as by `AnsweringServer`.
    weights : str or Path, optional
        Of the super-resolution; the shipped ones.
    **options
        Of `rdct.baselines.answering.AnsweringServer`.

    Raises
    ------
    ImportError
        PyTorch or safetensors is missing.
    ValueError, FileNotFoundError
        As `rdct.baselines.super_resolution.load`.
    """

    def __init__(
        self, model: Any, tables: Any = None, *, weights: str | Path | None = None, **options: Any
    ) -> None:
        super().__init__(model, tables, **options)
        try:
            from rdct.baselines import super_resolution
        except ImportError as error:
            raise ImportError(
                f'super-resolution needs PyTorch and safetensors: pip install "rdct[model]" ({error})'
            ) from error
        self._network = super_resolution.load(weights)
        self._upscaled = super_resolution.upscaled

    def _seen(self, image: np.ndarray) -> np.ndarray:
        size = self._size
        if size is None or image.shape[0] * image.shape[1] >= size[0] * size[1]:
            return image
        image = self._upscaled(self._network, image)
        if image.shape[0] * image.shape[1] > size[0] * size[1]:
            return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        return super()._seen(image)
