"""The driver: what is missing from the records, measured by a few processes, written down."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from grace.provenance import weights_sha256
from rdct.evaluation import resize
from rdct.evaluation.codecs import Absent, Setup, System, build, check_dials, is_row
from rdct.evaluation.measure import Bench, Task, make_setup
from rdct.evaluation.pictures import Picture
from rdct.evaluation.records import Records
from rdct.evaluation.scenario import Scenario
from rdct.evaluation.workers import spread

__all__ = ["Outcome", "code_version", "commit", "run", "surroundings"]

#: (points done, points in all, what is under way)
Progress = Callable[[int, int, str], None]


@dataclass
class Outcome:
    """What a run did.

    Attributes
    ----------
    written, present : int
        Points measured now, and points that were on record before.
    model : str
        The network's name.
    resize : str or None
        How pictures were resized, in the records' words.
    rows : list of str
        Names of the rows asked for, the absent ones too.
    absent : dict
        Systems that cannot run here, with the reason.
    failed : list of str
        Points that raised; they are not on record, so the next run tries them again.
    """

    written: int = 0
    present: int = 0
    model: str = ""
    resize: str | None = None
    rows: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)


def code_version(rooms: tuple[str, ...], source: Path | None = None) -> str:
    """The version of the code that a system's bytes depend on; "" for codecs of others.

    The package's version and a hash over the modules of `rooms` (sources and extensions, commands
    excepted), so that records of yesterday's encoder are not taken for today's; likewise the file
    `source` of a system from outside, if any.
    """
    if source is not None:
        own = code_version(rooms)
        found = f"{source.name}+{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
        return f"{own} {found}".strip()
    if not rooms:
        return ""
    digest = hashlib.sha256()
    for room in rooms:
        spec = importlib.util.find_spec(room)
        for folder in spec.submodule_search_locations or () if spec else ():
            for path in sorted(Path(folder).rglob("*")):
                if path.suffix in (".py", ".so", ".pyd") and path.name != "cli.py":
                    digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return f"{_version('rdct')}+{digest.hexdigest()[:12]}"


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def commit() -> str | None:
    """The git commit of the checkout this runs from, "-dirty" if changed; None outside of one."""

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent), *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
        return None if done.returncode else done.stdout.strip()

    try:
        head = git("rev-parse", "HEAD")
        return head and head + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.TimeoutExpired):
        return None


def run(
    scenario: Scenario,
    folder: Path,
    *,
    jobs: int = 2,
    command: str = "",
    progress: Progress | None = None,
) -> Outcome:
    """Measure what `folder` does not hold yet.

    Parameters
    ----------
    scenario : Scenario
    folder : Path
        Where the records are, or will be.
    jobs : int
        Worker processes, each with one thread; 1 measures in this process.
    command : str
        For the record: how the user started this.
    progress : callable, optional
        Called with (done, total, text) after every finished picture and system.

    Returns
    -------
    Outcome
    """
    pictures = scenario.pictures()
    setup = make_setup(scenario.model, scenario.tables)
    outcome = Outcome(model=setup.model.name)
    outcome.resize = resize.describe(getattr(setup.model, "working_size", None), scenario.resize)
    systems, specs = _systems(scenario, setup, outcome)
    weights = weights_sha256(setup.model)
    shared = {
        "set": scenario.set,
        "model": setup.model.name,
        "classes": len(setup.model.class_names),
        "weights": weights,
        "resize": outcome.resize,
    }
    plans = {name: {"spec": specs[name], **_plan(one, scenario)} for name, one in systems.items()}
    sums = {picture: picture.sha256() for picture in pictures}
    with Records(folder) as records:
        about = {**shared, **_provenance(scenario), "command": command, "absent": outcome.absent}
        about["class_names"] = list(setup.model.class_names)
        about["ignore_label"] = setup.model.ignore_label
        records.add("run", {**about, "systems": plans, "pictures": list(sums.values())})
        tasks = list(_missing(shared, plans, sums, records, outcome))
        total = sum(len(task.points) for task in tasks)
        done = 0
        if progress:
            progress(0, total, "starting")
        make = partial(_bench, scenario.model, scenario.tables, scenario.resize)
        here = partial(Bench, setup, resize=scenario.resize)
        for task, found, error in spread(make, tasks, jobs, local=here):
            outcome.written += sum(records.add("point", record) for record in found)
            if error:
                outcome.failed.append(f"{task.picture.name}, {task.identity['system']}: {error}")
            done += len(task.points)
            if progress:
                progress(done, total, f"{task.picture.name} {task.identity['system']}")
    return outcome


def _systems(scenario: Scenario, setup: Setup, outcome: Outcome) -> tuple[dict[str, System], dict[str, str]]:
    """The systems that can run here by row name, and what each is made from."""
    systems: dict[str, System] = {}
    specs: dict[str, str] = {}
    for spec in dict.fromkeys(scenario.systems):
        try:
            made = build(spec, setup)
        except Absent as error:
            outcome.absent[spec] = str(error)
            outcome.rows.append(spec)
            continue
        if made.name in systems or (made.name != spec and is_row(made.name)):
            raise ValueError(f"system {spec!r} calls itself {made.name!r}, which is another row's name")
        systems[made.name], specs[made.name] = made, spec
        outcome.rows.append(made.name)
    # A scenario's dials may name rows that this run leaves out.
    check_dials(scenario.dials, (*outcome.rows, *filter(is_row, scenario.dials)))
    return systems, specs


def _plan(system: System, scenario: Scenario) -> dict[str, Any]:
    """What identifies a system's records, and which of them the scenario asks for."""
    modes = [mode for mode in scenario.modes if mode in system.table_modes] or [None]
    dial = system.dial
    if system.name in scenario.dials:
        low, high = scenario.dials[system.name]
        dial = replace(dial, low=low, high=high)
    return {
        "settings": system.settings,
        "table_set": system.table_set,
        "tables_sha256": system.tables_sha256,
        "code": code_version(system.rooms, system.source),
        "dial": dial.name,
        "dials": list(dial.points(scenario.points)),
        "modes": modes,
    }


