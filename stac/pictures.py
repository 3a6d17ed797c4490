"""From a picture file to the samples that are encoded, by stated rules (docs/cli.md)."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Picture", "PictureError", "as_rgb", "read_picture"]

_ORIENTATION = 0x0112
# Numpy twins of PIL.ImageOps.exif_transpose, for samples that do not come through Pillow.
_TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


class PictureError(ValueError):
    """The input is no picture that can be encoded; the message says why."""


@dataclass(frozen=True)
class Picture:
    """Samples of one picture and what was done to get them.

    Attributes
    ----------
    samples : numpy.ndarray
        u8, RGB ``[H, W, 3]`` or grey ``[H, W]``, C-contiguous.
    notes : list of str
        One sentence for each conversion that a user may want to know of.
    """

    samples: np.ndarray
    notes: list[str] = field(default_factory=list)


def as_rgb(samples: np.ndarray) -> np.ndarray:
    """What a network sees: RGB ``[H, W, 3]``; grey is repeated."""
    return samples if samples.ndim == 3 else np.repeat(samples[..., None], 3, axis=2)


def read_picture(data: bytes) -> Picture:
    """Decode a picture file of any kind that Pillow reads.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    Picture
        EXIF orientation applied; palettes expanded; the first picture of several; CMYK and other
        colour spaces converted to RGB; 16-bit samples as round(v / 257); partly transparent
        pictures over black; grey pictures stay grey.

    Raises
    ------
    PictureError
        Not a picture, damaged, too large for Pillow's limit, or of 32-bit or float samples.
    """
    import warnings

    from PIL import Image

    if data[:4] == b"RDCT":
        raise PictureError("this is an rdct stream already; stac-decode reads it")
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            # Pillow warns at half the size at which it refuses; its refusal is the rule here.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return _convert(image, data)
    except PictureError:
        raise
    except Image.UnidentifiedImageError:
        raise PictureError("this is no picture of a kind that Pillow reads") from None
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is too large: {error}") from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError) as error:
        # Pillow's plugins raise any of these on damaged files.
        raise PictureError(f"the picture cannot be decoded: {error}") from error


def _convert(image: object, data: bytes) -> Picture:
    from PIL import ImageOps

    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"the file holds {frames} pictures; the first one is used")
    raw_mode = _deep_colour(image)
    if raw_mode:
        samples = _read_deep(image, raw_mode, data)
    else:
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode == "CMYK":
            notes.append("CMYK is converted to RGB without its colour profile")
        samples = _samples(image)
    if samples.dtype == np.uint16:
        notes.append("16-bit samples are rounded to 8 bits")
        samples = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        samples, alpha = samples[..., :-1], samples[..., -1:]
        if (alpha != 255).any():
            notes.append("the picture is partly transparent; it is laid over black")
            samples = ((samples.astype(np.uint16) * alpha + 127) // 255).astype(np.uint8)
        if samples.shape[2] == 1:
            samples = samples[..., 0]
    return Picture(np.ascontiguousarray(samples), notes)


def _samples(image: object) -> np.ndarray:
    """u8 or u16; [H, W], [H, W, 2] grey and alpha, [H, W, 3], or [H, W, 4]."""
    mode = image.mode
    if mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if mode == "I":
        samples = np.asarray(image)
        if samples.min() >= 0 and samples.max() <= 65535:
            return samples.astype(np.uint16)
        raise PictureError("32-bit samples have no stated range; convert the picture to 8 or 16 bits")
    if mode == "F":
        raise PictureError("float samples have no stated range; convert the picture to 8 or 16 bits")
    grey = mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        return np.asarray(image.convert("LA" if grey else "RGBA"))
    return np.asarray(image.convert("L" if grey else "RGB"))


def _deep_colour(image: object) -> str | None:
    """The file's raw mode if Pillow would cut its 16-bit colour to the high byte (PNG and TIFF)."""
    for tile in image.tile:
        found = re.search(r"\b(LA|RGBA?X?);16", str(tile[-1]))
        if found:
            return found[1]
    return None


def _read_deep(image: object, raw_mode: str, data: bytes) -> np.ndarray:
    import cv2

    # OpenCV turns TIFF by itself, and PNG only when not asked for the samples as they are.
    turn = _TURNS.get(image.getexif().get(_ORIENTATION)) if image.format == "PNG" else None
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    size = (image.height, image.width)
    if samples is None or samples.dtype != np.uint16 or samples.shape[:2] != size or samples.ndim != 3:
        raise PictureError("16-bit colour of this kind cannot be read; convert the picture to 8 bits")
    samples = samples[..., [0, -1] if raw_mode == "LA" else [2, 1, 0, 3][: samples.shape[2]]]
    return samples if turn is None else turn(samples)
