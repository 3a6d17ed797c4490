# SPDX-License-Identifier: Apache-2.0
"""Pillow opens and saves .rdct files, once `register` was called.

Pillow is imported by `register`, not with this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import IO, Any

from codec import arguments
from codec.decoder import decode
from codec.encoder import encode
from codec.errors import CodecError
from codec.types import TableSet

__all__ = ["register"]

_FORMAT, _EXTENSION, _MIME = "RDCT", ".rdct", "image/x-rdct"
_MAGIC = b"RDCT"
_SUBSAMPLINGS = ("444", "422", "420", "grey")
#: Magic, version, flags, and two varints of at most 5 bytes.
_PREFIX_BYTES = 16

#: The sets that `register` was told, by id. As Pillow's own tables of formats: one for the process.
_known: dict[bytes, TableSet] = {}


def register(*, table_sets: Iterable[TableSet] = ()) -> None:
    """Teach Pillow the format: ``Image.open("x.rdct")`` and ``image.save("x.rdct")``.

    For the whole process, as all formats of Pillow. May be called any number of times; table sets add up.

    Opening reads the first bytes only and gives size and mode ("RGB" or "L"); the picture is decoded when it
    is needed. Pillow's limit against decompression bombs applies. What is wrong with a file is an `OSError`,
    as with Pillow's own formats.

    Saving takes pictures of mode "RGB" or "L"; others are an `OSError`: convert them first. Of `encode` it
    takes the options ``quality``, ``plan``, ``subsampling`` (also written "4:2:0"), ``entropy``, ``tables``,
    ``slice_rows``, ``effort`` and ``threads``; their errors are those of `encode`. Other options are ignored,
    as Pillow does.

    Parameters
    ----------
    table_sets : iterable of TableSet
        Known from now on, for streams that name their set by id.

    Returns
    -------
    None

    Raises
    ------
    ImportError
        Pillow is not installed.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> register()
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (64, 48), "teal").save(file, "RDCT", quality=90)
    >>> Image.open(file)
    <codec.pillow.RdctImageFile image mode=RGB size=64x48 at ...>
    """
    from PIL import Image

    sets = arguments.sets(table_sets)
    image_file, decoder = _classes()
    Image.register_open(_FORMAT, image_file, _accept)
    Image.register_decoder("rdct", decoder)
    Image.register_save(_FORMAT, _save)
    Image.register_extension(_FORMAT, _EXTENSION)
    Image.register_mime(_FORMAT, _MIME)
    _known.update((one.id, one) for one in sets)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(_MAGIC)


def _header(prefix: bytes) -> tuple[int, int, str]:
    """(width, height, subsampling) of the first bytes of a stream.

    `SyntaxError`, Pillow's word for "not of this format", if they are none; `OSError` if of another version.
    """
    if not _accept(prefix) or len(prefix) < 6:
        raise SyntaxError("not an RDCT file")
    if prefix[4] != 1:
        raise OSError(f"RDCT file of version {prefix[4]}: only version 1 is supported")
    sides, at = [], 6
    for _ in range(2):
        value = shift = 0
        while True:
            if at >= len(prefix) or shift > 28:
                raise SyntaxError("damaged RDCT header")
            value |= (prefix[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if prefix[at - 1] < 0x80:
                break
        if not 1 <= value <= 65535:
            raise SyntaxError("damaged RDCT header")
        sides.append(value)
    return sides[0], sides[1], _SUBSAMPLINGS[prefix[5] & 3]


@cache
def _classes() -> tuple[Any, Any]:
    """What Pillow wants subclasses of its own for. Made here, so that Pillow is imported when it is asked
    for.
    """
    from PIL import ImageFile

    class RdctImageFile(ImageFile.ImageFile):
        format = _FORMAT
        format_description = "Region-adaptive DCT"

        def _open(self) -> None:
            width, height, subsampling = _header(self.fp.read(_PREFIX_BYTES))
            self._size = width, height
            self._mode = "L" if subsampling == "grey" else "RGB"
            self.info["subsampling"] = subsampling
            self.tile = [("rdct", (0, 0, width, height), 0, ())]

    class RdctDecoder(ImageFile.PyDecoder):
        _pulls_fd = True

        def decode(self, buffer: Any) -> tuple[int, int]:
            width, height = self.state.xsize, self.state.ysize
            try:
                pixels = decode(self.fd.read(), table_sets=_known.values(), max_pixels=width * height)
            except (CodecError, ValueError) as error:
                hint = ""
                if getattr(error, "rule", "") == "missing_table_set":
                    hint = "; give it to codec.pillow.register(table_sets=...)"
                raise OSError(f"cannot decode the RDCT file: {error}{hint}") from error
            if pixels.shape != ((height, width) if self.mode == "L" else (height, width, 3)):
                raise OSError("the RDCT file has changed since it was opened")
            self.set_as_raw(pixels.tobytes())
            return -1, 0

    for one in (RdctImageFile, RdctDecoder):
        one.__module__, one.__qualname__ = __name__, one.__name__
    return RdctImageFile, RdctDecoder


def _save(image: Any, fp: IO[bytes], filename: str | bytes) -> None:
    import numpy as np

    if image.mode not in ("L", "RGB"):
        raise OSError(f"cannot write mode {image.mode} as {_FORMAT}: convert to 'RGB' or 'L' first")
    names = ("quality", "plan", "subsampling", "entropy", "tables", "slice_rows", "effort", "threads")
    options = {name: image.encoderinfo[name] for name in names if name in image.encoderinfo}
    if isinstance(options.get("subsampling"), str):
        options["subsampling"] = options["subsampling"].replace(":", "")
    fp.write(encode(np.asarray(image), options.pop("plan", None), **options))
