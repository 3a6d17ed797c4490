"""What a newcomer gets: the shipped picture, network and table set, through the commands. Never skipped."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codec

ROOT = Path(__file__).resolve().parents[2]
STREET = ROOT / "examples" / "street.png"
MODULES = {
    "stac-encode": "stac.cli_encode:main",
    "stac-decode": "stac.cli_decode:main",
    "stac-edge": "rdct.offload.cli_edge:main",
    "stac-serve": "rdct.offload.cli_serve:main",
    "stac-tables": "grace.cli:main",
}


def start_of(name, without=()):
    """The beginning of a command line: as installed, else from the checkout."""
    installed = Path(sysconfig.get_path("scripts")) / name
    if installed.exists() and not without:
        return [str(installed)]
    module, function = MODULES[name].split(":")
    block = "".join(f"sys.modules[{package!r}] = None; " for package in without)
    line = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[0] = {name!r}; {block}"
    line += f"from {module} import {function} as main; sys.exit(main())"
    return [sys.executable, "-c", line]


def command(name, *argv, cwd, without=(), code=0):
    """Run a command; returns stdout and stderr."""
    start = start_of(name, without)
    done = subprocess.run([*start, *map(str, argv)], cwd=cwd, capture_output=True, check=False, timeout=280)
    err = done.stderr.decode()
    assert done.returncode == code, err
    assert "Traceback" not in err
    return done.stdout, err


@pytest.fixture(scope="module")
def street():
    with Image.open(STREET) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def raw_labels(model, street):
    from rdct.vision import models

    return models.labels(model, street)


def agreement_of(model, raw_labels, decoded):
    from rdct.vision import models

    return float(np.mean(models.labels(model, decoded) == raw_labels))


@pytest.fixture
def folder(tmp_path):
    shutil.copy(STREET, tmp_path / "street.png")
    return tmp_path


def test_the_first_commands_of_the_readme(folder, street, model, raw_labels):
    out, err = command("stac-encode", "street.png", "--heatmap", "seen.png", "-v", cwd=folder)
    assert out == b""
    assert "street.png -> street.rdct: " in err
    assert "levels fine |" in err
    assert "CC BY-NC 4.0" in err
    assert "generic ladder" not in err
    with Image.open(folder / "seen.png") as sheet:
        assert sheet.width > 3 * sheet.height
    command("stac-decode", "street.rdct", "-o", "back.png", cwd=folder, without=["torch", "grace", "rdct"])
    decoded = np.asarray(Image.open(folder / "back.png"))
    assert decoded.shape == street.shape
    agreement = agreement_of(model, raw_labels, decoded)
    assert f"agreement {100 * agreement:.2f} %" in err
    assert agreement > 0.9


@pytest.mark.slow
def test_agreement_is_what_was_asked_for(folder, model, raw_labels):
    out, _ = command("stac-encode", "street.png", "--agreement", "0.98", "--compare", "--json", cwd=folder)
    (row,) = json.loads(out)
    data = (folder / "street.rdct").read_bytes()
    assert row["bytes"] == len(data)
    assert agreement_of(model, raw_labels, codec.decode(data)) >= 0.98
    assert row["agreement"] >= 0.98
    assert row["bytes"] < row["jpeg_bytes_same_agreement"]


@pytest.mark.slow
def test_stac_is_smaller_than_grace_and_grace_than_jpeg(street, model, tables, raw_labels):
    """Bytes at equal agreement, all with Huffman tables made for the picture; three demands together, as one
    alone is noisy on one picture.
    """
    from grace import smallest
    from stac import encode_image, jpeg_at_agreement

    level_map = np.full(codec.map_shape(*street.shape[:2]), tables.middle, np.uint8)

    def grace_encode(scale):
        return codec.encode(street, codec.QuantPlan(tables.table_set, level_map, scale=scale))

    sizes = {"stac": 0, "grace": 0, "jpeg": 0}
    for wanted in (0.975, 0.98, 0.985):
        done = encode_image(street, model, tables, agreement=wanted, entropy="huffman", raw_labels=raw_labels)
        sizes["stac"] += len(done.data)
        found = smallest(
            grace_encode,
            lambda data, wanted=wanted: agreement_of(model, raw_labels, codec.decode(data)) >= wanted,
            1 / 32,
            64.0,
            start=done.scale,
        )
        sizes["grace"] += found.size
        sizes["jpeg"] += len(jpeg_at_agreement(street, model, wanted, raw_labels=raw_labels))
    assert sizes["stac"] < sizes["grace"] < sizes["jpeg"], sizes


def test_shipped_set_is_the_networks_own(tables, model):
    from grace.provenance import weights_sha256

    assert tables.provenance["model"] == model.name
    assert tables.provenance["weights_sha256"] == weights_sha256(model)
    assert tables.levels == 16
    assert {"regions", "uniform"} <= set(tables.calibration)
    inline = codec.encode(np.zeros((8, 8, 3), np.uint8), codec.QuantPlan(tables.table_set, [[8]]))
    assert codec.read_header(inline).table_bytes <= 300


def test_stream_by_id_is_decoded_with_the_shipped_set(folder):
    argv = ("street.png", "--no-model", "-q", "60")
    command("stac-encode", *argv, "-o", "id.rdct", "--tables-by-id", cwd=folder, without=["torch"])
    command("stac-encode", *argv, "-o", "inline.rdct", cwd=folder, without=["torch"])
    assert (folder / "id.rdct").stat().st_size < (folder / "inline.rdct").stat().st_size
    command("stac-decode", "id.rdct", "inline.rdct", cwd=folder, without=["torch"])
    assert (folder / "id.png").read_bytes() == (folder / "inline.png").read_bytes()
    out, _ = command("stac-decode", "id.rdct", "--info", "--json", cwd=folder)
    assert json.loads(out)[0]["tables"] == "id"


def test_paper_and_jpeg(folder):
    out, _ = command("stac-encode", "street.png", "--paper", "--json", cwd=folder)
    (row,) = json.loads(out)
    assert len(row["levels"]) > 8
    _, err = command("stac-encode", "street.png", "--format", "jpeg", "-o", "street.jpg", cwd=folder)
    assert "of 16 in use" in err
    assert codec.read_header((folder / "street.jpg").read_bytes()).levels == 1
    with Image.open(folder / "street.jpg") as image:
        image.load()
        assert image.format == "JPEG"


def test_levels_are_drawn(folder):
    command("stac-encode", "street.png", "--no-model", cwd=folder)
    command("stac-decode", "street.rdct", "--levels", "levels.png", cwd=folder)
    assert Image.open(io.BytesIO((folder / "levels.png").read_bytes())).format == "PNG"


def test_tables_are_shown(folder):
    out, _ = command("stac-tables", "show", "bisenet-camvid", cwd=folder)
    assert b"bisenet-camvid" in out


@pytest.fixture
def clip_folder(clip, tmp_path):
    folder = tmp_path / "clip"
    folder.mkdir()
    for frame in clip:
        Image.fromarray(frame.image).save(folder / f"{frame.index}.png", compress_level=1)
    return folder


def test_a_rendered_clip_over_loopback(clip, clip_folder, tmp_path, model):
    """Both commands, two processes: a few keyframes label all thirty frames much as the network would."""
    from rdct.vision import models

    server = subprocess.Popen(
        [*start_of("stac-serve"), "--port", "0", "--patience", "60", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        port = json.loads(server.stdout.readline())["port"]
        out, _ = command(
            *(
                "stac-edge",
                clip_folder,
                "--server",
                f"127.0.0.1:{port}",
                "--no-pace",
                "--wait",
                "--deadline",
                "60",
            ),
            *("--threshold-db", "24", "--json", "--save", tmp_path / "out"),
            cwd=tmp_path,
            without=["torch"],
        )
        server.terminate()
        last, err = server.communicate(timeout=30)
    finally:
        server.kill()
        server.wait()
    assert server.returncode == 0, err.decode()
    row = json.loads(out)
    assert row["frames"] == 30
    assert row["results_lost"] == row["frames_dropped"] == row["keyframes_unanswered"] == 0
    assert row["frames_unlabelled"] == row["reconnects"] == 0
    assert 2 <= row["keyframes"] <= 15
    assert json.loads(last)["received_bytes"] == row["bytes_up"]
    assert (tmp_path / "out" / "annotated.mp4").stat().st_size > 10_000
    agreements = []
    for index in range(0, 30, 5):
        seen = models.labels(model, clip[index].image)
        with Image.open(tmp_path / "out" / "labels" / f"{index:06d}.png") as labels:
            agreements.append(np.mean(np.asarray(labels) == seen))
    assert np.mean(agreements) > 0.85, agreements


@pytest.mark.parametrize("name", sorted(MODULES))
def test_help(name, tmp_path):
    out, err = command(name, "--help", cwd=tmp_path)
    assert out.startswith(b"usage: " + name.encode())
    assert err == ""
