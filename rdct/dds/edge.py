# SPDX-License-Identifier: Apache-2.0
"""DDS's device side on this codec: one packet a frame and stream.

"high" is coded on top of "low" where that takes fewer bits than coding afresh; what is in no region asked for
is skipped, and so is what the server has already, if that is wanted (`DdsPolicy.static`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import codec
from rdct.dds.grid import Memory, block_differences, touched
from rdct.dds.policy import DdsPolicy, EdgeStats
from rdct.dds.rounds import Held, Rounds, reduced
from rdct.offload.messages import Packet, RegionRequest, Welcome
from rdct.offload.opening import opened

__all__ = ["DdsEdge", "DdsPolicy", "EdgeStats"]


class DdsEdge(Rounds):
    """Sends every frame coarse, and what the server asks for fine. Keeps `rdct.offload.Edge`.

    Parameters
    ----------
    table_set : codec.TableSet
        Both ends know it. Its first level is for "high", its last for "low".
    scale : float
        Factor on all steps.
    policy : DdsPolicy, optional
    region_blocks : int
        Side of a cell in blocks, 1..8.
    subsampling : {"420", "422", "444"}
    low_entropy : {"context", "huffman", "huffman-fixed"}
        Of stream "low".
    entropy : {"huffman", "huffman-fixed"}
        Of stream "high".
    threads : int
        For encoding.
    classes : int, optional
        Objects of a label of this value or above are left out; labels that hold one are corrupt.

    Attributes
    ----------
    stats : EdgeStats
    """

    def __init__(
        self,
        table_set: codec.TableSet,
        *,
        scale: float = 1.0,
        policy: DdsPolicy | None = None,
        region_blocks: int = 3,
        subsampling: str = "420",
        low_entropy: str = "context",
        entropy: str = "huffman",
        threads: int = 1,
        classes: int | None = None,
    ) -> None:
        super().__init__(DdsPolicy() if policy is None else policy, classes)
        self._table_set = table_set
        self._scale = scale
        self._region_blocks = region_blocks
        self._encoder = codec.Encoder(threads=threads)
        common = {"subsampling": subsampling, "tables": "id"}
        self._low_options = {**common, "entropy": low_entropy}
        self._high_options = {**common, "entropy": entropy}
        self._builds_on = self._policy.low_scale == self._policy.high_scale
        # A picture of one cell in both ways: what cannot be coded so is better known now than at a frame.
        tiny = np.zeros((8, 8, 3), np.uint8)
        self._high(tiny, np.ones((1, 1), bool), self._low(tiny))
        self._memory: Memory | None = None
        self._confirmed: np.ndarray | None = None  # cells of the memory that the server has too

    @classmethod
    def from_welcome(cls, welcome: Welcome, **options) -> DdsEdge:
        """The edge a server asks for.

        Parameters
        ----------
        welcome : rdct.offload.Welcome
            With its table set.
        **options
            As for `DdsEdge`; they come before what the server says.

        Raises
        ------
        ProtocolError
            As `rdct.offload.opening.opened`.
        """
        table_set, said = opened(welcome)
        return cls(table_set, **{**said, **options})

    # ---------------------------------------------------------------------------------------- the streams

    def _take(self, held: Held, image: np.ndarray) -> None:
        held.picture = reduced(image, self._policy.high_scale)
        held.low = self._low(held.picture if self._builds_on else reduced(image, self._policy.low_scale))

    def _low_packets(self, chunk: list[Held], now: float) -> Iterator[Packet]:
        for held in chunk:
            yield Packet(held.frame, held.time_s, held.serial, held.low, "low")

    def _low(self, picture: np.ndarray) -> bytes:
        """The whole picture under the coarsest level."""
        cells = codec.map_shape(*picture.shape[:2], self._region_blocks)
        plan = self._plan(np.full(cells, self._table_set.levels - 1, np.uint8))
        return self._encoder.encode(picture, plan, **self._low_options)

    def _high(self, picture: np.ndarray, cells: np.ndarray, low: bytes) -> bytes:
        """Some cells under the finest level: each afresh or on top of "low", whichever is fewer bits.

        What "low" cost is spent, so it has no say (``refine_limit=None``).
        """
        plan = self._plan(np.where(cells, 0, codec.SKIP).astype(np.uint8))
        options = self._high_options
        if self._builds_on:
            base = codec.decode_coefficients(low, table_sets=(self._table_set,))
            options = {**options, "refine": base, "refine_limit": None}
        return self._encoder.encode(picture, plan, **options)

    def _plan(self, level_map: np.ndarray) -> codec.QuantPlan:
        return codec.QuantPlan(self._table_set, level_map, self._region_blocks, self._scale)

    def _high_packets(self, held: Held, request: RegionRequest) -> Iterator[Packet]:
        """Stream "high" of this frame; its picture is let go."""
        picture, low = held.picture, held.low
        held.picture = held.low = None
        size = picture.shape[:2]
        measured = request.height, request.width
        wanted = touched((one.resized(measured, size) for one in request.wanted), size, self._region_blocks)
        cells = wanted & ~self._unchanged(picture)
        payload = self._high(picture, cells, low)
        if self._policy.static is not None:
            self._memory.put(picture, cells, held.serial)
            self._confirmed[cells] = False
        self.stats.cells_sent += int(cells.sum())
        self.stats.cells_static += int((wanted & ~cells).sum())
        yield Packet(held.frame, held.time_s, held.serial, payload, "high")

    # --------------------------------------------------------------------------------- what the server has

    def _unchanged(self, picture: np.ndarray) -> np.ndarray:
        """Cells that look as they did when the server last got them in high quality."""
        size = picture.shape[:2]
        if self._policy.static is None:
            return np.zeros(codec.map_shape(*size, self._region_blocks), bool)
        if self._memory is None or self._memory.size != size:
            self._memory = Memory(size, self._region_blocks)
            self._confirmed = np.zeros(self._memory.serials.shape, bool)
        differences = block_differences(picture, self._memory.picture, self._region_blocks)
        return self._confirmed & (differences <= self._policy.static)

    def _confirm(self, serial: int) -> None:
        """The server answered "high" of this frame, so it has what that brought.

        A cell that was sent again since stays unconfirmed: the server may or may not have the newer one.
        """
        if self._memory is not None:
            self._confirmed |= self._memory.serials == serial

    def _doubt(self) -> None:
        if self._confirmed is not None:
            self._confirmed[:] = False
