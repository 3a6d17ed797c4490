"""The paper's measurements that are no plain comparison of codecs.

    python -m rdct.evaluation.figures measure --images DIR --labels DIR -o OUT
    python -m rdct.evaluation.figures gradients OUT [--plot FILE.png] [--into FILE.md --section NAME]
    python -m rdct.evaluation.figures spread DIR [--systems A,B] [--into FILE.md --section NAME]
    python -m rdct.evaluation.figures sizes DIR [--accuracy A,B,...] [--into FILE.md --section NAME]
    python -m rdct.evaluation.figures table-1 DIR [--into FILE.md --section NAME]

`measure` and `gradients`: Fig. 4, the "fake" loss and gradient (against the network's own labels on the
decoded picture) beside the actual ones (against human labels), over rates. `spread`: whether the
spread of ln(rho) over a picture's regions predicts what STAC gains on that picture, from the records
of `stac-eval run`. `sizes`: full size against resized. `table-1`: the paper's Table I beside ours.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["compare_gradients", "gradients_table", "main", "spread_table"]

FILE = "gradients.jsonl"
_QUALITIES = (10, 20, 35, 50, 70, 85, 95)


def compare_gradients(
    model: Any, image: np.ndarray, truth: np.ndarray, qualities: tuple[int, ...] = _QUALITIES
) -> Iterator[dict[str, float]]:
    """Fake against actual loss and gradient on one picture, coded as JPEG on our precise path.

    Parameters
    ----------
    model : Model
    image : numpy.ndarray
        RGB uint8 ``[H, W, 3]``.
    truth : numpy.ndarray
        Human labels ``[H, W]``.
    qualities : tuple of int
        Of the JPEG.

    Yields
    ------
    dict
        For each quality: ``bpp``; ``loss_actual`` and ``loss_fake`` on the decoded picture, mean
        cross-entropy; ``bound_actual`` and ``bound_fake``, sum of \\|g\\| q / 2 over all coefficients;
        ``cosine`` of the two gradients; and correlations of ln of a region's share of the bound with
        that by the actual gradient: ``correlation`` of the fake gradient's, ``correlation_raw`` of
        the fake gradient's on the raw picture (a device's, before coding).
    """
    import codec
    from grace import coefficient_gradients

    raw = coefficient_gradients(model, image)
    for quality in qualities:
        steps = codec.ijg_table(quality)
        data = codec.encode(image, quality=quality, subsampling="444", format="jpeg")
        decoded = codec.decode(data)
        actual = coefficient_gradients(model, decoded, labels=truth)
        fake = coefficient_gradients(model, decoded)
        of_actual, bound_actual = _regions(actual, steps)
        of_fake, bound_fake = _regions(fake, steps)
        of_raw, _ = _regions(raw, steps)
        yield {
            "quality": quality,
            "bpp": 8 * len(data) / truth.size,
            "loss_actual": actual.loss,
            "loss_fake": fake.loss,
            "bound_actual": bound_actual,
            "bound_fake": bound_fake,
            "cosine": _cosine(actual.planes, fake.planes),
            "correlation": _log_correlation(of_fake, of_actual),
            "correlation_raw": _log_correlation(of_raw, of_actual),
        }


def _regions(gradients: Any, steps: np.ndarray) -> tuple[np.ndarray, float]:
    """Each region's part of the first-order bound, relative to the mean, and the whole bound."""
    from stac import select_levels

    found = select_levels(gradients, (steps[None], None))
    return found.rho, found.realised_sum


def _cosine(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]) -> float:
    a, b = (
        np.concatenate([plane.ravel() for plane in planes]).astype(np.float64) for planes in (first, second)
    )
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _log_correlation(first: np.ndarray, second: np.ndarray) -> float:
    live = (first > 0) & (second > 0)
    return float(np.corrcoef(np.log(first[live]), np.log(second[live]))[0, 1])


def measure(args: argparse.Namespace) -> int:
    """Write the records behind Fig. 4: one JSON line for the run, one for each picture and quality."""
    import torch

    from rdct.evaluation.pictures import find, read_labels, read_picture
    from rdct.evaluation.run import commit
    from rdct.vision import models

    torch.set_num_threads(1)
    model = models.load(args.model)
    pictures = find(args.images, args.labels, args.limit)
    lines = [
        {
            "kind": "run", "model": model.name, "pictures": len(pictures), "command": args.typed,
            "set": "/".join(args.images.resolve().parts[-2:]), "commit": commit(),
        }
    ]  # fmt: skip
    for done, picture in enumerate(pictures, 1):
        image = read_picture(picture.path)
        truth = read_labels(picture.labels, image.shape[:2])
        found = compare_gradients(model, image, truth, args.qualities)
        lines += [{"kind": "point", "picture": picture.name, **point} for point in found]
        print(f"{done}/{len(pictures)} pictures", file=sys.stderr, flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    temporary = args.output / f".{FILE}.tmp"
    temporary.write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines), "utf-8")
    temporary.replace(args.output / FILE)
    return 0


