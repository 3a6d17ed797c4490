# SPDX-License-Identifier: Apache-2.0
"""What a run on objects measures. A TOML file with ``kind = "detection"`` holds the same fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rdct.offload.link import SimulatedLink

__all__ = ["DetectionScenario", "Link", "Setting", "make", "name_of", "settings_of"]

#: One system's parameters at one point of its sweep, by name.
Setting: TypeAlias = dict[str, Any]
Rate: TypeAlias = float | tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Link:
    """A simulated link, and how long the two ends take, under the virtual clock.

    Attributes
    ----------
    up_bps, down_bps : float or tuple of (float, float)
        Bits a second, or a trace of (seconds, bits a second) as `rdct.offload.link.SimulatedLink` takes it.
    delay_s, loss : float
        Each way.
    edge_s : float
        Seconds for a frame on the device.
    server_s : float
        Seconds for an answer of the server. A system whose table has ``edge_s`` or ``server_s`` takes those.
    """

    up_bps: Rate
    down_bps: Rate
    delay_s: float = 0.0
    loss: float = 0.0
    edge_s: float = 0.0
    server_s: float = 0.0

    def __post_init__(self) -> None:
        for name in ("up_bps", "down_bps"):
            rate = getattr(self, name)
            if not isinstance(rate, (int, float)):
                object.__setattr__(self, name, tuple((float(at), float(bps)) for at, bps in rate))
        self.both(0)  # SimulatedLink knows what is wrong

    def both(self, seed: int) -> tuple[SimulatedLink, SimulatedLink]:
        """Up and down, fresh."""
        up = SimulatedLink(self.up_bps, self.delay_s, loss=self.loss, seed=2 * seed)
        return up, SimulatedLink(self.down_bps, self.delay_s, loss=self.loss, seed=2 * seed + 1)

    def __str__(self) -> str:
        lost = f", {100 * self.loss:g} % lost" if self.loss else ""
        return (
            f"up {_rate(self.up_bps)}; down {_rate(self.down_bps)}; "
            f"{1e3 * self.delay_s:g} ms each way{lost}; "
            f"device {1e3 * self.edge_s:g} ms a frame, server {1e3 * self.server_s:g} ms an answer"
        )


def _rate(rate: Rate) -> str:
    if isinstance(rate, (int, float)):
        return f"{rate / 1e6:g} Mbit/s"
    (_, first), *changes = rate
    return ", ".join([f"{first / 1e6:g} Mbit/s", *(f"{bps / 1e6:g} from {at:g} s" for at, bps in changes)])


@dataclass(frozen=True)
class DetectionScenario:
    """One network on one clip.

    Attributes
    ----------
    source : str
        As of `rdct.evaluation.video.scenario.VideoScenario`, and so are `fps`, `size`, `limit` and `labels`
        (a folder of label pictures; for segmentation only).
    model : str
        A spec of `rdct.vision.detectors.load`, for segmentation of
        `rdct.vision.models.load`. The server's, and on the raw frames the reference.
    systems : dict
        Row name to its sweep: parameter to a value, or to a list of them, of which every combination is
        played; a list of such tables plays those of each.
    task : {"detection", "segmentation"}
    camera : str or None
        The device's own, for the systems that have one; a spec of the same kind.
    camera_scale : float
        By how much the sides of a frame are reduced before the device's detector sees it: a stand-in for a
        smaller network, where only one is at hand. It sees as little, but is no faster.
    training : (int, int) or None
        Frames of the source, from the first to before the second, that a system may learn from beforehand.
        None: those it is measured on, which is kind to it.
    classes : tuple of str
        Names of the classes that count; empty: all.
    score, reference_score : float
        Boxes below are no objects: in a system's results, and in the reference.
    merge_iou : float
        Boxes of one class that overlap by more become one, in results and reference alike.
    link : Link or None
        None: an answer is there at once.
    seed : int
        Of the link's losses.
    set : str
        What records call the clip; the last two parts of the source's path by default.
    """

    source: str
    model: str
    systems: dict[str, list[dict[str, Any]]]
    task: Literal["detection", "segmentation"] = "detection"
    camera: str | None = None
    camera_scale: float = 1.0
    training: tuple[int, int] | None = None
    classes: tuple[str, ...] = ()
    score: float = 0.5
    reference_score: float = 0.5
    merge_iou: float = 0.3
    fps: float | None = None
    size: tuple[int, int] | None = None
    limit: int | None = None
    labels: Path | None = None
    link: Link | None = field(default=None)
    seed: int = 1
    set: str = ""

    def __post_init__(self) -> None:
        if self.task not in ("detection", "segmentation"):
            raise ValueError(f'task must be "detection" or "segmentation", got {self.task!r}')
        if not self.systems:
            raise ValueError("systems is empty; give a table [systems.NAME] for each")
        for name in ("score", "reference_score", "merge_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0..1, got {getattr(self, name)}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")
        if self.size is not None and (len(self.size) != 2 or min(self.size) < 8):
            raise ValueError(f"size must be [width, height] of 8 pixels or more, got {list(self.size)}")
        if not 0 < self.camera_scale <= 1:
            raise ValueError(f"camera_scale must be more than 0 and at most 1, got {self.camera_scale}")
        if self.camera_scale != 1 and (self.camera is None or self.task != "detection"):
            raise ValueError("camera_scale goes with a camera that finds objects")
        if self.training is not None and not 0 <= self.training[0] < self.training[1]:
            raise ValueError(f"training must be [first, after the last], got {list(self.training)}")
        if self.labels is not None and self.task != "segmentation":
            raise ValueError("labels are for segmentation; objects are held against the raw frames")
        if not self.set:
            object.__setattr__(self, "set", "/".join(Path(self.source).resolve().parts[-2:]))

    @property
    def mode(self) -> str:
        """How answers come, in words."""
        if self.link is None:
            return "answers at once"
        return f"{self.link}, seed {self.seed}" if self.link.loss else str(self.link)

    def only(self, names: Iterable[str]) -> DetectionScenario:
        """The same with these of its systems."""
        names = list(names)
        unknown = [name for name in names if name not in self.systems]
        if unknown:
            raise ValueError(f"no systems {unknown} in this scenario; it has {', '.join(self.systems)}")
        return replace(self, systems={name: self.systems[name] for name in names})


def settings_of(sweep: Iterable[Mapping[str, Any]]) -> list[Setting]:
    """Every combination of the values of every table, each once."""
    found = [
        dict(zip(table, values, strict=True))
        for table in sweep
        for values in product(*(one if isinstance(one, list) else [one] for one in table.values()))
    ]
    return list({name_of(one): one for one in found}.values())


def name_of(setting: Setting) -> str:
    """What records and tables call a setting: ``quality 35, scale 0.7``; "as it is" without parameters."""
    values = {key: f"{one:g}" if isinstance(one, float) else str(one) for key, one in setting.items()}
    words = (f"{key} {value}" for key, value in values.items())
    return ", ".join(words) or "as it is"


def make(**values: Any) -> DetectionScenario:
    """A scenario from plain values (strings for paths, lists for tuples, tables for link and systems)."""
    values["source"] = str(values["source"])
    if values.get("labels") is not None:
        values["labels"] = Path(values["labels"])
    for name in ("classes", "size", "training"):
        if values.get(name) is not None:
            values[name] = tuple(values[name])
    if not isinstance(values["systems"], Mapping):
        raise ValueError("systems must be tables, [systems.NAME], each with the parameters to sweep")
    values["systems"] = {
        name: [one] if isinstance(one, Mapping) else list(one) for name, one in values["systems"].items()
    }
    if isinstance(values.get("link"), dict):
        try:
            values["link"] = Link(**values["link"])
        except (TypeError, ValueError) as error:
            raise ValueError(f"link: {error}") from error
    return DetectionScenario(**values)
