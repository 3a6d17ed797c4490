"""`stac-eval`: run a comparison of codecs at equal network output, and read what it found."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["main"]

_ACCURACIES = "0.98,0.985"
_REFERENCE = "jpeg-turbo-444"
# What is read at unless --metric says: of detection its own.
_METRIC = "agreement"
_METRICS = ("agreement", "miou_agreement", "miou", "f1", "f1_loose", "iou")


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns 0, 1 (something failed), 2 (wrong use) or 130 (interrupted)."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    args.typed = shlex.join(["stac-eval", *argv])
    try:
        return args.action(args)
    except KeyboardInterrupt:
        print("stac-eval: interrupted; the records so far are kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output is gone; keep Python from complaining once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"stac-eval: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stac-eval", description=__doc__)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure what DIR does not hold yet")
    run.add_argument("scenario", nargs="?", metavar="SCENARIO", help="TOML file or committed name")
    run.add_argument("--data", type=Path, metavar="DIR", help="what {data} in the scenario stands for")
    run.add_argument("--images", type=Path, metavar="DIR", help="folder of pictures")
    run.add_argument("--limit", type=_positive, metavar="N", help="N pictures, spread over the folder")
    run.add_argument("--set", help="what the records call the pictures")
    _measuring(run)
    run.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of records")
    run.set_defaults(action=_run)

    table = commands.add_parser("table", help="bits at equal accuracy, from records")
    _reading(table)
    form = table.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="everything, as one JSON array")
    form.add_argument("--markdown", action="store_true", help="as a section of a page of docs/experiments")
    table.add_argument("--per-class", action="store_true", help="IoU of every class at these accuracies, too")
    table.add_argument("--into", type=Path, metavar="FILE.md", help="write between the file's markers")
    table.add_argument("--section", help="with --into: the name in the markers")
    table.set_defaults(action=_table)

    plot = commands.add_parser("plot", help="bits-accuracy curves, from records")
    _reading(plot)
    plot.add_argument("-o", "--output", type=_drawing, required=True, metavar="FILE.png|.svg|.pdf")
    plot.set_defaults(action=_plot)

    report = commands.add_parser("report", help="one self-contained page: curves, tables, crops, settings")
    _reading(report)
    report.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.html")
    report.add_argument(
        "--images", type=Path, metavar="DIR",
        help="the folder the records were made from: codes some of its pictures again and shows crops",
    )  # fmt: skip
    report.add_argument("--crops", type=_positive, default=2, metavar="N", help="pictures to show (2)")
    report.set_defaults(action=_page)

    compare = commands.add_parser("compare", help="all codecs on your own pictures and network")
    compare.add_argument("images", nargs="+", type=Path, metavar="IMAGES")
    _measuring(compare)
    compare.add_argument("--json", action="store_true", help="print one JSON object")
    compare.add_argument(
        "-o", "--output", type=Path, metavar="DIR",
        help="keep records and plot there (default: stac-eval-compare; with --json: nowhere)",
    )  # fmt: skip
    _accuracy(compare)
    compare.set_defaults(action=_compare)
    return parser


def _measuring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--labels", type=Path, metavar="DIR", help="label pictures of the same stems")
    parser.add_argument("--model", metavar="SPEC", help="network (a spec of rdct.vision.models.load)")
    parser.add_argument("--tables", metavar="FILE", help="network tables of stac-tables build, or a name")
    parser.add_argument("--systems", type=_list, metavar="A,B,...", help="rows (default: all)")
    parser.add_argument(
        "--system", action="append", metavar="FILE.py:FACTORY",
        help="one row more: a system of yours (docs/cli.md); may be given again",
    )  # fmt: skip
    parser.add_argument("--points", type=_positive, metavar="N", help="points of each dial (10)")
    parser.add_argument("--tables-mode", choices=("inline", "id", "both"), help="how table sets are sent")
    parser.add_argument(
        "--resize", choices=("working", "after", "full"),
        help="to the network's working size, if any: before every codec, after it, not at all",
    )  # fmt: skip
    parser.add_argument("-j", "--jobs", type=_positive, default=min(2, os.cpu_count() or 1), metavar="N")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def _accuracy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--accuracy", type=_shares, metavar="A,B,...",
                        help=f"where to read the curves (default {_ACCURACIES}; "
                             "of videos what every row reaches, of detection F1 in steps)")  # fmt: skip
    parser.add_argument(
        "--reference", type=_list, metavar="ROW,...",
        help=f"percentages against it; a table for each (default {_REFERENCE}; of detection uniform-jpeg)",
    )  # fmt: skip


def _reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--systems", type=_list, metavar="A,B,...", help="rows (default: all on record)")
    parser.add_argument(
        "--metric",
        choices=_METRICS,
        help=f"what accuracy means: default {_METRIC}; of detection f1, or iou; of a plot: draw nothing else",
    )
    parser.add_argument(
        "--tables-mode", choices=("inline", "id"), help="of pictures: rows of this mode, and those without"
    )
    parser.add_argument("--resamples", type=_count, default=1000, metavar="N", help="bootstrap; 0: none")
    parser.add_argument("--seed", type=_count, default=1)
    _accuracy(parser)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def _list(text: str) -> list[str]:
    names = [one.strip() for one in text.split(",") if one.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names are missing")
    return names


def _shares(text: str) -> tuple[float, ...]:
    values = tuple(float(one) for one in text.split(","))
    if any(not 0 < value <= 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: accuracies lie in 0..1")
    return values


def _drawing(text: str) -> Path:
    from rdct.evaluation.plots import FORMATS

    if Path(text).suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text} ends in none of {', '.join(FORMATS)}")
    return Path(text)


class _Progress:
    """Done, total and the time left, on stderr: one line that moves, or one every ten seconds."""

    def __init__(self, quiet: bool) -> None:
        self.quiet, self.terminal = quiet, sys.stderr.isatty()
        self.began = self.shown = time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        last = done == total
        if self.quiet or not (last or now - self.shown >= (0.2 if self.terminal else 10)):
            return
        self.shown = now
        left = (now - self.began) / done * (total - done) if done else 0.0
        text = f"{done}/{total} points, {left:.0f} s left, {what}"
        if self.terminal:
            print(f"\r{text:<78.78}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)


def _given(args: argparse.Namespace) -> dict:
    names = ("labels", "model", "tables", "systems", "points", "tables_mode", "resize")
    values = {name: getattr(args, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _wrong_use(text: str) -> int:
    print(f"stac-eval: {text}", file=sys.stderr)
    return 2


def _report(outcome, quiet: bool) -> int:
    for name, reason in outcome.absent.items():
        print(f"stac-eval: {name} is absent: {reason}", file=sys.stderr)
    for text in outcome.failed:
        print(f"stac-eval: failed: {text}", file=sys.stderr)
    if not quiet:
        print(f"{outcome.written} points measured, {outcome.present} were on record", file=sys.stderr)
    return 1 if outcome.failed else 0


def _run(args: argparse.Namespace) -> int:
    from rdct.evaluation import run, scenario
    from rdct.evaluation.detection.scenario import DetectionScenario

    extra = {"images": args.images, "limit": args.limit, "set": args.set}
    values = _given(args) | {name: value for name, value in extra.items() if value is not None}
    if args.scenario:
        what = scenario.load(args.scenario, args.data, **values)
    elif "images" not in values or "model" not in values:
        return _wrong_use("run needs a SCENARIO, or --images and --model")
    else:
        what = scenario.make(**values)
    driver = run.run
    if isinstance(what, scenario.Scenario):
        what = what.with_systems(args.system)
    elif args.system:
        return _wrong_use("--system is for pictures: a video scenario names its systems itself")
    elif isinstance(what, DetectionScenario):
        from rdct.evaluation.detection.run import run as driver
    else:
        from rdct.evaluation.video.run import run as driver
    progress = _Progress(args.quiet)
    outcome = driver(what, args.output, jobs=args.jobs, command=args.typed, progress=progress)
    return _report(outcome, args.quiet)


def _summaries(args: argparse.Namespace) -> list[list[dict]]:
    """For each group of the folder, one summary for each reference."""
    from rdct.evaluation.records import medium

    kind = medium(args.folder)
    metric, accuracies, references = args.metric, args.accuracy, args.reference
    if kind == "detection":
        from rdct.evaluation.detection import summary

        options = {"metric": metric}
        references = references or [summary.REFERENCE]
    else:
        options = {"metric": metric or _METRIC}
        references = references or [_REFERENCE]
        if kind == "video":
            from rdct.evaluation.video import summary
        else:
            from rdct.evaluation import summary

            accuracies = accuracies or _shares(_ACCURACIES)
            options |= {"resamples": args.resamples, "seed": args.seed}
    groups = summary.groups(args.folder, args.systems)
    if args.tables_mode and kind == "stills":
        for group in groups:
            group.curves = [one for one in group.curves if one.tables in (None, args.tables_mode)]
    return [
        [summary.summarise(group, accuracies, reference=one, **options) for one in references]
        for group in groups
    ]


def _table(args: argparse.Namespace) -> int:
    from rdct.evaluation import report
    from rdct.evaluation.text import insert

    if (args.into is None) != (args.section is None):
        return _wrong_use("--into and --section belong together")
    groups = _summaries(args)
    text, options = report.words(groups[0][0]), {}
    if args.per_class:
        if groups[0][0].get("medium") in ("video", "detection"):
            return _wrong_use("--per-class is for pictures; tables of videos have no classes yet")
        options = {"per_class": True}
    if args.into:
        insert(args.into, args.section, "\n".join(text.as_markdown(*group, **options) for group in groups))
    elif args.json:
        print(json.dumps([one for group in groups for one in group], indent=1, allow_nan=False))
    else:
        form = text.as_markdown if args.markdown else text.as_text
        print("\n".join(form(*group, **options) for group in groups), end="")
    return 0


def _plot(args: argparse.Namespace) -> int:
    args.resamples = 0
    summaries = [group[0] for group in _summaries(args)]
    if summaries[0].get("medium") == "detection":
        from rdct.evaluation.detection import plots

        plots.plot(summaries, args.output)
    else:
        from rdct.evaluation import plots

        plots.plot(summaries, args.output, args.metric and (args.metric,))
    return 0


def _page(args: argparse.Namespace) -> int:
    from rdct.evaluation import crops, report

    groups = _summaries(args)
    shown: list[list] = [[] for _ in groups]
    if args.images:
        if "medium" in groups[0][0]:
            raise ValueError("--images goes with records of stills; there are no crops of videos")
        shown = [crops.examples(group[0], args.images, count=args.crops) for group in groups]
    report.write(args.output, groups, shown)
    return 0


def _compare(args: argparse.Namespace) -> int:
    from rdct.evaluation import plots, run, scenario, summary, text
    from rdct.vision import models

    values = {"tables_mode": "inline", "model": models.DEFAULT_MODEL} | _given(args)
    what = scenario.make(images=args.images, set="compare", **values).with_systems(args.system)
    keep = args.output or (None if args.json else Path("stac-eval-compare"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = keep or Path(scratch)
        progress = _Progress(args.quiet)
        outcome = run.run(what, folder, jobs=args.jobs, command=args.typed, progress=progress)
        code = _report(outcome, args.quiet)
        groups = summary.groups(folder, outcome.rows)
        mine = (what.set, outcome.model, outcome.resize)
        group = next(g for g in groups if (g.set, g.model, g.resize) == mine)
        accuracies = args.accuracy or _shares(_ACCURACIES)
        reference = (args.reference or [_REFERENCE])[0]
        found = summary.summarise(group, accuracies, reference=reference, resamples=0)
        if args.json:
            print(json.dumps(text.compare_document(found), indent=1, allow_nan=False))
        else:
            print(text.as_text(found), end="")
        if keep:
            plots.plot([found], keep / "compare.png")
            if not args.quiet:
                print(f"records and plot in {keep}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
