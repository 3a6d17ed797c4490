"""stac-encode as docs/cli.md promises it, with a tiny network."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

import codec

KEYS = ["input", "output", "width", "height", "bytes", "bpp", "levels", "agreement", "seconds"]


@pytest.fixture
def run(encode, tiny, tiny_tables):
    """stac-encode with the tiny network and its table set."""
    return lambda *argv: encode(*argv, "--model", tiny, "--tables", tiny_tables, "-j", "1")


def names(folder):
    return sorted(os.listdir(folder))


def labels_of(tiny, samples):
    from rdct.vision import models

    return models.labels(models.load(tiny), samples)


def test_output_is_put_beside_the_input(folder, run, picture):
    (folder / "sub").mkdir()
    os.rename("street.png", "sub/street.png")
    done = run("sub/street.png")
    assert (done.code, done.out) == (0, b"")
    assert names("sub") == ["street.png", "street.rdct"]
    data = (folder / "sub/street.rdct").read_bytes()
    assert codec.decode(data).shape == picture.shape
    first, second = done.err.splitlines()
    assert first.startswith(f"sub/street.png -> sub/street.rdct: 96x72, {len(data) / 1000:.1f} kB, ")
    assert f"{8 * len(data) / (96 * 72):.3f} bits per pixel, agreement " in first
    assert second.startswith("  levels fine |")
    assert second.endswith("12 regions")


def test_streams_stand_alone(folder, run):
    """Tables are inline by default: the decoder needs no set."""
    run("street.png")
    header = codec.read_header((folder / "street.rdct").read_bytes())
    assert (header.tables, header.table_set_id, header.subsampling, header.region_blocks) == (
        "inline",
        None,
        "444",
        3,
    )
    assert header.levels == 16
    assert len(np.unique(header.level_map)) > 3


def test_named_output_folder_and_stdout_hold_the_same(folder, run):
    (folder / "there").mkdir()
    assert run("street.png", "-o", "x.bin").code == 0
    assert run("street.png", "-o", "there").code == 0
    assert run("street.png", "-o", "made/for/it/").code == 0
    done = run("street.png", "-o", "-")
    assert done.code == 0
    assert "street.png -> stdout: " in done.err
    wanted = (folder / "x.bin").read_bytes()
    assert done.out == wanted
    assert (folder / "there/street.rdct").read_bytes() == wanted
    assert (folder / "made/for/it/street.rdct").read_bytes() == wanted


def test_existing_output_stays_without_force(folder, run):
    (folder / "street.rdct").write_bytes(b"precious")
    done = run("street.png")
    assert done.code == 1
    assert "error: street.png: street.rdct exists; -f replaces it" in done.err
    assert (folder / "street.rdct").read_bytes() == b"precious"
    assert run("street.png", "-f").code == 0
    assert (folder / "street.rdct").read_bytes()[:4] == b"RDCT"
    assert names(folder) == ["street.png", "street.rdct"]


def test_file_that_appears_meanwhile_stays(folder, run, monkeypatch):
    import stac.encode

    real = stac.encode.encode_image

    def slow(*args, **options):
        (folder / "street.rdct").write_bytes(b"someone else's")
        return real(*args, **options)

    monkeypatch.setattr(stac.encode, "encode_image", slow)
    done = run("street.png")
    assert done.code == 1
    assert "street.rdct exists; -f replaces it" in done.err
    assert (folder / "street.rdct").read_bytes() == b"someone else's"
    assert names(folder) == ["street.png", "street.rdct"]


def test_failed_write_leaves_nothing(folder, run, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(os, "replace", full)
    done = run("street.png")
    assert done.code == 1
    assert "street.rdct cannot be written: No space left on device" in done.err
    assert names(folder) == ["street.png"]


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_output_has_the_usual_mode(folder, run):
    run("street.png")
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "street.rdct").stat().st_mode & 0o777 == 0o666 & ~umask


def test_one_bad_file_does_not_stop_the_others(folder, run):
    (folder / "bad.png").write_bytes(b"not a picture")
    Image.new("RGB", (20, 30), (90, 90, 90)).save("flat.png")
    done = run("missing.png", "bad.png", "street.png", "flat.png", "-o", "out/", "--json")
    assert done.code == 1
    assert names("out") == ["flat.rdct", "street.rdct"]
    rows = json.loads(done.out)
    assert [row["input"] for row in rows] == ["missing.png", "bad.png", "street.png", "flat.png"]
    assert [sorted(row) for row in rows[:2]] == [["error", "input"]] * 2
    assert rows[0]["error"] == "cannot be read: No such file or directory"
    assert rows[1]["error"] == "this is no picture of a kind that Pillow reads"
    assert "stac-encode: error: bad.png: this is no picture" in done.err


def test_json_row(folder, run, tiny, picture):
    done = run("street.png", "--json")
    assert done.code == 0
    (row,) = json.loads(done.out)
    data = (folder / "street.rdct").read_bytes()
    header = codec.read_header(data)
    assert list(row) == KEYS
    assert (row["input"], row["output"]) == ("street.png", "street.rdct")
    assert (row["width"], row["height"], row["bytes"]) == (96, 72, len(data))
    assert row["bpp"] == pytest.approx(8 * len(data) / (96 * 72), abs=1e-6)
    values, counts = np.unique(header.level_map, return_counts=True)
    assert row["levels"] == {str(v): int(c) for v, c in zip(values, counts, strict=True)}
    agreement = np.mean(labels_of(tiny, codec.decode(data)) == labels_of(tiny, picture))
    assert row["agreement"] == pytest.approx(agreement, abs=1e-6)
    assert row["seconds"] > 0


def test_agreement_is_kept_by_the_written_file(folder, run, tiny, picture):
    raw = labels_of(tiny, picture)
    sizes = []
    for wanted in (0.97, 0.995):
        done = run("street.png", "--agreement", wanted, "--json", "-f")
        (row,) = json.loads(done.out)
        data = (folder / "street.rdct").read_bytes()
        assert np.mean(labels_of(tiny, codec.decode(data)) == raw) >= wanted
        assert row["agreement"] >= wanted
        assert row["bytes"] == len(data)
        sizes.append(len(data))
    assert sizes[0] < sizes[1]


def test_agreement_out_of_reach(folder, encode, tiny_tables):
    # A network that knows the raw picture and calls anything else the other class.
    (folder / "strict.py").write_text(
        "import numpy as np, torch\n"
        "from PIL import Image\n"
        "raw = torch.from_numpy(np.asarray(Image.open('street.png')).transpose(2, 0, 1).astype('float32'))\n"
        "class Strict(torch.nn.Module):\n"
        "    num_classes = 2\n"
        "    def forward(self, x):\n"
        "        same = float(torch.equal(x[0].detach(), raw))\n"
        "        return torch.cat([x[:, :1] * 1e-3 + 10 * same, x[:, 1:2] * 1e-3 + 5], 1)\n"
        "def make():\n"
        "    return Strict()\n"
    )
    done = encode("street.png", "--model", "strict.py:make", "--tables", tiny_tables, "--agreement", "0.9")
    assert done.code == 1
    assert "agreement 0.9 is out of reach: the best of " in done.err
    assert "trials has 0.0000; ask for less" in done.err
    assert not os.path.exists("street.rdct")
    done = encode("street.png", "--model", "strict.py:make", "--tables", tiny_tables, "--compare", "--json")
    assert done.code == 0
    assert json.loads(done.out)[0]["jpeg_bytes_same_agreement"] is not None  # 0 agrees with 0


def test_quality_and_budget_turn_the_size(folder, run, tiny_tables):
    from grace import load_tables

    budget = load_tables(str(tiny_tables)).budget
    sizes = {}
    for argv in (["-q", 50], ["-q", 75], ["-q", 90], ["--budget", budget], ["--budget", budget / 4], []):
        (row,) = json.loads(run("street.png", "-f", "--json", *argv).out)
        sizes[tuple(argv)] = row["bytes"]
    sizes = list(sizes.values())
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[3] < sizes[4]
    assert sizes[3] == sizes[1] == sizes[5]  # the set's calibration puts quality 75, the default, at scale 1


def test_compare(folder, run, tiny, picture):
    done = run("street.png", "-q", "60", "--compare", "--json")
    (row,) = json.loads(done.out)
    assert list(row) == [*KEYS, "jpeg_bytes_same_agreement"]
    line = next(line for line in done.err.splitlines() if "optimised JPEG" in line)
    quality = int(line.split("quality ")[1].split(")")[0])
    raw = labels_of(tiny, picture)

    def jpeg(quality):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "JPEG", quality=quality, subsampling="4:4:4", optimize=True)
        return len(out.getvalue()), np.mean(labels_of(tiny, np.asarray(Image.open(out))) == raw)

    size, agreement = jpeg(quality)
    assert row["jpeg_bytes_same_agreement"] == size
    assert agreement >= row["agreement"] - 1e-6
    # No quality of the five below does it as well.
    assert all(jpeg(q)[1] < row["agreement"] for q in range(max(1, quality - 5), quality))


def test_heatmap(folder, run):
    done = run("street.png", "--heatmap", "seen.png")
    assert done.code == 0
    assert "drawn: seen.png" in done.err
    with Image.open("seen.png") as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 3 * sheet.height
    done = run("street.png", "-o", "again.rdct", "--heatmap", "seen.png")
    assert done.code == 1
    assert "seen.png exists; -f replaces it" in done.err
    assert not os.path.exists("again.rdct")


def test_no_model_is_the_middle_level_everywhere(folder, encode, tiny_tables):
    done = encode("street.png", "--no-model", "--tables", tiny_tables, "--json")
    assert done.code == 0
    (row,) = json.loads(done.out)
    assert row["levels"] == {"8": 12}
    assert row["agreement"] is None
    header = codec.read_header((folder / "street.rdct").read_bytes())
    assert header.scale == 0.75  # the set's calibration for one table throughout
    assert "agreement" not in done.err


def test_jpeg_is_read_by_pillow(folder, run, tiny_tables):
    done = run("street.png", "--format", "jpeg", "--json")
    assert done.code == 0
    assert "warning" not in done.err
    (row,) = json.loads(done.out)
    assert row["output"] == "street.jpg"
    assert len(row["levels"]) > 1 and sum(row["levels"].values()) == 12
    assert 0.5 < row["agreement"] <= 1
    with Image.open("street.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (96, 72))
        assert max(max(table) for table in image.quantization.values()) <= 255
        assert (
            np.abs(np.asarray(image).astype(int) - codec.decode((folder / "street.jpg").read_bytes())).max()
            <= 3
        )


def test_jpeg_without_a_network_has_one_table(folder, encode, tiny_tables):
    done = encode("street.png", "--no-model", "--tables", tiny_tables, "--format", "jpeg", "--json")
    assert done.code == 0 and "without a network the file has the middle level's table" in done.err
    assert json.loads(done.out)[0]["levels"] == {"0": 12}


def test_jpeg_with_options_of_regions(folder, run):
    argv = ("--format", "jpeg", "--regions", "2", "--gradient-at", "raw", "--heatmap", "seen.png", "--json")
    (row,) = json.loads(run("street.png", *argv).out)
    assert sum(row["levels"].values()) == 30 and os.path.exists("seen.png")


def test_jpeg_with_an_agreement(folder, run):
    (row,) = json.loads(run("street.png", "--format", "jpeg", "--agreement", "0.95", "--json").out)
    assert row["agreement"] >= 0.95


@pytest.mark.parametrize("subsampling", ["422", "420"])
def test_subsampling(folder, run, subsampling):
    assert run("street.png", "--subsampling", subsampling).code == 0
    assert codec.read_header((folder / "street.rdct").read_bytes()).subsampling == subsampling


def test_options_that_shape_the_stream(folder, run):
    assert run("street.png", "--regions", "2", "--entropy", "huffman-fixed", "--gradient-at", "raw").code == 0
    header = codec.read_header((folder / "street.rdct").read_bytes())
    assert (header.region_blocks, header.level_map.shape, header.entropy) == (2, (5, 6), "huffman-fixed")


def test_effort(folder, run):
    done = [run("street.png", "-f", "--json", "--effort", str(effort)) for effort in range(4)]
    sizes = [json.loads(one.out)[0]["bytes"] for one in done]
    assert sizes[0] > sizes[1] > sizes[3] and sizes[0] > sizes[2]


def test_paper_is_what_this_set_does_anyway(folder, run):
    """The tiny set is rho = 4 scaled copies: there --paper is what three options say."""
    run("street.png", "-o", "a.rdct", "--entropy", "huffman", "--effort", "0", "--sensitivity", "gradient")
    done = run("street.png", "-o", "b.rdct", "--paper", "--subsampling", "444", "--gradient-at", "decoded")
    assert done.code == 0
    assert (folder / "a.rdct").read_bytes() == (folder / "b.rdct").read_bytes()


def test_threads_and_cpu_change_no_byte(folder, encode, tiny_tables):
    argv = ("street.png", "--no-model", "--tables", tiny_tables, "-o")
    assert encode(*argv, "a.rdct", "-j", "1").code == 0
    assert encode(*argv, "b.rdct", "-j", "all").code == 0
    assert encode(*argv, "c.rdct", "--cpu", "c").code == 0
    assert (
        (folder / "a.rdct").read_bytes()
        == (folder / "b.rdct").read_bytes()
        == (folder / "c.rdct").read_bytes()
    )


def test_generic_ladder_is_said(folder, encode, tiny):
    done = encode("street.png", "--model", tiny, "--json")
    assert done.code == 0
    assert "no table set is known for tiny: a generic ladder of scaled JPEG tables is used" in done.err
    (row,) = json.loads(done.out)
    assert len(row["levels"]) > 2


def test_foreign_table_set_is_mentioned(folder, encode, tiny, tiny_tables):
    text = tiny_tables.read_text(encoding="utf-8").replace('"model": "tiny"', '"model": "other"')
    (folder / "other.rdts").write_text(text, encoding="utf-8")
    done = encode("street.png", "--model", tiny, "--tables", "other.rdts")
    assert done.code == 0
    assert "--tables other.rdts: made for other, used for tiny" in done.err


def test_quiet_and_verbose(folder, run):
    done = run("street.png", "--quiet", "--compare", "--heatmap", "h.png")
    assert (done.code, done.out, done.err) == (0, b"", "")
    done = run("street.png", "-f", "-v", "--agreement", "0.9")
    assert "network tiny loaded in" in done.err
    assert "tried scale" in done.err
    assert "realised sum" in done.err
    assert "patents: " in done.err
    # Errors are said even so.
    done = run("street.png", "--quiet")
    assert (done.code, done.out) == (1, b"")
    assert done.err == "stac-encode: error: street.png: street.rdct exists; -f replaces it\n"


def test_exif_orientation_and_notes(folder, run):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("street.png").save("turned.jpg", exif=exif)
    Image.open("street.png").convert("CMYK").save("print.tif")
    Image.open("street.png").convert("L").save("grey.png")
    done = run("turned.jpg", "print.tif", "grey.png", "--json", "--subsampling", "420")
    rows = json.loads(done.out)
    assert [(row["width"], row["height"]) for row in rows] == [(72, 96), (96, 72), (96, 72)]
    assert "print.tif: CMYK is converted to RGB without its colour profile" in done.err
    assert "grey.png: a grey picture has no chroma; --subsampling has no effect" in done.err
    assert codec.decode((folder / "grey.rdct").read_bytes()).shape == (72, 96)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (25, 49)])
def test_odd_sizes(folder, run, size):
    Image.open("street.png").resize(size).save("odd.png")
    done = run("odd.png", "--json", "--heatmap", "odd_seen.png")
    assert done.code == 0, done.err
    assert codec.decode((folder / "odd.rdct").read_bytes()).shape == (size[1], size[0], 3)


def test_interrupt(folder, run, monkeypatch):
    import stac.encode

    calls = []

    def stop(*args, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    real = stac.encode.encode_image
    monkeypatch.setattr(stac.encode, "encode_image", stop)
    Image.open("street.png").save("b.png")
    Image.open("street.png").save("c.png")
    done = run("street.png", "b.png", "c.png", "--json")
    assert done.code == 130
    assert done.err.endswith("stac-encode: interrupted\n")
    assert [row["input"] for row in json.loads(done.out)] == ["street.png"]
    assert names(folder) == ["b.png", "c.png", "street.png", "street.rdct"]


def test_unexpected_failure_is_one_line(folder, run, monkeypatch):
    import stac.encode

    def fail(*args, **options):
        raise ZeroDivisionError("by\nzero")

    monkeypatch.setattr(stac.encode, "encode_image", fail)
    done = run("street.png")
    assert done.code == 1
    assert done.err == "stac-encode: error: street.png: ZeroDivisionError: by zero (-v shows where)\n"
    assert "Traceback" in run("street.png", "-v").err


def test_failing_model_file(folder, encode, tiny):
    done = encode("street.png", "--model", tiny.replace(":make", ":broken"), "--json")
    assert done.code == 1
    assert "RuntimeError: no weights today" in done.err
    (row,) = json.loads(done.out)
    assert sorted(row) == ["error", "input"]


def test_progress_is_for_terminals(folder, tiny, tiny_tables, monkeypatch, capfd):
    import sys

    from stac.cli_encode import main

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    for fake, shown in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr(sys, "stderr", fake)
        Image.open("street.png").save("b.png")
        argv = ["street.png", "b.png", "--no-model", "--tables", str(tiny_tables), "-f"]
        assert main(argv) == 0
        assert ("[1/2] street.png ..." in fake.getvalue()) == shown
        assert fake.getvalue().rstrip(" \r").endswith("12 regions\n")


# ---------------------------------------------------------------- in a process of their own


def test_without_torch(folder, command, tiny_tables):
    done = command("encode", "street.png", "--json", without=["torch"])
    assert done.code == 1
    assert (
        'the network needs PyTorch, which is not installed: pip install "rdct[model]", or use --no-model'
        in done.err
    )
    (row,) = json.loads(done.out)
    assert sorted(row) == ["error", "input"]
    done = command("encode", "street.png", "--no-model", "--tables", tiny_tables, without=["torch"])
    assert done.code == 0, done.err
    done = command(
        "decode", "street.rdct", "-o", "back.png", without=["torch", "grace", "rdct", "cv2", "scipy", "numba"]
    )
    assert done.code == 0, done.err
    assert Image.open("back.png").size == (96, 72)


def test_pipes(folder, command, tiny_tables):
    data = (folder / "street.png").read_bytes()
    done = command("encode", "-", "-o", "-", "--no-model", "--tables", tiny_tables, input=data)
    assert done.code == 0, done.err
    back = command("decode", "-", "-o", "-", input=done.out)
    assert back.code == 0, back.err
    with Image.open(io.BytesIO(back.out)) as image:
        assert (image.format, image.size) == ("PNG", (96, 72))


def test_ascii_terminals(folder, command, tiny_tables):
    argv = ("street.png", "--no-model", "--tables", tiny_tables, "-f")
    done = command("encode", *argv, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.code == 0
    assert "levels fine |        @       | coarse" in done.err
    done = command("encode", *argv, env={"PYTHONIOENCODING": "utf-8"})
    assert "levels fine |        █       | coarse" in done.err


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_closed_stdout(folder, command, tiny_tables):
    """As in `stac-encode ... -o - | head -c 0`: a failure, but no traceback."""
    for argv in (["-o", "-"], ["--json", "-f"]):
        read, write = os.pipe()
        os.close(read)
        done = command("encode", "street.png", "--no-model", "--tables", tiny_tables, *argv, stdout=write)
        os.close(write)
        assert "Traceback" not in done.err
        assert "Exception ignored" not in done.err
        assert done.code == 1


def test_class_weights(folder, run, tiny):
    from rdct.vision import models

    names_ = models.load(tiny).class_names
    assert run("street.png", "--sensitivity", "margin", "-o", "plain.rdct").code == 0
    (folder / "weights.json").write_text(json.dumps({names_[0]: 50}))
    argv = ("street.png", "--sensitivity", "margin", "--class-weights", "weights.json", "-o", "weighted.rdct")
    assert run(*argv).code == 0
    assert (folder / "plain.rdct").read_bytes() != (folder / "weighted.rdct").read_bytes()
    (folder / "weights.json").write_text('{"no such": 1}')
    done = run(*argv, "-f")
    assert done.code == 2 and "--class-weights weights.json: weights.json: no class 'no such'" in done.err
    done = run("street.png", "--class-weights", "none.json", "-f")
    assert done.code == 2 and "--class-weights none.json: " in done.err