def _missing(
    shared: dict[str, Any],
    plans: dict[str, dict[str, Any]],
    sums: dict[Picture, str],
    records: Records,
    outcome: Outcome,
) -> Iterator[Task]:
    """The tasks left to do, picture by picture, so that a killed run holds whole pictures."""
    for picture, sha256 in sums.items():
        truth = hashlib.sha256(picture.labels.read_bytes()).hexdigest() if picture.labels else None
        for name, plan in plans.items():
            identity = {
                **shared,
                "picture": picture.name,
                "sha256": sha256,
                "truth_sha256": truth,
                "system": name,
                **{one: plan[one] for one in ("settings", "table_set", "tables_sha256", "code")},
            }
            points = []
            for dial in plan["dials"]:
                wanted = {mode: {**identity, "dial": dial, "tables": mode} for mode in plan["modes"]}
                new = tuple(mode for mode, record in wanted.items() if record not in records)
                outcome.present += len(wanted) - len(new)
                if new:
                    points.append((dial, new))
            if points:
                yield Task(picture, plan["spec"], tuple(points), identity)


def _provenance(scenario: Scenario) -> dict[str, Any]:
    return {
        "model_spec": scenario.model,
        "tables": scenario.tables,
        "tables_mode": scenario.tables_mode,
        "labels": scenario.labels is not None,
        "points": scenario.points,
        "limit": scenario.limit,
        **surroundings("rdct", "torch", "numpy", "pillow", "scipy"),
    }


def surroundings(*distributions: str) -> dict[str, Any]:
    """Commit, versions of these distributions, machine: for the record."""
    return {
        "commit": commit(),
        "versions": {one: _version(one) for one in distributions},
        "machine": platform.machine(),
    }


def _bench(model: str, tables: str | None, resize: str) -> Bench:
    return Bench(make_setup(model, tables), resize=resize)
