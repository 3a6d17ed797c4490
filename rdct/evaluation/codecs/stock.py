"""The codecs a user would pick instead, each through a maintained library at honest settings."""

from __future__ import annotations

import io
import math
from abc import abstractmethod

import numpy as np

from rdct.evaluation.codecs import Absent, Dial, Setup, System


def ijg_coordinate(quality: float) -> float:
    """The logarithm of libjpeg's scale of the Annex K tables at that quality."""
    return math.log(5000 / quality if quality < 50 else 200 - 2 * quality)


def webp_coordinate(quality: float) -> float:
    """Linear in libwebp's quantiser index (its QualityToCompression), which is geometric in steps."""
    share = quality / 100
    return math.cbrt(share * 2 / 3 if share < 0.75 else 2 * share - 1)


def _pillow(feature: str) -> str:
    """Pillow's version and that of the library behind `feature`, or Absent."""
    import PIL
    from PIL import features

    if not features.check(feature):
        raise Absent(f"Pillow {PIL.__version__} here is built without {feature}")
    return f"Pillow {PIL.__version__}"


class _Pillow(System):
    """A format that Pillow writes and reads."""

    format: str

    @abstractmethod
    def _options(self, dial: float) -> dict:
        """What Pillow's writer is given at this point of the dial."""

    def encode(self, image: np.ndarray, dial: float) -> bytes:
        from PIL import Image

        file = io.BytesIO()
        Image.fromarray(image).save(file, self.format, **self._options(dial))
        return file.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(data), formats=[self.format]) as picture:
            return np.asarray(picture.convert("RGB"))


class _Jpeg(_Pillow):
    """libjpeg-turbo both ways: Annex K tables, Huffman tables optimised per picture."""

    format = "JPEG"
    dial = Dial("quality", 12, 97, coordinate=ijg_coordinate)

    def __init__(self, name: str, subsampling: str) -> None:
        from PIL import features

        pillow = _pillow("jpg")
        turbo = features.version("libjpeg_turbo")
        if not turbo:
            raise Absent(f"{pillow} here uses a libjpeg that is not libjpeg-turbo")
        self.name, self._subsampling = name, subsampling
        self.settings = f"{pillow}, libjpeg-turbo {turbo}: optimize, {subsampling}, islow DCT both ways"

    def _options(self, dial: float) -> dict:
        return {"quality": int(dial), "subsampling": self._subsampling, "optimize": True}


def jpeg_444(setup: Setup) -> System:
    """`jpeg-turbo-444`."""
    return _Jpeg("jpeg-turbo-444", "4:4:4")


def jpeg_420(setup: Setup) -> System:
    """`jpeg-turbo-420`; fancy up-sampling, as libjpeg-turbo does by default."""
    return _Jpeg("jpeg-turbo-420", "4:2:0")


class WebP(_Pillow):
    """Lossy WebP, always 4:2:0."""

    name = "webp"
    format = "WEBP"
    dial = Dial("quality", 5, 100, coordinate=webp_coordinate)

    def __init__(self, setup: Setup) -> None:
        from PIL import features

        self.settings = f"{_pillow('webp')}, libwebp {features.version('webp')}: lossy, method 4"

    def _options(self, dial: float) -> dict:
        return {"quality": int(dial), "method": 4}


class Avif(_Pillow):
    """AVIF, 8 bits, 4:4:4, Pillow's default speed."""

    name = "avif"
    format = "AVIF"
    dial = Dial("quality", 30, 97, coordinate=float)  # linear in AV1's quantiser index

    def __init__(self, setup: Setup) -> None:
        from PIL import AvifImagePlugin, features

        pillow = _pillow("avif")
        versions = {one: AvifImagePlugin.get_codec_version(one) for one in ("aom", "dav1d")}
        coders = ", ".join(f"{one} {version}" for one, version in versions.items() if version)
        self.settings = f"{pillow}, libavif {features.version('avif')} ({coders}): 4:4:4, 8 bit, speed 6"

    def _options(self, dial: float) -> dict:
        return {"quality": int(dial), "subsampling": "4:4:4", "speed": 6, "max_threads": 1}


class JpegXL(System):
    """JPEG XL (VarDCT, XYB) at effort 7, the default of cjxl."""

    name = "jxl"
    dial = Dial("distance", 0.1, 8.0, grid=0.01)

    def __init__(self, setup: Setup) -> None:
        import imagecodecs

        if not imagecodecs.JPEGXL.available:
            raise Absent(f"imagecodecs {imagecodecs.__version__} here is built without JPEG XL")
        version = imagecodecs.jpegxl_version()
        self.settings = f"imagecodecs {imagecodecs.__version__}, {version}: lossy, effort 7"

    def encode(self, image: np.ndarray, dial: float) -> bytes:
        import imagecodecs

        image = np.ascontiguousarray(image)
        return imagecodecs.jpegxl_encode(image, distance=dial, effort=7, lossless=False, numthreads=1)

    def decode(self, data: bytes) -> np.ndarray:
        import imagecodecs

        return imagecodecs.jpegxl_decode(data, numthreads=1)
