"""stac-decode as docs/cli.md promises it."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

import codec


@pytest.fixture
def stream(folder, picture):
    """street.rdct: 16 levels inline, two levels in use."""
    tables = np.arange(16).reshape(16, 1, 1, 1) * 4 + np.full((16, 3, 8, 8), 6)
    level_map = np.full((3, 4), 5)
    level_map[1:, 2:] = 9
    data = codec.encode(picture, codec.QuantPlan(tables, level_map, scale=1.5))
    (folder / "street.rdct").write_bytes(data)
    os.unlink("street.png")
    return data


def names(folder):
    return sorted(os.listdir(folder))


def test_png_beside_the_input(folder, stream, decode):
    done = decode("street.rdct")
    assert (done.code, done.out) == (0, b"")
    assert done.err.startswith(f"street.rdct -> street.png: 96x72, {len(stream) / 1000:.1f} kB, ")
    np.testing.assert_array_equal(np.asarray(Image.open("street.png")), codec.decode(stream))
    assert names(folder) == ["street.png", "street.rdct"]


def test_kinds_of_pictures(folder, stream, decode):
    wanted = codec.decode(stream)
    for name in ("a.png", "a.ppm", "a.npy", "A.PNG"):
        assert decode("street.rdct", "-o", name).code == 0
        got = np.load(name, allow_pickle=False) if name.endswith("npy") else np.asarray(Image.open(name))
        np.testing.assert_array_equal(got, wanted)
    assert (folder / "a.ppm").read_bytes()[:2] == b"P6"
    assert decode("street.rdct", "-o", "made/").code == 0
    assert names("made") == ["street.png"]
    done = decode("street.rdct", "-o", "-")
    assert done.code == 0
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(done.out))), wanted)


def test_grey(folder, decode, picture):
    (folder / "grey.rdct").write_bytes(codec.encode(picture[..., 0], quality=90))
    for name in ("a.png", "a.ppm", "a.npy"):
        assert decode("grey.rdct", "-o", name).code == 0
    assert Image.open("a.png").mode == "L"
    assert np.load("a.npy").shape == (72, 96)
    assert np.asarray(Image.open("a.ppm")).shape == (72, 96, 3)
    assert (np.asarray(Image.open("a.ppm"))[..., 1] == np.load("a.npy")).all()


def test_baseline_jpeg_of_others(folder, decode):
    Image.open("street.png").save("other.jpg", quality=80, subsampling="4:2:0")
    done = decode("other.jpg", "-o", "back.png", "--info", "--json")
    assert done.code == 0
    (row,) = json.loads(done.out)
    assert (row["format"], row["subsampling"], row["output"]) == ("jpeg", "420", "back.png")
    theirs = np.asarray(Image.open("other.jpg")).astype(int)
    assert np.abs(theirs - np.asarray(Image.open("back.png"))).mean() < 1.5
    done = decode("other.jpg", "--levels", "levels.png")
    assert done.code == 1
    assert "a JPEG file has no levels to draw" in done.err


def test_existing_output_stays_without_force(folder, stream, decode):
    (folder / "street.png").write_bytes(b"precious")
    done = decode("street.rdct")
    assert done.code == 1
    assert done.err == "stac-decode: error: street.rdct: street.png exists; -f replaces it\n"
    assert (folder / "street.png").read_bytes() == b"precious"
    assert decode("street.rdct", "-f").code == 0
    assert Image.open("street.png").size == (96, 72)


def test_one_bad_stream_does_not_stop_the_others(folder, stream, decode):
    (folder / "cut.rdct").write_bytes(stream[:-20])
    (folder / "flipped.rdct").write_bytes(stream[:200] + bytes([stream[200] ^ 1]) + stream[201:])
    (folder / "text.rdct").write_bytes(b"hello")
    (folder / "empty.rdct").write_bytes(b"")
    bad = ["cut.rdct", "flipped.rdct", "text.rdct", "empty.rdct", "none.rdct"]
    done = decode(*bad, "street.rdct", "-o", "out/", "--json")
    assert done.code == 1
    assert names("out") == ["street.png"]
    rows = json.loads(done.out)
    assert [row["input"] for row in rows] == [*bad, "street.rdct"]
    assert all(sorted(row) == ["error", "input"] for row in rows[:5])
    assert list(rows[5]) == ["input", "output", "width", "height", "bytes", "bpp", "seconds"]
    assert "Traceback" not in done.err


def test_info_text_and_json(folder, stream, decode):
    done = decode("street.rdct", "--info")
    assert (done.code, done.err) == (0, "")
    text = done.out.decode()
    assert text.startswith("street.rdct\n  format      rdct version 1\n  size        96x72, 444\n")
    assert "levels      5:8 9:4\n" in text
    assert names(folder) == ["street.rdct"]
    done = decode("street.rdct", "--info", "--json")
    (row,) = json.loads(done.out)
    assert row["output"] is None
    assert row["levels"] == {"5": 8, "9": 4}
    assert (row["width"], row["height"], row["bytes"]) == (96, 72, len(stream))
    assert (row["table_levels"], row["region_blocks"], row["scale"], row["tables"]) == (16, 3, 1.5, "inline")
    parts = row["bytes_by_part"]
    assert sum(parts.values()) == len(stream)
    assert min(parts.values()) > 0
    assert parts["slices"] == codec.read_header(stream).slice_bytes


def test_a_refinement_is_described_but_not_decoded(folder, stream, decode, picture):
    plan = codec.QuantPlan.uniform(80, picture.shape)
    data = codec.encode(picture, plan, refine=codec.encode(picture, plan.with_scale(3)))
    (folder / "high.rdct").write_bytes(data)
    header = codec.read_header(data)
    assert f"  refines     {header.refine_hash}\n" in decode("high.rdct", "--info").out.decode()
    (row,) = json.loads(decode("high.rdct", "--info", "--json").out)
    assert (
        row["refine_hash"] == header.refine_hash and row["bytes_by_part"]["refinement"] == header.refine_bytes
    )
    assert sum(row["bytes_by_part"].values()) == len(data)
    (row,) = json.loads(decode("street.rdct", "--info", "--json").out)
    assert row["refine_hash"] is None
    done = decode("high.rdct")
    assert done.code == 1 and header.refine_hash in done.err and "Traceback" not in done.err


def test_skip_is_counted_and_drawn(folder, decode, picture):
    level_map = np.full((3, 4), codec.SKIP)
    level_map[0, 0] = 0
    plan = codec.QuantPlan(codec.TableSet.ijg(80), level_map)
    (folder / "part.rdct").write_bytes(codec.encode(picture, plan))
    (row,) = json.loads(decode("part.rdct", "--info", "--json").out)
    assert (row["levels"], row["skipped_regions"]) == ({"0": 1}, 11)
    assert decode("part.rdct", "--levels", "levels.png").code == 0


def test_levels_picture(folder, stream, decode):
    done = decode("street.rdct", "--levels", "levels.png")
    assert done.code == 0
    assert names(folder) == ["levels.png", "street.rdct"]
    assert Image.open("levels.png").format == "PNG"
    assert decode("street.rdct", "--levels", "levels.png").code == 1
    assert decode("street.rdct", "--levels", "levels.png", "-f", "-o", "x.png").code == 0
    assert names(folder) == ["levels.png", "street.rdct", "x.png"]


@pytest.fixture
def sliced(folder, picture):
    """(stream of three slices, its header's size, the picture)"""
    data = codec.encode(picture, quality=80, slice_rows=1)
    (folder / "street.rdct").write_bytes(data)
    os.unlink("street.png")
    return data, codec.read_header(data).header_bytes, codec.decode(data)


def test_concealed_damage(folder, sliced, decode):
    data, header, whole = sliced
    (folder / "flipped.rdct").write_bytes(data[:header] + bytes([data[header] ^ 1]) + data[header + 1 :])
    (folder / "cut.rdct").write_bytes(data[: header + 1])
    (folder / "text.rdct").write_bytes(data[: header - 1])
    names = ["street.rdct", "flipped.rdct", "cut.rdct", "text.rdct"]
    assert decode(*names, "-o", "strict/").code == 1
    done = decode(*names[:3], "-o", "out/", "--conceal", "--json")
    assert done.code == 0
    rows = json.loads(done.out)
    assert [[one["slice"] for one in row["lost"]] for row in rows] == [[], [0], [0, 1, 2]]
    assert rows[1]["lost"] == [{"slice": 0, "rows": [0, 24], "rule": "slice_crc", "offset": header}]
    assert "stac-decode: flipped.rdct: lost slice 0 of 3; rows 0..23 are grey\n" in done.err
    assert "stac-decode: cut.rdct: lost slices 0..2 of 3; rows 0..71 are grey\n" in done.err
    assert done.err.count("lost") == 2
    np.testing.assert_array_equal(np.asarray(Image.open("out/street.png")), whole)
    flipped = np.asarray(Image.open("out/flipped.png"))
    assert (flipped[:24] == 128).all()
    np.testing.assert_array_equal(flipped[24:], whole[24:])
    assert (np.asarray(Image.open("out/cut.png")) == 128).all()
    done = decode("text.rdct", "--conceal")
    assert (done.code, os.path.exists("text.png")) == (1, False)


def test_concealing_changes_nothing_else(folder, sliced, decode):
    assert decode("street.rdct", "--conceal", "--quiet").err == ""
    (row,) = json.loads(decode("street.rdct", "--conceal", "--info", "--json").out)
    assert "lost" not in row  # nothing was decoded
    Image.open("street.png").save("other.jpg")
    done = decode("other.jpg", "--conceal", "-f")
    assert done.code == 1
    assert "a JPEG file has no slices" in done.err


def test_max_pixels(folder, stream, decode):
    done = decode("street.rdct", "--max-pixels", 96 * 72 - 1)
    assert done.code == 1
    assert "96x72 is 6912 pixels, above --max-pixels 6911" in done.err
    assert decode("street.rdct", "--max-pixels", 96 * 72).code == 0


def test_table_set_by_id(folder, encode, decode, tiny_tables):
    argv = ("street.png", "--no-model", "--tables", tiny_tables)
    assert encode(*argv, "-o", "inline.rdct").code == 0
    assert encode(*argv, "-o", "id.rdct", "--tables-by-id").code == 0
    assert (folder / "id.rdct").stat().st_size < (folder / "inline.rdct").stat().st_size - 150
    done = decode("id.rdct")
    assert done.code == 1
    identity = codec.TableSet.load(tiny_tables).id_hex
    assert f"the stream names table set {identity}, which is not among the shipped ones" in done.err
    assert "give its file with --tables FILE" in done.err
    (row,) = json.loads(decode("id.rdct", "--info", "--json").out)
    assert (row["tables"], row["table_set_id"]) == ("id", identity)
    assert decode("id.rdct", "--tables", tiny_tables).code == 0
    assert decode("inline.rdct").code == 0
    assert (folder / "id.png").read_bytes() == (folder / "inline.png").read_bytes()


def test_quiet(folder, stream, decode):
    done = decode("street.rdct", "--quiet", "--levels", "l.png", "-o", "x.png")
    assert (done.code, done.out, done.err) == (0, b"", "")


def test_needs_nothing_but_the_codec(folder, stream, command):
    blocked = ["torch", "grace", "rdct", "cv2", "scipy", "numba", "matplotlib", "safetensors"]
    for argv in (["-o", "a.png"], ["--info"], ["--levels", "l.png"], ["-o", "a.npy", "--json"]):
        done = command("decode", "street.rdct", *argv, without=blocked)
        assert done.code == 0, done.err
