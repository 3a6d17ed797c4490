# SPDX-License-Identifier: Apache-2.0
"""From a row of the table and its parameters to the two ends of a session.

A row is a system of `rdct.offload.registry`, by its own name or, with some parameters fixed, by one of
`VARIANTS`. Parameters are plain values. Each goes to the end that takes an argument of that name; DDS's,
whose ends take tables, rules and a policy, are sorted into these first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rdct.evaluation.codecs import Absent
from rdct.offload import wire
from rdct.offload.messages import Hello, Notice
from rdct.offload.registry import SYSTEMS, edge_factory, server_factory
from rdct.offload.roles import Edge, Server

if TYPE_CHECKING:
    from rdct.vision.frames import Frame

__all__ = ["TIMES", "VARIANTS", "Given", "Session", "check", "has_camera", "opened", "registered", "rooms_of"]

#: Rows that are a system of another name, with some parameters fixed.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "uniform-jpeg": ("jpeg", {}),
    "uniform-rdct": ("rdct", {}),
    # AWStream's knobs without its adaptation: what it would be if it always chose the best for this clip.
    "awstream-ideal": ("jpeg", {}),
    "dds-h264": ("dds", {"backend": "h264"}),
    "dds-replace": ("dds", {"keep_first": False}),
    "dds-static": ("dds", {"static": 3.0}),
    "dds-replace-static": ("dds", {"keep_first": False, "static": 3.0}),
}
#: Parameters that are no system's but of the virtual clock: see `rdct.evaluation.detection.scenario.Link`.
TIMES = ("edge_s", "server_s")


@dataclass(frozen=True)
class Given:
    """What every system may ask of a scenario, without being told in its parameters.

    Attributes
    ----------
    model : Detector or Model
        The server's.
    camera : Detector or None
        The device's.
    shape : (int, int)
        H, W of the frames.
    fps : float
    labels : frozenset of int or None
        Of the classes that count.
    score, merge_iou : float
    training : callable or None
        Gives the frames that a system may learn from beforehand.
    profiles : dict
        What systems have learned from them.
    """

    model: Any
    camera: Any = None
    shape: tuple[int, int] = (0, 0)
    fps: float = 25.0
    labels: frozenset[int] | None = None
    score: float = 0.5
    merge_iou: float = 0.3
    training: Callable[[], Sequence[Frame]] | None = None
    profiles: dict[Any, Any] = field(default_factory=dict)

    def offered(self, names: Collection[str]) -> dict[str, Any]:
        """What an end that takes arguments of these names gets without being told."""
        found: dict[str, Any] = {"fps": self.fps}
        if "looking" in names:
            found["looking"] = self.looking()
        return {name: one for name, one in found.items() if name in names}

    def looking(self) -> Any:
        """What counts of what a detector finds, as the baselines want to be told."""
        from rdct.baselines.answering import Looking

        return Looking(self.score, self.labels, self.merge_iou)


@dataclass(frozen=True)
class Session:
    """Both ends, introduced to each other.

    Attributes
    ----------
    edge, server : Edge, Server
    hello_bytes, welcome_bytes : int
        Up and down before the first frame.
    """

    edge: Edge
    server: Server
    hello_bytes: int
    welcome_bytes: int


def registered(row: str) -> tuple[str, dict[str, Any]]:
    """The registry's name of a row, and its fixed parameters.

    Raises
    ------
    Absent
        There is no such system.
    """
    name, fixed = (row, {}) if row in SYSTEMS else VARIANTS.get(row, (row, {}))
    if name not in SYSTEMS:
        raise Absent(f"rdct.offload.registry has no system {name!r}; it has {', '.join(SYSTEMS)}")
    return name, fixed


def has_camera(row: str) -> bool:
    """Whether the device of a row looks for itself."""
    return bool(_MODELS & _arguments(edge_factory(registered(row)[0])))


def rooms_of(row: str) -> tuple[str, ...]:
    """The packages that decide what a row sends."""
    name, _ = registered(row)
    own = (where.partition(":")[0] for where in (SYSTEMS[name].edge, SYSTEMS[name].server))
    # rdct.dds of rdct.dds.edge, stac of stac.edge.
    first = (".".join(module.split(".")[: 1 + module.startswith("rdct.")]) for module in own)
    return tuple(dict.fromkeys(("codec", "rdct.offload", "rdct.vision", *first)))


def opened(row: str, setting: Mapping[str, Any], given: Given) -> Session:
    """A fresh session of a row in one setting.

    Raises
    ------
    Absent
        There is no such system, or what it needs is not there.
    ValueError
        A parameter that neither end takes, or a value that it refuses; the server refused the session.
    """
    name, fixed = registered(row)
    values = {key: one for key, one in {**fixed, **setting}.items() if key not in TIMES}
    try:
        make_edge, make_server = edge_factory(name), server_factory(name)
        options = _SORTED.get(name, _plain)(values, given, make_edge, make_server)
        server = make_server(given.model, options.tables, **options.server)
        height, width = given.shape
        hello = Hello(width, height, system=name)
        welcome = server.on_hello(hello, 0.0)
        if isinstance(welcome, Notice):
            raise ValueError(f"the server refused the session: {welcome.message}")
        edge = make_edge(welcome, **options.edge)
    except ImportError as error:
        raise Absent(f"not installed here: {error}") from error
    except FileNotFoundError as error:
        raise Absent(str(error)) from error
    return Session(edge, server, len(wire.encode(hello)), len(wire.encode(welcome)))


def check(row: str, settings: list[Mapping[str, Any]], given: Given) -> None:
    """Open a session in each setting, so that a wrong one is known before hours of playing.

    Raises
    ------
    Absent, ValueError
        As `opened`.
    """
    for setting in settings:
        try:
            opened(row, setting, given)
        except (TypeError, ValueError) as error:
            raise ValueError(f"systems.{row}, {dict(setting)}: {error}") from error


# -------------------------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class _Options:
    """What `opened` hands to the factories."""

    tables: Any = None
    edge: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=dict)


def _arguments(factory: Callable[..., Any]) -> set[str]:
    """Names that a factory of an end takes as keywords.

    One that passes on what it does not know takes what its class takes, and a class what those above it
    take.
    """
    while isinstance(factory, partial):
        factory = factory.func
    if inspect.isclass(factory):
        makers = [one.__init__ for one in factory.__mro__[:-1] if "__init__" in vars(one)]
    else:
        makers = [factory]
    names: set[str] = set()
    for maker in makers:
        known = inspect.signature(maker).parameters.values()
        names |= {one.name for one in known if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}
        passes_on = any(one.kind is one.VAR_KEYWORD for one in known)
        if not passes_on:
            break
    above = getattr(factory, "__self__", None)
    if passes_on and inspect.isclass(above):
        names |= _arguments(above)
    return names - {"self", "welcome", "tables"}


#: What ends call a model. The server's is handed over by place; a device that asks for one has its own.
_MODELS = {"model", "detector"}


def _plain(values: dict[str, Any], given: Given, make_edge: Callable, make_server: Callable) -> _Options:
    """Every parameter to whichever end takes it, to both if both do; and what they ask of the scenario."""
    ends = {"edge": _arguments(make_edge), "server": _arguments(make_server) - _MODELS}
    own = {name: given.camera for name in _MODELS & ends["edge"]}
    if own and given.camera is None:
        raise Absent("needs a model on the device; name one in the scenario: camera = SPEC")
    unknown = [name for name in values if not any(name in known for known in ends.values())]
    if unknown:
        raise ValueError(
            f"no parameter {', '.join(unknown)}; the device takes {', '.join(sorted(ends['edge']))}, "
            f"the server {', '.join(sorted(ends['server']))}"
        )

    def of(end: str) -> dict[str, Any]:
        everything = {**given.offered(ends[end]), **values}
        return {name: one for name, one in everything.items() if name in ends[end]}

    return _Options(edge={**of("edge"), **own}, server=of("server"))


#: What DDS's servers take; the rest is its devices'.
_DDS_SERVER = ("region_blocks", "subsampling", "max_asked", "max_chunk")


def _dds(values: dict[str, Any], given: Given, make_edge: Callable, make_server: Callable) -> _Options:
    """Numbers of two table levels, of the rules and of the policy; the rest to the ends."""
    from rdct.dds.edge import DdsPolicy
    from rdct.dds.feedback import DetectionRules, SegmentationRules
    from rdct.dds.grid import two_levels

    def taken(names: Collection[str]) -> dict[str, Any]:
        return {name: values.pop(name) for name in set(names) & set(values)}

    values = dict(values)
    if "scale" in values:
        values["low_scale"] = values["high_scale"] = values.pop("scale")
    tables = two_levels(**taken(("quality", "ratio")))
    policy, backend = DdsPolicy, taken(("backend",))
    if backend.get("backend") == "h264":
        from rdct.dds.policy import paper_policy as policy
    of_policy = taken([one.name for one in fields(DdsPolicy)])
    if hasattr(given.model, "ignore_label"):
        rules = SegmentationRules(**taken([one.name for one in fields(SegmentationRules)]))
    else:
        said = {"labels": given.labels, "final_score": given.score, "merge_score": given.score}
        said["merge_iou"] = given.merge_iou
        rules = DetectionRules(**{**said, **taken([one.name for one in fields(DetectionRules)])})
    server = {**backend, **taken(_DDS_SERVER), "rules": rules}
    return _Options(tables, {**backend, **values, "policy": policy(**of_policy)}, server)


def _tracking(values: dict[str, Any], given: Given, make_edge: Callable, make_server: Callable) -> _Options:
    """When a frame may go, and as what; the rest to the ends."""
    from rdct.baselines.tracked import TrackingPolicy

    values = dict(values)
    of_policy = {one.name: values.pop(one.name) for one in fields(TrackingPolicy) if one.name in values}
    rest = _plain(values, given, make_edge, make_server)
    return replace(rest, edge={**rest.edge, "policy": TrackingPolicy(**of_policy)})


def _awstream(values: dict[str, Any], given: Given, make_edge: Callable, make_server: Callable) -> _Options:
    """A profile over ``qualities``, ``scales`` and ``every``, measured once on the training frames.

    Parameters of `RateAdaptation` go there, the rest to the ends.
    """
    from rdct.baselines import profile
    from rdct.baselines.awstream import RateAdaptation

    values = dict(values)
    asked = {name: tuple(values.pop(name)) for name in ("qualities", "scales", "every") if name in values}
    coding = values.pop("coding", "jpeg")
    key = coding, *sorted(asked.items())
    if key not in given.profiles:
        grid = profile.grid(**asked, coding=coding)
        looking = None if hasattr(given.model, "ignore_label") else given.looking()
        points = profile.measure(given.training(), given.model, grid, fps=given.fps, looking=looking)
        given.profiles[key] = profile.Profile.of(points)
    adaptation = {name: values.pop(name) for name in _arguments(RateAdaptation) & set(values)}
    rest = _plain(values, given, make_edge, make_server)
    return replace(rest, edge={**rest.edge, "profile": given.profiles[key], "adaptation": adaptation})


_SORTED: dict[str, Callable[..., _Options]] = {
    "dds": _dds,
    "glimpse": _tracking,
    "vigil": _tracking,
    "awstream": _awstream,
}
