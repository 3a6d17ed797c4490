"""STAC's device side: Algorithm 2 as a state machine.

    for each frame t:
        flow from the frame before; compose it to every live keyframe
        PSNR of frame t against the newest sent keyframe warped to t
        below the threshold:  encode t under the levels propagated to it, send it
        Result(t) = labels of the newest answered keyframe warped to t

Labels and levels come back whenever they come; `on_feedback` takes them then. It needs neither torch nor
a clock nor a network: see `rdct.offload.roles`.

GRACE as a running system is this machine with one level (``adaptive=False``, or a table set of one level);
JPEG is it with another encoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

import codec
from rdct.offload.errors import ProtocolError
from rdct.offload.labels import decode_labels
from rdct.offload.messages import Feedback, Notice, Packet, PlanUpdate, Result, Welcome
from rdct.offload.opening import opened
from rdct.vision.flow import DisFlow, FlowAccumulator
from rdct.vision.warp import warp_labels, warp_psnr
from stac.keyframes import Keyframe, KeyframePolicy, Keyframes
from stac.predicted import predicted_levels
from stac.propagation import new_regions, propagate_levels

if TYPE_CHECKING:
    from grace.predictor import SensitivityPredictor
    from rdct.vision.frames import Frame

__all__ = ["EdgeStats", "StacEdge"]

#: Takes u8 ``[H, W, 3]`` and the plan (None without a table set) and gives a stream.
Encode = Callable[[np.ndarray, "codec.QuantPlan | None"], bytes]


@dataclass
class EdgeStats:
    """What a `StacEdge` has seen and done so far.

    Attributes
    ----------
    frames, results : int
        Accepted, and answered for; equal after `StacEdge.finish`.
    keyframes, keyframes_answered, keyframes_superseded : int
        Sent; those whose labels came in time; those given up at their deadline.
    payload_bytes : int
        Of all keyframes.
    feedback_ignored : int
        Plan updates, or parts of them, that came late, twice or for a keyframe unknown.
    feedback_corrupt : int
        Plan updates that could not be decoded or do not fit their picture.
    notices : int
        From the server.
    restarts : int
        Changes of the picture's size.
    psnr_min : float
        Lowest PSNR seen, dB; infinite before there is one.
    """

    frames: int = 0
    results: int = 0
    keyframes: int = 0
    keyframes_answered: int = 0
    keyframes_superseded: int = 0
    payload_bytes: int = 0
    feedback_ignored: int = 0
    feedback_corrupt: int = 0
    notices: int = 0
    restarts: int = 0
    psnr_min: float = math.inf

    @property
    def keyframes_unanswered(self) -> int:
        """Sent, and no labels came in time."""
        return self.keyframes - self.keyframes_answered


class StacEdge:
    """Sends keyframes, carries their labels from frame to frame. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    table_set : codec.TableSet or None
        Both ends know it. None only with `encode`.
    scale : float
        Factor on all steps.
    policy : KeyframePolicy
    flow : DisFlow, optional
        Anything with `prepare`, `between` and `stride_for`. By default what reaches real time at any size.
    region_blocks : int
        Side of a region in blocks, 1..8.
    subsampling : {"444", "422", "420"}
    entropy : {"huffman-fixed", "huffman", "context"}
        The fixed tables come with the table set and save a pass over the picture; "context" is a sixth
        smaller and takes longer.
    effort : int
        As in `codec.encode`. 1 costs no time; 0 rounds plainly, as the paper does.
    tables : {"id", "inline"}
        Whether a stream names the table set or carries it.
    threads : int
        For encoding and warping.
    adaptive : bool
        False: the middle level everywhere, whatever the server says.
    encode : callable, optional
        Takes the place of the encoder: ``encode(image, plan) -> bytes``, any stream that `codec.decode`
        reads.
    classes : int, optional
        Labels of this value or above are corrupt.
    predictor : grace.SensitivityPredictor, optional
        Foretells the levels of the first frame, and of regions that came into view since the keyframe;
        without one they get the middle level, and their neighbours'. For regions of `region_blocks` only.

    Attributes
    ----------
    stats : EdgeStats

    Notes
    -----
    A frame's image is kept while it is the newest keyframe: it must not change after `on_frame`.

    Results come in the order of frames, except that a keyframe's may come after those of later frames where
    the policy lets it wait.
    """

    def __init__(
        self,
        table_set: codec.TableSet | None,
        *,
        scale: float = 1.0,
        policy: KeyframePolicy | None = None,
        flow: DisFlow | None = None,
        region_blocks: int = 3,
        subsampling: str = "444",
        entropy: str = "huffman-fixed",
        effort: int = 0,
        tables: str = "id",
        threads: int = 2,
        adaptive: bool = True,
        encode: Encode | None = None,
        classes: int | None = None,
        predictor: SensitivityPredictor | None = None,
    ) -> None:
        if table_set is None and encode is None:
            raise ValueError("table_set is needed: without one give encode=, which must do without a plan")
        if predictor is not None and predictor.region_blocks != region_blocks:
            raise ValueError(
                f"predictor knows regions of {predictor.region_blocks} blocks, but region_blocks is "
                f"{region_blocks}; leave out one of them"
            )
        self.stats = EdgeStats()
        self._policy = KeyframePolicy() if policy is None else policy
        self._flow = DisFlow() if flow is None else flow
        self._table_set = table_set
        self._scale = scale
        self._region_blocks = region_blocks
        self._adaptive = adaptive and table_set is not None
        self._predictor = predictor if self._adaptive else None
        self._threads = threads
        self._classes = classes
        self._encode = encode
        self._encoder = codec.Encoder(threads=threads)
        if encode is None:
            self._options = {
                "subsampling": subsampling,
                "entropy": entropy,
                "effort": effort,
                "tables": tables,
            }
            # A picture of one region: what cannot be encoded so is better known now than at the first frame.
            plan = codec.QuantPlan(table_set, [[table_set.levels // 2]], region_blocks, scale)
            self._encoder.encode(np.zeros((8, 8, 3), np.uint8), plan, **self._options)
        self._keyframes = Keyframes()
        self._serial = 0
        self._last_index = -1
        self._size: tuple[int, int] | None = None
        self._prepared = None  # of the frame before, by the flow

    @classmethod
    def from_welcome(
        cls, welcome: Welcome, *, predict: Literal["auto", "off"] = "auto", **options
    ) -> StacEdge:
        """The edge a server asks for.

        Parameters
        ----------
        welcome : rdct.offload.Welcome
            With its table set.
        predict : {"auto", "off"}
            Whether to use the predictor that it brings, if it does and regions keep the size it says.
        **options
            As for `StacEdge`; they come before what the server says.

        Raises
        ------
        ProtocolError
            As `rdct.offload.opening.opened`; or the predictor is damaged.
        """
        if predict not in ("auto", "off"):
            raise ValueError(f"predict is {predict!r}; use 'auto' or 'off'")
        table_set, said = opened(welcome)
        merged = {**said, **options}
        same_regions = merged["region_blocks"] == welcome.region_blocks
        if predict == "auto" and welcome.predictor is not None and same_regions:
            merged.setdefault("predictor", _predictor(welcome))
        return cls(table_set, **merged)

    # ---------------------------------------------------------------------------------------------- frames

    def on_frame(self, frame: Frame, now: float) -> list[Packet | Result]:
        """Take the next frame.

        Parameters
        ----------
        frame : rdct.vision.frames.Frame
            Its index above that of the last one; its size may differ.
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Packet and Result
            The packet first, if this is a keyframe.

        Raises
        ------
        ValueError
            The frame is none; it was not accepted, and nothing has changed.
        """
        if frame.index <= self._last_index:
            raise ValueError(
                f"frame.index must grow from frame to frame, got {frame.index} after {self._last_index}"
            )
        prepared = self._flow.prepare(frame.image)
        size = frame.image.shape[:2]
        out: list[Packet | Result] = []
        if size != self._size:
            out += self._restart(size)
        elif self._prepared is not None:
            step = self._flow.between(self._prepared, prepared)
            for keyframe in self._keyframes.live():
                keyframe.way.add(step)
        self._prepared = prepared
        self._last_index = frame.index

        result = self._carried(frame)
        if self._due(frame, result.psnr_db, now):
            keyframe, packet, released = self._keyframe(frame, now)
            out += [*released, packet]
            if self._policy.wait_s > 0:
                keyframe.owed, result = result, None
        if result is not None:
            out.append(result)
        self.stats.frames += 1
        return self._counted(out)

    def _restart(self, size: tuple[int, int]) -> list[Result]:
        """Pictures of another size: nothing known of the old ones helps."""
        released = [self._release(one) for one in self._waiting()]
        self._keyframes.forget()
        self.stats.restarts += self._size is not None
        self._size = size
        return released

    def _carried(self, frame: Frame) -> Result:
        """What is known of this frame without asking anyone."""
        sent, answered = self._keyframes.sent, self._keyframes.answered
        psnr_db = None
        if sent is not None:
            psnr_db = warp_psnr(sent.image, frame.image, sent.way.filled, threads=self._threads)
            self.stats.psnr_min = min(self.stats.psnr_min, psnr_db)
        if answered is None:
            return Result(frame.index, frame.time_s, psnr_db=psnr_db)
        return Result(
            frame.index,
            frame.time_s,
            labels=warp_labels(answered.labels, answered.way.filled, threads=self._threads),
            keyframe=answered.serial,
            age_frames=frame.index - answered.frame,
            psnr_db=psnr_db,
            kind="propagated",
        )

    def _due(self, frame: Frame, psnr_db: float | None, now: float) -> bool:
        """Whether this frame is to be a keyframe."""
        sent, pending = self._keyframes.sent, self._keyframes.pending
        if sent is None:
            return True
        deadline_s = self._policy.deadline_after(self._keyframes.round_trip_s)
        if sent in pending and now - sent.sent_s >= deadline_s:
            return True
        if not self._policy.wants(psnr_db, sent.way.valid_share, frame.index - sent.frame):
            return False
        return len(pending) < self._policy.in_flight or now - pending[0].sent_s >= deadline_s

    def _keyframe(self, frame: Frame, now: float) -> tuple[Keyframe, Packet, list[Result]]:
        """The new keyframe, its packet, and the Results of those given up for it."""
        plan = self._plan(frame.image)
        if self._encode is None:
            payload = self._encoder.encode(frame.image, plan, **self._options)
        else:
            payload = self._encode(frame.image, plan)
        released = []
        while len(self._keyframes.pending) >= self._policy.in_flight:
            given_up = self._keyframes.give_up()
            self.stats.keyframes_superseded += 1
            if given_up.owed is not None:
                released.append(self._release(given_up))
        self._serial += 1
        way = FlowAccumulator(self._size, self._flow.stride_for(self._size))
        keyframe = Keyframe(self._serial, frame.index, now, way, frame.image)
        self._keyframes.send(keyframe)
        self.stats.keyframes += 1
        self.stats.payload_bytes += len(payload)
        return keyframe, Packet(frame.index, frame.time_s, self._serial, payload), released

    def _plan(self, image: np.ndarray) -> codec.QuantPlan | None:
        """The newest levels known, moved to this frame. What no levels are known for gets those foretold,
        or without a predictor the middle level on a first frame and its neighbours' later.
        """
        if self._table_set is None:
            return None
        levelled = self._keyframes.levelled
        if levelled is not None:
            level_map = self._carried_levels(levelled, image)
        elif self._predictor is not None:
            level_map = self._foretold(image)
        else:
            level_map = np.full(self._map_shape(), self._table_set.levels // 2, np.uint8)
        return codec.QuantPlan(self._table_set, level_map, self._region_blocks, self._scale)

    def _carried_levels(self, keyframe: Keyframe, image: np.ndarray) -> np.ndarray:
        way = keyframe.way
        level_map = propagate_levels(keyframe.level_map, way.filled, region_blocks=self._region_blocks)
        if self._predictor is None:
            return level_map
        new = new_regions(way.valid, self._size, way.flow.stride, region_blocks=self._region_blocks)
        return np.where(new, self._foretold(image), level_map) if new.any() else level_map

    def _foretold(self, image: np.ndarray) -> np.ndarray:
        return predicted_levels(image, self._predictor, self._table_set, encoder=self._encoder).level_map

    def _map_shape(self) -> tuple[int, int]:
        return codec.map_shape(*self._size, self._region_blocks)

    # -------------------------------------------------------------------------------------------- feedback

    def on_feedback(self, feedback: Feedback, now: float) -> list[Result]:
        """Take an answer, whichever and whenever.

        What comes late, twice, or for a keyframe not known is counted and else ignored; so is what cannot
        be decoded or does not fit: its keyframe then runs into its deadline.

        Parameters
        ----------
        feedback : PlanUpdate or Notice
        now : float
            Seconds on the driver's clock.

        Returns
        -------
        list of Result
            That of the keyframe, if it waited for this.
        """
        if isinstance(feedback, Notice):
            return self._counted(self._noticed(feedback))
        if not isinstance(feedback, PlanUpdate):
            raise TypeError(f"feedback must be a PlanUpdate or a Notice, got {type(feedback).__name__}")
        keyframe = self._keyframes.find(feedback.keyframe)
        if keyframe is None:
            self.stats.feedback_ignored += 1
            self._keyframes.late(feedback.keyframe, now)
            return []
        try:
            # Both before either is used: an update is taken whole or not at all.
            labels = self._news(feedback.labels, keyframe.labels, self._labels)
            level_map = self._news(feedback.level_map, keyframe.level_map, self._levels)
        except (ProtocolError, codec.CodecError):
            self.stats.feedback_corrupt += 1
            return []
        if level_map is not None:
            self._keyframes.level(keyframe, level_map)
        if labels is None:
            return []
        self._keyframes.label(keyframe, labels, now)
        self.stats.keyframes_answered += 1
        return self._counted([] if keyframe.owed is None else [self._release(keyframe)])

    def _news(self, data: bytes | None, known: np.ndarray | None, decode: Callable) -> np.ndarray | None:
        """One part of an update, decoded; None if there is none, or one that came before."""
        if data is not None and known is not None:
            self.stats.feedback_ignored += 1
            return None
        return None if data is None else decode(data)

    def _labels(self, data: bytes) -> np.ndarray:
        height, width = self._size
        labels = decode_labels(data, max_pixels=height * width)
        if labels.shape != self._size:
            raise ProtocolError(f"labels are {list(labels.shape)} for a picture of {list(self._size)}")
        if self._classes is not None and labels.max() >= self._classes:
            raise ProtocolError(f"labels hold {labels.max()}, there are {self._classes} classes")
        labels.flags.writeable = False  # a Result shares them
        return labels

    def _levels(self, data: bytes) -> np.ndarray | None:
        if not self._adaptive:
            return None
        return codec.decode_level_map(data, self._map_shape(), self._table_set.levels)

    def _noticed(self, notice: Notice) -> list[Result]:
        """No answer will come, so nothing waits for one; but the keyframe's deadline stands, lest a
        server that refuses be asked with every frame.
        """
        self.stats.notices += 1
        keyframe = None if notice.keyframe is None else self._keyframes.find(notice.keyframe)
        return [] if keyframe is None or keyframe.owed is None else [self._release(keyframe)]

    # --------------------------------------------------------------------------------- Results that waited

    def next_timeout(self) -> float | None:
        """When the first waiting Result has waited long enough; None without one."""
        end = min((one.sent_s + self._policy.wait_s for one in self._waiting()), default=math.inf)
        return None if end == math.inf else end

    def on_timeout(self, now: float) -> list[Result]:
        """Give out the Results that have waited long enough."""
        over = [one for one in self._waiting() if now >= one.sent_s + self._policy.wait_s]
        return self._counted([self._release(one) for one in over])

    def finish(self, now: float) -> list[Result]:
        """Give out all Results still owed."""
        return self._counted([self._release(one) for one in self._waiting()])

    def _waiting(self) -> list[Keyframe]:
        """Keyframes whose Results are held back; only pending ones are."""
        return [one for one in self._keyframes.pending if one.owed is not None]

    def _release(self, keyframe: Keyframe) -> Result:
        """The Result of a keyframe's own frame: with its own labels if they have come."""
        result, keyframe.owed = keyframe.owed, None
        if keyframe.labels is None:
            return result
        own = {"labels": keyframe.labels, "keyframe": keyframe.serial, "age_frames": 0, "kind": "server"}
        return replace(result, **own)

    def _counted(self, out: list) -> list:
        self.stats.results += sum(isinstance(one, Result) for one in out)
        return out


def _predictor(welcome: Welcome) -> SensitivityPredictor:
    from grace.predictor import SensitivityPredictor

    try:
        predictor = SensitivityPredictor.from_bytes(welcome.predictor)
    except ValueError as error:
        raise ProtocolError(f"the Welcome brings a predictor that is none: {error}") from error
    if predictor.region_blocks != welcome.region_blocks:
        raise ProtocolError(
            f"the Welcome brings a predictor for regions of {predictor.region_blocks} blocks, "
            f"and asks for regions of {welcome.region_blocks}"
        )
    return predictor
