"""The driver for a clip: the points that are missing from the records, played by a few processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from grace.provenance import weights_sha256
from rdct.evaluation.codecs import Absent
from rdct.evaluation.measure import make_setup
from rdct.evaluation.records import Records, key_of
from rdct.evaluation.run import Outcome, Progress, code_version, surroundings
from rdct.evaluation.video.clip import load
from rdct.evaluation.video.play import Bench, Task, make_bench
from rdct.evaluation.video.scenario import VideoScenario
from rdct.evaluation.video.systems import VideoSystem, build
from rdct.evaluation.workers import spread

__all__ = ["run"]


def run(
    scenario: VideoScenario,
    folder: Path,
    *,
    jobs: int = 2,
    command: str = "",
    progress: Progress | None = None,
) -> Outcome:
    """Play what `folder` does not hold yet; parameters and result as of `rdct.evaluation.run.run`.

    A point is one system at one setting of its dial over the whole clip; its frames and it are written
    together, so that a run that was stopped goes on with the next point.
    """
    setup = make_setup(scenario.model, scenario.tables)
    outcome = Outcome(model=setup.model.name)
    systems: dict[str, VideoSystem] = {}
    for name in scenario.systems:
        try:
            systems[name] = build(name, setup)
        except Absent as error:
            outcome.absent[name] = str(error)
    clip = load(scenario)
    shared = {
        "medium": "video",
        "set": scenario.set,
        "model": setup.model.name,
        "classes": len(setup.model.class_names),
        "weights": weights_sha256(setup.model),
        "sha256": clip.sha256,
        "truth_sha256": clip.truth_sha256,
    }
    plans = {name: _plan(system, scenario, clip.fps) for name, system in systems.items()}
    height, width = clip.shape
    about = {
        "model_spec": scenario.model,
        "tables": scenario.tables,
        "labels": clip.truth is not None,
        "points": scenario.points,
        "limit": scenario.limit,
        "frames": len(clip.frames),
        "fps": clip.fps,
        "width": width,
        "height": height,
        "original": list(clip.original),
        "threshold_db": scenario.threshold_db,
        "mode": scenario.mode,
        "seed": scenario.seed,
        **surroundings("rdct", "torch", "numpy", "opencv-python-headless", "av", "pillow"),
        "command": command,
        "absent": outcome.absent,
    }
    with Records(folder) as records:
        records.add("run", {**shared, **about, "systems": plans})
        points = list(_missing(shared, plans, records, outcome))
        tasks = [
            Task(dial, tuple(one[1] for one in group), tuple(one[2] for one in group))
            for (_, dial), group in _grouped(points, systems)
        ]
        done = 0
        if progress:
            progress(0, len(points), "starting")
        local = partial(Bench, scenario, setup, clip)
        for task, found, error in spread(partial(make_bench, scenario), tasks, jobs, local=local):
            for record in found:
                kind = record.pop("kind")
                outcome.written += records.add(kind, record) and kind == "point"
            if error:
                outcome.failed.append(f"{' and '.join(task.systems)} at {task.dial:g}: {error}")
            done += len(task.systems)
            if progress:
                progress(done, len(points), f"{' and '.join(task.systems)} at {task.dial:g}")
    return outcome


def _plan(system: VideoSystem, scenario: VideoScenario, fps: float) -> dict[str, Any]:
    trigger = f"{fps:g} frames/s, trigger {scenario.threshold_db:g} dB, {scenario.mode}"
    if scenario.link is not None:
        trigger += f", seed {scenario.seed}"
    dial = system.dial
    if system.name in scenario.dials:
        low, high = scenario.dials[system.name]
        dial = replace(dial, low=low, high=high)
    return {
        "settings": f"{system.settings}; {trigger}",
        "table_set": system.table_set,
        "tables_sha256": system.tables_sha256,
        "code": code_version(system.rooms),
        "dial": dial.name,
        "dials": list(dial.points(scenario.points)),
    }


def _missing(
    shared: dict[str, Any], plans: dict[str, dict[str, Any]], records: Records, outcome: Outcome
) -> Iterator[tuple[float, str, dict[str, Any]]]:
    """Dial, system and identity of the points that are not on record."""
    for name, plan in plans.items():
        about = {one: plan[one] for one in ("settings", "table_set", "tables_sha256", "code")}
        for dial in plan["dials"]:
            identity = {**shared, "system": name, **about, "dial": dial, "tables": None}
            if identity in records:
                outcome.present += 1
                continue
            digest = hashlib.sha256(json.dumps(key_of(identity)).encode()).hexdigest()
            del identity["dial"]
            yield dial, name, {**identity, "point": digest[:16]}


def _grouped(points: list, systems: dict[str, VideoSystem]) -> Iterator[tuple[tuple[str, float], list]]:
    """Points of one family and dial together, the families in the order of the systems."""
    order = list(dict.fromkeys(systems[name].family for _, name, _ in points))

    def key(point: tuple) -> tuple[int, float]:
        return order.index(systems[point[1]].family), point[0]

    for (family, dial), group in groupby(sorted(points, key=key), key):
        yield (order[family], dial), list(group)
