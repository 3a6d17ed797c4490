"""stac-edge against stac-serve in another process: what it prints, saves and survives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("grpc", reason="needs rdct[rpc]")

FIELDS = {
    "source", "server", "frames", "keyframes", "keyframes_unanswered", "frames_dropped", "frames_unlabelled",
    "results_lost", "bytes_up", "bytes_down", "seconds", "fps", "source_fps", "kbps", "mean_age_frames",
    "psnr_min", "psnr", "notices", "reconnects",
}  # fmt: skip


def test_a_folder_in_lockstep(edge, server, frames):
    done = edge("frames", "--server", server.address, "--no-pace", "--wait", "--deadline", "30", "--json")
    assert done.code == 0, done.err
    (row,) = [json.loads(line) for line in done.out.splitlines()]
    assert set(row) == FIELDS
    assert row["frames"] == 12
    assert row["results_lost"] == row["frames_dropped"] == row["frames_unlabelled"] == 0
    assert row["keyframes"] >= 1
    assert row["keyframes_unanswered"] == row["reconnects"] == 0
    assert row["bytes_up"] > row["keyframes"] * 100
    assert row["bytes_down"] > row["keyframes"] * 50
    assert row["kbps"] == pytest.approx(8e-3 * row["bytes_up"] / (12 / 15), abs=0.1)
    assert row["source_fps"] == 15
    assert "all RGB samples" in row["psnr"]
    assert "frames: 12 frames at " in done.err


def test_save(edge, server, frames):
    av = pytest.importorskip("av", reason="needs rdct[video]")
    line = ("frames", "--server", server.address, "--no-pace", "--wait", "--deadline", "30", "--fps", "25")
    line += ("--save", "out", "--threshold-db", "100")
    done = edge(*line)
    assert done.code == 0, done.err
    assert done.out == b""
    rows = [json.loads(line) for line in open("out/results.jsonl")]
    assert [row["frame"] for row in rows] == list(range(12))
    assert all(row["kind"] == "server" and row["sent"] and row["age_frames"] == 0 for row in rows)
    assert [row["time_s"] for row in rows] == [pytest.approx(k / 25, abs=1e-6) for k in range(12)]
    assert sorted(os.listdir("out/labels")) == [f"{k:06d}.png" for k in range(12)]
    with Image.open("out/labels/000003.png") as labels:
        assert labels.mode == "P"
        assert labels.size == (96, 72)
        assert labels.getpalette()[3:6] == [220, 120, 40]
        assert set(np.unique(np.asarray(labels))) <= {0, 1, 2, 3}
    with av.open("out/annotated.mp4") as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, float(stream.average_rate)) == (96, 72, 25)
        assert sum(1 for _ in video.decode(stream)) == 12
    assert not [name for name in os.listdir("out") if "part" in name]

    again = edge(*line)
    assert again.code == 2
    assert "exists; -f replaces it" in again.err
    (done := edge(*line, "-f", "--max-frames", "5"))
    assert done.code == 0, done.err
    assert len(os.listdir("out/labels")) == 5


def test_labels_are_those_of_the_network_on_the_decoded_keyframe(edge, server, frames, tiny):
    """Every pixel, at a quality where decoding changes few of them."""
    from rdct.vision import models

    edge(
        *("frames", "--server", server.address, "--no-pace", "--wait", "--deadline", "30"),
        *("--save", "out", "--threshold-db", "100", "--max-frames", "3"),
    )
    model = models.load(tiny)
    for index in range(3):
        seen = models.labels(model, np.asarray(Image.open(frames / f"{index}.png")))
        sent = np.asarray(Image.open(f"out/labels/{index:06d}.png"))
        assert np.mean(seen == sent) > 0.9


def test_pictures_of_two_sizes_in_one_folder(edge, server, frames):
    for index in range(12, 15):
        with Image.open(frames / "0.png") as image:
            image.resize((64, 48)).save(frames / f"{index}.png")
    pytest.importorskip("av", reason="needs rdct[video]")
    done = edge(
        *("frames", "--server", server.address, "--no-pace", "--wait", "--deadline", "30"),
        *("--save", "out", "--json"),
    )
    row = json.loads(done.out)
    assert (row["frames"], row["results_lost"], row["frames_unlabelled"]) == (15, 0, 0)
    assert Image.open("out/labels/000014.png").size == (64, 48)


def test_needs_no_torch(command, server, frames):
    done = command(
        *("edge", frames, "--server", server.address, "--no-pace", "--wait", "--deadline", "30", "--json"),
        without=("torch", "grace", "av"),
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["frames_unlabelled"] == 0


def test_view_on_no_terminal_is_a_line_now_and_then(edge, server, frames):
    done = edge("frames", "--server", server.address, "--no-pace", "--view")
    assert done.err.startswith("frame 0: ")
    assert "\r" not in done.err


def test_quiet(edge, server, frames):
    done = edge("frames", "--server", server.address, "--no-pace", "--quiet")
    assert (done.code, done.out, done.err) == (0, b"", "")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: SOURCE, --server"),
        (["frames"], "required: --server"),
        (["frames", "--server", "host"], "'host' is not HOST:PORT"),
        (["frames", "--server", "host:99999"], "port in 1..65535"),
        (["frames", "--server", "far.example:1", "--token-file", "token"], "in the clear; give --tls-ca"),
        (["frames", "--server", "127.0.0.1:1", "--token-file", "none"], "No such file"),
        (["frames", "--server", "127.0.0.1:1", "--token-file", "short"], "at least 16"),
        (["frames", "--server", "127.0.0.1:1", "--tls-ca", "short"], "no PEM file with a certificate"),
        (["frames", "--server", "127.0.0.1:1", "--threshold-db", "-1"], "'-1' is not a PSNR"),
        (["frames", "--server", "127.0.0.1:1", "--deadline", "0"], "'0' is not a time"),
        (["frames", "--server", "127.0.0.1:1", "--fps", "0"], "'0' is not a frame rate"),
        (["frames", "--server", "127.0.0.1:1", "--max-frames", "0"], "'0' is not a number of frames"),
        (["frames", "--server", "127.0.0.1:1", "--preset", "slow"], "invalid choice: 'slow'"),
        (["frames", "--server", "127.0.0.1:1", "--finest-scale", "7"], "'7' is not a scale"),
        (["frames", "--server", "127.0.0.1:1", "--serv", "x"], "unrecognized arguments"),
    ],
)
def test_usage(edge, frames, argv, message):
    (frames.parent / "token").write_text("0123456789abcdef")
    (frames.parent / "short").write_text("0123")
    done = edge(*argv)
    assert done.code == 2
    assert message in done.err
    assert "Try 'stac-edge --help'." in done.err


@pytest.mark.parametrize(
    ("source", "message"), [("nowhere.mp4", "no such source: nowhere.mp4"), ("notes.mp4", "cannot be opened")]
)
def test_no_source(edge, folder, source, message):
    pytest.importorskip("av", reason="needs rdct[video]")
    (folder / "notes.mp4").write_text("not a video")
    done = edge(source, "--server", "127.0.0.1:1", "--json")
    assert done.code == 1
    assert message in done.err
    assert message in json.loads(done.out)["error"]
    assert "Traceback" not in done.err


def test_no_server(edge, frames):
    done = edge("frames", "--server", "127.0.0.1:1", "--connect-timeout", "0.5", "--json")
    assert done.code == 1
    assert done.err.count("cannot be reached yet") == 1
    row = json.loads(done.out)
    assert "127.0.0.1:1 cannot be reached: Failed to connect to remote host" in row["error"]
    assert row["frames"] == row["results_lost"] == 0


def test_interrupt_ends_with_the_json(server, frames):
    for image in list(frames.iterdir()):
        for copy in range(1, 40):
            (frames / f"{copy}_{image.name}").write_bytes(image.read_bytes())
    code = "import sys; from rdct.offload.cli_edge import main; sys.exit(main(sys.argv[1:]))"
    line = [sys.executable, "-c", code, "frames", "--server", server.address, "--json", "--view"]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_path(), cwd=frames.parent
    )
    assert process.stderr.readline().startswith(b"frame 0")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"interrupted" in err
    assert b"Traceback" not in err
    row = json.loads(out)
    assert 1 < row["frames"] < 400
    assert row["results_lost"] == 0


@pytest.mark.slow
@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back(serving, edge, frames):
    """In the middle of a run: every frame keeps its Result, and labels come again."""
    for image in list(frames.iterdir()):
        for copy in range(1, 12):
            (frames / f"{copy}_{image.name}").write_bytes(image.read_bytes())
    first = serving("--port", 0)
    servers = []

    def outage():
        time.sleep(2.0)
        first.process.kill()
        servers.append(serving("--port", first.port))

    thread = threading.Thread(target=outage)
    thread.start()
    done = edge("frames", "--server", first.address, "--fps", "10", "--json", "--threshold-db", "60")
    thread.join()
    assert done.code == 0, done.err
    row = json.loads(done.out)
    assert (row["frames"], row["results_lost"], row["frames_dropped"]) == (144, 0, 0)
    assert row["reconnects"] >= 1
    assert row["keyframes_unanswered"] >= 1
    assert done.err.count("is away") == done.err.count("is back after") == 1
    served = servers[0].stop().out[-1]
    assert served["packets"] > 3


def _path():
    from pathlib import Path

    root = Path(__file__).resolve().parents[2]
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])}
