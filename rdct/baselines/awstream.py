# SPDX-License-Identifier: Apache-2.0
"""AWStream: whole frames under the best setting of a profile that the link has room for.

Zhang et al., "AWStream: Adaptive Wide-Area Streaming Analytics", SIGCOMM 2018. The profile is made offline
(`rdct.baselines.profile`); here is the runtime, after the paper's Fig. 8 and the public code
(awstream/awstream, runtime/src/adaptation.rs and controller.rs). It watches the queue of its own socket. A
machine without a socket sees answers only, so here a queue is what is sent and not answered for longer than
answers take on a free link.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from rdct.baselines.answering import AnsweringServer
from rdct.baselines.profile import Profile
from rdct.baselines.sending import SendingEdge
from rdct.offload.messages import Packet

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["AwStreamEdge", "AwStreamServer", "Change", "RateAdaptation", "State"]

State: TypeAlias = Literal["startup", "degrade", "steady", "probe"]
_LENGTH = struct.Struct("<I")
#: After so many ticks without a delivery the rate counts as zero.
_MAX_QUIET = 10
#: Padding of one packet at most, in bytes.
_MAX_PADDING = 1 << 20


class RateAdaptation:
    """Which level is sent: a state machine over ticks of a monitor.

    ========  =====================================================================================
    startup   from the lowest level one up whenever the queue was empty for long; at the top: steady
    degrade   the link is congested: down to the highest level below its rate; queue empty: steady
    steady    congested: degrade; queue empty for a while and not at the top: probe
    probe     padding up to the next level's rate; congested: steady; done: steady, one level up
    ========  =====================================================================================

    Parameters
    ----------
    rates : sequence of float
        Bits a second of each level, ascending.
    period_s : float
        Between two ticks. 100 ms in the code, as are the numbers below.
    headroom : float
        Degrade picks the highest level of at most this share of the estimated rate.
    startup_empty : int
        Ticks with an empty queue in a row for the next level.
    startup_congested : int
        More congested ticks in a row than this end startup.
    probe_empty : int
        More ticks with an empty queue in a row than this begin a probe.
    probe_ticks : int
        So long does a probe grow, and as long again does it stay.
    repeat : int
        Degrade must pick a level so many times in a row.
    smoothing : float
        Weight of the newest sample in the estimated rate.
    patience : float
        Ours: after a probe that met congestion the next one waits so many times as long, up to 64 times.
        1 is the code's own.

    Attributes
    ----------
    state : {"startup", "degrade", "steady", "probe"}
    level : int
    rate_bps : float
        Estimate of what is delivered.
    padding_bps : float
        What a probe adds.
    """

    def __init__(
        self,
        rates: Sequence[float],
        *,
        period_s: float = 0.1,
        headroom: float = 0.9,
        startup_empty: int = 20,
        startup_congested: int = 3,
        probe_empty: int = 3,
        probe_ticks: int = 10,
        repeat: int = 3,
        smoothing: float = 0.5,
        patience: float = 2.0,
    ) -> None:
        self.rates = tuple(map(float, rates))
        if not self.rates or any(a >= b for a, b in zip(self.rates, self.rates[1:], strict=False)):
            raise ValueError(f"rates must ascend, and be at least one, got {self.rates}")
        if not (period_s > 0 and 0 < headroom <= 1 and 0 < smoothing <= 1 and patience >= 1):
            raise ValueError(
                "period_s must be more than 0, headroom and smoothing more than 0 and at most 1, patience "
                f"1 or more; got {period_s}, {headroom}, {smoothing} and {patience}"
            )
        if min(startup_empty, probe_ticks, repeat) < 1 or min(startup_congested, probe_empty) < 0:
            raise ValueError(
                "counts of ticks must be 1 or more, the congested and probe_empty ones 0 or more"
            )
        self.period_s, self._headroom, self._smoothing = period_s, headroom, smoothing
        self._startup_empty, self._startup_congested = startup_empty, startup_congested
        self._probe_empty, self._probe_ticks, self._repeat = probe_empty, probe_ticks, repeat
        self._patience = patience
        self.state: State = "startup"
        self.level = 0
        self.rate_bps = 0.0
        self.padding_bps = 0.0
        self._empty = self._congested = 0  # ticks in a row
        self._quiet = 0  # and without a delivery
        self._picked, self._picks = 0, 0
        self._probed = 0
        self._wait = 1.0  # times probe_empty
        self._draining = False  # what a probe has queued is still there

    @property
    def top(self) -> bool:
        """Whether there is no higher level."""
        return self.level == len(self.rates) - 1

    def tick(self, empty: bool, delivered_bytes: int) -> None:
        """One period has gone by.

        Parameters
        ----------
        empty : bool
            Nothing is queued; False: the link is congested.
        delivered_bytes : int
            Delivered in this period.
        """
        self._quiet += 1
        if delivered_bytes or self._quiet > _MAX_QUIET:
            # Large frames arrive less often than the monitor looks: a sample is as long as it took.
            sample = 8 * delivered_bytes / (min(self._quiet, _MAX_QUIET) * self.period_s)
            self.rate_bps += self._smoothing * (sample - self.rate_bps)
            self._quiet = 0 if delivered_bytes else self._quiet
        self._empty = self._empty + 1 if empty else 0
        self._congested = 0 if empty else self._congested + 1
        self._draining = self._draining and not empty
        getattr(self, f"_{self.state}")()

    def _enter(self, state: State) -> None:
        self.state = state
        self._empty = self._congested = self._picks = self._probed = 0
        self.padding_bps = 0.0

    def _startup(self) -> None:
        if self._congested > self._startup_congested:
            self._enter("degrade")
            self._degrade()
        elif self.top:
            self._enter("steady")
        elif self._empty >= self._startup_empty:
            self.level += 1
            self._empty = 0

    def _degrade(self) -> None:
        if self._empty:
            self._enter("steady")
            return
        fitting = [n for n, rate in enumerate(self.rates) if rate <= self._headroom * self.rate_bps]
        picked = min(max(fitting, default=0), self.level)
        self._picks = self._picks + 1 if picked == self._picked else 1
        self._picked = picked
        if self._picks >= self._repeat:
            self.level = picked

    def _steady(self) -> None:
        if self._congested and not self._draining:
            self._enter("degrade")
            self._degrade()
        elif self._empty > self._probe_empty * self._wait and not self.top:
            self._enter("probe")

    def _probe(self) -> None:
        if self._congested:
            self._wait = min(self._wait * self._patience, 64.0)
            self._enter("steady")
            # A link that is too slow even without the probe shows after this.
            self._draining = True
            return
        self._probed += 1
        step = (self.rates[self.level + 1] - self.rates[self.level]) / self._probe_ticks
        self.padding_bps = min(self._probed, self._probe_ticks) * step
        if self._probed >= 2 * self._probe_ticks:
            self._wait = 1.0
            self.level += 1
            self._enter("steady")


@dataclass(frozen=True)
class Change:
    """The state or the level changed.

    Attributes
    ----------
    at_s : float
        On the driver's clock.
    state : {"startup", "degrade", "steady", "probe"}
    level : int
    rate_bps : float
        As estimated then.
    """

    at_s: float
    state: State
    level: int
    rate_bps: float


class AwStreamEdge(SendingEdge):
    """Sends whole frames under the setting of the moment. Keeps `rdct.offload.Edge`.

    A probe's padding rides on the frames, in packets of stream "padded", and counts as what it is: bytes.

    Parameters
    ----------
    profile : Profile
        From `rdct.baselines.profile`.
    adaptation : dict, optional
        Options of `RateAdaptation`.
    queue_s : float
        The link is congested if the oldest unanswered frame has taken longer by more than this than answers
        take on a free link. Should be more than the time between two frames.
    **options
        Of `rdct.baselines.sending.SendingEdge`.

    Attributes
    ----------
    adaptation : RateAdaptation
    changes : collections.deque of Change
        The newest 4096.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        adaptation: dict[str, Any] | None = None,
        queue_s: float = 0.15,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if not queue_s > 0:
            raise ValueError(f"queue_s must be more than 0 seconds, got {queue_s}")
        self._profile = profile
        self.adaptation = RateAdaptation(profile.rates, **(adaptation or {}))
        self.changes: deque[Change] = deque(maxlen=4096)
        self._queue_s = queue_s
        self._since = 0
        self._sent_s = -math.inf
        self._on_way: dict[int, tuple[float, int]] = {}  # when sent, and bytes, by serial
        self._free_s: float | None = None  # what an answer takes on a free link
        self._delivered = 0  # bytes since the last tick
        self._tick_s: float | None = None  # the last one

    # ---------------------------------------------------------------------------------------- the monitor

    def _monitor(self, now: float) -> None:
        """All ticks up to now. Nothing happens between two calls but time, so they need no timer."""
        period = self.adaptation.period_s
        if self._tick_s is None or now - self._tick_s > 1000 * period:
            self._tick_s = now
        while self._tick_s + period <= now:
            self._tick_s += period
            before = self.adaptation.state, self.adaptation.level
            self.adaptation.tick(not self._queued(self._tick_s), self._delivered)
            self._delivered = 0
            if (self.adaptation.state, self.adaptation.level) != before:
                self.changes.append(
                    Change(
                        self._tick_s, self.adaptation.state, self.adaptation.level, self.adaptation.rate_bps
                    )
                )

    def _queued(self, now: float) -> bool:
        """Whether what was sent takes longer than it would on a free link."""
        for serial in [n for n in self._on_way if n not in self._open]:
            del self._on_way[serial]  # lost
        oldest = next(iter(self._on_way.values()), None)
        return oldest is not None and now - oldest[0] > (self._free_s or self._deadline_s) + self._queue_s

    def _heard(self, serial: int, now: float) -> None:
        self._monitor(now)
        sent = self._on_way.pop(serial, None)
        if sent is None:
            return
        took = now - sent[0]
        self._delivered += sent[1]
        if self._free_s is None or took < self._free_s:
            self._free_s = took
        else:
            # Larger frames take longer on a free link, too; and links change. A queue's share is small.
            self._free_s += 0.01 * (took - self._free_s)

    # ---------------------------------------------------------------------------------------------- frames

    def _take(self, frame: Frame, now: float) -> list[Packet]:
        self._monitor(now)
        setting = self._profile.points[self.adaptation.level].setting
        self._since += 1
        if self._serial and self._since < setting.every:
            return []
        payload, stream = setting.still.encode(frame.image), "key"
        padding = self._padding(now)
        if padding:
            payload = _LENGTH.pack(len(payload)) + payload + bytes(padding)
            stream = "padded"
        self._since, self._sent_s = 0, now
        serial = self._number(frame, now)
        self._on_way[serial] = now, len(payload)
        return [self._packet(frame.index, frame.time_s, serial, payload, stream)]

    def _padding(self, now: float) -> int:
        """Bytes that a probe adds to a packet."""
        since = min(now - self._sent_s, 1.0)
        return min(int(self.adaptation.padding_bps * since / 8), _MAX_PADDING)


class AwStreamServer(AnsweringServer):
    """Answers frames, padded or not. Keeps `rdct.offload.Server`.

    Parameters
    ----------
    *arguments, **options
        Of `rdct.baselines.answering.AnsweringServer`.
    """

    def _pictures(self, packet: Packet) -> list[np.ndarray]:
        if packet.stream != "padded":
            return super()._pictures(packet)
        if len(packet.payload) < _LENGTH.size:
            raise ValueError("a padded packet begins with the length of its picture")
        (length,) = _LENGTH.unpack_from(packet.payload)
        data = packet.payload[_LENGTH.size :][:length]
        if len(data) < length:
            raise ValueError(f"a padded packet says {length} bytes of picture and has {len(data)}")
        return [self._still(data)]
