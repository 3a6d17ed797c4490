"""What a run on a video measures. A TOML file with ``kind = "video"`` holds the same fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdct.evaluation.codecs import check_dials
from rdct.evaluation.video.systems import NAMES
from rdct.offload.link import SimulatedLink

__all__ = ["Link", "VideoScenario", "make"]


@dataclass(frozen=True)
class Link:
    """A simulated link, and how long the two ends take, under the virtual clock.

    Attributes
    ----------
    up_bps, down_bps : float
        Bits a second.
    delay_s, loss : float
        Each way.
    edge_s, labels_s, levels_s : float
        Seconds for a frame on the device; for the labels of a keyframe on the server; for its levels after
        that.
    """

    up_bps: float
    down_bps: float
    delay_s: float = 0.0
    loss: float = 0.0
    edge_s: float = 0.0
    labels_s: float = 0.0
    levels_s: float = 0.0

    def both(self, seed: int) -> tuple[SimulatedLink, SimulatedLink]:
        """Up and down, fresh."""
        up = SimulatedLink(self.up_bps, self.delay_s, loss=self.loss, seed=2 * seed)
        return up, SimulatedLink(self.down_bps, self.delay_s, loss=self.loss, seed=2 * seed + 1)

    def __str__(self) -> str:
        lost = f", {100 * self.loss:g} % lost" if self.loss else ""
        return (
            f"{self.up_bps / 1e6:g} Mbit/s up, {self.down_bps / 1e6:g} down, {1e3 * self.delay_s:g} ms "
            f"each way{lost}; device {1e3 * self.edge_s:g} ms a frame, server {1e3 * self.labels_s:g} ms "
            f"for labels and {1e3 * self.levels_s:g} ms for levels"
        )


@dataclass(frozen=True)
class VideoScenario:
    """One network on one clip.

    Attributes
    ----------
    source : str
        A folder of pictures, a pattern of file names in one (``folder/*_left.png``), or any other spec of
        `rdct.vision.frames.open_source`.
    model : str
        A spec of `rdct.vision.models.load`.
    fps : float or None
        Frames a second; None: as the source says.
    size : (int, int) or None
        Width and height every frame is resized to before anything else sees it (area averages); None: as
        they are.
    labels : Path or None
        Folder with one label picture for every frame, of the same stem, for mIoU against the truth.
    tables : str or None
        A spec of `grace.load_tables`; systems that need tables are absent without it.
    systems : tuple of str
        Row names.
    points : int
        Points of every rate dial.
    dials : dict
        Row name to the ``(low, high)`` of its dial, where its own range will not do.
    threshold_db : float
        Of the keyframe trigger.
    link : Link or None
        None: the paper's synchronous evaluation, where every keyframe's answer is there before the next
        frame. With a link every frame gets the labels there are when it is due.
    seed : int
        Of the link's losses.
    limit : int or None
        The first so many frames.
    set : str
        What records call the clip; the last two parts of the source's path by default.
    """

    source: str
    model: str
    fps: float | None = None
    size: tuple[int, int] | None = None
    labels: Path | None = None
    tables: str | None = None
    systems: tuple[str, ...] = NAMES
    points: int = 6
    dials: dict[str, tuple[float, float]] = field(default_factory=dict)
    threshold_db: float = 26.0
    link: Link | None = field(default=None)
    seed: int = 1
    limit: int | None = None
    set: str = ""

    def __post_init__(self) -> None:
        unknown = [name for name in self.systems if name not in NAMES]
        if unknown or not self.systems:
            raise ValueError(f"unknown systems {unknown}; known: {', '.join(NAMES)}")
        check_dials(self.dials, NAMES)
        if not 1 <= self.points <= 64:
            raise ValueError(f"points must be 1..64, got {self.points}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 8):
            raise ValueError(f"size must be [width, height] of 8 pixels or more, got {list(self.size)}")
        if not self.set:
            object.__setattr__(self, "set", "/".join(Path(self.source).resolve().parts[-2:]))

    @property
    def mode(self) -> str:
        """How answers come, in words."""
        return "synchronous, no delay" if self.link is None else str(self.link)


def make(**values: Any) -> VideoScenario:
    """A scenario from plain values (strings for paths, lists for tuples, a table for the link)."""
    values["source"] = str(values["source"])
    if values.get("labels") is not None:
        values["labels"] = Path(values["labels"])
    for name in ("systems", "size"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    if isinstance(values.get("link"), dict):
        try:
            values["link"] = Link(**values["link"])
        except TypeError as error:
            raise ValueError(f"link: {error}") from error
    return VideoScenario(**values)
