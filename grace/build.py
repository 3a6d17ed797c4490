"""`build_table_set`: from a network and a folder of pictures to its tables.

Its steps, each with its own name in the progress report:

1. *gradients*: mean \\|g\\| and mean \\|s\\| of every component and frequency over the raw pictures;
2. *budget*: the largest B whose one table, through the real codec and the real network, still meets
   the accuracy demand;
3. *regions*: how much each region matters, from gradients at the pictures decoded with that table;
4. *calibration*: the scales at which the pictures cost what optimised JPEGs of a quality cost;
5. *bands*: fixed Huffman tables for a few rates.

With ``method="measured"`` the table's shape comes from trials in place of step 1's gradients
(`grace.measured`), at the scale where Annex K's table meets the demand; step 2 then follows.

With ``class_weights="balanced"`` the network's labels are counted before all of it; all losses are then
weighted by class, the demand is not.

What steps 1 and 2, counting and measuring have finished is kept in a state file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import codec
from grace.accuracy import Demand, Judge
from grace.bands import rate_bands
from grace.calibrate import QUALITIES, SizeCurve, jpeg_bytes
from grace.classes import BALANCED, balanced_weights, class_counts
from grace.coding import Coder, processors
from grace.measured import annex_k, measured_table
from grace.network_tables import NetworkTables
from grace.pictures import Pictures
from grace.provenance import package_version, pictures_sha256, weights_sha256
from grace.search import UnreachableError, smallest
from grace.sensitivity import RegionSums, nearest_levels, region_sums
from grace.state import State
from grace.tables import MAX_STEP, floored, level_offsets, log_base

if TYPE_CHECKING:
    from rdct.vision.models import Model

__all__ = ["METHODS", "build_table_set"]

METHODS = ("gradient", "measured")

#: Rate bands of fixed Huffman tables, evenly (in logarithm) between the rates of two qualities.
_BANDS = 6
_BAND_QUALITIES = (10, 97)
_BUDGET_TOLERANCE = 0.02
#: Qualities at whose scales levels are chosen anew, and pictures that do for it.
_ANCHORS = (5, 10, 20, 35, 55, 75, 90, 96)
_ANCHOR_PICTURES = 64

Progress = Callable[[str, int, int, str], None]


def build_table_set(
    model: Model,
    images: str | Path | Sequence,
    *,
    labels: str | Path | Sequence | None = None,
    method: str = "gradient",
    accuracy: tuple[str, float] | Demand = ("agreement", 0.985),
    levels: int = 16,
    rho: float | str = 4.0,
    subsampling: str = "444",
    region_blocks: int = 3,
    limit: int | None = None,
    class_weights: str | np.ndarray | None = None,
    progress: Progress | None = None,
    state: str | Path | None = None,
    threads: int | None = None,
    command: str | None = None,
) -> NetworkTables:
    """Make a network's table set from pictures like those it will see.

    Parameters
    ----------
    model : rdct.vision.models.Model
    images : str, Path or sequence
        A folder, or paths, or uint8 arrays ``[H, W, 3]``. Use training pictures.
    labels : str, Path or sequence, optional
        Labels of the same stems, for an mIoU demand.
    method : {"gradient", "measured"}
        Where the ratios of the steps come from: mean gradients, as in the paper, or trials with the
        codec and the network at the rate that the demand asks for.
    accuracy : (str, float)
        ``("agreement", a)`` or ``("miou_drop", d)``: what GRACE's single table must still reach.
    levels : int
        L, 1..64.
    rho : float or "data"
        Levels reach from B / rho to nearly B * rho. "data" takes the 2nd to 98th percentile of what
        the regions of these pictures ask for.
    subsampling : {"444", "422", "420"}
    region_blocks : int
        Side of a region in luma blocks.
    limit : int, optional
        Use only so many pictures, spread evenly.
    class_weights : "balanced" or numpy.ndarray, optional
        ``[K]``: factors on the losses of pixels of each class, by the network's own labels; "balanced" makes
        them from these pictures (`grace.balanced_weights`).
    progress : callable, optional
        Called with (step, done, total, note); total 0 where it is not known.
    state : str or Path, optional
        File that keeps what is finished. A build that was interrupted goes on from it; it is
        removed at the end.
    threads : int, optional
        For the codec; by default all processors. It does not change the result.
    command : str, optional
        Recorded in the provenance.

    Returns
    -------
    NetworkTables

    Raises
    ------
    grace.UnreachableError
        Not even steps of 1 meet the accuracy demand.
    """
    if method not in METHODS:
        raise ValueError(f"method must be {' or '.join(METHODS)}, got {method!r}")
    if subsampling not in ("444", "422", "420"):
        raise ValueError(f"subsampling must be 444, 422 or 420, got {subsampling!r}")
    if rho != "data":
        level_offsets(levels, rho)  # refuses early what cannot be stored
    demand = accuracy if isinstance(accuracy, Demand) else Demand(*accuracy)
    pictures = Pictures(images, labels, limit)
    hashes = [pictures.sha256(index) for index in range(len(pictures))]
    work = {
        "weights": weights_sha256(model),
        "model": getattr(model, "name", type(model).__name__),
        "subsampling": subsampling,
        "pictures": pictures_sha256(pictures, hashes),
        "accuracy": str(demand),
        "version": package_version(),
    }
    if method != "gradient":
        work["method"] = method
    if class_weights is not None:
        if isinstance(class_weights, str) and class_weights != BALANCED:
            raise ValueError(f"class_weights must be {BALANCED!r} or numbers, got {class_weights!r}")
        work["class_weights"] = (
            class_weights if isinstance(class_weights, str) else np.asarray(class_weights, float).tolist()
        )
    judge = Judge(model, pictures, demand)
    coder = Coder(pictures, subsampling, region_blocks, threads or processors())
    with State(None if state is None else Path(state), work) as kept:
        build = _Build(model, coder, hashes, judge, kept, progress)
        return build.run(levels, rho, work, command)


class _Build:
    """One run of `build_table_set`: what its steps share."""

    def __init__(
        self,
        model: Model,
        coder: Coder,
        hashes: list[str],
        judge: Judge,
        state: State,
        progress: Progress | None,
    ) -> None:
        self.model = model
        self.coder = coder
        self.pictures = coder.pictures
        self.hashes = hashes
        self.judge = judge
        self.state = state
        self.progress = progress
        # Filled in by `gradients` and `find_budget`.
        self.mean_gradient = self.mean_coefficient = np.zeros(0)
        # Steps at a budget B are 2 B over this: float64 [3, 8, 8]. Its origin marks the state's keys.
        self.relative, self.origin = np.zeros(0), ""
        self.class_counts: np.ndarray | int = 0
        self.class_weights: np.ndarray | None = None
        self.coefficients = self.loss = self.budget = self.score = 0.0
        self.budget_bytes = 0

    def run(self, levels: int, rho: float | str, work: dict, command: str | None) -> NetworkTables:
        if self.state.discarded:
            self.tell("resume", 0, 0, f"{self.state.path} belongs to another build; starting over")
        elif self.state.resumed:
            self.tell("resume", 0, 0, f"going on from {self.state.path}")
        if (weights := work.get("class_weights")) is not None:
            self.class_weights = self.balanced() if weights == BALANCED else np.array(weights)
        self.gradients()
        if work.get("method") == "measured":
            self.measure()
        plain = self.find_budget()
        sums = self.regions(plain)
        rho = self.rho_of(sums) if rho == "data" else float(rho)

        base = log_base(2 * self.budget / self.relative)
        offsets = level_offsets(levels, rho)
        bare = codec.TableSet.from_log(base, offsets)
        maps = [self.levels(one, bare, 1.0) for one in sums]
        jpeg = jpeg_bytes(self.coder, lambda done: self.tell("JPEG sizes", done, len(self.pictures), ""))
        calibration = {
            "uniform": self.calibrated(bare, None, jpeg),
            "regions": self.calibrated(bare, maps, jpeg),
        }
        bands = rate_bands(
            self.coder,
            bare,
            maps,
            _band_scales(jpeg, calibration["regions"]),
            lambda done, scale: self.tell("bands", done, _BANDS, f"scale {scale:.4g}"),
        )
        used = np.bincount(np.concatenate([m.ravel() for m in maps]), minlength=levels)
        return NetworkTables(
            table_set=codec.TableSet.from_log(base, offsets, bands),
            mean_gradient=self.mean_gradient,
            mean_coefficient=self.mean_coefficient,
            coefficients=self.coefficients,
            budget=self.budget,
            rho=rho,
            subsampling=self.coder.subsampling,
            region_blocks=self.coder.region_blocks,
            calibration=calibration,
            provenance={
                "model": work["model"],
                "weights_sha256": work["weights"],
                "pictures": len(self.pictures),
                "pictures_sha256": work["pictures"],
                "accuracy": work["accuracy"],
                "reached": self.score,
                "bytes_at_budget": self.budget_bytes,
                "loss": self.loss,
                "regions_by_level": used.tolist(),
                "version": work["version"],
                "method": work.get("method", "gradient"),
                **({"class_weights": work["class_weights"]} if "class_weights" in work else {}),
                "command": command,
            },
            class_shares=self.class_counts,
        )

    def tell(self, step: str, done: int, total: int, note: str) -> None:
        if self.progress is not None:
            self.progress(step, done, total, note)

    # 1. gradients

    def balanced(self) -> np.ndarray:
        """Weights from the network's labels of the pictures."""
        from rdct.vision import models

        total = 0
        for index, content in enumerate(self.hashes):
            counts = self.state.get(f"classes {content}")
            if counts is None:
                labels = models.labels(self.model, self.pictures[index])
                counts = class_counts(labels, len(self.model.class_names)).tolist()
                self.state.put(f"classes {content}", counts)
            total += np.array(counts)
            self.tell("classes", index + 1, len(self.pictures), self.pictures.name(index))
        return balanced_weights(total)

    def gradients(self) -> None:
        records = []
        total = len(self.pictures)
        for index, content in enumerate(self.hashes):
            record = self.state.get(f"gradients {content}")
            if record is None or "classes" not in record:
                record = self.record(index)
                self.state.put(f"gradients {content}", record)
            records.append(record)
            self.tell("gradients", index + 1, total, self.pictures.name(index))
        # M g does not depend on a picture's size, so pictures count alike whatever theirs is.
        self.coefficients = float(np.mean([r["coefficients"] for r in records]))
        relative = np.mean([np.array(r["gradient"]) * r["coefficients"] for r in records], 0)
        self.mean_gradient = (relative / self.coefficients).reshape(3, 8, 8)
        self.mean_coefficient = np.mean([r["size"] for r in records], 0).reshape(3, 8, 8)
        self.loss = float(np.mean([r["loss"] for r in records]))
        self.class_counts = np.sum([r["classes"] for r in records], 0)
        # Refuses a network that does not react.
        self.relative = floored(self.mean_gradient) * self.coefficients

    def record(self, index: int) -> dict:
        import torch

        from grace.dct import picture_coefficients
        from grace.gradients import coefficient_gradients

        image = self.pictures[index]
        found = coefficient_gradients(
            self.model, image, subsampling=self.coder.subsampling, class_weights=self.class_weights
        )
        rgb = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))
        parts = picture_coefficients(rgb, self.coder.subsampling)
        return {
            "coefficients": found.coefficients,
            "loss": found.loss,
            "gradient": found.mean_magnitude().reshape(3, 64).tolist(),
            "classes": class_counts(found.labels, len(self.model.class_names)).tolist(),
            "size": [part.abs().double().mean((0, 1)).ravel().tolist() for part in parts],
        }

    def measure(self) -> None:
        """Puts a measured table in place of the one of the gradients."""
        gradient = self.relative
        self.reshape(annex_k(), "Annex K ")
        self.find_budget()
        steps = measured_table(
            self.model,
            self.coder,
            self.hashes,
            2 * self.budget / self.relative,
            1 / gradient,
            self.state,
            self.tell,
            self.class_weights,
        )
        self.reshape(steps, "measured ")

    def reshape(self, steps: np.ndarray, origin: str) -> None:
        """Tables in the ratios of these steps; B stays what they can add to the loss, to first order."""
        cost = self.coefficients * float(
            np.average((self.mean_gradient * steps).mean((1, 2)), weights=self.shares())
        )
        self.relative, self.origin = cost / steps, origin

    def shares(self) -> tuple[int, ...]:
        """Relative numbers of blocks of the components."""
        return {"444": (1, 1, 1), "422": (2, 1, 1), "420": (4, 1, 1)}[self.coder.subsampling]

    # 2. budget

    def find_budget(self) -> list[bytes]:
        """Sets B and what it reaches; returns the pictures coded with its table."""
        relative = self.relative
        # From "no step above 1" to "no step below 255"; the search begins at a median step of 16.
        low, high = float(relative.min() / 2), float(relative.max() * 255 / 2)
        start = float(np.clip(np.median(relative) * 16 / 2, low, high))
        tried: dict[float, float] = {}

        def encode(budget: float) -> _Coded:
            kept = self.state.get(f"{self.origin}budget {budget!r}")
            if kept is not None:
                return _Coded(budget, int(kept["bytes"]), None, float(kept["score"]))
            data = self.encode_plain(budget)
            return _Coded(budget, sum(map(len, data)), data, None)

        def accept(coded: _Coded) -> bool:
            if coded.score is None:
                coded.score = self.judge.score([partial(codec.decode, data) for data in coded.data])
                kept = {"bytes": coded.size, "score": coded.score}
                self.state.put(f"{self.origin}budget {coded.budget!r}", kept)
            tried[coded.budget] = coded.score
            note = f"B = {coded.budget:.4g}: {coded.size} bytes, {self.score_text(coded.score)}"
            self.tell(f"{self.origin}budget", len(tried), 0, note)
            return self.judge.accepts(coded.score)

        try:
            found = smallest(
                encode,
                accept,
                low,
                high,
                start=start,
                tolerance=_BUDGET_TOLERANCE,
                max_evaluations=40,
                size=lambda coded: coded.size,
            )
        except UnreachableError as error:
            reached = self.score_text(tried[error.evaluations[-1].value])
            raise UnreachableError(
                f"accuracy {self.judge.demand} cannot be met: even steps of 1 give {reached}; ask for less",
                error.evaluations,
            ) from None
        coded = found.data
        self.budget, self.score, self.budget_bytes = coded.budget, coded.score, coded.size
        return coded.data if coded.data is not None else self.encode_plain(coded.budget)

    def score_text(self, score: float) -> str:
        return f"{self.judge.demand.kind.replace('_', ' ')} {score:.4f}"

    def encode_plain(self, budget: float) -> list[bytes]:
        table_set = codec.TableSet.from_log(log_base(2 * budget / self.relative), np.zeros(1, np.int8))
        return list(self.coder.each(codec.encode, table_set))

    # 3. regions

    def regions(self, plain: list[bytes]) -> list[RegionSums]:
        sums = []
        for index, data in enumerate(plain):
            sums.append(self.sums_of(codec.decode(data)))
            self.tell("regions", index + 1, len(plain), self.pictures.name(index))
        return sums

    def sums_of(self, decoded: np.ndarray) -> RegionSums:
        from grace.gradients import coefficient_gradients

        found = coefficient_gradients(
            self.model, decoded, subsampling=self.coder.subsampling, class_weights=self.class_weights
        )
        return region_sums(found, self.coder.region_blocks)

    def levels(self, sums: RegionSums, table_set: codec.TableSet, scale: float) -> np.ndarray:
        """The level map that STAC's Algorithm 1 gives at that scale."""
        q8 = round(256 * scale)
        steps = np.clip((table_set.tables.astype(np.int64) * q8 + 128) >> 8, 1, MAX_STEP)
        return nearest_levels(sums.costs(steps), sums.dues(self.budget * scale))

    def rho_of(self, sums: list[RegionSums]) -> float:
        maps = [one.rho(self.mean_gradient, self.coefficients) for one in sums]
        asked = 1 / np.concatenate([m[m > 0] for m in maps])
        low, high = np.percentile(asked, (2, 98))
        # Symmetric, since the middle level keeps B; 64 = two octaves more than the default.
        return float(np.clip(max(high, 1 / low), 1.1, 64))

    # 4. calibration

    def calibrated(
        self, table_set: codec.TableSet, maps: list[np.ndarray] | None, jpeg: dict[int, int]
    ) -> dict[int, float]:
        use = "uniform" if maps is None else "regions"
        count = 0

        def measure(scale: float) -> int:
            nonlocal count
            count += 1
            self.tell(f"calibration, {use}", count, 0, f"scale {scale:.4g}")
            return sum(self.coder.sizes(table_set, maps, scale))

        curve = SizeCurve(measure)
        curve.span(min(jpeg.values()), max(jpeg.values()))
        if maps is not None:
            factors: dict[float, float] = {}
            # Twice: the correction moves the scales at which it should be known.
            for _ in range(2):
                for quality in _ANCHORS:
                    scale = curve.scale_for(jpeg[quality])
                    if all(abs(np.log(scale / known)) > 0.1 for known in factors):
                        factors[scale] = self.factor(table_set, maps, scale)
                        note = f"scale {scale:.4g}"
                        self.tell("levels by scale", len(factors), 0, note)
                curve.correct = _interpolated(factors)
        scales = np.array([curve.scale_for(jpeg[quality]) for quality in QUALITIES])
        # A finer quality never gets a coarser scale, however ragged the sizes are.
        return dict(zip(QUALITIES, np.minimum.accumulate(scales).tolist(), strict=True))

    def factor(self, table_set: codec.TableSet, maps: list[np.ndarray], scale: float) -> float:
        """What choosing levels at this scale costs, over keeping those chosen at scale 1.

        Gradients grow with distortion, so coarser scales ask for relatively finer levels.
        """
        before = after = 0
        for index in range(0, len(self.pictures), -(-len(self.pictures) // _ANCHOR_PICTURES)):
            image = self.pictures[index]
            encode = partial(codec.encode, image, subsampling=self.coder.subsampling)
            plan = self.coder.plan(index, table_set, None, scale)
            sums = self.sums_of(codec.decode(encode(plan)))
            before += len(encode(plan.with_map(maps[index]), tables="id"))
            after += len(encode(plan.with_map(self.levels(sums, table_set, scale)), tables="id"))
        return after / before


def _interpolated(factors: dict[float, float]) -> Callable[[float], float]:
    """Between known scales, logarithmic in both; beyond them as at the last."""
    scales = sorted(factors)
    at, logs = np.log(scales), np.log([factors[scale] for scale in scales])
    return lambda scale: float(np.exp(np.interp(np.log(scale), at, logs)))


class _Coded:
    """All pictures coded at one budget."""

    def __init__(self, budget: float, size: int, data: list[bytes] | None, score: float | None) -> None:
        self.budget = budget
        self.size = size
        self.data = data
        self.score = score


# 5. bands


def _band_scales(jpeg: dict[int, int], scales: dict[int, float]) -> list[float]:
    """Scales at rates spread evenly, in logarithm, low to high."""
    ends = [np.log(jpeg[quality]) for quality in _BAND_QUALITIES]
    rates = np.log([jpeg[quality] for quality in QUALITIES])
    logs = np.log([scales[quality] for quality in QUALITIES])
    return np.exp(np.interp(np.linspace(*ends, _BANDS), rates, logs)).tolist()
