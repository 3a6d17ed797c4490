"""stac-decode. What it promises is in docs/cli.md."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from stac import console
from stac.arguments import DECODE, decode_parser
from stac.command import Command, kilobytes, png
from stac.console import STDIO, Failure, UsageError, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    import codec

_PICTURES = (".png", ".ppm", ".npy")


def main(argv: Sequence[str] | None = None) -> int:
    """Run stac-decode; returns the exit code."""
    args = decode_parser().parse_args(argv)
    return console.guarded(DECODE, lambda: _Decode(args).run())


class _Decode(Command):
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
                f"{kilobytes(header.total_bytes)}, {header.bpp:.3f} bits per pixel, {seconds:.2f} s"
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
        console.write_output(self.args.levels, png(sheet), self.args.force)
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

        return png(Image.fromarray(pixels))
    return out.getvalue()
