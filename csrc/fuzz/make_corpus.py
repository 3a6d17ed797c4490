"""Make the seed corpus of the harnesses from a rendered street: ``python csrc/fuzz/make_corpus.py``.

Small files that between them use every feature of the formats, so that mutations start deep inside
the parsers. No picture but our own rendering goes in. Inputs that once broke something are added by
hand as ``found-*`` and are not touched here.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import codec

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
sys.path.insert(0, str(HERE.parents[1] / "examples"))


def crops() -> dict[str, np.ndarray]:
    from street import render

    street, _ = render(821, 192, 128)
    return {
        "dot": street[60:61, 90:91],
        "odd": street[40:77, 50:103],
        "wide": street[60:92, 20:164],
        "grey": np.ascontiguousarray(street[40:81, 50:99, 1]),
    }


def table_set() -> codec.TableSet:
    base = np.clip(np.add.outer(np.arange(8), np.arange(8)) * 4 + 30, 0, 192).astype(np.uint8)
    return codec.TableSet.from_log(
        np.stack([base, base + 8, base + 8]), np.arange(-16, 16, 8).astype(np.int8)
    )


def streams(pictures: dict[str, np.ndarray]) -> dict[str, bytes]:
    out = {}
    rng = np.random.default_rng(1)
    tables = table_set()
    explicit = codec.TableSet(tables.tables.copy())
    for name, image in pictures.items():
        for subsampling in ("444", "422", "420"):
            if image.ndim == 2 and subsampling != "444":
                continue
            key = f"{name}-{subsampling}"
            height, width = image.shape[:2]
            out[f"{key}-q"] = codec.encode(image, quality=60, subsampling=subsampling)
            out[f"{key}-fixed"] = codec.encode(
                image, quality=60, subsampling=subsampling, entropy="huffman-fixed"
            )
            regions = 2
            level_map = rng.integers(0, 4, codec.map_shape(height, width, regions)).astype(np.uint8)
            level_map[rng.random(level_map.shape) < 0.2] = codec.SKIP
            for form, chosen in (("log", tables), ("explicit", explicit)):
                plan = codec.QuantPlan(chosen, level_map, region_blocks=regions, scale=1.5)
                out[f"{key}-{form}"] = codec.encode(image, plan, subsampling=subsampling, slice_rows=2)
            out[f"{key}-context"] = codec.encode(
                image, plan, subsampling=subsampling, slice_rows=2, entropy="context"
            )
    return out


def trained_maps(pictures: dict[str, np.ndarray]) -> dict[str, bytes]:
    """Streams of sixteen levels, whose maps are coded by the trained contexts where that is shorter."""
    out = {}
    rng = np.random.default_rng(4)
    tables = codec.TableSet.from_log(table_set().log_base, np.arange(-16, 16, 2))
    for name, image in pictures.items():
        rows, cols = codec.map_shape(*image.shape[:2], 1)
        noise = rng.normal(0, 1, (rows + 2, cols + 2))
        smooth = sum(noise[y : y + rows, x : x + cols] for y in range(3) for x in range(3)) / 3
        level_map = np.clip(np.rint(10 + 3 * smooth), 0, 15).astype(np.uint8)
        level_map[rng.random(level_map.shape) < 0.05] = codec.SKIP
        plan = codec.QuantPlan(tables, level_map, region_blocks=1, scale=2)
        out[f"{name}-trained"] = codec.encode(image, plan, slice_rows=2, entropy="context")
    return out


def refinements(pictures: dict[str, np.ndarray]) -> dict[str, tuple[bytes, bytes]]:
    """Bases and what refines them."""
    out = {}
    rng = np.random.default_rng(2)
    for name, image in pictures.items():
        for subsampling in ("444", "422", "420"):
            if image.ndim == 2 and subsampling != "444":
                continue
            shape = codec.map_shape(*image.shape[:2], 2)
            fine = rng.integers(0, 2, shape).astype(np.uint8)
            fine[rng.random(shape) < 0.2] = codec.SKIP
            coarse = np.where(rng.random(shape) < 0.2, codec.SKIP, 3).astype(np.uint8)
            low, high = (codec.QuantPlan(table_set(), levels, 2) for levels in (coarse, fine))
            options = {"subsampling": subsampling, "slice_rows": 2}
            base = codec.encode(image, low, **options)
            out[f"{name}-{subsampling}"] = (
                base,
                codec.encode(image, high, refine=base, refine_limit=None, **options),
            )
    return out


def jpegs(pictures: dict[str, np.ndarray]) -> dict[str, bytes]:
    out = {}
    for name, image in pictures.items():
        for subsampling in (0, 1, 2):
            file = io.BytesIO()
            options = {"restart_marker_blocks": 3} if subsampling == 1 else {"optimize": subsampling == 0}
            Image.fromarray(image).save(file, "JPEG", quality=60, subsampling=subsampling, **options)
            out[f"{name}-{subsampling}.jpg"] = file.getvalue()
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=60, progressive=True)
        out[f"{name}-progressive.jpg"] = file.getvalue()
    return out


def scans() -> dict[str, bytes]:
    out = {}
    for i, subsampling in enumerate(("444", "422", "420", "grey")):
        for restarts in (0, 1):
            height, width = 20 + 7 * i, 50 - 9 * i
            image = (
                crops()["odd"][:height, :width] if subsampling != "grey" else crops()["grey"][:height, :width]
            )
            plan = codec.QuantPlan.uniform(1 + restarts, image.shape, region_blocks=1)
            data = codec.encode(
                image,
                plan,
                subsampling=subsampling,
                format="jpeg",
                entropy="huffman-fixed",
                slice_rows=2 * restarts or None,
            )
            header = codec.read_header(data).header_bytes
            choice = bytes([1 | 2 * i, restarts, image.shape[1] - 1, image.shape[0] - 1])
            out[f"scan-{subsampling}-{restarts}"] = choice + data[header:]
    return out


def main() -> None:
    pictures = crops()
    decode = streams(pictures) | jpegs(pictures)
    log = table_set()
    sets = {"set-log": log.to_bytes(), "set-explicit": codec.TableSet(log.tables.copy()).to_bytes()}
    odd = [data for name, data in decode.items() if name.startswith("odd")]
    pixels = pictures["odd"].tobytes()
    refined = refinements(pictures)
    trained = trained_maps(pictures)
    seeds = {
        "decode": decode | trained,
        "header": {name: data for name, data in decode.items() if not name.startswith("wide")}
        | {f"{name}-refine": data for name, (_, data) in refined.items() if name.startswith("odd")}
        | trained
        | sets,
        # The first byte chooses entropy coding and slices, and whether a picture is made from what follows.
        "transcode": {
            f"{i % 16}-{name}": bytes([i % 16]) + data
            for i, (name, data) in enumerate(decode.items())
            if not name.startswith("wide") and not name.endswith(("fixed", "-1.jpg", "progressive.jpg"))
        }
        | {
            f"made-{s}{n}": bytes([16 + n, s, 20 + 9 * s, 33, s, n]) + pixels[40 * n : 40 * n + 400]
            for s in range(4)
            for n in range(4)
        },
        # Files without their first marker, and scans behind the first bytes that choose what they are of.
        "jpeg": {name: bytes(1) + data[2:] for name, data in decode.items() if name.endswith("jpg")}
        | scans(),
        "alloc_fail": {f"{i:02}": bytes([i]) + data for i, data in enumerate(odd)},
        "threads": {f"{i}": bytes([i, i // 2, i, i]) + pixels[50 * i : 50 * i + 90] for i in range(6)},
        # The first byte chooses the form; then sampling, entropy, slices, width, height, region size, limit,
        # and the allocation that fails.
        "refine": {
            name: b"\0" + len(base).to_bytes(2, "little") + base + data
            for name, (base, data) in refined.items()
        }
        | {
            f"{s}{e}{r}": bytes([1, s, e, s + r, 50 + s, 40 + e, r, 11 * e, 5 + 2 * s + r])
            + pixels[: 300 + 100 * e]
            for s in range(4)
            for e in range(2)
            for r in range(0, 8, 3)
        },
        # The first bytes choose sampling, entropy, format, slices, width, height, region size, and SKIP or,
        # in a JPEG file, many levels.
        "roundtrip": {
            f"{s}{e}{f}": bytes([s, e, 3 * f, 1, 40 + s, 30 + e, f, s]) + pixels[: 300 + 100 * e]
            for s in range(4)
            for e in range(3)
            for f in range(2)
        }
        | {
            f"{s}{e}-levels": bytes([s, e, 3, s % 2, 40 + s, 30 + e, e, 1]) + pixels[300 : 700 + 100 * s]
            for s in range(4)
            for e in range(2)
        }
        | {
            f"{s}{e}{f}-effort{effort}": bytes([s, e + 6 * effort, 3 * f, 1, 40 + s, 30 + e, f, s % 2])
            + pixels[: 500 + 100 * e]
            for s, e, f in ((0, 0, 0), (2, 1, 0), (2, 2, 0), (3, 2, 0), (0, 0, 1))
            for effort in range(1, 4)
        },
    }
    for target, files in seeds.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if not old.name.startswith("found-"):
                old.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
        print(f"{target}: {len(files)} files, {sum(map(len, files.values()))} bytes")


if __name__ == "__main__":
    main()
