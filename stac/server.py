"""STAC's server side: labels first, then the levels for the next keyframe.

For each keyframe: decode it, run the network, send the labels; then go backward from the same pass to the
gradient of the network's loss against its own labels at the decoded picture (or to a second-order
sensitivity), choose a level for every region, send the levels. The labels are on their way while the
gradient is still being computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

import codec
from rdct.offload.labels import encode_labels
from rdct.offload.messages import VERSION, Feedback, Hello, Limits, Notice, Packet, PlanUpdate, Welcome
from stac.levels import Mode
from stac.sensitivity import Sensitivity, check_sensitivity, checked_levels, levels_by, sensitivity_of

if TYPE_CHECKING:
    from grace import Look, NetworkTables
    from rdct.vision.models import Model
    from stac.ladder import GenericLadder

__all__ = ["StacServer"]

#: Takes the decoded picture and its packet, gives u8 ``[H, W]``.
LabelSource = Callable[[np.ndarray, Packet], np.ndarray]

#: Forward passes kept for going backward, over all sessions of the process: each holds a network's whole
#: memory of a picture. Where more sessions have labels on their way, theirs run the network again.
KEPT_PASSES = 4
_KEPT = threading.BoundedSemaphore(KEPT_PASSES)


class StacServer:
    """Answers the keyframes of one session. Keeps `rdct.offload.Server`.

    Parameters
    ----------
    model : Model
        From `rdct.vision.models.load`. It may be shared between servers; nothing else is.
    tables : NetworkTables or GenericLadder
        What the session encodes with, and what levels are chosen from.
    scale : float
        Factor on all steps that the device is told to use. Levels are chosen at the scale that a stream
        really has.
    adaptive : bool
        False: labels only, no gradients (GRACE, JPEG).
    sensitivity : {"gradient", "fisher", "margin"}
        What levels are chosen by, see `stac.encode_image`.
    probes : int
        Of a second-order sensitivity: a backward pass each.
    mode : {"closest", "floor"}
        See `stac.select_levels`.
    region_blocks : int, optional
        Side of a region that the device is told to use; that of the table set.
    limits : rdct.offload.Limits, optional
    label_source : callable, optional
        ``label_source(image, packet)`` gives the labels to send, instead of the network's own on the
        decoded picture.
    threads : int
        For decoding.

    Notes
    -----
    It has no clock: `PlanUpdate.server_s` is left to the driver.
    """

    def __init__(
        self,
        model: Model,
        tables: NetworkTables | GenericLadder,
        *,
        scale: float = 1.0,
        adaptive: bool = True,
        sensitivity: Sensitivity = "gradient",
        probes: int = 1,
        mode: Mode = "closest",
        region_blocks: int | None = None,
        limits: Limits | None = None,
        label_source: LabelSource | None = None,
        threads: int = 1,
    ) -> None:
        check_sensitivity(sensitivity, mode, probes)
        self._model = model
        self._tables = tables
        self._scale = scale
        self._adaptive = adaptive
        self._sensitivity, self._probes = sensitivity, probes
        self._mode = mode
        own = getattr(tables, "region_blocks", 3)
        self._region_blocks = own if region_blocks is None else region_blocks
        self._limits = Limits() if limits is None else limits
        self._label_source = label_source
        self._decoder = codec.Decoder(threads=threads)

    def on_hello(self, hello: Hello, now: float) -> Welcome | Notice:
        """Open the session, or refuse it: another version of the protocol, or pictures beyond the limit."""
        if hello.version != VERSION:
            return Notice("refused", f"this server speaks version {VERSION}, not {hello.version}")
        if hello.width * hello.height > self._limits.max_pixels:
            return Notice(
                "refused",
                f"pictures of {hello.width} x {hello.height} pixels are beyond the limit of "
                f"{self._limits.max_pixels}; send smaller ones",
            )
        table_set = self._tables.table_set
        known = table_set.id in hello.known_sets
        # The predictor was trained for regions of one size, and without levels there is nothing to foretell.
        predictor = getattr(self._tables, "predictor", None)
        foretells = self._adaptive and getattr(predictor, "region_blocks", None) == self._region_blocks
        return Welcome(
            set_id=table_set.id,
            table_set=None if known else table_set.to_bytes(),
            scale=self._scale,
            region_blocks=self._region_blocks,
            class_names=tuple(self._model.class_names),
            palette=self._model.palette,
            limits=self._limits,
            subsampling=getattr(self._tables, "subsampling", "444"),
            predictor=predictor.to_bytes() if foretells else None,
        )

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        """Answer a keyframe.

        Parameters
        ----------
        packet : Packet
            Its payload is not trusted.
        now : float
            Not needed here.

        Yields
        ------
        PlanUpdate or Notice
            Labels, before gradients are computed; then levels, unless the stream cannot follow levels. A
            payload that does not decode within the limits is answered by a Notice "refused" only.
        """
        serial = packet.keyframe
        try:
            header, image = self._decoded(packet)
        except (ValueError, codec.UnsupportedError) as error:
            yield Notice("refused", f"keyframe {serial}: {error}", serial)
            return
        if not (self._adaptive and self._follows(header)):
            yield PlanUpdate(serial, labels=encode_labels(self._labels(image, packet)))
            return
        from grace import Look

        look = Look(self._model, image, subsampling=header.subsampling)
        kept = _KEPT.acquire(blocking=False)
        try:
            one_pass = kept and self._label_source is None
            labels = look.labels() if one_pass else self._labels(image, packet)
            yield PlanUpdate(serial, labels=encode_labels(labels))
            level_map = self._levels(header, image, look)
        finally:
            if kept:
                _KEPT.release()
        yield PlanUpdate(serial, level_map=codec.encode_level_map(level_map, self._tables.table_set.levels))

    def _decoded(self, packet: Packet) -> tuple[codec.Header, np.ndarray]:
        if len(packet.payload) > self._limits.max_packet_bytes:
            raise ValueError(
                f"{len(packet.payload)} bytes are beyond the limit of {self._limits.max_packet_bytes}"
            )
        sets = (self._tables.table_set,)
        # Decoded first: that checks the size before anything is allocated for it.
        image = self._decoder.decode(packet.payload, table_sets=sets, max_pixels=self._limits.max_pixels)
        return codec.read_header(packet.payload, sets), image

    def _labels(self, image: np.ndarray, packet: Packet) -> np.ndarray:
        if self._label_source is not None:
            return self._label_source(image, packet)
        from rdct.vision import models

        return models.labels(self._model, _rgb(image))

    def _follows(self, header: codec.Header) -> bool:
        """Whether levels mean to the sender what they mean here: a stream with as many of them."""
        return header.format == "rdct" and header.levels == self._tables.table_set.levels

    def _levels(self, header: codec.Header, image: np.ndarray, look: Look) -> np.ndarray:
        """From the network's own labels on this very picture, not from its truth: nobody knows that."""
        return levels_by(
            checked_levels(None, self._sensitivity),
            sensitivity_of(self._sensitivity, look, probes=self._probes),
            self._tables,
            image,
            scale=header.scale,
            region_blocks=header.region_blocks,
            mode=self._mode,
        ).level_map


def _rgb(image: np.ndarray) -> np.ndarray:
    """A grey picture as a network sees it."""
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
