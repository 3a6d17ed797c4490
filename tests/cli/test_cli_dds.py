"""stac-serve and stac-edge with --system dds: objects and labels in two rounds, over the loopback device."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("grpc", reason="needs rdct[rpc]")

HERE = Path(__file__).parent
RED = f"detector:{HERE / 'networks' / 'red.py'}:make"
TINY = f"{HERE / 'networks' / 'tiny.py'}:make"
#: A patch whose texture low quality does not show, and one whose texture it does.
DOUBTFUL, SURE = (30, 60, 24, 8), (90, 30, 24, 40)


@pytest.fixture
def squares(folder):
    """Eight frames of two reddish patches, one of fine texture: squares/."""
    (folder / "squares").mkdir()
    y, x = np.mgrid[:96, :144]
    checks = np.where((x + y) % 2, 1, -1)
    for index in range(8):
        image = np.full((96, 144, 3), 110, np.uint8)
        for left, top, side, amplitude in (DOUBTFUL, SURE):
            window = slice(top, top + side), slice(left, left + side)
            image[window] = np.array([200, 90, 70]) + amplitude * checks[window][..., None]
        Image.fromarray(image).save(folder / "squares" / f"{index}.png")
    return folder / "squares"


@pytest.fixture
def street(folder):
    """Five frames of a rendered street, also as files: street/."""
    sys.path.insert(0, str(HERE.parents[1] / "examples"))
    try:
        from street import Scene
    finally:
        sys.path.pop(0)
    (folder / "street").mkdir()
    scene = Scene(3, 160, 96)
    images = [scene.frame(t)[0] for t in range(5)]
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / "street" / f"{index}.png")
    return images


@pytest.fixture
def dds(serving_with):
    """Start stac-serve --system dds with the detector, or another model, and more arguments."""

    def start(*argv, model=RED):
        return serving_with("--system", "dds", "--model", model, "--port", 0, "--patience", 60, *argv)

    return start


def test_objects_in_two_rounds(dds, edge, squares):
    av = pytest.importorskip("av", reason="needs rdct[video]")
    server = dds("--max-area", 0.2)
    assert (server.told["model"], server.told["backend"]) == ("red", "rdct")
    line = ("squares", "--server", server.address, "--system", "dds", "--no-pace", "--wait", "--fps", "10")
    done = edge(*line, "--json", "--save", "out")
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["frames"], row["keyframes"], row["results_lost"], row["frames_unlabelled"]) == (8, 8, 0, 0)
    stats = row["dds"]
    assert stats["low"] == stats["high"] == stats["settled_second"] == 8
    assert 0 < stats["high_bytes"] < stats["low_bytes"] < row["bytes_up"]
    rows = [json.loads(line) for line in open("out/results.jsonl")]
    assert [one["frame"] for one in rows] == list(range(8))
    for one in rows:
        first, second = sorted(one["regions"], key=lambda region: region["box"][0])
        assert first["class"] == second["class"] == "patch" and first["score"] > 0.5
        assert np.allclose(first["box"], (30, 60, 54, 84), atol=2)
        assert np.allclose(second["box"], (90, 30, 114, 54), atol=2)
    assert sorted(os.listdir("out")) == ["annotated.mp4", "results.jsonl"]
    with av.open("out/annotated.mp4") as video:
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(pictures) == 8
    again = edge(*line, "--save", "out")
    assert again.code == 2 and "-f replaces it" in again.err
    end = server.stop()
    assert end.code == 0 and end.out[-1]["packets"] == 16


def test_what_is_not_asked_for_stays_coarse(dds, edge, squares):
    server = dds("--max-area", 0.2, "--objectness", 0.9)
    done = edge("squares", "--server", server.address, "--system", "dds", "--no-pace", "--wait", "--json")
    stats = json.loads(done.out)["dds"]
    assert (stats["low"], stats["high"], stats["settled_first"]) == (8, 0, 8)


def test_static_background_is_not_sent_twice(red, edge, squares):
    line = ("squares", "--server", red.address, "--system", "dds", "--no-pace", "--wait", "--json")
    once, all_ = (json.loads(edge(*line, *more).out)["dds"] for more in (("--static", "1"), ()))
    assert once["cells_static"] == 7 * once["cells_sent"] and all_["cells_static"] == 0
    assert once["high_bytes"] < all_["high_bytes"] / 2


def test_chunks_of_h264_with_a_rest(dds, edge, squares):
    av = pytest.importorskip("av", reason="needs rdct[video]")
    if "libx264" not in av.codecs_available:
        pytest.skip("PyAV here is built without libx264")
    server = dds("--max-area", 0.2, "--backend", "h264")
    done = edge(
        *(
            "squares",
            "--server",
            server.address,
            "--system",
            "dds",
            "--backend",
            "h264",
            "--no-pace",
            "--wait",
        ),
        *("--chunk", "3", "--low-scale", "1", "--low-qp", "40", "--high-qp", "16", "--json"),
    )
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["frames"], row["keyframes"], row["results_lost"], row["frames_unlabelled"]) == (8, 3, 0, 0)
    assert (row["dds"]["low"], row["dds"]["high"], row["dds"]["settled_second"]) == (3, 3, 8)


def test_the_end_of_a_file_waits_for_the_last_answers(red, edge, squares):
    """Without --wait: frames go as fast as they can, and the last results are not given up."""
    done = edge(
        *("squares", "--server", red.address, "--system", "dds", "--no-pace", "--json"),
        *("--deadline", "60"),
    )
    row = json.loads(done.out)
    assert (row["frames"], row["frames_unlabelled"], row["dds"]["settled_second"]) == (8, 0, 8)


def test_labels_of_a_rendered_street_in_two_rounds(dds, edge, folder, street):
    pytest.importorskip("av", reason="needs rdct[video]")
    server = dds("--window", 24, "--windows", 2, "-q", 60, "--ratio", 7, model=TINY)
    done = edge(
        *("street", "--server", server.address, "--system", "dds", "--no-pace", "--wait", "--json"),
        *("--save", "out"),
    )
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["frames"], row["frames_unlabelled"], row["dds"]["settled_second"]) == (5, 0, 5)
    assert row["dds"]["high"] == 5 and row["dds"]["cells_sent"] < 5 * 4 * 7  # of 4 x 7 cells a frame
    assert sorted(os.listdir("out/labels")) == [f"{k:06d}.png" for k in range(5)]
    assert "regions" not in json.loads(open("out/results.jsonl").readline())
    from rdct.vision import models

    model = models.load(TINY)
    for index, image in enumerate(street):
        sent = np.asarray(Image.open(f"out/labels/{index:06d}.png"))
        assert np.mean(sent == models.labels(model, image)) > 0.8


def test_the_device_needs_no_torch(red, command, squares):
    done = command(
        *("edge", squares, "--server", red.address, "--system", "dds", "--no-pace", "--wait", "--json"),
        without=("torch", "grace", "av", "numba"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["dds"]["settled_second"] == 8


@pytest.mark.parametrize("system", ["stac", "grace"])
def test_a_server_of_another_system_refuses(red, edge, squares, system):
    done = edge("squares", "--server", red.address, "--system", system, "--no-pace")
    assert done.code == 1 and f"this server runs dds, not {system}" in done.err


def test_a_server_of_stac_refuses_dds(server, edge, squares):
    done = edge("squares", "--server", server.address, "--system", "dds", "--no-pace")
    assert done.code == 1 and "this server runs stac, not dds" in done.err


def test_pictures_beyond_the_limit_are_refused(dds, edge, squares):
    done = edge("squares", "--server", dds("--max-pixels", 10000).address, "--system", "dds", "--no-pace")
    assert done.code == 1 and "beyond the limit of 10000" in done.err


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (["--model", "fastestdet:none.onnx"], 2, "there is no detector 'none.onnx'"),
        (["--model", "detector:none.py:make"], 2, "there is no file 'none.py'"),
        (["--model", RED.replace("make", "no_detector")], 2, "int, which is no detector"),
        (["--model", RED.replace("make", "broken")], 1, "no eyes today"),
        (["--model", RED, "--tables", "x.rdts"], 2, "--tables is no option of --system dds"),
        (["--model", RED, "--budget", "1"], 2, "--budget is no option of --system dds"),
        (["--model", RED, "--windows", "3"], 2, "--windows: red finds objects"),
        (["--model", RED, "--labels", "patch,dog"], 2, "there is no class 'dog'; there are patch, paper"),
        (["--model", TINY, "--objectness", "0.3"], 2, "--objectness: tiny labels pixels"),
        (["--model", TINY, "--background", "sea"], 2, "there is no class 'sea'"),
        (["--model", RED, "--backend", "h264", "-q", "5"], 2, "-q is no option of --backend h264"),
        (["--model", RED, "--backend", "h264", "--ratio", "5"], 2, "--ratio is no option"),
        (["--model", RED, "--objectness", "2"], 2, "'2' is not a share"),
    ],
)
def test_usage_of_the_server(serve, folder, argv, code, message):
    done = serve("--port", "0", "--system", "dds", *argv)
    assert done.code == code and message in done.err, done.err


def test_options_of_dds_are_none_of_stac(serve, folder):
    done = serve("--port", "0", "--ratio", "5")
    assert done.code == 2 and "--ratio is no option of --system stac" in done.err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--chunk", "3"], "--chunk is no option of --system stac"),
        (["--system", "dds", "--preset", "fast"], "--preset is no option of --system dds"),
        (["--system", "dds", "--low-qp", "3"], "--low-qp is no option of --system dds --backend rdct"),
        (
            ["--system", "dds", "--backend", "h264", "--static", "3"],
            "--static is no option of --system dds",
        ),
        (["--system", "dds", "--low-scale", "0"], "'0' is not a scale"),
    ],
)
def test_usage_of_the_device(edge, squares, argv, message):
    done = edge("squares", "--server", "127.0.0.1:1", *argv)
    assert done.code == 2 and message in done.err, done.err
