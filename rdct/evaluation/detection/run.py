# SPDX-License-Identifier: Apache-2.0
"""The driver: the settings that are missing from the records, played by a few processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from grace.provenance import weights_sha256
from rdct.evaluation.codecs import Absent
from rdct.evaluation.detection.play import Bench, Task, load_models, make_bench
from rdct.evaluation.detection.scenario import DetectionScenario, Setting, name_of, settings_of
from rdct.evaluation.detection.systems import check, has_camera, registered, rooms_of
from rdct.evaluation.records import Records, key_of
from rdct.evaluation.run import Outcome, Progress, code_version, surroundings
from rdct.evaluation.video.clip import load
from rdct.evaluation.workers import spread

__all__ = ["run"]


def run(
    scenario: DetectionScenario,
    folder: Path,
    *,
    jobs: int = 2,
    command: str = "",
    progress: Progress | None = None,
) -> Outcome:
    """Play what `folder` does not hold yet; parameters and result as of `rdct.evaluation.run.run`.

    A point is one system in one setting over the whole clip; its frames and it are written together, so that
    a run that was stopped goes on with the next point.

    Raises
    ------
    ValueError
        A parameter that its system does not take, before anything is played.
    """
    model, camera = load_models(scenario)
    clip = load(scenario)
    bench = Bench(scenario, model, camera, clip)
    outcome = Outcome(model=model.name)
    plans: dict[str, dict[str, Any]] = {}
    for row, sweep in scenario.systems.items():
        settings = settings_of(sweep)
        try:
            check(row, settings, bench.given)
            plans[row] = _plan(row, settings, scenario, bench)
        except Absent as error:
            outcome.absent[row] = str(error)
    shared = {
        "medium": "detection",
        "task": scenario.task,
        "set": scenario.set,
        "model": model.name,
        "classes": len(model.class_names),
        "weights": _weights(model, scenario.model),
        "sha256": clip.sha256,
        "truth_sha256": clip.truth_sha256,
    }
    height, width = clip.shape
    about = {
        "model_spec": scenario.model,
        "camera_spec": scenario.camera,
        "counted": list(scenario.classes),
        "counted_labels": sorted(bench.given.labels or ()),
        "labels": clip.truth is not None,
        "limit": scenario.limit,
        "frames": len(clip.frames),
        "fps": clip.fps,
        "width": width,
        "height": height,
        "original": list(clip.original),
        "score": scenario.score,
        "reference_score": scenario.reference_score,
        "mode": scenario.mode,
        **surroundings("rdct", "numpy", "opencv-python-headless", "av", "torch"),
        "command": command,
        "absent": outcome.absent,
    }
    with Records(folder) as records:
        records.add("run", {**shared, **about, "systems": plans})
        tasks = list(_missing(shared, plans, scenario, records, outcome))
        if progress:
            progress(0, len(tasks), "starting")
        for done, (task, found, error) in enumerate(
            spread(partial(make_bench, scenario), tasks, jobs, local=lambda: bench), 1
        ):
            for record in found:
                kind = record.pop("kind")
                outcome.written += records.add(kind, record) and kind == "point"
            what = f"{task.system}, {name_of(task.setting)}"
            if error:
                outcome.failed.append(f"{what}: {error}")
            if progress:
                progress(done, len(tasks), what)
    return outcome


def _weights(model: Any, spec: str) -> str | None:
    """Hash of a network's parameters, or of the file that a detector was read from."""
    found = weights_sha256(model)
    path = Path(spec.partition(":")[2])
    if found is None and path.is_file():
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _plan(row: str, settings: list[Setting], scenario: DetectionScenario, bench: Bench) -> dict[str, Any]:
    """What identifies a row's records, and which of them the scenario asks for."""
    name, fixed = registered(row)
    words = [name if not fixed else f"{name} with {name_of(fixed)}", scenario.mode]
    if scenario.task == "detection":
        words.append(
            f"score {scenario.score:g}, reference {scenario.reference_score:g}, "
            f"merged from {scenario.merge_iou:g}"
        )
        words.append(f"classes {' '.join(scenario.classes) or 'all'}")
    if name == "awstream":
        words.append(
            "profiled on " + ("itself" if scenario.training is None else f"frames {scenario.training}")
        )
    if bench.camera is not None and has_camera(row):
        found = _weights(bench.camera, scenario.camera) or "of unknown weights"
        words.append(f"on the device {bench.camera.name} {found[:12]}")
    return {
        "settings": "; ".join(words),
        "code": code_version(rooms_of(row)),
        "dials": [name_of(setting) for setting in settings],
    }


def _missing(
    shared: dict[str, Any],
    plans: dict[str, dict[str, Any]],
    scenario: DetectionScenario,
    records: Records,
    outcome: Outcome,
) -> Iterator[Task]:
    """The points that are not on record."""
    for row, plan in plans.items():
        for setting in settings_of(scenario.systems[row]):
            identity = {
                **shared,
                "system": row,
                "settings": plan["settings"],
                "code": plan["code"],
                "dial": name_of(setting),
            }
            if identity in records:
                outcome.present += 1
                continue
            digest = hashlib.sha256(json.dumps(key_of(identity)).encode()).hexdigest()
            yield Task(row, setting, {**identity, "point": digest[:16]})
