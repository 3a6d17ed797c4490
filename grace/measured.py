"""A table measured where it is used: from what coding really does to the network's answer.

Gradients are local. At the steps that a codec uses, errors are neither small nor independent: whole flat
areas shift together, and zeroed coefficients err by their own size. So the table is found by trying. The
loss is the divergence KL(answer to the raw picture, answer to the decoded one), mean over the pixels.

1. *Blend*: of the tables between Annex K's (T.81) and GRACE's, evenly in logarithm, all of the same bytes,
   the one with the least loss.
2. *Rounds*: 20 bands of frequencies (10 of Y, 5 each of Cb and Cr, along the zigzag) move up and down
   at random, all at once, by 0.3 octaves; the next trial is the mirror image. Regression on the signs
   gives every band's slope of ln loss and of ln bytes from all trials together, which is why few of them
   do. Where the ratios of the two are equal, nothing can be won by moving bytes between bands; a band
   whose loss grows as the square of its steps gets there by half the logarithm of its ratio. Slopes are
   shrunk towards that equality as far as noise asks for.

Half of the trials code at twice the steps: one table serves many rates. A round that does not lower the loss
on its pictures is not taken, so the result is never worse there than Annex K at the same bytes; its trials
are kept and as many more drawn, for noise is the usual reason, and the second refusal ends the search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

import codec
from grace.classes import weight_tensor
from grace.coding import Coder
from grace.state import State
from grace.tables import log_base

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["BANDS", "annex_k", "band_slopes", "measured_table"]

_EDGES = ((0, 1, 3, 6, 10, 15, 21, 28, 36, 49, 64), *2 * ((0, 1, 3, 10, 28, 64),))
_BLENDS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: Steps of the trials, in octaves over those of the table.
_OPERATING_OCTAVES = (0.0, 1.0)
_ROUNDS = 5
#: Pairs of mirrored trials in a round, over all pictures; pictures that take part.
_PAIRS = 64
_PICTURES = 16
_SWING = 0.3
#: Of a band's step in a round, octaves; and the share of the computed step that is taken.
_BOUND, _DAMPING = 0.5, 0.8
#: A gain below this, in ln loss, is not worth another round.
_GAIN = 0.005
#: Rounds that may fail before the search ends.
_REFUSALS = 1

Tell = Callable[[str, int, int, str], None]


def _bands() -> np.ndarray:
    bands = []
    for component, edges in enumerate(_EDGES):
        for low, high in pairwise(edges):
            band = np.zeros((3, 64), bool)
            band[component, codec.ZIGZAG[low:high]] = True
            bands.append(band.reshape(3, 8, 8))
    return np.stack(bands)


#: bool ``[20, 3, 8, 8]``: the frequencies of each band; together all, once.
BANDS = _bands()


def annex_k() -> np.ndarray:
    """Steps of JPEG quality 50, float64 ``[3, 8, 8]``: where measuring starts."""
    return codec.ijg_table(50).astype(np.float64)


def measured_table(
    model: Model,
    coder: Coder,
    hashes: list[str],
    start: np.ndarray,
    other: np.ndarray,
    state: State,
    tell: Tell,
    class_weights: np.ndarray | None = None,
) -> np.ndarray:
    """The table of least loss at the bytes of `start`.

    Parameters
    ----------
    model : rdct.vision.models.Model
    coder : Coder
        Its pictures are measured on, at most 16 of them, spread evenly.
    hashes : list of str
        Their contents, for the state.
    start : numpy.ndarray
        Steps ``[3, 8, 8]``: Annex K's, at the scale where the table will be used.
    other : numpy.ndarray
        Steps ``[3, 8, 8]`` to blend with; only their ratios count.
    state : State
        Keeps every picture's share of every step.
    tell : callable
        Called with (step, done, total, note).
    class_weights : numpy.ndarray, optional
        ``[K]``: factors on the divergence of pixels of each class, by the labels of the raw picture.

    Returns
    -------
    numpy.ndarray
        Steps, float64 ``[3, 8, 8]``, neither rounded nor clipped.
    """
    measurement = _Measurement(model, coder, hashes, state, tell, class_weights)
    return measurement.run(np.log2(start), np.log2(other))


@dataclass
class _Measurement:
    model: Model
    coder: Coder
    hashes: list[str]
    state: State
    tell: Tell
    class_weights: np.ndarray | None

    def __post_init__(self) -> None:
        count = len(self.coder.pictures)
        self.indices = sorted({int(i) for i in np.linspace(0, count - 1, min(count, _PICTURES)).round()})
        self.pairs = math.ceil(_PAIRS / len(self.indices))

    def run(self, start: np.ndarray, other: np.ndarray) -> np.ndarray:
        size = self.size(start)
        blends = [self.held((1 - share) * start + share * other, size) for share in _BLENDS]
        losses = self.losses("blends", blends)
        best = int(np.argmin(losses))
        logs, loss = blends[best], losses[best]
        self.tell("measured", 0, _ROUNDS, f"{100 * _BLENDS[best]:.0f} % gradient, loss {math.exp(loss):.4g}")
        trials: list = []
        refused = 0
        for round_ in range(_ROUNDS):
            trials += self.trials(round_, logs)
            moves = self.moves(trials)
            moved = self.held(logs + np.tensordot(moves, BANDS, 1), size)
            # Half the way is tried, too: where slopes were mostly noise it is the safer one.
            half = self.held(logs + np.tensordot(moves / 2, BANDS, 1), size)
            found = self.losses(f"round {round_}", [moved, half])
            gain = loss - min(found)
            note = f"loss {math.exp(min(found)):.4g} ({100 * math.expm1(-gain):+.1f} %)"
            self.tell("measured", round_ + 1, _ROUNDS, note)
            if gain > 0:
                logs, loss = (moved, half)[int(np.argmin(found))], min(found)
                trials.clear()
            refused += gain <= 0
            if 0 < gain < _GAIN or refused > _REFUSALS:
                break
        return 2.0**logs

    def losses(self, step: str, tables: list[np.ndarray]) -> np.ndarray:
        """Mean ln loss of each table, over pictures and operating points."""

        def one(divergence: Callable, index: int) -> list[float]:
            found = [
                [divergence(self.coded(index, logs + octaves)) for octaves in _OPERATING_OCTAVES]
                for logs in tables
            ]
            return np.log(found).mean(1).tolist()

        return np.mean(self.over(step, one), 0)

    def trials(self, round_: int, logs: np.ndarray) -> list:
        """Of every picture: signs and slopes of mirrored trials, and the slope of all bands together."""

        def one(divergence: Callable, index: int) -> list:
            random = np.random.default_rng((round_, index))
            rows = []
            for pair in range(self.pairs):
                octaves = _OPERATING_OCTAVES[pair % len(_OPERATING_OCTAVES)]
                signs = random.choice((-1.0, 1.0), len(BANDS))
                swing = np.tensordot(_SWING * signs, BANDS, 1)
                ends = [self.coded(index, logs + octaves + way * swing) for way in (1, -1)]
                loss = np.log([divergence(data) for data in ends])
                size = np.log([len(data) for data in ends])
                rows.append([*signs, (loss[0] - loss[1]) / (2 * _SWING), (size[0] - size[1]) / (2 * _SWING)])
            # All bands together: what no random signs tell well.
            together = []
            for octaves in _OPERATING_OCTAVES:
                ends = [divergence(self.coded(index, logs + octaves + way * _SWING)) for way in (1, -1)]
                together.append((math.log(ends[0]) - math.log(ends[1])) / (2 * _SWING))
            return [rows, float(np.mean(together))]

        return self.over(f"slopes {round_}", one)

    def moves(self, found: list) -> np.ndarray:
        """How far trials say that each band should move, in octaves."""
        rows = np.concatenate([np.asarray(rows) for rows, _ in found])
        ratios, weights = band_slopes(
            rows[:, :-2], rows[:, -2], rows[:, -1], float(np.mean([all_ for _, all_ in found]))
        )
        moves = -np.log2(ratios) / 2
        moves -= np.average(moves, weights=weights)
        return np.clip(_DAMPING * moves, -_BOUND, _BOUND)

    def over(self, step: str, one: Callable) -> list:
        """`one` of every picture, from the state where it is there."""
        results = []
        for done, index in enumerate(self.indices, 1):
            key = f"measured {step} {self.hashes[index]}"
            result = self.state.get(key)
            if result is None:
                divergence = _divergence(self.model, self.coder.pictures[index], self.class_weights)
                result = one(divergence, index)
                self.state.put(key, result)
            results.append(result)
            self.tell(step, done, len(self.indices), self.coder.pictures.name(index))
        return results

    def coded(self, index: int, logs: np.ndarray) -> bytes:
        table_set = codec.TableSet.from_log(log_base(2.0**logs), np.zeros(1, np.int8))
        plan = self.coder.plan(index, table_set, None, 1.0)
        return codec.encode(
            self.coder.pictures[index],
            plan,
            subsampling=self.coder.subsampling,
            entropy="context",
            tables="inline",
        )

    def size(self, logs: np.ndarray) -> int:
        return sum(len(self.coded(index, logs)) for index in self.indices)

    def held(self, logs: np.ndarray, size: int) -> np.ndarray:
        """The same ratios of steps, at the scale that costs so many bytes."""
        low, high = -8.0, 8.0
        while high - low > 1 / 64:
            middle = (low + high) / 2
            if self.size(logs + middle) > size:
                low = middle
            else:
                high = middle
        return logs + high


def _divergence(
    model: Model, image: np.ndarray, class_weights: np.ndarray | None
) -> Callable[[bytes], float]:
    """From a stream to the divergence of the network's answer from that to `image`."""
    import torch

    device = getattr(model, "device", "cpu")

    def answer(picture: np.ndarray) -> torch.Tensor:
        x = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32)
        with torch.no_grad():
            return model(torch.from_numpy(x).to(device)).log_softmax(1)

    raw = answer(image)
    probability = raw.exp()
    if class_weights is not None:
        probability *= weight_tensor(class_weights, raw)[raw.argmax(1)][:, None]

    def divergence(data: bytes) -> float:
        gap = (probability * (raw - answer(codec.decode(data)))).sum(1).mean()
        # Equal pictures would have no logarithm; float32 knows nothing this small.
        return max(float(gap), 1e-9)

    return divergence


