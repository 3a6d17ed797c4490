"""From JPEG qualities to scales: what the set's pictures must cost, and the scale at which they do."""

from __future__ import annotations

import io
import math
from collections.abc import Callable

import numpy as np

from grace.coding import Coder, stored_scale

__all__ = ["QUALITIES", "SizeCurve", "jpeg_bytes"]

#: Qualities that scales are found for; between them their logarithms are interpolated.
QUALITIES = (1, 3, 5, *range(10, 95, 5), 92, 94, 95, 96, 97, 98, 99, 100)
_OCTAVES = 8
#: A scale is good enough when it meets the bytes to this share.
_CLOSE = 0.002
_TRIES = 4


def jpeg_bytes(coder: Coder, tell: Callable[[int], None]) -> dict[int, int]:
    """Total bytes of the pictures as optimised JPEGs, 4:4:4, through Pillow, by quality."""
    from PIL import Image

    def one(index: int) -> np.ndarray:
        picture = Image.fromarray(coder.pictures[index])
        sizes = []
        for quality in QUALITIES:
            file = io.BytesIO()
            picture.save(file, "jpeg", quality=quality, optimize=True, subsampling=0)
            sizes.append(file.tell())
        return np.array(sizes)

    total = np.zeros(len(QUALITIES), np.int64)
    for done, sizes in enumerate(coder.over(one), 1):
        total += sizes
        tell(done)
    return dict(zip(QUALITIES, total.tolist(), strict=True))


class SizeCurve:
    """Bytes against scale, measured where asked and remembered.

    Steps are whole numbers, so the curve has little cliffs; a smooth fit alone would miss by
    percents. `scale_for` therefore measures what it answers.

    Parameters
    ----------
    measure : callable
        Scale -> bytes.
    correct : callable, optional
        Scale -> factor on the bytes, for what `measure` leaves out.
    """

    def __init__(
        self,
        measure: Callable[[float], int],
        correct: Callable[[float], float] | None = None,
    ) -> None:
        self._measure = measure
        self._raw: dict[float, int] = {}
        #: May be set anew; sizes measured before stay.
        self.correct = correct

    def bytes_at(self, scale: float) -> float:
        scale = stored_scale(scale)
        if scale not in self._raw:
            self._raw[scale] = self._measure(scale)
        return self._corrected(scale)

    def _corrected(self, scale: float) -> float:
        factor = 1.0 if self.correct is None else self.correct(scale)
        return self._raw[scale] * factor

    def span(self, fewest: int, most: int) -> None:
        """Measure half octaves until both sizes lie inside, or steps can change no further."""
        size = self.bytes_at(1.0)
        for direction, beyond in ((-1, lambda s: s >= most), (1, lambda s: s <= fewest)):
            last = size
            for half in range(1, 2 * _OCTAVES + 1):
                if beyond(last):
                    break
                found = self.bytes_at(2.0 ** (direction * half / 2))
                if direction < 0 and found <= last * 1.0005:
                    break  # all steps are 1
                last = found

    def scale_for(self, size: float) -> float:
        """The measured scale whose bytes come nearest `size`."""
        for _ in range(_TRIES):
            best = self._nearest(size)
            if abs(self._corrected(best) / size - 1) <= _CLOSE:
                return best
            guess = stored_scale(self._between(size))
            if guess in self._raw:
                return best
            self.bytes_at(guess)
        return self._nearest(size)

    def _nearest(self, size: float) -> float:
        return min(self._raw, key=lambda scale: abs(math.log(self._corrected(scale) / size)))

    def _between(self, size: float) -> float:
        """By interpolation, logarithmic in both, between the two scales that bracket `size`."""
        finer = [s for s in self._raw if self._corrected(s) > size]
        coarser = [s for s in self._raw if self._corrected(s) <= size]
        if not finer or not coarser:
            return self._nearest(size)
        # Where cliffs make the curve rise, the pair nearest each other in size.
        low = min(finer, key=self._corrected)
        high = max(coarser, key=self._corrected)
        a, b = math.log(self._corrected(low)), math.log(self._corrected(high))
        share = 0.5 if a == b else (a - math.log(size)) / (a - b)
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
