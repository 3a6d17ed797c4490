"""What a run measures: pictures, network, tables, systems. A TOML file holds the same fields."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rdct.evaluation import resize as resizing
from rdct.evaluation.codecs import NAMES, TABLE_MODES, check_dials, check_name
from rdct.evaluation.pictures import Picture, find, listed

if TYPE_CHECKING:
    from rdct.evaluation.detection.scenario import DetectionScenario
    from rdct.evaluation.video.scenario import VideoScenario

__all__ = ["FOLDER", "Scenario", "load"]

#: The committed scenarios.
FOLDER = Path(__file__).with_name("scenarios")


@dataclass(frozen=True)
class Scenario:
    """One network on one set of pictures.

    Attributes
    ----------
    images : Path or tuple of Path
        A folder, or pictures one by one.
    model : str
        A spec of `rdct.vision.models.load`.
    labels : Path or None
        Folder of label pictures, for mIoU against the truth.
    tables : str or None
        A spec of `grace.load_tables`; systems that need tables are absent without it.
    systems : tuple of str
        Row names, and ``FILE.py:FACTORY`` for systems of others.
    points : int
        Points of every rate dial.
    dials : dict
        Row name to the ``(low, high)`` of its dial, where its own range will not do.
    limit : int or None
        So many pictures, spread evenly over the folder.
    tables_mode : str
        "inline", "id" or "both".
    resize : str
        One of `rdct.evaluation.resize.MODES`: "working" (pictures are shrunk to the network's working size,
        where it has one), "after" (decoded pictures are), "full" (neither).
    set : str
        What records call the pictures; the last two parts of the folder's path by default.
    """

    images: Path | tuple[Path, ...]
    model: str
    labels: Path | None = None
    tables: str | None = None
    systems: tuple[str, ...] = NAMES
    points: int = 10
    dials: dict[str, tuple[float, float]] = field(default_factory=dict)
    limit: int | None = None
    tables_mode: str = "both"
    resize: str = "working"
    set: str = ""

    def __post_init__(self) -> None:
        if not self.systems:
            raise ValueError(f"systems is empty; name some of {', '.join(NAMES)}")
        for name in self.systems:
            check_name(name)
        check_dials(self.dials)
        if self.resize not in resizing.MODES:
            raise ValueError(f"resize must be one of {', '.join(resizing.MODES)}, got {self.resize!r}")
        if not 1 <= self.points <= 64:
            raise ValueError(f"points must be 1..64, got {self.points}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")
        if self.tables_mode not in (*TABLE_MODES, "both"):
            raise ValueError(f"tables_mode must be inline, id or both, got {self.tables_mode!r}")
        if not self.set:
            name = "pictures"
            if isinstance(self.images, Path):
                name = "/".join(self.images.resolve().parts[-2:])
            object.__setattr__(self, "set", name)

    @property
    def modes(self) -> tuple[str, ...]:
        """The table modes, the self-contained one first."""
        return TABLE_MODES if self.tables_mode == "both" else (self.tables_mode,)

    def with_systems(self, more: list[str] | None) -> Scenario:
        """The same with further systems after its own."""
        return replace(self, systems=(*self.systems, *(more or ())))

    def pictures(self) -> list[Picture]:
        """The pictures with their labels."""
        if isinstance(self.images, Path):
            return find(self.images, self.labels, self.limit)
        return listed(list(self.images), self.labels, self.limit)


def load(
    source: str, data: Path | None = None, **overrides: Any
) -> Scenario | VideoScenario | DetectionScenario:
    """Read a scenario file.

    Parameters
    ----------
    source : str
        A path, or the name of a committed scenario ("camvid-val-espnet").
    data : Path, optional
        What ``{data}`` in the file stands for; ``{here}`` is the folder of the file itself.
    **overrides
        Fields that replace the file's, where not None.

    Returns
    -------
    Scenario, VideoScenario or DetectionScenario
        By the file's ``kind``: "stills" (or none), "video" or "detection".

    Raises
    ------
    FileNotFoundError, ValueError
        No such file; a field that is none, or ``{data}`` without `data`.
    """
    path = Path(source)
    if not path.is_file():
        path = FOLDER / f"{source}.toml"
    if not path.is_file():
        known = ", ".join(sorted(one.stem for one in FOLDER.glob("*.toml")))
        raise FileNotFoundError(f"no scenario file {source}; committed ones: {known}")
    try:
        values = _toml(path.read_text("utf-8"))
    except ValueError as error:  # of which TOML's own error is one
        raise ValueError(f"{path}: {error}") from error
    kind = values.pop("kind", "stills")
    if kind not in ("stills", "video", "detection"):
        raise ValueError(f'{path}: kind must be "stills", "video" or "detection", got {kind!r}')
    for name, value in values.items():
        values[name] = _filled(value, path, data)
    # Where systems are tables with their sweeps, names choose among them.
    only = overrides.pop("systems", None) if kind == "detection" else None
    values.update({name: value for name, value in overrides.items() if value is not None})
    if kind == "detection":
        from rdct.evaluation.detection import scenario as detection

        of_kind, needed, build = detection.DetectionScenario, ("source", "model", "systems"), detection.make
    elif kind == "video":
        from rdct.evaluation.video import scenario as video

        of_kind, needed, build = video.VideoScenario, ("source", "model"), video.make
    else:
        of_kind, needed, build = Scenario, ("images", "model"), make
    names = {one.name for one in fields(of_kind)}
    unknown = sorted(set(values) - names)
    if unknown:
        raise ValueError(f"{path}: unknown fields {unknown}; known: {', '.join(sorted(names))}")
    missing = [name for name in needed if name not in values]
    if missing:
        raise ValueError(f"{path}: lacks {' and '.join(missing)}")
    made = build(**values)
    return made if only is None else made.only(only)


def _filled(value: Any, path: Path, data: Path | None) -> Any:
    """A value with its ``{data}`` and ``{here}`` replaced, in lists and tables too."""
    if isinstance(value, dict):
        return {name: _filled(one, path, data) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, path, data) for one in value]
    if not isinstance(value, str):
        return value
    if "{data}" in value and data is None:
        raise ValueError(f"{path}: {value!r} needs --data DIR")
    return value.replace("{data}", str(data)).replace("{here}", str(path.parent))


def _toml(text: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    return tomllib.loads(text)


def make(**values: Any) -> Scenario:
    """A scenario from plain values (strings for paths, lists for tuples)."""
    images = values["images"]
    values["images"] = Path(images) if isinstance(images, str | Path) else tuple(map(Path, images))
    if values.get("labels") is not None:
        values["labels"] = Path(values["labels"])
    if "systems" in values:
        values["systems"] = tuple(values["systems"])
    return replace(Scenario(values.pop("images"), values.pop("model")), **values)