def band_slopes(
    signs: np.ndarray, loss: np.ndarray, size: np.ndarray, total: float
) -> tuple[np.ndarray, np.ndarray]:
    """How much more loss a band gives per byte saved than all bands do together.

    Parameters
    ----------
    signs : numpy.ndarray
        ``[trials, bands]``, -1 or 1.
    loss, size : numpy.ndarray
        ``[trials]``: slopes of ln loss and ln bytes along those signs, per octave.
    total : float
        Slope of ln loss with all bands together, above 0.

    Returns
    -------
    ratios : numpy.ndarray
        float64 ``[bands]``, at least 0.1; 1 where trials say nothing else.
    weights : numpy.ndarray
        float64 ``[bands]``, sum 1: each band's share in the slope of the bytes.

    Notes
    -----
    Bayesian linear regression. Before any trial a band's slope is its share of the bytes times `total`,
    give or take as much; the variance of the noise is what the regression leaves over.
    """
    count = signs.shape[1]
    gram = signs.T @ signs
    byte_slopes = np.linalg.solve(gram + 1e-2 * np.eye(count), signs.T @ size)
    # Coarser steps cannot cost bytes; a band that is all zeros already saves next to nothing.
    byte_slopes = np.minimum(byte_slopes, -2e-3)
    weights = byte_slopes / byte_slopes.sum()
    prior = max(total, 1e-3) * weights
    noise = max(float(loss.std()), 1e-6)
    for _ in range(6):
        precision = gram / noise**2 + np.diag(prior**-2)
        slopes = prior + np.linalg.solve(precision, signs.T @ (loss - signs @ prior)) / noise**2
        freedom = max(len(loss) - count / 2, 1)
        noise = max(float(np.sqrt(np.square(loss - signs @ slopes).sum() / freedom)), 1e-6)
    return np.maximum(slopes / prior, 0.1), weights
