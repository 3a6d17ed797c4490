"""Everything that goes through our codec: precise JPEG, GRACE, STAC as printed, the default.

GRACE and STAC get the same pipeline, entropy coder and table set, so that what differs between
their rows is the plan alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import codec
from rdct.evaluation.codecs import TABLE_MODES, Absent, Coded, Dial, Setup, System
from rdct.evaluation.codecs.stock import ijg_coordinate

if TYPE_CHECKING:
    from grace import NetworkTables

#: Multiples of the budget B that the tables were built for.
SCALES = Dial("scale", 0.125, 4.0, grid=1 / 256)
#: The qualities of libjpeg, or those of `stac-encode -q`, which cost about as many bytes.
QUALITIES = Dial("quality", 12, 97, coordinate=ijg_coordinate)

_KINDS = ("table", "huffman", "map", "index", "slice")
_RDCT = f"rdct {codec.__version__}"


def tables_sha256(tables: NetworkTables) -> str:
    """Over all of the network tables that steers bytes, wherever they were loaded from."""
    entries = tables.to_json()
    # The predictor steers one row only, which has its own word to say about it.
    del entries["predictor"]
    entries["mean_gradient"] = np.asarray(tables.mean_gradient).tolist()
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


class _Own(System):
    """Streams of our codec."""

    rooms = ("codec",)

    def __init__(self) -> None:
        # What the decoder holds, for streams that name their set by id.
        self._sets: dict[bytes, codec.TableSet] = {}

    def encode(self, image: np.ndarray, dial: float) -> bytes:
        mode = self.table_modes[0]
        return self.code(image, dial, (mode,)).streams[mode]

    def decode(self, data: bytes) -> np.ndarray:
        return codec.decode(data, table_sets=tuple(self._sets.values()))

    def parts(self, data: bytes) -> dict[str, int]:
        header = codec.read_header(data, table_sets=tuple(self._sets.values()))
        found = {kind: getattr(header, f"{kind}_bytes") for kind in _KINDS}
        # What is left are the fields, markers and checksums around them.
        return {"header": len(data) - sum(found.values()), **found}


class JpegPrecise(_Own):
    """A plain JPEG file (Annex K tables), written and read without rounding between the stages."""

    name = "jpeg-precise-444"
    dial = QUALITIES

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.settings = f"{_RDCT}: format jpeg, Annex K tables, optimised Huffman, 4:4:4, precise both ways"

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        data = codec.encode(image, quality=int(dial), subsampling="444", format="jpeg")
        return Coded({None: data}, {})


class _Tabled(_Own):
    """Streams under a plan made from network tables."""

    table_modes = TABLE_MODES
    dial = SCALES
    rooms = ("codec", "grace")
    entropy = "huffman"
    effort = 0
    #: Whether the row is a published scheme, whose set is one of gradients where there are two.
    published = False

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        tables = (setup.paper_tables if self.published else None) or setup.tables
        if tables is None:
            raise Absent("needs network tables: --tables FILE (see stac-tables build)")
        self.tables = tables
        self.table_set = tables.id
        self.tables_sha256 = tables_sha256(tables)

    def _streams(
        self, image: np.ndarray, plan: codec.QuantPlan, modes: tuple[str | None, ...]
    ) -> dict[str | None, bytes]:
        self._sets[plan.table_set.id] = plan.table_set
        options = {"subsampling": "444", "entropy": self.entropy, "effort": self.effort}
        return {mode: codec.encode(image, plan, tables=mode, **options) for mode in modes}


class Grace(_Tabled):
    """The middle table everywhere, in a set of one level, which is all that GRACE has to send.

    Attributes
    ----------
    single : codec.TableSet
        That set.
    """

    name = "grace"
    published = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = f"{_RDCT}: middle table x scale, optimised Huffman, 4:4:4"
        whole, middle = self.tables.table_set, self.tables.middle
        if whole.log_base is None:
            self.single = codec.TableSet(whole.tables[middle : middle + 1])
        else:
            self.single = codec.TableSet.from_log(whole.log_base, whole.log_offset[middle : middle + 1])

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        return Coded(self._streams(image, _uniform(self.single, image, dial), modes), {})


class GraceCapped(_Tabled):
    """The capped (water-filled) table, made anew for the budget of every point."""

    name = "grace-capped"
    published = True
    # At the B of plain tables nearly every step stands at its cap, and nothing moves any more.
    dial = Dial("scale", 1 / 64, 0.5, grid=1 / 1024)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = f"{_RDCT}: capped table at B x scale, optimised Huffman, 4:4:4"
        # Offline, GRACE makes its table for the demand it is given; here every point is a demand.
        self._table = lru_cache(maxsize=64)(
            lambda scale: codec.TableSet(self.tables.capped_at(self.tables.budget * scale)[None])
        )

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        return Coded(self._streams(image, _uniform(self._table(dial), image, 1.0), modes), {})


def _uniform(table_set: codec.TableSet, image: np.ndarray, scale: float) -> codec.QuantPlan:
    return codec.QuantPlan(table_set, np.zeros(codec.map_shape(*image.shape[:2]), np.uint8), scale=scale)


class StacPaper(_Tabled):
    """`stac-encode --paper`: Algorithm 1 as printed, gradients on the decoded picture of each point."""

    name = "stac-paper"
    rooms = ("codec", "grace", "stac")
    published = True

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.model = setup.model
        self.settings = f"{_RDCT}: stac-encode --paper at B x scale, optimised Huffman, 4:4:4"

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        return self._steered(image, modes, paper=True, scale=dial)

    def _steered(self, image: np.ndarray, modes: tuple[str | None, ...], **options: Any) -> Coded:
        from stac import encode_image

        # Agreement is counted by the caller, from labels it has: any map saves asking for them here.
        unused = np.zeros(image.shape[:2], np.uint8)
        mode, *others = modes
        if mode is not None:
            options["tables_mode"] = mode
        done = encode_image(image, self.model, self.tables, raw_labels=unused, **options)
        self._sets[done.plan.table_set.id] = done.plan.table_set
        streams = {mode: done.data, **self._streams(image, done.plan, tuple(others))}
        facts = {"scale": done.scale}
        if done.selection is not None:
            facts["sensitivity_s"] = round(done.sensitivity_s, 4)
            facts |= {"ln_rho_std": done.selection.ln_rho_std, "overshoot": done.selection.overshoot}
        facts = {name: float(value) for name, value in facts.items() if math.isfinite(value)}
        return Coded(streams, facts, done.decoded, done.decoded_labels)


class StacFisher(StacPaper):
    """`stac-encode --sensitivity fisher`: levels by second-order sensitivity, all else as `stac-paper`.

    With a measured table set it shows both together; that set alone is its `grace` row.
    """

    name = "stac-fisher"
    published = False
    levels = "equal-error"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = (
            f"{_RDCT}: stac-encode --sensitivity fisher --levels {self.levels} at scale, {self._coder}, 4:4:4"
        )

    @property
    def _coder(self) -> str:
        coder = "context-modelled" if self.entropy == "context" else "optimised Huffman"
        return f"{coder}, effort {self.effort}" if self.effort else coder

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        options = {
            "sensitivity": "fisher",
            "levels": self.levels,
            "entropy": self.entropy,
            "effort": self.effort,
        }
        return self._steered(image, modes, scale=dial, **options)


class StacFisherContext(StacFisher):
    """The same plan, context-modelled."""

    name = "stac-fisher-context"
    entropy = "context"


class StacFisherDeadzone(StacFisherContext):
    """The same plan, context-modelled, quantised with dead zones."""

    name = "stac-fisher-deadzone"
    effort = 1


class StacFisherTrellis(StacFisherContext):
    """The same plan, context-modelled, coefficients searched for the fewest bits and errors."""

    name = "stac-fisher-trellis"
    effort = 3


class StacFisherRate(StacFisherContext):
    """`stac-encode --sensitivity fisher --levels rate`: errors traded for bits, context-modelled."""

    name = "stac-fisher-rate"

    levels = "rate"


class StacFisherRateDeadzone(StacFisherRate):
    """Rate-aware levels and dead zones together."""

    name = "stac-fisher-rate-deadzone"
    effort = 1


class StacMargin(StacFisherContext):
    """Levels by how near labels are to changing: `stac-encode --sensitivity margin`."""

    name = "stac-margin"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = self.settings.replace("sensitivity fisher", "sensitivity margin")

    def _steered(self, image: np.ndarray, modes: tuple[str | None, ...], **options: Any) -> Coded:
        return super()._steered(image, modes, **(options | {"sensitivity": "margin"}))


class StacFisherBalanced(StacFisherContext):
    """`stac-fisher-context` with all classes counting alike, however few pixels they have."""

    name = "stac-fisher-balanced"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        from grace.classes import BALANCED, class_weights_of

        try:
            self._weights = class_weights_of(BALANCED, setup.model, self.tables.class_shares)
        except ValueError as error:
            raise Absent(str(error)) from None
        self.settings = self.settings.replace(" at scale", " --class-weights balanced at scale")

    def _steered(self, image: np.ndarray, modes: tuple[str | None, ...], **options: Any) -> Coded:
        return super()._steered(image, modes, class_weights=self._weights, **options)


class StacPredicted(StacFisher):
    """`stac-encode --sensitivity predicted`: levels foretold by the set's predictor; no network is asked."""

    name = "stac-predicted"
    entropy = "context"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        predictor = setup.tables.predictor
        if predictor is None:
            raise Absent("needs network tables with a predictor: see stac-tables predictor")
        digest = hashlib.sha256(predictor.to_bytes()).hexdigest()[:16]
        what = f"stac-encode --sensitivity predicted at scale, predictor {digest}"
        self.settings = f"{_RDCT}: {what}, {self._coder}, 4:4:4"

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        options = {"sensitivity": "predicted", "entropy": self.entropy, "effort": self.effort}
        return self._steered(image, modes, scale=dial, **options)


