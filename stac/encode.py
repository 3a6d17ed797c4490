"""From a picture, a network and its table set to a stream: the library form of stac-encode.

At one scale: encode the whole picture with the middle level, decode it, ask how sensitive the network is
there to each coefficient, choose a level for each region, encode again. By default sensitivities are of
second order and all regions err alike; `paper=True` takes gradients and Algorithm 1, and
`sensitivity` and `levels` name what else there is. With "predicted" it is what the table set's predictor
foretells from the picture itself, and no network is asked.
`agreement=` turns the scale until the network's labels on the decoded stream just agree enough with
those on the raw picture; every trial really encodes, decodes and runs the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from stac.ladder import GenericLadder, generic_ladder
from stac.levels import Selection, scale_q8
from stac.pictures import as_rgb
from stac.predicted import predicted_levels
from stac.sensitivity import Levels, Sensitivity, check_sensitivity, checked_levels, levels_by, sensitivity_of

if TYPE_CHECKING:
    from codec import QuantPlan, TableSet
    from grace import CoefficientGradients, FisherSensitivity, NetworkTables
    from rdct.vision.models import Model

__all__ = [
    "MAX_STEP_JPEG",
    "Encoded",
    "UnreachableAgreementError",
    "check_predictor",
    "encode_image",
    "tables_for",
]

DEFAULT_QUALITY = 75
MAX_STEP_JPEG = 255
_PAPER_RHO = 4.0
# The dial of the search for an agreement, and when it is turned finely enough.
_SCALE_LOW, _SCALE_HIGH = 1 / 32, 64.0
_TOLERANCE = 0.015
_MAX_TRIALS = 20


class UnreachableAgreementError(ValueError):
    """No trial agreed as much as was asked for.

    Attributes
    ----------
    best : float
        The highest agreement seen.
    """

    def __init__(self, message: str, best: float) -> None:
        super().__init__(message)
        self.best = best


@dataclass(frozen=True)
class Encoded:
    """A stream, and how it came about.

    Attributes
    ----------
    data : bytes
        The file.
    plan : codec.QuantPlan
        What steered the encoder: table set, scale, level map.
    scale : float
        The scale of steps and budget; the plan's own unless that is the one table of a JPEG file
        without regions, which has it worked in.
    decoded : numpy.ndarray or None
        u8, what `codec.decode(data)` gives (None without a network).
    selection : Selection or None
        What was chosen for the regions (None without regions).
    raw_labels, decoded_labels : numpy.ndarray or None
        u8 ``[H, W]``, the network's labels of the raw and of the decoded picture.
    agreement : float or None
        Share of pixels where the two are equal.
    trials : int
        Scales that were tried.
    sensitivity_s : float
        Seconds that the network took for the gradients or sensitivities of this trial, which is what the
        server spends on it; or the predictor, which the device spends.
    """

    data: bytes = field(repr=False)
    plan: QuantPlan
    scale: float
    decoded: np.ndarray | None = field(default=None, repr=False)
    selection: Selection | None = field(default=None, repr=False)
    raw_labels: np.ndarray | None = field(default=None, repr=False)
    decoded_labels: np.ndarray | None = field(default=None, repr=False)
    agreement: float | None = None
    trials: int = 1
    sensitivity_s: float = 0.0

    @property
    def levels(self) -> dict[int, int]:
        """How many regions have each level that occurs, finest first."""
        values, counts = np.unique(self.plan.level_map, return_counts=True)
        return {int(level): int(count) for level, count in zip(values, counts, strict=True)}


def tables_for(model: Model | None, *, paper: bool = False) -> NetworkTables | GenericLadder:
    """The table set shipped for a network (None: the default network), else the generic ladder.

    Of the two sets of a network it is the measured one, and for the paper's scheme the one of gradients.
    """
    from grace import load_tables
    from rdct.vision.models import DEFAULT_MODEL

    name = DEFAULT_MODEL if model is None else getattr(model, "name", "")
    try:
        return load_tables(name if paper else f"{name}-measured")
    except FileNotFoundError:
        if model is None:
            raise
        return generic_ladder()


def encode_image(
    image: np.ndarray,
    model: Model | None = None,
    tables: NetworkTables | GenericLadder | None = None,
    *,
    scale: float | None = None,
    quality: int | None = None,
    budget: float | None = None,
    agreement: float | None = None,
    subsampling: Literal["444", "422", "420"] = "444",
    format: Literal["rdct", "jpeg"] = "rdct",
    gradient_at: Literal["decoded", "raw"] = "decoded",
    sensitivity: Sensitivity | Literal["predicted"] | None = None,
    probes: int = 1,
    class_weights: np.ndarray | None = None,
    levels: Levels | None = None,
    region_blocks: int = 3,
    mode: Literal["closest", "floor"] = "closest",
    paper: bool = False,
    entropy: str | None = None,
    effort: int | None = None,
    tables_mode: Literal["inline", "id"] = "inline",
    threads: int = 1,
    cpu: str = "auto",
    raw_labels: np.ndarray | None = None,
    on_trial: Callable[[Encoded], None] | None = None,
) -> Encoded:
    """Encode a picture region by region for a network.

    Parameters
    ----------
    image : numpy.ndarray
        u8 RGB ``[H, W, 3]`` or grey ``[H, W]``; a network sees grey as RGB.
    model : Model, optional
        From `rdct.vision.models.load`. Without one the middle level is used everywhere, unless levels are
        predicted.
    tables : NetworkTables or GenericLadder, optional
        By default what `tables_for` gives: a set shipped for the network, else the generic ladder.
    scale, quality, budget, agreement
        At most one. `scale` multiplies steps and budget (default: quality 75); `quality` 1..100 is
        looked up in the table set's calibration; `budget` is the middle level's; `agreement` in
        0..1 searches for the smallest file on which the network's labels agree to that degree with
        those on the raw picture.
    subsampling : {"444", "422", "420"}
        Of chroma; without meaning for grey.
    format : {"rdct", "jpeg"}
        "jpeg" writes the same plan as a JPEG file (see `codec.encode`); where only one level is in
        use, as without a network, with that level's table, steps capped at 255.
    gradient_at : {"decoded", "raw"}
        Where gradients are taken: on the picture decoded from the middle level at the same scale
        (as in the paper; once for each scale that is tried), or on the raw one (once). Second-order
        sensitivities likewise.
    sensitivity : {"gradient", "fisher", "margin", "predicted"}, optional
        What levels are chosen by: second-order sensitivity of the network's answer ("fisher", the default)
        or of its labels ("margin"), or first-order gradients ("gradient", the paper's), which all cost the
        same time; or what the set's predictor foretells of "fisher" ("predicted", `predicted_levels`), for
        which no network is needed and `gradient_at` means nothing.
    levels : {"closest", "equal-error", "rate"}, optional
        How: second-order sensitivities make errors equal (`equal_error_levels`, their default) or trade them
        for bits (`rate_aware_levels`); "closest" is Algorithm 1 (`select_levels`), all that gradients
        know.
    probes : int
        Of a second-order sensitivity: backward passes from one forward pass. One is noisy; four saved 3 %
        of the bytes on one network and nothing on another (docs/experiments/beyond.md).
    class_weights : numpy.ndarray, optional
        ``[K]``: what pixels of each class count (`grace.balanced_weights`).
    region_blocks : int
        Side of a region in luma blocks, 1..8.
    mode : {"closest", "floor"}
        See `select_levels`; second-order sensitivities know "closest" only.
    paper : bool
        Hold to the paper: levels B/4..4B, 4:4:4, Huffman tables made for the picture, "closest",
        gradients at the decoded picture, plain rounding. Anything else asked for along with it is an error.
    entropy : str, optional
        As in `codec.encode`; "context" by default, "huffman" in a JPEG file and in the paper's scheme.
    effort : int, optional
        As in `codec.encode`; 1 by default, 0 in the paper's scheme. Sensitivities are taken on a plainly
        rounded picture at every effort.
    threads, cpu
        As in `codec.encode`.
    tables_mode : {"inline", "id"}
        Whether the stream carries the table set or names it.
    raw_labels : numpy.ndarray, optional
        The network's labels of the raw picture, if known already.
    on_trial : callable, optional
        Called with each trial of a search.

    Returns
    -------
    Encoded

    Raises
    ------
    UnreachableAgreementError
        Not even the finest scale agrees enough.
    """
    _check_options(image, model, scale, quality, budget, agreement, format, tables_mode, region_blocks)
    if gradient_at not in ("decoded", "raw"):
        raise ValueError(f"gradient_at is {gradient_at!r}; use 'decoded' or 'raw'")
    if sensitivity is None:
        sensitivity = "gradient" if paper else "fisher"
    if effort is None:
        effort = 0 if paper else 1
    check_sensitivity(sensitivity, mode, probes, predicted=True)
    levels = checked_levels(levels, sensitivity)
    if entropy is None:
        entropy = "huffman" if paper or format == "jpeg" else "context"
    if paper:
        _check_paper(model, subsampling, format, gradient_at, sensitivity, mode, entropy, effort)
        if class_weights is not None:
            raise ValueError("paper=True counts all pixels alike; leave out class_weights")
    if tables is None:
        tables = tables_for(model, paper=paper)
    if sensitivity == "predicted":
        check_predictor(tables, region_blocks)
        if class_weights is not None:
            raise ValueError("a predictor was trained with all classes alike; leave out class_weights")
    table_set = _paper_set(tables) if paper else tables.table_set
    if tables_mode == "id" and table_set != tables.table_set:
        raise ValueError("paper=True needs other levels than this set has, so its id cannot stand for them")
    job = _Job(
        image=image,
        model=model,
        tables=tables,
        table_set=table_set,
        subsampling=subsampling,
        format=format,
        raw_gradient=gradient_at == "raw",
        sensitivity=sensitivity,
        probes=probes,
        class_weights=class_weights,
        levels=levels,
        region_blocks=region_blocks,
        mode=mode,
        encode_options={"entropy": entropy, "effort": effort, "threads": threads, "cpu": cpu},
        tables_mode=tables_mode,
        raw_labels=raw_labels,
    )
    if agreement is None:
        return job.at(_scale(tables, job.regional, scale, quality, budget))
    return _search(job, agreement, on_trial)


def _check_options(
    image, model, scale, quality, budget, agreement, format, tables_mode, region_blocks
) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise TypeError(f"image must be a uint8 array, got {getattr(image, 'dtype', type(image).__name__)}")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        raise ValueError(f"image must be RGB [H, W, 3] or grey [H, W], got shape {image.shape}")
    given = {"scale": scale, "quality": quality, "budget": budget, "agreement": agreement}
    given = [name for name, value in given.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"give one of scale, quality, budget, agreement; got {' and '.join(given)}")
    if agreement is not None and model is None:
        raise ValueError("agreement needs a model to compare labels with")
    if agreement is not None and not 0 < agreement <= 1:
        raise ValueError(f"agreement is {agreement}, outside 0..1")
    if format not in ("rdct", "jpeg"):
        raise ValueError(f"format is {format!r}; use 'rdct' or 'jpeg'")
    if tables_mode not in ("inline", "id"):
        raise ValueError(f"tables_mode is {tables_mode!r}; use 'inline' or 'id'")
    if tables_mode == "id" and format == "jpeg":
        raise ValueError("a JPEG file carries its tables: tables_mode 'id' needs format 'rdct'")
    if not 1 <= region_blocks <= 8:
        raise ValueError(f"region_blocks is {region_blocks}, outside 1..8")


def check_predictor(tables: NetworkTables | GenericLadder, region_blocks: int) -> None:
    """Raise ValueError unless levels can be predicted with this table set."""
    predictor = getattr(tables, "predictor", None)
    if predictor is None:
        raise ValueError(
            "sensitivity 'predicted' needs a table set with a predictor, and this one has none; "
            "stac-tables predictor --tables FILE --images DIR puts one into it"
        )
    if predictor.region_blocks != region_blocks:
        raise ValueError(
            f"the predictor knows regions of {predictor.region_blocks} blocks, not of {region_blocks}; "
            "leave region_blocks as it is, or choose another sensitivity"
        )


def _check_paper(model, subsampling, format, gradient_at, sensitivity, mode, entropy, effort) -> None:
    if model is None:
        raise ValueError("paper=True needs a model: the scheme is driven by its gradients")
    wanted = {
        "subsampling": (subsampling, "444"),
        "format": (format, "rdct"),
        "gradient_at": (gradient_at, "decoded"),
        "sensitivity": (sensitivity, "gradient"),
        "mode": (mode, "closest"),
        "entropy": (entropy, "huffman"),
        "effort": (effort, 0),
    }
    for name, (found, fixed) in wanted.items():
        if found != fixed:
            raise ValueError(f"paper=True fixes {name} to {fixed!r}; got {found!r}")


def _paper_set(tables: NetworkTables | GenericLadder) -> TableSet:
    """Scaled copies of the middle level from B/4 to nearly 4B; the set itself if it is that."""
    from codec import TableSet
    from grace.tables import level_offsets, log_base

    own = tables.table_set
    levels = own.levels
    offsets = level_offsets(levels, _PAPER_RHO)
    if own.log_base is None or own.log_offset[levels // 2] != 0:
        return TableSet.from_log(log_base(own.tables[levels // 2]), offsets)
    if np.array_equal(own.log_offset, offsets):
        return own
    return TableSet.from_log(own.log_base, offsets, own.bands)


def _scale(tables, regional, scale, quality, budget) -> float:
    if scale is not None:
        return scale
    if budget is not None:
        if tables.budget is None:
            raise ValueError("a budget needs a table set made for the network; the generic ladder has none")
        return tables.scale_for_budget(budget)
    return tables.scale_for_quality(
        DEFAULT_QUALITY if quality is None else quality, "regions" if regional else "uniform"
    )


def _search(job: _Job, wanted: float, on_trial: Callable[[Encoded], None] | None) -> Encoded:
    from grace.search import UnreachableError, smallest

    seen: dict[int, Encoded] = {}

    def encode(scale: float) -> Encoded:
        # Settings that the stream cannot tell apart are one trial.
        key = scale_q8(scale)
        if key not in seen:
            seen[key] = job.at(scale)
            if on_trial is not None:
                on_trial(seen[key])
        return seen[key]

    try:
        found = smallest(
            encode,
            lambda trial: trial.agreement >= wanted,
            _SCALE_LOW,
            _SCALE_HIGH,
            start=1.0,
            tolerance=_TOLERANCE,
            max_evaluations=_MAX_TRIALS,
            size=lambda trial: len(trial.data),
        )
    except UnreachableError:
        best = max(trial.agreement for trial in seen.values())
        raise UnreachableAgreementError(
            f"agreement {wanted:g} is out of reach: the best of {len(seen)} trials has {best:.4f}; "
            "ask for less",
            best,
        ) from None
    return replace(found.data, trials=len(seen))


@dataclass
class _Job:
    """One picture with everything fixed but the scale."""

    image: np.ndarray
    model: Model | None
    tables: NetworkTables | GenericLadder
    table_set: TableSet
    subsampling: str
    format: str
    raw_gradient: bool
    sensitivity: Sensitivity | Literal["predicted"]
    probes: int
    class_weights: np.ndarray | None
    levels: Levels
    region_blocks: int
    mode: str
    encode_options: dict
    tables_mode: str
    raw_labels: np.ndarray | None

    def __post_init__(self) -> None:
        self._gradients: CoefficientGradients | FisherSensitivity | None = None
        self._predicted: Selection | None = None
        self._sensitivity_s = 0.0

    @property
    def regional(self) -> bool:
        """Whether regions get levels of their own."""
        return self.model is not None or self.sensitivity == "predicted"

    def at(self, scale: float) -> Encoded:
        """Encode at one scale and, with a network, see what it makes of the result."""
        import codec

        scale = scale_q8(scale) / 256
        selection = None
        plan = self._uniform(scale)
        if self.regional:
            selection = self._select(plan, scale)
            plan = plan.with_map(selection.level_map)
        if self.format == "jpeg":
            plan = _within_jpeg(plan)
        data = codec.encode(
            self.image,
            plan,
            subsampling=self.subsampling,
            format=self.format,
            tables=self.tables_mode,
            **self.encode_options,
        )
        result = Encoded(data, plan, scale, selection=selection, sensitivity_s=self._sensitivity_s)
        return result if self.model is None else self._judged(result)

    def _judged(self, result: Encoded) -> Encoded:
        from rdct.vision.metrics import agreement
        from rdct.vision.models import labels

        if self.raw_labels is None:
            self.raw_labels = labels(self.model, as_rgb(self.image))
        decoded = self._decode(result.data)
        found = labels(self.model, as_rgb(decoded))
        return replace(
            result,
            decoded=decoded,
            raw_labels=self.raw_labels,
            decoded_labels=found,
            agreement=agreement(found, self.raw_labels),
        )

    def _decode(self, data: bytes) -> np.ndarray:
        import codec

        sets = (self.table_set,)
        return codec.decode(
            data, table_sets=sets, threads=self.encode_options["threads"], cpu=self.encode_options["cpu"]
        )

    def _select(self, middle: QuantPlan, scale: float) -> Selection:
        if self.sensitivity == "predicted":
            if self._predicted is None:  # it does not depend on the scale
                import codec

                started = time.perf_counter()
                options = {name: self.encode_options[name] for name in ("threads", "cpu")}
                self._predicted = predicted_levels(
                    self.image, self.tables.predictor, self.table_set, encoder=codec.Encoder(**options)
                )
                self._sensitivity_s = time.perf_counter() - started
            return self._predicted
        gradients = self._gradients if self.raw_gradient else None
        if gradients is None:
            gradients = self._gradients_of(middle)
            if self.raw_gradient:
                self._gradients = gradients
        tables = replace(self.tables, table_set=self.table_set)
        return levels_by(
            self.levels,
            gradients,
            tables,
            self.image,
            mode=self.mode,
            scale=scale,
            region_blocks=self.region_blocks,
        )

    def _gradients_of(self, middle: QuantPlan) -> CoefficientGradients | FisherSensitivity:
        import codec
        from grace import Look

        picture = self.image
        if not self.raw_gradient:
            # How the file is coded and quantised is no business of the network's: the plainest will do.
            options = {name: self.encode_options[name] for name in ("threads", "cpu")}
            picture = self._decode(codec.encode(self.image, middle, subsampling=self.subsampling, **options))
        grey = self.image.ndim == 2
        started = time.perf_counter()
        look = Look(self.model, picture, subsampling="grey" if grey else self.subsampling)
        found = sensitivity_of(self.sensitivity, look, self.class_weights, self.probes)
        self._sensitivity_s = time.perf_counter() - started
        return found

    def _uniform(self, scale: float) -> QuantPlan:
        import codec

        level_map = np.full(
            codec.map_shape(*self.image.shape[:2], self.region_blocks), self.table_set.levels // 2, np.uint8
        )
        return codec.QuantPlan(self.table_set, level_map, self.region_blocks, scale)


def _within_jpeg(plan: QuantPlan) -> QuantPlan:
    """A plan with one level in use as that one table with steps that JPEG has; any other as it is, for
    `codec.encode` then finds a table itself.
    """
    import codec

    level = plan.level_map.flat[0]
    if np.any(plan.level_map != level):
        return plan
    steps = np.minimum(plan.steps[level : level + 1], MAX_STEP_JPEG)
    return codec.QuantPlan(steps, np.zeros_like(plan.level_map), plan.region_blocks)
