"""H.264 by PyAV and libx264, without B-frames: one picture in, one packet out.

Pictures go in as 8-bit YCbCr 4:4:4 of full range (BT.601), converted by OpenCV both ways: what JPEG does, and
kinder to H.264 than the limited range it usually gets. On CamVid 4:2:0 would save 1 % of the bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

__all__ = ["Decoder", "Encoder", "encode_sequence", "settings"]

_FORMAT = "yuv444p"
_SEI = 6
_START = re.compile(b"\x00\x00\x00?\x01")


def settings() -> str:
    """Versions and flags, whatever changes the bytes.

    Raises
    ------
    ImportError
        PyAV is missing, or built without libx264.
    """
    import av

    if "libx264" not in av.codecs_available:
        raise ImportError(f"PyAV {av.__version__} here is built without libx264")
    major, minor, micro = av.library_versions["libavcodec"]
    return (
        f"PyAV {av.__version__}, libavcodec {major}.{minor}.{micro}, libx264: preset medium, CRF, bf=0, "
        "4:4:4 full range, 1 thread"
    )


def _without_sei(data: bytes) -> bytes:
    """The packet less its supplemental information: x264 puts its own settings there, half a kilobyte."""
    starts = [match.start() for match in _START.finditer(data)]
    units = [data[a:b] for a, b in zip(starts, [*starts[1:], len(data)], strict=True)]
    return b"".join(unit for unit in units if unit[_START.match(unit).end()] & 31 != _SEI)


class Encoder:
    """A stream of pictures of one size.

    Parameters
    ----------
    shape : (int, int)
        H, W.
    fps : float
    crf : float
    intra : bool
        Every picture an IDR picture.
    live : bool
        Each packet before the next picture (tune zerolatency); otherwise x264 looks 40 pictures ahead.
    """

    def __init__(
        self, shape: tuple[int, int], fps: float, crf: float, *, intra: bool = False, live: bool = True
    ) -> None:
        import av

        context = av.CodecContext.create("libx264", "w")
        context.height, context.width = shape
        context.pix_fmt = _FORMAT
        rate = Fraction(fps).limit_denominator(1001)
        context.framerate, context.time_base = rate, 1 / rate
        context.thread_count = 1
        options = {"preset": "medium", "crf": f"{crf:g}", "bf": "0"}
        if live:
            options["tune"] = "zerolatency"
        if intra:
            options["g"] = "1"
        context.options = options
        self._context, self._count = context, 0

    def send(self, image: np.ndarray) -> list[bytes]:
        """Packets that are ready after one more picture, u8 RGB ``[H, W, 3]``."""
        import av
        import cv2

        y, cr, cb = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
        frame = av.VideoFrame.from_ndarray(np.stack([y, cb, cr]), format=_FORMAT)
        frame.pts = self._count
        self._count += 1
        return [_without_sei(bytes(packet)) for packet in self._context.encode(frame)]

    def encode(self, image: np.ndarray) -> bytes:
        """The one packet of one picture; for live encoders.

        Raises
        ------
        RuntimeError
            It held the picture back.
        """
        packets = self.send(image)
        if len(packets) != 1:
            raise RuntimeError(f"x264 gave {len(packets)} packets for one picture; use a live encoder")
        return packets[0]

    def finish(self) -> list[bytes]:
        """What was held back."""
        return [_without_sei(bytes(packet)) for packet in self._context.encode(None)]


def encode_sequence(
    images: Sequence[np.ndarray], fps: float, crf: float, *, intra: bool = False
) -> list[bytes]:
    """All pictures at once, with look-ahead: one packet each, in order."""
    encoder = Encoder(images[0].shape[:2], fps, crf, intra=intra, live=False)
    packets = [packet for image in images for packet in encoder.send(image)] + encoder.finish()
    if len(packets) != len(images):
        raise RuntimeError(f"x264 gave {len(packets)} packets for {len(images)} pictures")
    return packets


class Decoder:
    """The other end: packets in order."""

    def __init__(self) -> None:
        import av

        self._context = av.CodecContext.create("h264", "r")
        self._context.thread_count = 1
        self._context.options = {"flags": "+low_delay"}

    def decode(self, data: bytes) -> np.ndarray:
        """The picture of a packet, u8 RGB ``[H, W, 3]``.

        Raises
        ------
        ValueError
            The packet held no picture.
        """
        import av
        import cv2

        frames = self._context.decode(av.Packet(data))
        if len(frames) != 1:
            raise ValueError(f"an H.264 packet of {len(data)} bytes gave {len(frames)} pictures, not one")
        y, cb, cr = frames[0].to_ndarray(format=_FORMAT)
        return cv2.cvtColor(cv2.merge([y, cr, cb]), cv2.COLOR_YCrCb2RGB)