class Default(StacPaper):
    """What `stac-encode -q` writes when nothing else is asked for."""

    name = "default"
    published = False
    dial = QUALITIES
    entropy = "context"
    effort = 1

    def __init__(self, setup: Setup) -> None:
        if setup.tables is not None:
            super().__init__(setup)
        else:
            _Own.__init__(self)
            from stac import generic_ladder

            self.model, self.tables = setup.model, generic_ladder()
            self.table_set = self.tables.table_set.id_hex
        kind = "network tables" if setup.tables is not None else "generic ladder"
        self.settings = f"{_RDCT}: stac-encode -q ({kind}), context-modelled, 4:4:4"

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        return self._steered(image, modes, quality=int(dial))


class DefaultJpeg(Default):
    """The same plan in a file that every JPEG decoder reads: `stac-encode -q --format jpeg`."""

    name = "default-jpeg"
    table_modes = (None,)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.settings = self.settings.replace("stac-encode -q", "stac-encode -q --format jpeg")
        self.settings = self.settings.replace("context-modelled", "optimised Huffman")

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        return self._steered(image, (None,), quality=int(dial), format="jpeg")


class DefaultJpegPillow(DefaultJpeg):
    """The same file as Pillow reads it."""

    name = "default-jpeg-pillow"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        import PIL

        self.settings += f", read by Pillow {PIL.__version__}"

    def code(self, image: np.ndarray, dial: float, modes: tuple[str | None, ...]) -> Coded:
        # What the encoder saw on its way was decoded precisely: leave it out.
        return replace(super().code(image, dial, modes), decoded=None, labels=None)

    def decode(self, data: bytes) -> np.ndarray:
        from PIL import Image

        with Image.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))
