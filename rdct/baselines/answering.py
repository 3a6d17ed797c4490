# SPDX-License-Identifier: Apache-2.0
"""The server of every baseline: decode, ask the model, answer with boxes or with labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import codec
from rdct.baselines.stills import decode
from rdct.offload.labels import encode_labels
from rdct.offload.messages import (
    MAX_REGIONS,
    VERSION,
    Detections,
    Feedback,
    Hello,
    Limits,
    Notice,
    Packet,
    PlanUpdate,
    Welcome,
)
from rdct.vision.models.classes import default_palette
from rdct.vision.regions import Region, hulls

if TYPE_CHECKING:
    from rdct.vision.detectors import Detector
    from rdct.vision.models import Model

__all__ = ["AnsweringServer", "Looking", "labels_pixels", "palette_of"]


def labels_pixels(model: Any) -> bool:
    """Whether a model is one of `rdct.vision.models` and not one of `rdct.vision.detectors`."""
    return hasattr(model, "ignore_label")


def palette_of(model: Any) -> np.ndarray:
    """u8 ``[K, 3]``: the model's colours, or some."""
    palette = getattr(model, "palette", None)
    return default_palette(len(model.class_names)) if palette is None else palette


@dataclass(frozen=True)
class Looking:
    """What counts of what a detector finds.

    Attributes
    ----------
    min_score : float
        Candidates below are none, 0..1.
    labels : collection of int, optional
        Nor are those of other classes.
    merge_iou : float, optional
        Objects of one label that overlap by more than this become one, their hull: what the code of DDS does
        with every system's results. None: they stay.
    """

    min_score: float = 0.5
    labels: Collection[int] | None = None
    merge_iou: float | None = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"min_score must be 0..1, got {self.min_score}")
        if self.merge_iou is not None and not 0 <= self.merge_iou <= 1:
            raise ValueError(f"merge_iou must be 0..1 or None, got {self.merge_iou}")

    def objects(self, detector: Detector, image: np.ndarray) -> tuple[Region, ...]:
        """The objects in a picture, u8 RGB ``[H, W, 3]``, inside it."""
        found = detector(image).regions(self.min_score, self.labels)
        if self.merge_iou is not None:
            found = hulls(found, max_iou=self.merge_iou)
        return tuple(one.clipped(image.shape[:2]) for one in found[:MAX_REGIONS])


class AnsweringServer:
    """Answers each picture of a session by itself. Keeps `rdct.offload.Server`.

    Parameters
    ----------
    model : Detector or Model
        From `rdct.vision.detectors.load`, answered with `Detections`; or from `rdct.vision.models.load`,
        answered with `PlanUpdate`. It may be shared between servers; nothing else is.
    tables : object, optional
        What other systems encode with. Here every stream brings its own tables, so it is left alone.
    looking : Looking, optional
        For detectors.
    enlarge : bool, optional
        Enlarge what came reduced to the size that the device said, by cubic interpolation, before the model
        sees it. None: for models that label pixels, which know the scale of what they were trained on; a
        detector resizes its input itself.
    scale : float
        Factor on all steps that a device is told; the baselines' devices have a quality of their own.
    limits : rdct.offload.Limits, optional
    threads : int
        Taken as every server takes it; a picture is decoded by one.
    """

    def __init__(
        self,
        model: Detector | Model,
        tables: Any = None,
        *,
        looking: Looking | None = None,
        enlarge: bool | None = None,
        scale: float = 1.0,
        limits: Limits | None = None,
        threads: int = 1,
    ) -> None:
        self._model = model
        self._labels = labels_pixels(model)
        self._looking = Looking() if looking is None else looking
        self._enlarge = self._labels if enlarge is None else enlarge
        self._scale = scale
        self._limits = Limits() if limits is None else limits
        self._table_set = codec.TableSet.ijg(75)
        self._size: tuple[int, int] | None = None

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
        self._size = hello.height, hello.width
        known = self._table_set.id in hello.known_sets
        return Welcome(
            set_id=self._table_set.id,
            table_set=None if known else self._table_set.to_bytes(),
            scale=self._scale,
            region_blocks=8,
            class_names=tuple(self._model.class_names),
            palette=palette_of(self._model),
            limits=self._limits,
            subsampling="420",
        )

    def on_packet(self, packet: Packet, now: float) -> Iterator[Feedback]:
        """Answer a packet.

        Parameters
        ----------
        packet : Packet
            Its payload is not trusted.
        now : float
            Not needed here.

        Yields
        ------
        Detections, PlanUpdate or Notice
            One for each picture of the packet, in order, their serials counted on from the packet's. A
            Notice "refused" alone, where the payload does not decode within the limits.
        """
        try:
            if len(packet.payload) > self._limits.max_packet_bytes:
                raise ValueError(
                    f"{len(packet.payload)} bytes are beyond the limit of {self._limits.max_packet_bytes}"
                )
            images = self._pictures(packet)
        except (ValueError, codec.UnsupportedError) as error:
            what = f"frame {packet.keyframe}, stream {packet.stream!r}"
            yield Notice("refused", f"{what}: {error}", packet.keyframe)
            return
        for serial, image in enumerate(images, packet.keyframe):
            yield self._answer(serial, self._seen(image))

    def _pictures(self, packet: Packet) -> list[np.ndarray]:
        """What a packet holds: u8 RGB ``[H, W, 3]`` each. A ValueError is answered by a Notice."""
        if packet.stream != "key":
            raise ValueError("this system has stream 'key' only")
        return [self._still(packet.payload)]

    def _still(self, payload: bytes) -> np.ndarray:
        return decode(payload, self._limits.max_pixels, (self._table_set,))

    def _seen(self, image: np.ndarray) -> np.ndarray:
        """What the model sees of a picture."""
        size = self._size
        if not self._enlarge or size is None or image.shape[0] * image.shape[1] >= size[0] * size[1]:
            return image
        return cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)

    def _answer(self, serial: int, image: np.ndarray) -> Detections | PlanUpdate:
        if self._labels:
            from rdct.vision import models

            return PlanUpdate(serial, labels=encode_labels(models.labels(self._model, image)))
        return Detections(serial, *image.shape[:2], self._looking.objects(self._model, image))
