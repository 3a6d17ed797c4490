# SPDX-License-Identifier: Apache-2.0
"""Any detector in an ONNX file: what goes in and what comes out is said by a few numbers and one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np

from rdct.vision.detectors.protocol import Candidates, suppressed

__all__ = ["Backend", "Decode", "OnnxDetector"]

#: From the network's outputs, in its order and float32, to candidates whose boxes are 0..1 of the picture.
Decode: TypeAlias = Callable[[Sequence[np.ndarray]], Candidates]
Backend: TypeAlias = Literal["opencv", "onnxruntime"]


class OnnxDetector:
    """A detector that keeps `Detector`: resize, network, `decode`, non-maximum suppression.

    Parameters
    ----------
    path : str or Path
        The ONNX file. Model files are trusted: they come from the command line only.
    decode : callable
        See `Decode`.
    input_size : (int, int)
        Height and width of the network's input; a picture is resized to it, its proportions given up.
    class_names : tuple of str
    name : str, optional
        The file's, without its ending.
    mean, scale : float
        The network sees ``(sample - mean) * scale``, samples 0..255.
    channels : {"RGB", "BGR"}
        The order it was trained with.
    max_iou : float
        Of the suppression.
    min_score : float
        Candidates below are left out.
    backend : {"opencv", "onnxruntime"}
        The latter has to be installed.

    Raises
    ------
    OSError
        The file is missing, or no ONNX model that the backend can run.
    """

    def __init__(
        self,
        path: str | Path,
        decode: Decode,
        *,
        input_size: tuple[int, int],
        class_names: tuple[str, ...],
        name: str | None = None,
        mean: float = 0.0,
        scale: float = 1 / 255,
        channels: Literal["RGB", "BGR"] = "RGB",
        max_iou: float = 0.45,
        min_score: float = 0.05,
        backend: Backend = "opencv",
    ) -> None:
        self.name = Path(path).stem if name is None else name
        self.class_names = tuple(class_names)
        self._decode = decode
        self._size = input_size
        self._mean, self._scale = np.float32(mean), np.float32(scale)
        if channels not in ("RGB", "BGR"):
            raise ValueError(f"channels must be 'RGB' or 'BGR', got {channels!r}")
        self._step = 1 if channels == "RGB" else -1
        self._max_iou, self._min_score = max_iou, min_score
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no detector {str(path)!r}")
        try:
            self._run = _RUNNERS[backend](str(path))
        except KeyError:
            raise ValueError(f"backend must be 'opencv' or 'onnxruntime', got {backend!r}") from None

    def __call__(self, image: np.ndarray) -> Candidates:
        """See `Detector`."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"image must be uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}")
        height, width = self._size
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        planes = small[..., :: self._step].transpose(2, 0, 1)[None].astype(np.float32)
        found = self._decode(self._run((planes - self._mean) * self._scale))
        size = np.array([image.shape[1], image.shape[0]] * 2)
        boxes = np.clip(found.boxes, 0, 1) * size
        placed = Candidates(boxes, found.scores, found.labels, found.objectness)
        return suppressed(placed, self._max_iou, self._min_score)


def _opencv(path: str) -> Callable[[np.ndarray], Sequence[np.ndarray]]:
    try:
        network = cv2.dnn.readNetFromONNX(path)
    except cv2.error as error:
        raise OSError(f"OpenCV cannot read the network {path!r}: {error}") from None
    names = network.getUnconnectedOutLayersNames()

    def run(planes: np.ndarray) -> Sequence[np.ndarray]:
        network.setInput(planes)
        return network.forward(names)

    return run


def _onnxruntime(path: str) -> Callable[[np.ndarray], Sequence[np.ndarray]]:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise OSError("backend 'onnxruntime' needs onnxruntime: pip install onnxruntime") from error
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has exceptions of its own without a common base
        raise OSError(f"onnxruntime cannot read the network {path!r}: {error}") from None
    name = session.get_inputs()[0].name
    return lambda planes: session.run(None, {name: planes})


_RUNNERS = {"opencv": _opencv, "onnxruntime": _onnxruntime}
