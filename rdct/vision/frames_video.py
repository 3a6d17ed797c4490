"""Frames from video files, cameras and network streams, through PyAV (FFmpeg)."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from rdct.vision.frames import DEFAULT_FPS, Source, SourceError

__all__ = ["VideoSource", "open_stream"]

# Seconds a network stream may take to open, and between two packets.
_OPEN_S, _READ_S = 10.0, 10.0


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError(
            'videos, cameras and streams need PyAV: pip install "rdct[video]"; '
            "a folder of pictures works without"
        ) from error
    return av


class VideoSource(Source):
    """The first video stream of what FFmpeg can open.

    Times are those of the file (variable frame rates included), counted from its first frame. A
    damaged frame is left out and counted in `damaged`; a file cut short gives the frames before the cut.

    Parameters
    ----------
    spec : str
        A file, a device or an address.
    fps : float, optional
        Files: take i / fps for the times. Cameras: ask the device for it.
    live : bool, optional
        None: if it has no end (an address) or is a device.
    loop : bool
    demuxer : str, optional
        FFmpeg's name of the input format, for devices.
    options : dict, optional
        FFmpeg's options for it.
    """

    def __init__(
        self,
        spec: str,
        *,
        fps: float | None = None,
        live: bool | None = None,
        loop: bool = False,
        demuxer: str | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        self._opening = {"file": spec, "format": demuxer, "options": options or {}}
        self._asked_fps, self._container = None if demuxer else fps, None
        self._fresh = self._open(spec)
        container, stream = self._container, self._fresh
        if live is None:
            live = demuxer is not None or container.duration is None
        rate = fps or stream.average_rate or stream.guessed_rate or DEFAULT_FPS
        size = (stream.height, stream.width) if stream.height and stream.width else None
        super().__init__(spec, float(rate), size, stream.frames or None, live=live, loop=loop)

    def _open(self, name: str) -> Any:
        av = _av()
        self.close()
        try:
            self._container = av.open(**self._opening, timeout=(_OPEN_S, _READ_S))
        except av.error.FFmpegError as error:
            raise SourceError(f"{name} cannot be opened as a video: {error.strerror or error}") from error
        if not self._container.streams.video:
            self.close()
            raise SourceError(f"{name} holds no video stream")
        return self._container.streams.video[0]

    def _pass(self) -> Iterator[tuple[float, np.ndarray]]:
        stream, self._fresh = self._fresh or self._open(self.name), None
        # Threads over frames hold frames back, and one that is damaged takes its neighbours along.
        stream.thread_type = "SLICE"
        index, first_s, last_s, opened_s = 0, None, 0.0, time.monotonic()
        for frame in self._decoded(stream):
            if self._asked_fps:
                time_s = index / self._asked_fps
            elif frame.time is None:
                time_s = time.monotonic() - opened_s if self.live else last_s + (1 / self.fps if index else 0)
            else:
                first_s = frame.time - last_s if first_s is None else first_s
                time_s = frame.time - first_s
            yield time_s, frame.to_ndarray(format="rgb24")
            index, last_s = index + 1, time_s
        if not index:
            raise SourceError(f"{self.name}: its video stream gives no frame that can be decoded")

    def _decoded(self, stream: Any) -> Iterator[Any]:
        av = _av()
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                if self.live:
                    raise SourceError(f"{self.name} broke off: {error.strerror or error}") from error
                self.damaged += 1
                return
            try:
                yield from packet.decode()
            except av.error.EOFError:
                return
            except av.error.InvalidDataError:
                self.damaged += 1

    def close(self) -> None:
        self._fresh = None
        if self._container is not None:
            self._container.close()
            self._container = None


def open_stream(
    spec: str, camera: int | None, *, fps: float | None = None, live: bool | None = None
) -> VideoSource:
    """A camera by its number, or an address.

    Parameters
    ----------
    spec : str
        What the user wrote.
    camera : int or None
        None: `spec` is an address.
    fps, live
        As of `open_source`.
    """
    if camera is None:
        options = {"rtsp_transport": "tcp"} if spec.lower().startswith("rtsp") else {}
        return VideoSource(spec, fps=fps, live=live, options=options)
    options = {"framerate": f"{fps:g}"} if fps else {}
    if sys.platform.startswith("linux"):
        return VideoSource(f"/dev/video{camera}", fps=fps, live=live, demuxer="v4l2", options=options)
    if sys.platform == "darwin":
        return VideoSource(str(camera), fps=fps, live=live, demuxer="avfoundation", options=options)
    raise SourceError(
        f"{spec}: cameras are opened by number on Linux and macOS only; give an address instead"
    )
