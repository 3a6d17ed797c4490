"""stac-encode. What it promises is in docs/cli.md."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stac import console, loading
from stac.arguments import ENCODE, encode_parser
from stac.command import Command, kilobytes, png
from stac.console import STDIO, Console, Failure, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from rdct.vision.models import Model
    from stac.encode import Encoded

_EXTENSIONS = {"rdct": (".rdct",), "jpeg": (".jpg", ".jpeg")}


def main(argv: Sequence[str] | None = None) -> int:
    """Run stac-encode; returns the exit code."""
    args = encode_parser().parse_args(argv)
    return console.guarded(ENCODE, lambda: _Encode(args).run())


class _Encode(Command):
    program = ENCODE

    def run(self) -> int:
        args = self.args
        self.check_usage()
        outputs = console.output_paths(args.inputs, args.out, _EXTENSIONS[args.format][0])
        self.check_picture_option("--heatmap", args.heatmap, outputs)
        try:
            self.prepare()
        except Failure as error:
            self.console.error(str(error))
            if args.json:
                console.print_json([{"input": name, "error": str(error)} for name in args.inputs])
            return console.FAILED
        return self.each(outputs)

    def check_usage(self) -> None:
        args = self.args
        self.check_stdout()
        if args.out is not None and args.out != STDIO:
            for format_name, endings in _EXTENSIONS.items():
                if format_name != args.format and args.out.lower().endswith(endings):
                    raise UsageError(
                        f"-o {args.out} has the ending of a {format_name} file, but the format is "
                        f"{args.format}; "
                        f"give --format {format_name} or another name"
                    )
        self.conflict(
            args.no_model,
            "--no-model",
            "the network it leaves out",
            model=args.model,
            agreement=args.agreement,
            compare=args.compare,
            heatmap=args.heatmap,
            paper=args.paper,
            gradient_at=args.gradient_at,
            sensitivity=None if args.sensitivity == "predicted" else args.sensitivity,
            probes=args.probes,
            class_weights=args.class_weights,
            levels=args.levels,
        )
        if args.probes is not None and args.sensitivity not in (None, "fisher", "margin"):
            raise UsageError("--probes needs --sensitivity fisher or margin; no other takes any")
        if args.sensitivity == "predicted" and args.gradient_at is not None:
            raise UsageError("--gradient-at cannot go with --sensitivity predicted: it asks no network")
        self.conflict(
            args.format == "jpeg",
            "--format jpeg",
            "an rdct stream",
            paper=args.paper,
            tables_by_id=args.tables_by_id,
        )
        self.conflict(args.paper, "--paper", "levels chosen otherwise", class_weights=args.class_weights)
        if args.format == "jpeg" and args.entropy == "context":
            raise UsageError("--entropy context cannot go with --format jpeg: it needs an rdct stream")
        if args.levels is not None and (args.levels == "closest") != (
            (args.sensitivity or ("gradient" if args.paper else "fisher")) == "gradient"
        ):
            other = "gradient" if args.levels == "closest" else "fisher or margin"
            raise UsageError(f"--levels {args.levels} goes with --sensitivity {other}")
        if args.paper:
            for option, value, fixed in (
                ("--subsampling", args.subsampling, "444"),
                ("--gradient-at", args.gradient_at, "decoded"),
                ("--sensitivity", args.sensitivity, "gradient"),
                ("--levels", args.levels, "closest"),
                ("--entropy", args.entropy, "huffman"),
                ("--effort", args.effort, 0),
            ):
                if value not in (None, fixed):
                    raise UsageError(f"--paper fixes {option} {fixed}; leave out {option} {value}")

    def conflict(self, given: bool, option: str, reason: str, **others: object) -> None:
        for name, value in others.items():
            if given and value not in (None, False):
                other = f"--{name.replace('_', '-')}"
                raise UsageError(f"{other} cannot go with {option}: it needs {reason}")

    def prepare(self) -> None:
        """Load tables and network, either of which may be missing or wrong; what is fast first."""
        from stac.encode import check_predictor

        args = self.args
        tables = None if args.tables is None else loading.load_tables(args.tables)
        self.model = self.load_model() if self.asks_network() else None
        if tables is None:
            tables = loading.shipped_tables(self.model, self.console, paper=args.paper)
        self.tables = tables
        if args.tables is not None and self.model is not None:
            note = loading.foreign(tables, self.model)
            if note:
                self.console.warn(f"--tables {args.tables}: {note}")
        if args.sensitivity == "predicted":
            try:
                check_predictor(self.tables, args.regions or 3)
            except ValueError as error:
                raise UsageError(str(error)) from error
        if args.budget is not None and self.tables.budget is None:
            raise UsageError(
                "--budget needs a table set made for the network, and the generic ladder has none; "
                "give --tables FILE (stac-tables build makes one), or use -q or --agreement"
            )
        if args.tables_by_id and self.tables.budget is None:
            raise UsageError("--tables-by-id needs a table set that others can have; give --tables FILE")
        if args.format == "jpeg" and args.no_model and args.sensitivity is None:
            self.console.warn("without a network the file has the middle level's table, steps up to 255")
        self.class_weights = self.load_weights()
        if args.verbose:
            self.console.detail(loading.licences(self.model, self.tables))

    def asks_network(self) -> bool:
        """Predicted levels need a network only where its labels are asked for."""
        args = self.args
        labels = args.model or args.agreement or args.compare or args.heatmap
        return not args.no_model and bool(args.sensitivity != "predicted" or labels)

    def load_model(self) -> Model:
        started = time.perf_counter()
        model = loading.load_model(
            self.args.model, self.args.threads, without=", or use --no-model, which does without"
        )
        self.console.detail(f"network {model.name} loaded in {time.perf_counter() - started:.2f} s")
        return model

    def load_weights(self) -> np.ndarray | None:
        what = self.args.class_weights
        if what is None:
            return None
        from grace.classes import class_weights_of

        try:
            return class_weights_of(what, self.model, getattr(self.tables, "class_shares", None))
        except (ValueError, OSError) as error:
            raise UsageError(f"--class-weights {what}: {one_line(error)}") from error

    def one(self, source: str, out: str | None) -> dict:
        from stac.encode import encode_image
        from stac.pictures import read_picture

        args = self.args
        console.check_free(out, args.force)
        if args.heatmap:
            console.check_free(args.heatmap, args.force)
        started = time.perf_counter()
        picture = read_picture(console.read_input(source))
        for note in picture.notes:
            self.console.warn(f"{source}: {note}")
        if picture.samples.ndim == 2 and args.subsampling not in (None, "444"):
            self.console.warn(f"{source}: a grey picture has no chroma; --subsampling has no effect")
        done = encode_image(
            picture.samples,
            self.model,
            self.tables,
            quality=args.quality,
            budget=args.budget,
            agreement=args.agreement,
            subsampling=args.subsampling or "444",
            format=args.format,
            gradient_at=args.gradient_at or "decoded",
            sensitivity=args.sensitivity,
            probes=args.probes or 1,
            class_weights=self.class_weights,
            levels=args.levels,
            region_blocks=args.regions or 3,
            paper=args.paper,
            entropy=args.entropy,
            effort=args.effort,
            tables_mode="id" if args.tables_by_id else "inline",
            threads=self.threads,
            cpu=args.cpu,
            on_trial=lambda trial: self.trial(source, trial),
        )
        console.write_output(out, done.data, args.force)
        seconds = time.perf_counter() - started
        height, width = picture.samples.shape[:2]
        row = {
            "input": source,
            "output": out,
            "width": width,
            "height": height,
            "bytes": len(done.data),
            "bpp": round(8 * len(done.data) / (width * height), 6),
            "levels": {str(level): count for level, count in done.levels.items()},
            "agreement": None if done.agreement is None else round(done.agreement, 6),
            "seconds": round(seconds, 3),
        }
        self.summary(row, done)
        if args.compare:
            row["jpeg_bytes_same_agreement"] = self.compare(picture.samples, done)
        if args.heatmap:
            self.draw(picture.samples, done, row)
        return row

    def trial(self, source: str, trial: Encoded) -> None:
        self.console.progress(
            f"{source}: scale {trial.scale:.3f}, {len(trial.data)} bytes, agreement {trial.agreement:.4f} ..."
        )
        self.console.detail(
            f"  tried scale {trial.scale:.4f}: {len(trial.data)} bytes, agreement {trial.agreement:.4f}"
        )

    def summary(self, row: dict, done: Encoded) -> None:
        agreement = "" if done.agreement is None else f", agreement {100 * done.agreement:.2f} %"
        out = "stdout" if row["output"] == STDIO else row["output"]
        self.console.say(
            f"{row['input']} -> {out}: {row['width']}x{row['height']}, {kilobytes(row['bytes'])}, "
            f"{row['bpp']:.3f} bits per pixel{agreement}, {row['seconds']:.1f} s"
        )
        self.console.say("  " + _histogram(done, self.console))
        if done.selection is not None:
            chosen = done.selection
            self.console.detail(
                f"  scale {done.scale:.4f}; "
                f"realised sum {chosen.realised_sum:.4g} of {chosen.target_sum:.4g} "
                f"({100 * chosen.overshoot:+.1f} %), spread of ln(rho) {chosen.ln_rho_std:.3f}; "
                f"{done.sensitivity_s:.2f} s for the sensitivity"
            )

    def compare(self, image: np.ndarray, done: Encoded) -> int | None:
        from stac.compare import jpeg_at_agreement

        self.console.progress("looking for the JPEG of the same agreement ...")
        match = jpeg_at_agreement(image, self.model, done.agreement, raw_labels=done.raw_labels)
        if match is None:
            self.console.say("  no JPEG, not even of quality 100, reaches this agreement")
            return None
        saving = 100 * (1 - len(done.data) / len(match))
        self.console.say(
            f"  an optimised JPEG needs {kilobytes(len(match))} for this agreement "
            f"(quality {match.quality}): "
            f"{abs(saving):.1f} % {'saved' if saving >= 0 else 'lost'}"
        )
        return len(match)

    def draw(self, image: np.ndarray, done: Encoded, row: dict) -> None:
        from stac.heatmap import draw_heatmap

        caption = (
            f"{row['width']}x{row['height']}, {kilobytes(row['bytes'])}, {row['bpp']:.2f} bits per pixel\n"
            f"{100 * done.agreement:.1f} % of the labels kept"
        )
        sheet = draw_heatmap(
            image,
            done.selection.rho,
            done.plan.level_map,
            done.decoded_labels,
            levels=done.plan.levels,
            region_blocks=done.plan.region_blocks,
            palette=self.model.palette,
            class_names=self.model.class_names,
            caption=caption,
        )
        console.write_output(self.args.heatmap, png(sheet), self.args.force)
        self.console.say(f"  drawn: {self.args.heatmap}")


def _histogram(done: Encoded, to: Console) -> str:
    """How many regions have each level, as a row of bars between "fine" and "coarse"."""
    counts = done.levels
    total = done.plan.levels
    if total == 1:
        return "one table for all regions"
    most = max(counts.values())
    glyphs = " ▁▂▃▄▅▆▇█"
    if not to.can_show(glyphs):
        glyphs = " .:-=+*#@"
    bars = "".join(
        glyphs[max(1, round((len(glyphs) - 1) * counts[level] / most))] if level in counts else glyphs[0]
        for level in range(total)
    )
    used = sorted(counts)
    span = f"{used[0]}" if len(used) == 1 else f"{used[0]}..{used[-1]}"
    regions = console.plural(sum(counts.values()), "region")
    return f"levels fine |{bars}| coarse: {len(used)} of {total} in use ({span}), {regions}"
