"""What a network must still achieve on decoded pictures, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grace.pictures import Pictures
from rdct.vision import metrics, models

__all__ = ["DEMANDS", "Demand", "Judge", "parse_demand"]

DEMANDS = ("agreement", "miou_drop")


@dataclass(frozen=True)
class Demand:
    """``agreement``: mean over pictures of the share of pixels whose label stays that of the raw
    picture, at least `value`. ``miou_drop``: mIoU against given labels, over all pixels of all
    pictures, at most `value` below that on the raw pictures.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in DEMANDS:
            raise ValueError(f"accuracy is {' or '.join(DEMANDS)}, not {self.kind!r}")
        if not 0 < self.value < 1:
            raise ValueError(f"accuracy {self.kind} must lie between 0 and 1, got {self.value}")

    def __str__(self) -> str:
        return f"{self.kind.replace('_', '-')}={self.value:g}"


def parse_demand(text: str) -> Demand:
    """``"agreement=0.985"`` or ``"miou-drop=0.01"``."""
    kind, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not equals or number is None:
        raise ValueError(f"accuracy is agreement=A or miou-drop=D, not {text!r}")
    return Demand(kind.strip().replace("-", "_"), number)


class Judge:
    """Compares a network's labels on decoded pictures with those on the raw ones.

    Parameters
    ----------
    model : rdct.vision.models.Model
    pictures : Pictures
    demand : Demand
    """

    def __init__(self, model: models.Model, pictures: Pictures, demand: Demand) -> None:
        if demand.kind == "miou_drop" and not pictures.labelled:
            raise ValueError("an mIoU drop is measured against labels; give labels, too")
        self.model = model
        self.pictures = pictures
        self.demand = demand
        self._raw: dict[int, np.ndarray] = {}
        self._reference: float | None = None

    def raw_labels(self, index: int) -> np.ndarray:
        """The network's labels on the raw picture, uint8 ``[H, W]``."""
        if index not in self._raw:
            self._raw[index] = models.labels(self.model, self.pictures[index])
        return self._raw[index]

    def score(self, decoded: list) -> float:
        """Agreement, or drop of mIoU, on pictures given as functions that decode them."""
        if self.demand.kind == "agreement":
            shares = [
                metrics.agreement(models.labels(self.model, decode()), self.raw_labels(index))
                for index, decode in enumerate(decoded)
            ]
            return float(np.mean(shares))
        if self._reference is None:
            self._reference = self._miou([self.raw_labels(i) for i in range(len(self.pictures))])
        found = self._miou([models.labels(self.model, decode()) for decode in decoded])
        return self._reference - found

    def accepts(self, score: float) -> bool:
        if self.demand.kind == "agreement":
            return score >= self.demand.value
        return score <= self.demand.value

    def _miou(self, predictions: list[np.ndarray]) -> float:
        classes = len(self.model.class_names)
        ignore = getattr(self.model, "ignore_label", None)
        # A network may have a class of its own for pixels that count nowhere.
        ignore = 255 if ignore is None else ignore
        matrix = sum(
            metrics.confusion(labels, self.pictures.labels(index), classes, ignore)
            for index, labels in enumerate(predictions)
        )
        return metrics.miou(matrix)
