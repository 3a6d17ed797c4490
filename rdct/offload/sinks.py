# SPDX-License-Identifier: Apache-2.0
"""What `stac-edge --save` leaves behind: labels or objects, a video to look at, a line for every frame."""

from __future__ import annotations

import json
import math
import os
import queue
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from rdct.offload.live import Shown, Sink
from rdct.offload.messages import Result, Welcome
from rdct.vision.regions import Region

__all__ = ["Annotated", "Background", "LabelFiles", "Lines", "annotate"]

_MARK = (230, 30, 30)  # of keyframes, RGB
_INK = (255, 255, 255)
_SHARE = 0.45  # of the labels' colours in the blend


class Lines:
    """One JSON object a frame, as they come.

    Parameters
    ----------
    path : Path
        ``results.jsonl``; what was there is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, welcome: Welcome, fps: float) -> None:
        self._names = welcome.class_names
        self._file = open(self._path, "w", encoding="utf-8")

    def write(self, shown: Shown) -> None:
        result = shown.result
        psnr = result.psnr_db
        line = {
            "frame": result.frame,
            "time_s": round(result.time_s, 6),
            "kind": result.kind,
            "sent": shown.sent,
            "keyframe": result.keyframe,
            "age_frames": result.age_frames,
            # JSON has no infinity: null where the picture equals its prediction.
            "psnr_db": None if psnr is None or math.isinf(psnr) else round(psnr, 3),
        }
        if result.regions is not None:
            line["regions"] = [self._object(one) for one in result.regions]
        self._file.write(json.dumps(line) + "\n")

    def _object(self, region: Region) -> dict:
        box = [round(side, 2) for side in (region.x0, region.y0, region.x1, region.y1)]
        return {"box": box, "score": round(region.score, 4), "class": _name(region, self._names)}

    def close(self) -> None:
        self._file.close()


class LabelFiles:
    """The labels of every frame that has some as a palette PNG, named by the frame: ``000042.png``.

    Parameters
    ----------
    folder : Path
        Made with the first of them, if missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, welcome: Welcome, fps: float) -> None:
        self._palette = welcome.palette.tobytes()

    def write(self, shown: Shown) -> None:
        from PIL import Image

        if shown.result.labels is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(shown.result.labels)
        image.putpalette(self._palette)
        path = self._folder / f"{shown.result.frame:06d}.png"
        part = path.with_name(f".{path.name}.part")
        image.save(part, "PNG", compress_level=1)
        os.replace(part, path)

    def close(self) -> None:
        pass


