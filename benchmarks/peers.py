# SPDX-License-Identifier: Apache-2.0
"""Other JPEG codecs behind one face. All four are libjpeg-turbo inside, called in four ways.

Each peer gets its own favourite input (OpenCV: BGR in memory; Pillow: an `Image`), made before the clock
starts, and returns what its users would take: bytes, and a numpy array (OpenCV: BGR).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["NAMES", "REFERENCE", "Absent", "Peer", "open_peer"]

#: The peer that claims are made against.
REFERENCE = "simplejpeg"


class Absent(Exception):
    """A peer that cannot be had here; the text says why."""


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes
    ----------
    name, version : str
    prepare : callable
        uint8 RGB ``[H, W, 3]`` to what `encode` takes.
    encode : callable
        ``(prepared, quality, subsampling)`` to bytes, with the Huffman tables of T.81 Annex K.
    decode : callable
        Bytes to uint8 ``[H, W, 3]``, the channels in the peer's own order.
    to_rgb : callable
        What `decode` returned, as RGB.
    decode_into : callable, optional
        ``(data, out)``: the same into memory of the caller.
    """

    name: str
    version: str
    prepare: Callable[[np.ndarray], Any]
    encode: Callable[[Any, int, str], bytes]
    decode: Callable[[bytes], np.ndarray]
    to_rgb: Callable[[np.ndarray], np.ndarray]
    decode_into: Callable[[bytes, np.ndarray], Any] | None = None


def open_peer(name: str) -> Peer:
    """The peer of that name, or `Absent`."""
    try:
        return _OPEN[name]()
    except ImportError as error:
        raise Absent(f"{name} is not installed ({error})") from error


def _same(x: Any) -> Any:
    return x


def _simplejpeg() -> Peer:
    import simplejpeg

    return Peer(
        "simplejpeg",
        simplejpeg.__version__,
        _same,
        lambda image, quality, subsampling: simplejpeg.encode_jpeg(
            image, quality, "RGB", subsampling, fastdct=False
        ),
        lambda data: simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False),
        _same,
        lambda data, out: simplejpeg.decode_jpeg(data, "RGB", buffer=out),
    )


def _pyturbojpeg() -> Peer:
    import turbojpeg

    path = os.environ.get("TURBOJPEG") or None
    try:
        codec = turbojpeg.TurboJPEG(path)
    except (RuntimeError, OSError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise Absent(
            f"PyTurboJPEG finds no libturbojpeg it can use; $TURBOJPEG can name one ({reason})"
        ) from error
    samplings = {"444": turbojpeg.TJSAMP_444, "422": turbojpeg.TJSAMP_422, "420": turbojpeg.TJSAMP_420}
    return Peer(
        "PyTurboJPEG",
        turbojpeg.__version__,
        _same,
        lambda image, quality, subsampling: codec.encode(
            image, quality, turbojpeg.TJPF_RGB, samplings[subsampling]
        ),
        lambda data: codec.decode(data, turbojpeg.TJPF_RGB),
        _same,
    )


def _pillow() -> Peer:
    import PIL
    from PIL import Image, features

    samplings = {"444": 0, "422": 1, "420": 2}

    def encode(image: Image.Image, quality: int, subsampling: str) -> bytes:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, subsampling=samplings[subsampling])
        return file.getvalue()

    inside = features.version_feature("libjpeg_turbo") or "a libjpeg"
    return Peer(
        "Pillow",
        f"{PIL.__version__} with libjpeg-turbo {inside}",
        Image.fromarray,
        encode,
        lambda data: np.asarray(Image.open(io.BytesIO(data))),
        _same,
    )


def _opencv() -> Peer:
    import cv2

    samplings = {
        "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
        "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
        "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    }

    def encode(bgr: np.ndarray, quality: int, subsampling: str) -> bytes:
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            samplings[subsampling],
        ]
        return cv2.imencode(".jpg", bgr, options)[1].tobytes()

    def reversed_channels(image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[..., ::-1])

    return Peer(
        "OpenCV",
        cv2.__version__,
        reversed_channels,
        encode,
        lambda data: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
        reversed_channels,
    )


_OPEN = {
    "simplejpeg": _simplejpeg,
    "PyTurboJPEG": _pyturbojpeg,
    "Pillow": _pillow,
    "OpenCV": _opencv,
}
NAMES = tuple(_OPEN)