def _read(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"no {FILE} in {folder}; make it with `measure ... -o {folder}`")
    run, *points = map(json.loads, path.read_text("utf-8").splitlines())
    return run, points


def _by_quality(points: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Means over pictures: of rates, losses, bounds and correlations; ratios are of those means."""
    rows = []
    for quality in sorted({point["quality"] for point in points}):
        of_quality = [point for point in points if point["quality"] == quality]
        rows.append({
            name: float(np.mean([point[name] for point in of_quality]))
            for name in of_quality[0] if name not in ("kind", "picture")
        })  # fmt: skip
    return rows


def gradients_table(folder: Path) -> str:
    """Fig. 4 as Markdown, from records."""
    run, points = _read(folder)
    table = [[
        "quality", "bpp", "loss, actual", "loss, fake", "bound, actual", "bound, fake", "fake / actual",
        "cosine of gradients", "correlation over regions", "the same, fake gradient of the raw picture",
    ]]  # fmt: skip
    for row in _by_quality(points):
        bounds = row["bound_actual"], row["bound_fake"]
        shares = (bounds[1] / bounds[0], row["cosine"], row["correlation"], row["correlation_raw"])
        table.append([
            f"{row['quality']:g}",
            *(f"{row[name]:.3f}" for name in ("bpp", "loss_actual", "loss_fake")),
            *(f"{bound:.3g}" for bound in bounds), *(f"{share:.2f}" for share in shares),
        ])  # fmt: skip
    return _section(run, f"{run['model']} on {run['set']}, {run['pictures']} pictures", table)


def _section(run: dict[str, Any], title: str, table: list[list[str]]) -> str:
    from rdct.evaluation.text import markdown

    about = f"**{title}.** Command `{run['command']}`.\nCommit `{run['commit']}`."
    return f"{about}\n\n{markdown(table)}\n"


def plot_gradients(folder: Path, path: Path) -> None:
    """Fig. 4: losses and bounds over rates, fake beside actual, and how their regions correlate."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from rdct.evaluation.plots import _metadata

    _, points = _read(folder)
    rows = _by_quality(points)
    bpp = [row["bpp"] for row in rows]
    figure = Figure(figsize=(12, 3.6), layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    panels = (
        ("mean cross-entropy", (("loss_actual", "actual"), ("loss_fake", "fake"))),
        ("first-order bound, sum |g| q / 2", (("bound_actual", "actual"), ("bound_fake", "fake"))),
        ("with the actual gradient", (("correlation", "correlation over regions, fake"),
                                      ("correlation_raw", "the same, of the raw picture"),
                                      ("cosine", "cosine, fake"))),
    )  # fmt: skip
    for ax, (name, curves) in zip(figure.subplots(1, 3), panels, strict=True):
        for (key, label), colour in zip(curves, ("#000000", "#D55E00", "#0072B2"), strict=False):
            ax.plot(bpp, [row[key] for row in rows], ".-", color=colour, label=label)
        ax.set_xscale("log", base=2)
        ax.set_xlabel("bits per pixel")
        ax.set_ylabel(name)
        ax.set_ylim(bottom=0)
        ax.legend(fontsize=7)
    figure.savefig(path, metadata=_metadata(path.suffix))


def spread_table(folder: Path, rows: tuple[str, str]) -> str:
    """For each picture the spread of ln(rho) and the BD-rate of rows[1] against rows[0]; correlations.

    The spread is the mean over the points of the dial. BD-rates are of single pictures, over all
    agreements from 0.95 up that both curves reach.
    """
    from scipy.stats import pearsonr, spearmanr

    from rdct.evaluation import curves, records, summary

    base, steered = rows
    (group,) = summary.groups(folder, list(rows))
    of = {curve.system: curve for curve in group.curves}
    if set(of) != set(rows):
        raise ValueError(f"{folder} holds {', '.join(of) or 'none'} of {base} and {steered}")
    spreads: dict[str, list[float]] = {}
    for record in records.read(folder):
        wanted = record["kind"] == "point" and record["system"] == steered
        if wanted and record["code"] == of[steered].code and "ln_rho_std" in record["facts"]:
            spreads.setdefault(record["sha256"], []).append(record["facts"]["ln_rho_std"])
    table, seen = [["picture", "std ln rho", f"BD-rate of {steered} against {base}"]], []
    names = {r["sha256"]: r["picture"] for r in records.read(folder) if r["kind"] == "point"}
    for index, sha256 in sorted(enumerate(group.pictures), key=lambda pair: names[pair[1]]):
        one = np.zeros(len(group.pictures))
        one[index] = 1
        ends = [(of[n].bpp(one), of[n].accuracy("agreement", one)) for n in (steered, base)]
        gain = curves.bd_rate(*ends[0], *ends[1], floor=summary.BD_FLOOR["agreement"])
        spread = float(np.mean(spreads[sha256]))
        shown = "-" if gain is None else f"{100 * gain:+.1f} %"
        table.append([names[sha256], f"{spread:.3f}", shown])
        if gain is not None:
            seen.append((spread, np.log(1 + gain)))
    if len(seen) < 4:
        raise ValueError(f"only {len(seen)} pictures have a BD-rate from 0.95 up; correlations need 4")
    spread, gain = np.array(seen).T
    pearson, rank = pearsonr(spread, gain), spearmanr(spread, gain)
    told = (
        f"\nOf {len(seen)} pictures, spread against ln of the bits ratio: Pearson {pearson.statistic:+.2f} "
        f"(p = {pearson.pvalue:.2g}), Spearman {rank.statistic:+.2f} (p = {rank.pvalue:.2g}); mean spread "
        f"{spread.mean():.2f}, from {spread.min():.2f} to {spread.max():.2f}. "
        "A negative correlation says: more spread, more gain.\n"
    )
    title = f"{group.model} on {group.set}, {len(group.pictures)} pictures, one by one"
    return _section(group.run, title, table) + told


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns 0, 1 (something failed) or 2 (wrong use)."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        args = _parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    args.typed = shlex.join(["python", "-m", "rdct.evaluation.figures", *argv])
    try:
        if args.action is measure:
            return measure(args)
        if (args.into is None) != (args.section is None):
            print("figures: --into and --section belong together", file=sys.stderr)
            return 2
        made = args.action(args)
        if args.into is None:
            print(made, end="")
        else:
            from rdct.evaluation.text import insert

            insert(args.into, args.section, made)
        return 0
    except (OSError, ValueError, ImportError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 1


def _gradients(args: argparse.Namespace) -> str:
    if args.plot:
        plot_gradients(args.folder, args.plot)
    return gradients_table(args.folder)


def _spread(args: argparse.Namespace) -> str:
    return spread_table(args.folder, args.systems)


def _sizes(args: argparse.Namespace) -> str:
    from rdct.evaluation.sizes import sizes_table

    return sizes_table(args.folder, args.accuracy)


def _table_one(args: argparse.Namespace) -> str:
    from rdct.evaluation.paper import table_one

    return table_one(args.folder)


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("figures", description=__doc__, formatter_class=form)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    made = commands.add_parser("measure", help="fake and actual gradients of labelled pictures")
    made.add_argument("--images", type=Path, required=True, metavar="DIR")
    made.add_argument("--labels", type=Path, required=True, metavar="DIR")
    made.add_argument("--model", default="bisenet-camvid", metavar="SPEC")
    made.add_argument("--limit", type=int, metavar="N", help="N pictures, spread over the folder")
    made.add_argument("--qualities", type=_whole, default=_QUALITIES, metavar="Q,Q,...")
    made.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    made.set_defaults(action=measure)
    gradients = commands.add_parser("gradients", help="Fig. 4 from what `measure` wrote")
    gradients.add_argument("--plot", type=Path, metavar="FILE.png")
    gradients.set_defaults(action=_gradients)
    spread = commands.add_parser("spread", help="spread of ln(rho) against gain, picture by picture")
    spread.add_argument("--systems", type=_pair, default=("grace", "stac-paper"), metavar="BASE,STEERED")
    spread.set_defaults(action=_spread)
    sizes = commands.add_parser("sizes", help="full size against resized, in bits of the source")
    sizes.add_argument("--accuracy", type=_shares, default=(0.95, 0.97, 0.98), metavar="A,B,...")
    sizes.set_defaults(action=_sizes)
    table_1 = commands.add_parser("table-1", help="Table I: theirs and ours, from records of a clip")
    table_1.set_defaults(action=_table_one)
    for reader in (gradients, spread, sizes, table_1):
        reader.add_argument("folder", type=Path, metavar="DIR")
        reader.add_argument("--into", type=Path, metavar="FILE.md")
        reader.add_argument("--section", metavar="NAME")
    return parser


def _whole(text: str) -> tuple[int, ...]:
    values = tuple(int(one) for one in text.split(","))
    if any(not 1 <= value <= 100 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: qualities lie in 1..100")
    return values


def _shares(text: str) -> tuple[float, ...]:
    values = tuple(float(one) for one in text.split(","))
    if any(not 0 < value <= 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: accuracies lie in 0..1")
    return values


def _pair(text: str) -> tuple[str, str]:
    names = tuple(text.split(","))
    if len(names) != 2:
        raise argparse.ArgumentTypeError(f"{text} does not name two rows")
    return names


if __name__ == "__main__":
    sys.exit(main())