class Annotated:
    """A video of the frames under their labels or boxes, keyframes framed in red. Needs PyAV.

    Parameters
    ----------
    path : Path
        ``.mp4``. Appears when the run is over; until then it has ``.part`` in its name.

    Notes
    -----
    Frames of another size than the first are scaled to it, and an odd last row or column is left out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.stem}.part{path.suffix}")
        self._container = None

    def open(self, welcome: Welcome, fps: float) -> None:
        import av

        self._palette, self._names = welcome.palette, welcome.class_names
        self._container = av.open(str(self._part), "w")
        names = ("libx264", "mpeg4")
        codec = next(name for name in names if name in av.codecs_available)
        self._stream = self._container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        self._stream.pix_fmt = "yuv420p"
        if codec == "libx264":
            self._stream.options = {"preset": "veryfast", "crf": "23"}
        self._size: tuple[int, int] | None = None

    def write(self, shown: Shown) -> None:
        import av

        picture = annotate(shown.frame.image, shown.result, self._palette, shown.sent, self._names)
        if self._size is None:
            self._size = picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2
            self._stream.width, self._stream.height = self._size
        width, height = self._size
        if (picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2) != self._size:
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        picture = np.ascontiguousarray(picture[:height, :width])
        for packet in self._stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
            self._container.mux(packet)

    def close(self) -> None:
        if self._container is None:
            return
        if self._size is not None:
            for packet in self._stream.encode():
                self._container.mux(packet)
        self._container.close()
        if self._size is None:
            self._part.unlink(missing_ok=True)
        else:
            os.replace(self._part, self._path)


def annotate(
    image: np.ndarray, result: Result, palette: np.ndarray, sent: bool, names: Sequence[str] = ()
) -> np.ndarray:
    """A frame under its labels' colours or with boxes, and a caption; a red border marks one that was sent.

    Parameters
    ----------
    image : numpy.ndarray
        u8 ``[H, W, 3]`` RGB; not changed.
    result : Result
    palette : numpy.ndarray
        u8 ``[K, 3]`` RGB. Labels beyond it are drawn black.
    sent : bool
    names : sequence of str
        Of the classes, for boxes.

    Returns
    -------
    numpy.ndarray
        u8 ``[H, W, 3]``.
    """
    height = image.shape[0]
    size, thickness = max(height / 900, 0.3), max(height // 360, 1)
    if result.regions is not None:
        picture = image.copy()
        for one in result.regions:
            _draw(picture, one, palette, names, size, thickness)
        count = len(result.regions)
        caption = f"{result.frame}: {count} object{'' if count == 1 else 's'}"
    elif result.labels is None:
        picture = image.copy()
        caption = f"{result.frame}: no answer yet"
    else:
        colours = np.zeros((256, 3), np.uint8)
        colours[: len(palette)] = palette
        picture = cv2.addWeighted(image, 1 - _SHARE, colours[result.labels], _SHARE, 0)
        caption = f"{result.frame}: keyframe {result.keyframe}, age {result.age_frames}"
    if sent:
        cv2.rectangle(picture, (0, 0), (image.shape[1] - 1, height - 1), _MARK, max(height // 90, 2))
    _write(picture, caption, (height // 40, height // 20 + 6), size)
    return picture


def _draw(
    picture: np.ndarray,
    region: Region,
    palette: np.ndarray,
    names: Sequence[str],
    size: float,
    thickness: int,
) -> None:
    """A box in its class's colour, and above it class and score."""
    known = 0 <= region.label < len(palette)
    ink = palette[region.label].tolist() if known else _INK
    # Half-open in the region, closed in OpenCV.
    low, high = (round(region.x0), round(region.y0)), (round(region.x1) - 1, round(region.y1) - 1)
    cv2.rectangle(picture, low, high, ink, thickness)
    _write(picture, f"{_name(region, names)} {region.score:.2f}", (low[0], max(low[1] - 4, 10)), size)


def _write(picture: np.ndarray, text: str, at: tuple[int, int], size: float) -> None:
    """White on a shadow."""
    for shift, ink in ((1, (0, 0, 0)), (0, _INK)):
        where = (at[0] + shift, at[1] + shift)
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)


def _name(region: Region, names: Sequence[str]) -> str:
    return names[region.label] if 0 <= region.label < len(names) else str(region.label)


class Background:
    """Runs slow sinks in a thread, a few frames behind; then the device waits for them.

    Parameters
    ----------
    sinks : sequence of Sink
    behind : int
        Frames that may wait.
    """

    def __init__(self, sinks: Sequence[Sink], behind: int = 16) -> None:
        self._sinks = sinks
        self._shown: queue.Queue[Shown | None] = queue.Queue(behind)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="sinks", daemon=True)

    def open(self, welcome: Welcome, fps: float) -> None:
        for sink in self._sinks:
            sink.open(welcome, fps)
        self._thread.start()

    def write(self, shown: Shown) -> None:
        if self._error is not None:
            raise self._error
        self._shown.put(shown)

    def close(self) -> None:
        if not self._thread.is_alive():
            return
        self._shown.put(None)
        self._thread.join()
        for sink in self._sinks:
            sink.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (shown := self._shown.get()) is not None:
            if self._error is None:
                try:
                    for sink in self._sinks:
                        sink.write(shown)
                except Exception as error:  # a full disk; raised in the thread that writes
                    self._error = error
