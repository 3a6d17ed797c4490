"""stac-tables: make a network's table set from pictures, teach it to foretell regions, and look at one."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from grace.network_tables import NetworkTables

__all__ = ["main"]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_PROGRAM = "stac-tables"


class _UsageError(Exception):
    """The command line makes no sense."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of stac-tables; returns the exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser().parse_args(argv)
        return options.run(options, argv)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a wrong option
        return int(stop.code or 0)
    except _UsageError as error:
        _say(f"{_PROGRAM}: error: {error}\nTry '{_PROGRAM} --help'.")
        return USAGE
    except KeyboardInterrupt:
        _say(f"\n{_PROGRAM}: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout has gone (`| head`); keep the interpreter from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, OSError, RuntimeError, ImportError, TypeError) as error:
        _say(f"{_PROGRAM}: error: {error}")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Quantisation tables for a network, made from how much it minds each frequency.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    build = commands.add_parser(
        "build",
        help="make a table set from a folder of pictures",
        description="Make a network's table set from a folder of (training) pictures. May be "
        "interrupted: the same command goes on where it stopped.",
    )
    build.add_argument(
        "--model",
        default=None,
        metavar="SPEC",
        help="a built-in name, NAME:WEIGHTS, FILE.py:FACTORY or a TorchScript file "
        "(default: the built-in network)",
    )
    build.add_argument("--images", required=True, metavar="DIR", help="the pictures")
    build.add_argument("--labels", metavar="DIR", help="class indices of the same file stems, for miou-drop")
    build.add_argument(
        "--method",
        choices=("gradient", "measured"),
        default="gradient",
        help="steps from the network's mean gradients, or from trials with codec and network at the "
        "rate that the demand asks for (default: %(default)s)",
    )
    build.add_argument(
        "--accuracy",
        default="agreement=0.985",
        metavar="DEMAND",
        help="what the single middle table must reach on these pictures: agreement=A (share of "
        "unchanged labels) or miou-drop=D (default: %(default)s)",
    )
    build.add_argument("--levels", type=int, default=16, metavar="L", help="1..64 (default: %(default)s)")
    build.add_argument(
        "--rho",
        default="4",
        metavar="RHO",
        help="levels reach from B/RHO to nearly B*RHO; 'data' finds it (default: %(default)s)",
    )
    build.add_argument(
        "--subsampling",
        choices=("444", "422", "420"),
        default="444",
        help="chroma sampling the tables are for (default: %(default)s)",
    )
    build.add_argument(
        "--regions",
        type=int,
        default=3,
        metavar="R",
        help="side of a region in blocks, for the calibration of -q (default: %(default)s)",
    )
    build.add_argument("--limit", type=int, metavar="N", help="use N pictures, spread evenly over the folder")
    build.add_argument(
        "--class-weights",
        metavar="balanced|FILE",
        help="factors on the losses of each class: balanced, by how often the network sees it on these "
        'pictures, or a JSON file, {"Pole": 4} or a list (default: all alike)',
    )
    build.add_argument("-o", "--output", metavar="FILE", help="default: NETWORK.rdts")
    build.add_argument("-f", "--force", action="store_true", help="replace an existing FILE")
    build.add_argument("-j", "--threads", type=int, metavar="N", help="processors for coding (default: all)")
    build.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    volume = build.add_mutually_exclusive_group()
    volume.add_argument("--quiet", action="store_true", help="say nothing but errors")
    volume.add_argument("-v", "--verbose", action="store_true", help="every step on its own line")
    build.set_defaults(run=_build)

    classes = commands.add_parser(
        "classes",
        help="count into a table set how often each class occurs",
        description="Count a network's labels on a folder of pictures, and write the table set with the "
        "shares of the classes: what --class-weights balanced needs. build does so by itself. The tables and "
        "their id stay as they are.",
    )
    classes.add_argument("file", metavar="FILE", help="an .rdts file, or a built-in network's name")
    classes.add_argument("--model", metavar="SPEC", help="as for build")
    classes.add_argument("--images", required=True, metavar="DIR", help="the pictures")
    classes.add_argument("--limit", type=int, metavar="N", help="use N pictures, spread evenly")
    classes.add_argument("-o", "--output", required=True, metavar="FILE", help="may be FILE itself, with -f")
    classes.add_argument("-f", "--force", action="store_true", help="replace an existing FILE")
    classes.set_defaults(run=_classes)

    predictor = commands.add_parser(
        "predictor",
        help="teach a table set to foretell which regions matter",
        description="Train a small predictor of region sensitivity from a folder of (training) pictures, and "
        "write it into the table set's file. The set's id stays. For stac-encode --sensitivity predicted and "
        "for the first frame of stac-edge.",
    )
    predictor.add_argument("--tables", required=True, metavar="FILE", help="the .rdts file to write it into")
    predictor.add_argument("--images", required=True, metavar="DIR", help="the pictures, at least 5")
    predictor.add_argument(
        "--model",
        metavar="SPEC",
        help="the network that the set was made for (default: the built-in one)",
    )
    predictor.add_argument(
        "--limit", type=int, metavar="N", help="use N pictures, spread evenly over the folder"
    )
    predictor.add_argument(
        "--probes",
        type=int,
        default=2,
        metavar="P",
        help="of the network's sensitivity, for each picture (default: %(default)s)",
    )
    predictor.add_argument(
        "--hidden",
        type=int,
        default=16,
        metavar="H",
        help="units of the hidden layer, 0..256; 0: a linear rule (default: %(default)s)",
    )
    predictor.add_argument("-o", "--output", metavar="FILE", help="write another file instead")
    predictor.add_argument(
        "-f", "--force", action="store_true", help="replace a predictor that is there, or an existing -o FILE"
    )
    predictor.add_argument("--json", action="store_true", help="what became of it as JSON on stdout")
    loud = predictor.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say nothing but errors")
    loud.add_argument("-v", "--verbose", action="store_true", help="every picture on its own line")
    predictor.set_defaults(run=_train)

    show = commands.add_parser(
        "show",
        help="print a table set",
        description="Print a table set's middle tables, budgets, calibration and origin.",
    )
    show.add_argument("file", metavar="FILE", help="an .rdts file, or a built-in network's name")
    show.add_argument("--json", action="store_true", help="all of it as JSON")
    show.add_argument("--plot", metavar="FILE.png", help="draw the tables and curves, too")
    show.add_argument("-f", "--force", action="store_true", help="replace an existing FILE.png")
    show.set_defaults(run=_show)
    return parser


def _say(text: str) -> None:
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    print(text.encode(encoding, "replace").decode(encoding), file=sys.stderr, flush=True)


class _Progress:
    """Progress on stderr: one line that changes on a terminal, plain lines with -v, else nothing."""

    def __init__(self, quiet: bool, verbose: bool) -> None:
        self.lines = verbose
        self.live = not quiet and not verbose and sys.stderr.isatty()
        self.quiet = quiet
        self.width = 0
        self.begun = time.monotonic()

    def __call__(self, step: str, done: int, total: int, note: str) -> None:
        count = f" {done}/{total}" if total else (f" {done}" if done else "")
        text = f"{step}{count}: {note}"
        if step == "resume" and not self.quiet:
            self.clear()
            _say(f"{_PROGRAM}: {note}")
        elif self.lines:
            _say(f"[{time.monotonic() - self.begun:6.1f} s] {text}")
        elif self.live:
            text = text[:100]
            print("\r" + text.ljust(self.width), end="", file=sys.stderr, flush=True)
            self.width = len(text)

    def clear(self) -> None:
        if self.width:
            print("\r" + " " * self.width + "\r", end="", file=sys.stderr, flush=True)
            self.width = 0


def _free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise _UsageError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists; -f replaces it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {str(path.parent)!r} for {path.name}")


def _build(options: argparse.Namespace, argv: list[str]) -> int:
    from grace.accuracy import parse_demand
    from grace.classes import BALANCED, load_weights

    demand = _usage(parse_demand, options.accuracy)
    rho = options.rho if options.rho == "data" else _usage(_number, options.rho)
    for name, value, low, high in (
        ("--levels", options.levels, 1, 64),
        ("--regions", options.regions, 1, 8),
        ("--limit", options.limit, 1, None),
        ("--threads", options.threads, 1, 256),
    ):
        if value is not None and not low <= value <= (value if high is None else high):
            span = f"at least {low}" if high is None else f"{low}..{high}"
            raise _UsageError(f"{name} must be {span}, got {value}")
    if demand.kind == "miou_drop" and options.labels is None:
        raise _UsageError("--accuracy miou-drop needs --labels DIR")

    from rdct.vision import models

    spec = options.model or models.DEFAULT_MODEL
    if options.output is not None:
        _free(Path(options.output), options.force)
    model = models.load(spec)
    weights = options.class_weights
    if weights not in (None, BALANCED):
        weights = _usage(partial(load_weights, class_names=tuple(model.class_names)), weights)
    output = Path(options.output or f"{_file_name(model.name)}.rdts")
    _free(output, options.force)

    from grace.build import build_table_set

    progress = _Progress(options.quiet, options.verbose)
    state = output.with_name(output.name + ".state")
    begun = time.monotonic()
    try:
        tables = build_table_set(
            model,
            options.images,
            labels=options.labels,
            method=options.method,
            accuracy=demand,
            levels=options.levels,
            rho=rho,
            subsampling=options.subsampling,
            region_blocks=options.regions,
            limit=options.limit,
            class_weights=weights,
            progress=progress,
            state=state,
            threads=options.threads,
            command=shlex.join([_PROGRAM, *_portable(argv)]),
        )
    except KeyboardInterrupt:
        progress.clear()
        if state.exists():
            _say(f"{_PROGRAM}: the same command goes on from {state}")
        raise
    finally:
        progress.clear()
    tables.save(output)
    seconds = time.monotonic() - begun
    if options.json:
        _print_json({"output": str(output), "seconds": round(seconds, 3), **_summary(tables)})
    if not options.quiet:
        _say(_summary_text(tables, output, seconds))
    return OK


def _train(options: argparse.Namespace, argv: list[str]) -> int:
    from grace.network_tables import load_tables

    for name, value, low, high in (
        ("--limit", options.limit, 5, 10**9),
        ("--probes", options.probes, 1, 1000),
        ("--hidden", options.hidden, 0, 256),
    ):
        if value is not None and not low <= value <= high:
            raise _UsageError(f"{name} must be {low}..{high}, got {value}")
    output = Path(options.output or options.tables)
    tables = load_tables(Path(options.tables))
    if options.output is not None:
        _free(output, options.force)
    elif tables.predictor is not None and not options.force:
        raise FileExistsError(f"{output} has a predictor; -f replaces it")

    from grace.train_predictor import train_predictor
    from rdct.vision import models

    model = models.load(options.model or models.DEFAULT_MODEL)
    progress = _Progress(options.quiet, options.verbose)
    begun = time.monotonic()
    try:
        tables = train_predictor(
            model,
            tables,
            options.images,
            limit=options.limit,
            probes=options.probes,
            hidden=options.hidden,
            progress=progress,
            command=shlex.join([_PROGRAM, *_portable(argv)]),
        )
    finally:
        progress.clear()
    tables.save(output)
    made = tables.predictor
    if options.json:
        _print_json({"output": str(output), "id": tables.id, **made.provenance})
    if not options.quiet:
        told = made.provenance
        _say(
            f"{output}: predictor of {len(made.to_bytes())} bytes for table set {tables.id}, from "
            f"{told['pictures'] - told['held_out']} pictures in {time.monotonic() - begun:.0f} s\n"
            f"on {told['held_out']} pictures held out: correlation {told['correlation']:.3f}, "
            f"{told['rms_octaves']:.2f} octaves off where regions differ by {told['spread_octaves']:.2f}"
        )
    return OK


def _usage(parse: object, text: str) -> object:
    try:
        return parse(text)
    except ValueError as error:
        raise _UsageError(str(error)) from None


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value <= 256:
        raise ValueError(f"--rho must be a number 1..256 or 'data', got {text!r}")
    return value


def _file_name(model_name: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in model_name)
    return kept.strip(".").replace("-", "_") or "network"


def _portable(argv: list[str]) -> list[str]:
    """The command line without this machine's folders: provenance tells what, not where."""
    shown = []
    for word in argv:
        head, equals, tail = word.partition("=")
        path = tail if equals and head.startswith("--") else word
        if "/" in path and not path.startswith("-"):
            name = "/".join(path.rstrip("/").split("/")[-2:])
            word = f"{head}={name}" if path is tail else name
        shown.append(word)
    return shown


def _summary(tables: NetworkTables) -> dict:
    middle = tables.table_set.tables[tables.middle]
    provenance = tables.provenance
    return {
        "id": tables.id,
        "model": tables.name,
        "pictures": provenance.get("pictures"),
        "accuracy": provenance.get("accuracy"),
        "reached": provenance.get("reached"),
        "budget": tables.budget,
        "bytes_at_budget": provenance.get("bytes_at_budget"),
        "levels": tables.levels,
        "rho": tables.rho,
        "subsampling": tables.subsampling,
        "middle_steps": {"least": int(middle.min()), "greatest": int(middle.max())},
        "bands": len(tables.table_set.bands),
        "scale_at_quality_75": {use: tables.scale_for_quality(75, use) for use in tables.calibration},
    }


def _summary_text(tables: NetworkTables, output: Path, seconds: float) -> str:
    found = _summary(tables)
    steps = found["middle_steps"]
    lines = [
        f"{output}: table set {tables.id} for {tables.name}, from {found['pictures']} pictures "
        f"in {seconds:.0f} s",
        f"budget {tables.budget:.4g} reaches {found['reached']:.4f} (asked: {found['accuracy']}) "
        f"with {found['bytes_at_budget']} bytes in all",
        f"{tables.levels} levels within a factor {tables.rho:g} either way; steps of the middle "
        f"one {steps['least']}..{steps['greatest']}",
    ]
    return "\n".join(lines)


def _print_json(value: object) -> None:
    print(json.dumps(value, allow_nan=False, indent=1))


def _classes(options: argparse.Namespace, argv: list[str]) -> int:
    from grace.classes import class_counts
    from grace.network_tables import load_tables
    from grace.pictures import Pictures
    from rdct.vision import models

    output = Path(options.output)
    _free(output, options.force)
    if options.limit is not None and options.limit < 1:
        raise _UsageError(f"--limit must be at least 1, got {options.limit}")
    tables = load_tables(options.file)
    model = models.load(options.model or models.DEFAULT_MODEL)
    if tables.name != model.name:
        raise _UsageError(f"{options.file} was made for {tables.name}, not for {model.name}; give --model")
    pictures = Pictures(options.images, None, options.limit)
    count = len(model.class_names)
    found = sum(class_counts(models.labels(model, pictures[i]), count) for i in range(len(pictures)))
    tables = replace(tables, class_shares=found)
    tables.save(output)
    _say(f"{output}: table set {tables.id}, classes counted on {len(pictures)} pictures")
    _say("\n".join(f"  {name}: {100 * share:.2f} %" for name, share in
                   zip(model.class_names, tables.class_shares, strict=True)))  # fmt: skip
    return OK


def _show(options: argparse.Namespace, argv: list[str]) -> int:
    from grace.network_tables import load_tables

    if options.plot is not None:
        _free(Path(options.plot), options.force)
    tables = load_tables(options.file)
    if options.json:
        _print_json(tables.to_json())
    else:
        print(_tables_text(tables))
    if options.plot is not None:
        from grace.plots import plot_tables

        plot_tables(tables, options.plot)
    return OK


def _tables_text(tables: NetworkTables) -> str:
    lines = [
        f"table set {tables.id}: {tables.levels} levels, {len(tables.table_set.bands)} rate bands, "
        f"for {tables.subsampling}",
        "",
    ]
    middle = tables.table_set.tables[tables.middle]
    width = len(str(middle.max())) + 1
    measured = tables.provenance.get("method") == "measured"
    origin = "the middle one, measured" if measured else "the middle one, which is GRACE's"
    for name, table in zip(("Y", "Cb", "Cr"), middle, strict=True):
        lines.append(f"{name}, level {tables.middle} ({origin}):")
        lines += ["  " + "".join(f"{step:{width}d}" for step in row) for row in table]
        lines.append("")
    lines.append(f"budget B = {tables.budget:.6g}; by level, factors of it:")
    factors = [f"{b / tables.budget:.3g}" for b in tables.budgets]
    lines += ["  " + " ".join(factors[i : i + 8]) for i in range(0, len(factors), 8)]
    if tables.calibration:
        lines += ["", "scale for the bytes of an optimised JPEG of quality q:"]
        uses = sorted(tables.calibration)
        lines.append("    q" + "".join(f"{use:>10}" for use in uses))
        for q in (10, 25, 50, 75, 85, 90, 95):
            values = "".join(f"{tables.scale_for_quality(q, use):10.4g}" for use in uses)
            lines.append(f"  {q:3d}{values}")
    lines += ["", "origin:", *_origin(tables.provenance)]
    if tables.predictor is not None:
        lines += ["", "predictor of region sensitivity:", *_origin(tables.predictor.provenance)]
    return "\n".join(lines)


def _origin(provenance: dict) -> list[str]:
    lines = []
    for key, value in provenance.items():
        if isinstance(value, float):
            value = f"{value:.6g}"
        elif isinstance(value, (list, np.ndarray)):
            value = " ".join(map(str, value))
        lines.append(f"  {key}: {value}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
