# SPDX-License-Identifier: Apache-2.0
"""A run of the benchmarks as a Markdown table and a plot.

python -m pytest benchmarks --benchmark-json RUN.json
python -m benchmarks.report RUN.json [-o DIR] [--peer NAME]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["QUIET", "TARGETS", "Row", "as_markdown", "as_text", "busy", "main", "ratio_to", "read_run"]

Limits = tuple[float, float] | None

#: Cores busy with other work from which on a run's numbers are spoilt.
QUIET = 0.2


@dataclass(frozen=True)
class Ratio:
    """How many times as fast. `low`..`high` is the middle half of the rounds taken by turns, `processor` the
    ratio of processor time; None where the ratio is only that of two medians.
    """

    median: float
    low: float | None = None
    high: float | None = None
    processor: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"~{self.median:.2f}"
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


@dataclass(frozen=True)
class Row:
    """One benchmark.

    Attributes
    ----------
    group, name : str
    median : float
        Seconds of one call.
    mp_per_s, bpp, psnr : float or None
    version, cpu : str
    threads : int
    unit : str
        "pixels", or "samples" for kernels: what `mp_per_s` counts in millions.
    cycles_per_block : float or None
        Kernels: clock cycles of 64 samples.
    against : dict
        `Ratio` to other rows that took turns with it.
    """

    group: str
    name: str
    median: float
    mp_per_s: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    version: str = ""
    cpu: str = ""
    threads: int = 1
    unit: str = "pixels"
    cycles_per_block: float | None = None
    against: Mapping[str, Ratio] = field(default_factory=dict)

    @classmethod
    def of(cls, group: str, extra: Mapping[str, Any], median: float) -> Row:
        """From what a benchmark recorded."""
        against = {
            name: Ratio(found["median"], found.get("low"), found.get("high"), found.get("processor"))
            for name, found in (extra.get("against") or {}).items()
        }
        megapixels = extra.get("megapixels")
        return cls(
            group=group,
            name=extra["row"],
            median=median,
            mp_per_s=megapixels / median if megapixels else None,
            bpp=extra.get("bpp"),
            psnr=extra.get("psnr"),
            version=str(extra.get("version", "")),
            cpu=str(extra.get("cpu", "")),
            threads=int(extra.get("threads", 1)),
            unit=str(extra.get("unit", "pixels")),
            cycles_per_block=extra.get("cycles_per_block"),
            against=against,
        )


@dataclass(frozen=True)
class Target:
    """A claim: in groups that begin with `group`, `row` is at least `least` times as fast as `against`, or,
    where that is "", does at least so many megapixels a second.
    """

    group: str
    row: str
    against: str
    least: float
    text: str

    def measured(self, row: Row, rows: Sequence[Row]) -> tuple[float, str] | None:
        """What is held against `least`, and how to print it."""
        if not self.against:
            return None if row.mp_per_s is None else (row.mp_per_s, f"{row.mp_per_s:.0f} MP/s")
        ratio = ratio_to(row, self.against, rows)
        return None if ratio is None else (ratio.median, str(ratio))


#: What issues 3 and 6 ask for, on one thread unless it says otherwise.
TARGETS = (
    Target("encode 4", "huffman-fixed", "simplejpeg", 1.3, "encode at least 1.3 times as fast"),
    Target("encode 4", "huffman", "simplejpeg", 1.3, "the same with tables made for the picture"),
    Target("decode 4", "huffman-fixed", "simplejpeg", 1.3, "decode at least 1.3 times as fast"),
    Target("decode 4", "the peer's JPEG", "simplejpeg", 1.3, "the same for a JPEG"),
    Target(
        "encode 4", "huffman-fixed, 16 levels", "huffman-fixed", 1 / 1.1, "16 levels under 10 % more time"
    ),
    Target("encode 4", "huffman, 16 levels", "huffman", 1 / 1.1, "16 levels under 10 % more time"),
    Target("decode 4", "huffman, 16 levels", "huffman", 1 / 1.1, "16 levels under 10 % more time"),
    Target("encode 4", "huffman-fixed, 2 threads", "huffman-fixed", 1.85, "two threads 1.85 times one"),
    Target("encode 4", "huffman, 2 threads", "huffman", 1.85, "two threads 1.85 times one"),
    Target("decode 4", "huffman-fixed, 2 threads", "huffman-fixed", 1.85, "two threads 1.85 times one"),
    Target("encode 4", "context", "", 60, "context-modelled at 60 MP/s"),
    Target("decode 4", "context", "", 60, "context-modelled at 60 MP/s"),
)


def busy(cores: float) -> str:
    return f"Other work kept {cores:.1f} cores busy when this run began: the numbers mean little."


def read_run(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """A file of ``--benchmark-json``: the whole, and its rows in the order they ran.

    Raises
    ------
    ValueError
        Not such a file, or not of these benchmarks.
    """
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            Row.of(entry["group"] or "", entry["extra_info"], entry["stats"]["median"])
            for entry in run["benchmarks"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no --benchmark-json file of these benchmarks: {error!r}") from error
    return run, rows


def ratio_to(row: Row, peer: str, rows: Iterable[Row]) -> Ratio | None:
    """How many times as fast as the peer the row is: by turns if they took turns, else by medians."""
    if row.name == peer:
        return None
    if peer in row.against:
        return row.against[peer]
    for other in rows:
        if other.group == row.group and other.name == peer:
            return Ratio(other.median / row.median)
    return None


def _groups(rows: Iterable[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    return dict(sorted(groups.items()))


def _milliseconds(low: float, high: float | None = None) -> str:
    numbers = [low] if high is None else [low, high]
    return "-".join(f"{1e3 * number:.3g}" if number < 1 else f"{1e3 * number:.0f}" for number in numbers)


def _cells(row: Row, peer: str, rows: Sequence[Row], limits: Limits) -> dict[str, str]:
    ratio = ratio_to(row, peer, rows)
    others = [f"{found} x {name}" for name, found in row.against.items() if name != peer]
    cells = {
        "row": row.name,
        f"x {peer}": "1" if row.name == peer else "" if ratio is None else str(ratio),
        "x others": "; ".join(others),
        "x in processor time": "; ".join(_processor(row)),
        "ms": _milliseconds(row.median),
        "MP/s": "" if row.mp_per_s is None else f"{row.mp_per_s:.1f}" + " MS/s" * (row.unit == "samples"),
        "cycles/64": "" if row.cycles_per_block is None else f"{row.cycles_per_block:.1f}",
        "bpp": "" if row.bpp is None else f"{row.bpp:.3f}",
        "PSNR": "" if row.psnr is None else f"{row.psnr:.2f}",
        "threads": str(row.threads),
        "cpu": row.cpu,
        "version": row.version,
    }
    if limits is not None:
        cells["emulated ms"] = _milliseconds(row.median * limits[0], row.median * limits[1])
    return cells


def _processor(row: Row) -> list[str]:
    """Ratios of processor time; of several threads it says nothing."""
    if row.threads > 1:
        return []
    return [
        f"{ratio.processor:.2f} x {name}"
        for name, ratio in row.against.items()
        if ratio.processor is not None
    ]


def _limits(run: Mapping[str, Any]) -> Limits:
    emulation = run.get("emulation")
    return None if not emulation else (float(emulation["low"]), float(emulation["high"]))


def _table(lines: Sequence[Mapping[str, str]]) -> list[str]:
    """Markdown, without the columns that are empty throughout."""
    names = [name for name in lines[0] if any(line[name] for line in lines)]
    text = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return text + ["| " + " | ".join(line[name] for name in names) + " |" for line in lines]


def as_markdown(run: Mapping[str, Any], rows: Sequence[Row], peer: str) -> str:
    """The report: where it was measured, the targets, and a table per group."""
    machine = run.get("machine_info", {})
    processor = machine.get("cpu", {}).get("brand_raw") or machine.get("processor") or "unknown processor"
    pictures = {entry["extra_info"].get("picture") for entry in run["benchmarks"]} - {None}
    text = ["# Benchmarks", ""]
    text.append(
        f"{run.get('datetime', 'undated')[:19]}, {processor}, Python {machine.get('python_version', '?')}."
    )
    text.append(f"Picture: {', '.join(sorted(pictures)) or 'not stated'}.")
    text.append(
        "Ratios: how many times as fast as the other, median of rounds taken by turns (middle half of them); "
        f"~ where they did not take turns. Named peer: {peer}."
    )
    spoilt = run.get("busy_cores_before", 0) > QUIET
    if spoilt:
        text += ["", busy(run["busy_cores_before"])]
    emulation = run.get("emulation")
    if emulation:
        text.append("")
        text.append(
            "Emulated: {device} takes {low:.2f} to {high:.2f} times as long as this machine (compute "
            "{compute:.2f}, memory {memory:.2f}), as benchmarks/nuc.py derives; the run had two cores and "
            "AVX2 at most.".format(**emulation)
        )
    found = list(_targets(rows))
    if found:
        text += ["", "## Targets", "", *_table(found)]
    for name, members in _groups(rows).items():
        text += ["", f"## {name}", ""]
        lines = [_cells(row, peer, members, _limits(run)) for row in members]
        if not spoilt:
            for line in lines:
                del line["x in processor time"]
        text += _table(lines)
    return "\n".join(text) + "\n"


def _targets(rows: Sequence[Row]) -> Iterable[dict[str, str]]:
    for target in TARGETS:
        for row in rows:
            if not row.group.startswith(target.group) or row.name != target.row:
                continue
            measured = target.measured(row, rows)
            if measured is not None:
                yield {
                    "group": row.group,
                    "row": row.name,
                    "against": target.against,
                    "wanted": f"{target.least:.2f}" if target.against else f"{target.least:g} MP/s",
                    "measured": measured[1],
                    "reached": "yes" if measured[0] >= target.least else "no",
                    "what": target.text,
                }


def as_text(rows: Sequence[Row], peer: str, limits: Limits = None) -> str:
    """A short table for the terminal."""
    lines = []
    for name, members in _groups(rows).items():
        cells = [_cells(row, peer, members, limits) for row in members]
        columns = ["row", f"x {peer}", "x others", "ms", "MP/s", "cycles/64", "bpp", "emulated ms"]
        columns = [c for c in columns if c in cells[0] and (c == "row" or any(cell[c] for cell in cells))]
        widths = {c: max(len(c), *(len(cell[c]) for cell in cells)) for c in columns}
        lines.append(name)
        for cell in [{c: c for c in columns}, *cells]:
            lines.append("  " + "  ".join(cell[c].ljust(widths[c]) for c in columns).rstrip())
    return "\n".join(lines)


def plot(run: Mapping[str, Any], rows: Sequence[Row], peer: str, path: Path) -> None:
    """Bars of the ratio to the peer in every group that holds it, whiskers over the middle half of rounds."""
    from matplotlib.figure import Figure

    groups = {
        name: members for name, members in _groups(rows).items() if any(row.name == peer for row in members)
    }
    if not groups:
        raise ValueError(f"no group of the run has a row {peer!r}: nothing to plot")
    heights = [1.0 + 0.28 * len(members) for members in groups.values()]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    axes = figure.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axis, (name, members) in zip(axes, groups.items(), strict=True):
        for place, row in enumerate(members):
            ratio = ratio_to(row, peer, members) or Ratio(1.0)
            low, high = (ratio.median if end is None else end for end in (ratio.low, ratio.high))
            whiskers = [[max(0.0, ratio.median - low)], [max(0.0, high - ratio.median)]]
            colour = "0.65" if row.cpu == "own choice" else "tab:blue"
            axis.barh(place, ratio.median, color=colour, xerr=whiskers, ecolor="0.2", capsize=2)
            speed = "" if row.mp_per_s is None else f", {row.mp_per_s:.0f} MP/s"
            axis.annotate(
                f"{ratio.median:.2f}{speed}",
                (max(ratio.median, high), place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axis.axvline(1, color="0.3", linestyle="--", linewidth=1)
        axis.set_yticks(range(len(members)), [row.name for row in members], fontsize=8)
        axis.invert_yaxis()
        axis.margins(x=0.2)
        axis.set_title(name, loc="left", fontsize=10)
    axes[-1].set_xlabel(f"times as fast as {peer}")
    figure.savefig(path, dpi=120)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN.json", help="written by pytest --benchmark-json")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="write report.md and report.png there; else print the table",
    )
    parser.add_argument("--peer", default="simplejpeg", help="whom ratios are against (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        run, rows = read_run(args.run)
        if not rows:
            raise ValueError(f"{args.run} holds no benchmarks")
        text = as_markdown(run, rows, args.peer)
        if args.output is None:
            sys.stdout.write(text)
            return 0
        args.output.mkdir(parents=True, exist_ok=True)
        plot(run, rows, args.peer, args.output / "report.png")
        (args.output / "report.md").write_text(text + "\n![](report.png)\n", encoding="utf-8")
    except (OSError, ValueError, ImportError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    print(args.output / "report.md", args.output / "report.png", sep="\n", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
