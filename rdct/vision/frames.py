"""Where frames come from: folders of pictures, video files, cameras and network streams behind one face.

>>> with open_source("clip.mp4") as source:                          # doctest: +SKIP
...     for frame in source:
...         print(frame.index, frame.time_s, frame.image.shape)

A source gives every frame it has, in order. What cannot keep up with a live one takes the latest and counts
the others: `rdct.offload.feed.Feed`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

__all__ = ["DEFAULT_FPS", "PICTURES", "Frame", "Source", "SourceError", "open_source"]

#: Of folders, which do not say theirs.
DEFAULT_FPS = 15.0
#: Endings of the files of a folder that count as its frames.
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff")

_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_CAMERA = re.compile(r"camera:(\d+)$|/dev/video(\d+)$")


class SourceError(OSError):
    """A source that cannot be opened, or that broke; the text says which and why."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes
    ----------
    index : int
        0-based, counting the frames the source gave.
    time_s : float
        Seconds since the first frame, by the source's own clock.
    image : numpy.ndarray
        u8 ``[H, W, 3]`` RGB, C-contiguous.
    """

    index: int
    time_s: float
    image: np.ndarray = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        """H, W; may differ from frame to frame."""
        return self.image.shape[0], self.image.shape[1]


class Source(ABC):
    """Frames in order; iterate over it, and close it (or use it as a context manager).

    Iterating again starts again, except on a live source.

    Attributes
    ----------
    name : str
        What was opened, for messages.
    fps : float
        Frames a second: as the file says, or as `open_source` was told.
    size : (int, int) or None
        H, W of the first frame, where known before it was read.
    frame_count : int or None
        Frames one pass gives, where known (videos: as announced).
    live : bool
        Whether frames come whether or not they are taken.
    damaged : int
        Frames met so far that could not be decoded; they are left out.
    """

    def __init__(
        self,
        name: str,
        fps: float,
        size: tuple[int, int] | None,
        frame_count: int | None,
        *,
        live: bool = False,
        loop: bool = False,
    ) -> None:
        self.name, self.fps, self.size = name, fps, size
        self.frame_count = None if loop else frame_count
        self.live, self.damaged = live, 0
        self._loop = loop

    @abstractmethod
    def _pass(self) -> Iterator[tuple[float, np.ndarray]]:
        """One pass from the beginning: seconds since the first frame, and u8 [H, W, 3] RGB."""

    def __iter__(self) -> Iterator[Frame]:
        index, start_s = 0, 0.0
        while True:
            time_s, before = start_s, index
            for since_s, image in self._pass():
                time_s = start_s + since_s
                yield Frame(index, time_s, np.ascontiguousarray(image))
                index += 1
            if not self._loop or index == before:
                return
            start_s = time_s + 1 / self.fps

    def close(self) -> None:  # noqa: B027  (most have nothing to let go of)
        """Let go of files and devices."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, fps={self.fps:g}, size={self.size}, live={self.live})"


def open_source(
    spec: str | Path, *, fps: float | None = None, live: bool | None = None, loop: bool = False
) -> Source:
    """Open a folder, a file, a camera or a network stream.

    Parameters
    ----------
    spec : str or Path
        A folder of pictures (in natural order: 2 before 10), one picture, a video file, ``camera:0`` or
        ``/dev/video0``, or an address such as ``rtsp://...``. All but pictures need PyAV (``rdct[video]``).
    fps : float, optional
        Folders: frames a second (15). Videos: gives frame i the time i / fps in place of the file's
        times. Cameras: asked of the device.
    live : bool, optional
        Whether frames are lost if they are not taken in time. Default: cameras, and addresses of streams
        without an end, are.
    loop : bool
        Begin again at the end, for ever; index and time go on.

    Raises
    ------
    FileNotFoundError
        Nothing of that name is there.
    SourceError
        It is there but gives no frames: not a video, a folder without pictures, no such camera.
    """
    if fps is not None and not fps > 0:
        raise ValueError(f"fps must be positive, got {fps}")
    text = str(spec)
    camera = _CAMERA.match(text)
    if camera or _URL.match(text):
        if loop:
            raise ValueError(f"loop needs a file or a folder, got {text}")
        from rdct.vision.frames_video import open_stream

        return open_stream(text, camera and int(camera[1] or camera[2]), fps=fps, live=live)
    path = Path(spec)
    if not path.exists():
        raise FileNotFoundError(
            f"no such source: {text} (a folder, a file, camera:N, or an address such as rtsp://...)"
        )
    if path.is_dir() or path.suffix.lower() in PICTURES:
        from rdct.vision.frames_folder import FolderSource

        return FolderSource(path, fps=fps, live=bool(live), loop=loop)
    from rdct.vision.frames_video import VideoSource

    return VideoSource(text, fps=fps, live=bool(live), loop=loop)
