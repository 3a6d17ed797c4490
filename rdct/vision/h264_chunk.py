# SPDX-License-Identifier: Apache-2.0
"""A few pictures into one piece of H.264 and back, by PyAV and libx264.

A chunk is a closed stream that decodes by itself: its parameters, an IDR picture first, nothing of what came
before. It is a bare elementary stream (Annex B): no container, and none of the half kilobyte in which x264
describes itself, so that its length is what H.264 needs.

Pictures are converted to 8-bit YCbCr of full range (BT.601) here, both ways, and not by FFmpeg: it is what
JPEG does, and kinder to H.264 than the limited range it usually gets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import cv2
import numpy as np

__all__ = ["decode_chunk", "encode_chunk"]

_FORMATS = {"420": "yuv420p", "444": "yuv444p"}
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
_SEI = 6
_START = re.compile(b"\x00\x00\x00?\x01")
PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError('H.264 needs PyAV: pip install "rdct[video]"') from error
    return av


def encode_chunk(
    frames: Sequence[np.ndarray],
    qp: int | None = None,
    crf: float | None = None,
    gop: int | None = None,
    preset: str = "medium",
    roi: Sequence[np.ndarray] | None = None,
    *,
    fps: float = 30.0,
    subsampling: str = "420",
) -> bytes:
    """Encode pictures as one chunk.

    Parameters
    ----------
    frames : sequence of numpy.ndarray
        u8 RGB ``[H, W, 3]`` of one size, at least one. With 4:2:0 both sides must be even.
    qp : int, optional
        Constant quantiser, 0..51; x264 takes 3 less for the first picture, as for every IDR picture.
    crf : float, optional
        Constant rate factor, 0..51. Exactly one of `qp` and `crf` is given.
    gop : int, optional
        Pictures from one IDR picture to the next; 1 makes every picture intra. None: one for the chunk.
    preset : str
        x264's, "ultrafast" to "veryslow".
    roi : sequence of numpy.ndarray, optional
        For each picture bool ``[H, W]``: what is not in it becomes black, as in stream B of DDS (Du et al.,
        SIGCOMM 2020). PyAV gives no access to x264's own quantiser offsets by region.
    fps : float
        Matters to x264's rate factor only.
    subsampling : {"420", "444"}

    Returns
    -------
    bytes
        The same for the same pictures, as long as libx264 is the same.

    Raises
    ------
    ImportError
        PyAV is missing, or built without libx264.
    ValueError
        An argument is out of range, or the pictures differ in size.
    """
    frames = list(frames)
    _check(frames, roi, subsampling)
    if (qp is None) == (crf is None):
        raise ValueError(f"give qp or crf, one of them; got qp {qp} and crf {crf}")
    name, value = ("qp", qp) if crf is None else ("crf", crf)
    if not 0 <= value <= 51:
        raise ValueError(f"{name} must be 0..51, got {value}")
    gop = len(frames) if gop is None else gop
    if gop < 1:
        raise ValueError(f"gop must be 1 or more pictures, got {gop}")
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    av = _av()
    if "libx264" not in av.codecs_available:
        raise ImportError(f"PyAV {av.__version__} here is built without libx264")
    context = av.CodecContext.create("libx264", "w")
    context.height, context.width = frames[0].shape[:2]
    context.pix_fmt = _FORMATS[subsampling]
    rate = Fraction(fps).limit_denominator(1001)
    context.framerate, context.time_base = rate, 1 / rate
    context.color_range = _FULL_RANGE
    context.thread_count = 1
    # x264 sets IDR pictures where scenes change, too; here the chunk's rhythm is the caller's.
    context.options = {
        "preset": preset,
        name: f"{value:g}",
        "g": str(gop),
        "keyint_min": str(gop),
        "sc_threshold": "0",
    }
    packets = []
    for index, image in enumerate(frames):
        if roi is not None:
            image = np.where(roi[index][..., None], image, np.uint8(0))
        frame = av.VideoFrame.from_ndarray(_planes(image, subsampling), format=_FORMATS[subsampling])
        frame.pts, frame.color_range = index, _FULL_RANGE
        packets += context.encode(frame)
    packets += context.encode(None)
    return b"".join(_without_sei(bytes(packet)) for packet in packets)


def decode_chunk(data: bytes, max_pixels: int = 2**24, max_frames: int = 64) -> list[np.ndarray]:
    """Decode what `encode_chunk` made.

    Parameters
    ----------
    data : bytes
        Not trusted.
    max_pixels : int
        Larger pictures are refused before anything is allocated for them.
    max_frames : int
        So are more of them, before they are converted.

    Returns
    -------
    list of numpy.ndarray
        u8 RGB ``[H, W, 3]`` of one size, in the order they were given in.

    Raises
    ------
    ImportError
        PyAV is missing.
    ValueError
        The data are no such chunk, damaged, or beyond a limit.
    """
    av = _av()
    context = av.CodecContext.create("h264", "r")
    context.thread_count = 1
    context.options = {"max_pixels": str(max_pixels), "err_detect": "explode"}
    images: list[np.ndarray] = []
    try:
        for packet in [*context.parse(bytes(data)), *context.parse(None), None]:
            for frame in context.decode(packet):
                if len(images) == max_frames:
                    raise ValueError(
                        f"an H.264 chunk of more than {max_frames} pictures; max_frames allows no more"
                    )
                images.append(_picture(frame))
    except av.error.FFmpegError as error:
        raise ValueError(
            f"{len(data)} bytes are no H.264 chunk that decodes within {max_pixels} pixels a picture: "
            f"{error.strerror or error}"
        ) from None
    if not images or any(image.shape != images[0].shape for image in images):
        raise ValueError(f"{len(data)} bytes of H.264 hold no pictures of one size")
    return images


def _check(frames: list[np.ndarray], roi: Sequence[np.ndarray] | None, subsampling: str) -> None:
    if subsampling not in _FORMATS:
        raise ValueError(f"subsampling must be '420' or '444', got {subsampling!r}")
    if not frames:
        raise ValueError("a chunk needs at least one picture")
    for image in frames:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"pictures must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
        if image.shape != frames[0].shape:
            raise ValueError(
                "pictures of a chunk must be of one size, got "
                f"{list(frames[0].shape)} and {list(image.shape)}"
            )
    height, width = frames[0].shape[:2]
    if subsampling == "420" and (height % 2 or width % 2):
        raise ValueError(
            f"H.264 in 4:2:0 takes even sides only, got {width} x {height}; resize, or use subsampling='444'"
        )
    if roi is not None:
        shapes = [np.shape(mask) for mask in roi]
        if shapes != [(height, width)] * len(frames):
            raise ValueError(f"roi must be a mask [{height}, {width}] for each of {len(frames)} pictures")


def _without_sei(data: bytes) -> bytes:
    """A packet less its supplemental information."""
    starts = [match.start() for match in _START.finditer(data)]
    units = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    return b"".join(unit for unit in units if unit[_START.match(unit).end()] & 31 != _SEI)


def _planes(image: np.ndarray, subsampling: str) -> np.ndarray:
    """As FFmpeg wants them: ``[3, H, W]``, or for 4:2:0 Y and below it Cb and Cr, ``[H * 3 / 2, W]``."""
    y, cr, cb = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    if subsampling == "444":
        return np.stack([y, cb, cr])
    height, width = y.shape
    small = [cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA) for plane in (cb, cr)]
    return np.concatenate([y.ravel(), *(plane.ravel() for plane in small)]).reshape(height * 3 // 2, width)


def _picture(frame: Any) -> np.ndarray:
    """A decoded picture as RGB."""
    height, width = frame.height, frame.width
    name = frame.format.name.replace("yuvj", "yuv")
    if name not in _FORMATS.values():
        raise ValueError(f"an H.264 chunk must be 8-bit 4:2:0 or 4:4:4, got {frame.format.name}")
    y, cb, cr = (_plane(plane) for plane in frame.planes)
    if name == "yuv420p":
        cb, cr = (cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (cb, cr))
    return cv2.cvtColor(cv2.merge([y, cr, cb]), cv2.COLOR_YCrCb2RGB)


def _plane(plane: Any) -> np.ndarray:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return np.ascontiguousarray(rows[: plane.height, : plane.width])
