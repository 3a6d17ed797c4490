"""stac-encode and stac-decode. What they promise is in docs/cli.md."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stac import console, loading
from stac.arguments import DECODE, ENCODE, decode_parser, encode_parser
from stac.console import STDIO, Console, Failure, UsageError, one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    import numpy as np

    import codec
    from rdct.vision.models import Model
    from stac.encode import Encoded

_EXTENSIONS = {"rdct": (".rdct",), "jpeg": (".jpg", ".jpeg")}
_PICTURES = (".png", ".ppm", ".npy")


def main_encode(argv: Sequence[str] | None = None) -> int:
    """Run stac-encode; returns the exit code."""
    args = encode_parser().parse_args(argv)
    return console.guarded(ENCODE, lambda: _Encode(args).run())


def main_decode(argv: Sequence[str] | None = None) -> int:
    """Run stac-decode; returns the exit code."""
    args = decode_parser().parse_args(argv)
    return console.guarded(DECODE, lambda: _Decode(args).run())


# ---------------------------------------------------------------- what both do


class _Command:
    """Runs over the inputs: one that fails does not stop the others."""

    program: str

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.console = Console(self.program, quiet=args.quiet, verbose=args.verbose)
        self.threads = args.threads or console.available_threads()

    def check_stdout(self) -> None:
        if self.args.out == STDIO and self.args.json:
            raise UsageError("-o - and --json both write to stdout; choose one")

    def check_picture_option(self, option: str, name: str | None, outputs: Sequence[str | None]) -> None:
        if name is None:
            return
        if len(self.args.inputs) > 1:
            raise UsageError(f"{option} draws one picture, but there are {len(self.args.inputs)} inputs")
        if not name.lower().endswith(".png"):
            raise UsageError(f"{option} writes a PNG; {name} must end in .png")
        real = os.path.realpath(name)
        for other in [*self.args.inputs, *(out for out in outputs if out is not None)]:
            if other != STDIO and os.path.realpath(other) == real:
                raise UsageError(f"{option} {name} would replace {other}; choose another name")

    def each(self, outputs: Sequence[str | None]) -> int:
        rows: list[dict] = []
        code = console.OK
        inputs = self.args.inputs
        try:
            for number, (source, out) in enumerate(zip(inputs, outputs, strict=True), 1):
                prefix = f"[{number}/{len(inputs)}] " if len(inputs) > 1 else ""
                self.console.progress(f"{prefix}{source} ...")
                try:
                    rows.append(self.one(source, out))
                except Exception as error:
                    if isinstance(error, BrokenPipeError):
                        raise
                    message = self.explain(error)
                    self.console.error(f"{source}: {message}")
                    rows.append({"input": source, "error": message})
                    code = console.FAILED
        finally:
            self.console.clear()
            if self.args.json:
                console.print_json(rows)
        return code

    def one(self, source: str, out: str | None) -> dict:
        raise NotImplementedError

    def explain(self, error: Exception) -> str:
        """What to tell of an exception; only those that are no fault of ours are short."""
        from codec import CodecError
        from stac.pictures import PictureError

        if isinstance(error, (Failure, PictureError, CodecError)):
            return one_line(error)
        if isinstance(error, MemoryError):
            return "not enough memory"
        if self.args.verbose:
            import traceback

            self.console.detail(traceback.format_exc().rstrip())
        if isinstance(error, ValueError):
            return one_line(error)
        return f"{type(error).__name__}: {one_line(error)}" + (
            "" if self.args.verbose else " (-v shows where)"
        )


def _kilobytes(size: int) -> str:
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.1f} kB"


# ---------------------------------------------------------------- stac-encode


class _Encode(_Command):
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
            sensitivity=args.sensitivity,
        )
        self.conflict(
            args.format == "jpeg",
            "--format jpeg",
            "an rdct stream",
            paper=args.paper,
            tables_by_id=args.tables_by_id,
        )
        if args.paper:
            for option, value, fixed in (
                ("--subsampling", args.subsampling, "444"),
                ("--gradient-at", args.gradient_at, "decoded"),
                ("--sensitivity", args.sensitivity, "gradient"),
                ("--entropy", args.entropy, "huffman"),
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
        args = self.args
        tables = None if args.tables is None else loading.load_tables(args.tables)
        self.model = None if args.no_model else self.load_model()
        self.tables = loading.shipped_tables(self.model, self.console) if tables is None else tables
        if tables is not None and self.model is not None:
            note = loading.foreign(tables, self.model)
            if note:
                self.console.warn(f"--tables {args.tables}: {note}")
        if args.budget is not None and self.tables.budget is None:
            raise UsageError(
                "--budget needs a table set made for the network, and the generic ladder has none; "
                "give --tables FILE (stac-tables build makes one), or use -q or --agreement"
            )
        if args.tables_by_id and self.tables.budget is None:
            raise UsageError("--tables-by-id needs a table set that others can have; give --tables FILE")
        if args.format == "jpeg" and args.no_model:
            self.console.warn("without a network the file has the middle level's table, steps up to 255")
        if args.verbose:
            self.console.detail(loading.licences(self.model, self.tables))

    def load_model(self) -> Model:
        started = time.perf_counter()
        model = loading.load_model(
            self.args.model, self.args.threads, without=", or use --no-model, which does without"
        )
        self.console.detail(f"network {model.name} loaded in {time.perf_counter() - started:.2f} s")
        return model

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
            sensitivity=args.sensitivity or "gradient",
            region_blocks=args.regions or 3,
            paper=args.paper,
            entropy=args.entropy,
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
            f"{row['input']} -> {out}: {row['width']}x{row['height']}, {_kilobytes(row['bytes'])}, "
            f"{row['bpp']:.3f} bits per pixel{agreement}, {row['seconds']:.1f} s"
        )
        self.console.say("  " + _histogram(done, self.console))
        if done.selection is not None:
            chosen = done.selection
            self.console.detail(
                f"  scale {done.scale:.4f}; "
                f"realised sum {chosen.realised_sum:.4g} of {chosen.target_sum:.4g} "
                f"({100 * chosen.overshoot:+.1f} %), spread of ln(rho) {chosen.ln_rho_std:.3f}; "
                f"{done.sensitivity_s:.2f} s for the network's sensitivity"
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
            f"  an optimised JPEG needs {_kilobytes(len(match))} for this agreement "
            f"(quality {match.quality}): "
            f"{abs(saving):.1f} % {'saved' if saving >= 0 else 'lost'}"
        )
        return len(match)

    def draw(self, image: np.ndarray, done: Encoded, row: dict) -> None:
        from stac.heatmap import draw_heatmap

        caption = (
            f"{row['width']}x{row['height']}, {_kilobytes(row['bytes'])}, {row['bpp']:.2f} bits per pixel\n"
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
        console.write_output(self.args.heatmap, _png(sheet), self.args.force)
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


# ---------------------------------------------------------------- stac-decode


class _Decode(_Command):
    program = DECODE

    def run(self) -> int:
        args = self.args
        self.check_stdout()
        if args.out == STDIO and args.info:
            raise UsageError("-o - and --info both write to stdout; choose one")
        outputs: Sequence[str | None]
        if args.out is None and (args.info or args.levels):
            console.output_paths(args.inputs, STDIO if len(args.inputs) == 1 else os.curdir, ".png")
            outputs = [None] * len(args.inputs)
        else:
            outputs = console.output_paths(args.inputs, args.out, ".png")
            for name in outputs:
                if name != STDIO and not name.lower().endswith(_PICTURES):
                    raise UsageError(
                        f"-o {name}: the ending says the kind of picture; use {', '.join(_PICTURES)}, "
                        f"or a folder: {name}/"
                    )
        self.check_picture_option("--levels", args.levels, outputs)
        self.table_sets = self.load_table_sets()
        return self.each(outputs)

    def load_table_sets(self) -> tuple:
        """Those named, then those shipped; read without grace, so that this needs nothing but the codec."""
        from codec import TableSet

        sets = []
        for name in self.args.tables:
            try:
                sets.append(TableSet.load(name))
            except (ValueError, OSError) as error:
                raise UsageError(f"--tables {name}: {one_line(error)}") from error
        spec = importlib.util.find_spec("grace")
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted((Path(folder) / "data").glob("*.rdts")):
                try:
                    sets.append(TableSet.load(path))
                except (ValueError, OSError) as error:
                    self.console.warn(f"shipped table set {path.name} cannot be read: {one_line(error)}")
        # The first of equals is kept.
        return tuple({one.id: one for one in reversed(sets)}.values())

    def one(self, source: str, out: str | None) -> dict:
        import codec

        args = self.args
        if out is not None:
            console.check_free(out, args.force)
        if args.levels:
            console.check_free(args.levels, args.force)
        started = time.perf_counter()
        data = console.read_input(source)
        header = codec.read_header(data, table_sets=self.table_sets)
        if header.width * header.height > args.max_pixels:
            raise Failure(
                f"{header.width}x{header.height} is {header.width * header.height} pixels, "
                f"above --max-pixels {args.max_pixels}"
            )
        lost = [] if out is None else self.decode(source, data, header, out)
        if args.levels:
            self.draw_levels(header)
        seconds = time.perf_counter() - started
        row = {
            "input": source,
            "output": out,
            "width": header.width,
            "height": header.height,
            "bytes": header.total_bytes,
            "bpp": round(header.bpp, 6),
            "seconds": round(seconds, 3),
        }
        if args.conceal and out is not None:
            row["lost"] = [
                {"slice": one.slice, "rows": [one.y0, one.y1], "rule": one.rule, "offset": one.offset}
                for one in lost
            ]
        if args.info:
            row |= _header_facts(header)
            if not args.json:
                console.print_text(_info_text(row))
        if out is not None:
            self.console.say(
                f"{source} -> {'stdout' if out == STDIO else out}: {header.width}x{header.height}, "
                f"{_kilobytes(header.total_bytes)}, {header.bpp:.3f} bits per pixel, {seconds:.2f} s"
            )
        return row

    def decode(self, source: str, data: bytes, header, out: str) -> list:
        """Decode and write the picture; returns the slices that were lost on the way."""
        import codec

        lost: list[codec.LostSlice] = []
        known = {one.id_hex for one in self.table_sets}
        if header.tables == "id" and header.table_set_id not in known:
            raise Failure(
                f"the stream names table set {header.table_set_id}, which is not among the shipped ones; "
                "give its file with --tables FILE"
            )
        if header.refine:
            raise Failure(
                f"a refinement stream, which needs coefficients sent before it (hash {header.refine_hash}): "
                "codec.decode(data, refine=...) takes them"
            )
        pixels = codec.decode(
            data,
            table_sets=self.table_sets,
            on_damage="conceal" if self.args.conceal else "raise",
            report=lost,
            max_pixels=self.args.max_pixels,
            threads=self.threads,
            cpu=self.args.cpu,
        )
        console.write_output(out, _picture_file(pixels, out), self.args.force)
        if lost:
            self.console.warn(f"{source}: {_lost_text(lost, header.slices)}")
        return lost

    def draw_levels(self, header) -> None:
        from stac.heatmap import draw_levels

        if header.format == "jpeg":
            raise Failure("a JPEG file has no levels to draw")
        sheet = draw_levels(
            header.level_map, header.levels, header.region_blocks, header.height, header.width
        )
        console.write_output(self.args.levels, _png(sheet), self.args.force)
        self.console.say(f"drawn: {self.args.levels}")


def _lost_text(lost: Sequence[codec.LostSlice], slices: int) -> str:
    """One sentence; neighbouring slices are named together."""
    runs: list[list[codec.LostSlice]] = []
    for one in lost:
        if runs and runs[-1][-1].slice + 1 == one.slice:
            runs[-1].append(one)
        else:
            runs.append([one])
    names = ", ".join(_span(run[0].slice, run[-1].slice) for run in runs)
    rows = ", ".join(_span(run[0].y0, run[-1].y1 - 1) for run in runs)
    return f"lost {'slice' if len(lost) == 1 else 'slices'} {names} of {slices}; rows {rows} are grey"


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}..{last}"


def _header_facts(header) -> dict:
    """What --info adds to a row."""
    import numpy as np

    values, counts = np.unique(header.level_map, return_counts=True)
    regions = {int(value): int(count) for value, count in zip(values, counts, strict=True)}
    skipped = regions.pop(255, 0)
    other = (
        header.header_bytes
        - header.table_bytes
        - header.huffman_bytes
        - header.map_bytes
        - header.refine_bytes
        - header.index_bytes
    )
    return {
        "format": header.format,
        "version": header.version,
        "subsampling": header.subsampling,
        "entropy": header.entropy,
        "tables": header.tables,
        "table_set_id": header.table_set_id,
        "scale": header.scale,
        "table_levels": header.levels,
        "region_blocks": header.region_blocks,
        "levels": {str(level): count for level, count in regions.items()},
        "skipped_regions": skipped,
        "slices": header.slices,
        "slice_rows": header.slice_rows,
        "restart_interval": header.restart_interval,
        "refine_hash": header.refine_hash,
        "bytes_by_part": {
            "fields": other,
            "tables": header.table_bytes,
            "huffman": header.huffman_bytes,
            "map": header.map_bytes,
            **({"refinement": header.refine_bytes} if header.refine else {}),
            "index": header.index_bytes,
            "slices": header.slice_bytes,
        },
    }


def _info_text(row: dict) -> str:
    levels = " ".join(f"{level}:{count}" for level, count in row["levels"].items())
    tables = row["tables"] + (f" {row['table_set_id']}" if row["table_set_id"] else "")
    parts = row["bytes_by_part"]
    regions = sum(row["levels"].values()) + row["skipped_regions"]
    side = 8 * row["region_blocks"]
    lines = [
        (row["input"], ""),
        ("format", f"{row['format']} version {row['version']}"),
        ("size", f"{row['width']}x{row['height']}, {row['subsampling']}"),
        ("bytes", f"{row['bytes']} ({row['bpp']:.3f} bits per pixel)"),
        *((f"  {name}", f"{count}") for name, count in parts.items()),
        ("entropy", row["entropy"]),
        ("tables", f"{tables}, {console.plural(row['table_levels'], 'level')}, scale {row['scale']:g}"),
        (
            "regions",
            f"{regions} of {side}x{side} pixels, {row['skipped_regions']} skipped",
        ),
        ("levels", levels),
        ("slices", f"{row['slices']} of {console.plural(row['slice_rows'], 'region row')}"),
        *([("refines", row["refine_hash"])] if row["refine_hash"] else []),
    ]
    return "\n".join([lines[0][0], *(f"  {name:<11} {text}" for name, text in lines[1:])])


def _picture_file(pixels: np.ndarray, name: str) -> bytes:
    import io

    import numpy as np

    out = io.BytesIO()
    if name.lower().endswith(".npy"):
        np.save(out, pixels, allow_pickle=False)
    elif name.lower().endswith(".ppm"):
        rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, 2)
        out.write(b"P6\n%d %d\n255\n" % (rgb.shape[1], rgb.shape[0]) + np.ascontiguousarray(rgb).tobytes())
    else:
        from PIL import Image

        return _png(Image.fromarray(pixels))
    return out.getvalue()


def _png(image) -> bytes:
    import io

    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
