"""stac-serve: who may reach it, what it says, how it ends."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("grpc", reason="needs rdct[rpc]")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: --port"),
        (["--port", "65536"], "'65536' is not a port"),
        (["--port", "0", "--host", "0.0.0.0"], "--tls-cert with --tls-key and --token-file are missing"),
        (
            ["--port", "0", "--host", "0.0.0.0", "--token-file", "token"],
            "--tls-cert with --tls-key is missing",
        ),
        (["--port", "0", "--host", "example.org"], "can be reached from other machines"),
        (["--port", "0", "--tls-cert", "token"], "--tls-cert and --tls-key go together"),
        (["--port", "0", "--insecure", "--token-file", "token"], "--insecure means neither"),
        (["--port", "0", "--token-file", "none"], "No such file"),
        (["--port", "0", "--tls-cert", "token", "--tls-key", "token"], "no PEM file"),
        (["--port", "0", "--workers", "0"], "'0' is not a number of workers"),
        (["--port", "0", "--max-sessions", "0"], "'0' is not a number of sessions"),
        (["--port", "0", "--max-pixels", "0"], "'0' is not a number of pixels"),
        (["--port", "0", "-q", "50", "--budget", "1"], "not allowed with argument"),
        (["--port", "0", "--sensitivity", "sea"], "invalid choice: 'sea'"),
        (["--port", "0", "--tables", "none.rdts"], "--tables none.rdts: no table set 'none.rdts'"),
        (["--port", "0", "--model", "none.py:make"], "--model none.py:make: "),
    ],
)
def test_usage(serve, folder, argv, message):
    (folder / "token").write_text("0123456789abcdef")
    done = serve(*argv)
    assert done.code == 2
    assert message in done.err
    assert "Try 'stac-serve --help'." in done.err


def test_a_network_that_cannot_do_it_is_found_out_before_anybody_calls(serve, folder):
    (folder / "bad.py").write_text(
        "import torch\n"
        "class Bad(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        if x.requires_grad: raise RuntimeError('no gradients here')\n"
        "        return torch.zeros(x.shape[0], 2, *x.shape[2:])\n"
        "def make(): return Bad()\n"
    )
    done = serve("--port", "0", "--model", "bad.py:make", "--json")
    assert done.code == 1
    assert "no gradients here" in done.err
    assert b"no gradients here" in done.out


def test_a_port_in_use(serve, server, tiny, tiny_tables):
    done = serve("--port", server.port, "--model", tiny, "--tables", tiny_tables)
    assert done.code == 1
    assert "is it in use?" in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_life(serving, edge, frames, number):
    server = serving("--port", "0", "--metrics-port", "0", "-q", "60", "--patience", "30")
    told = server.told
    assert told["event"] == "listening"
    assert told["host"] == "127.0.0.1"
    assert told["model"] == "tiny"
    assert told["scale"] > 1
    done = edge("frames", "--server", server.address, "--no-pace", "--wait", "--deadline", "30", "--json")
    assert done.code == 0, done.err
    url = f"http://127.0.0.1:{told['metrics_port']}/metrics"
    page = urllib.request.urlopen(url, timeout=5).read().decode()
    assert "rdct_sessions_opened_total 1.0" in page
    end = server.stop(number)
    assert end.code == 0
    assert "Traceback" not in end.err
    assert f"listening on {server.address} for tiny" in end.err
    assert "stopping" in end.err
    (last,) = end.out
    assert last["event"] == "stopped"
    assert last["sessions_opened"] == 1
    assert last["packets"] >= 1
    assert last["received_bytes"] == json.loads(done.out)["bytes_up"]
    assert last["sent_bytes"] == json.loads(done.out)["bytes_down"]


def test_two_devices_at_once_get_what_each_gets_alone(serving, edge, command, frames):
    """Two workers, one network: labels of one session never reach the other."""
    pytest.importorskip("av", reason="needs rdct[video]")
    (frames.parent / "mirrored").mkdir()
    for path in frames.iterdir():
        with Image.open(path) as image:
            image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(frames.parent / "mirrored" / path.name)
    server = serving("--port", "0", "--workers", "2", "--patience", "60")
    # Without levels, whose arrival between frames is a matter of time.
    line = ("--server", server.address, "--system", "grace", "--no-pace", "--wait", "--deadline", "60")
    line += ("--threshold-db", "100")

    def labels(name):
        paths = sorted((frames.parent / name / "labels").iterdir())
        return [np.asarray(Image.open(path)).tolist() for path in paths]

    for name in ("frames", "mirrored"):
        assert edge(name, *line, "--save", f"alone-{name}").code == 0
    with ThreadPoolExecutor() as pool:
        runs = [
            pool.submit(command, "edge", name, *line, "--save", f"both-{name}")
            for name in ("frames", "mirrored")
        ]
    assert [run.result().code for run in runs] == [0, 0]
    for name in ("frames", "mirrored"):
        assert len(labels(f"both-{name}")) == 12
        assert labels(f"both-{name}") == labels(f"alone-{name}")
    assert labels("both-frames") != labels("both-mirrored")


def test_tls_and_token_from_end_to_end(serving, edge, frames):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    line = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run([openssl, *line.split()], check=True, capture_output=True)
    (frames.parent / "token").write_text("0123456789abcdef\n")
    (frames.parent / "other").write_text("fedcba9876543210\n")
    server = serving(
        *("--port", "0", "--host", "0.0.0.0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"),
        *("--token-file", "token", "--patience", "30"),
    )
    there = ("frames", "--server", f"localhost:{server.port}", "--tls-ca", "cert.pem", "--no-pace")
    there += ("--connect-timeout", "5")
    assert edge(*there, "--token-file", "token").code == 0
    for wrong in ((), ("--token-file", "other")):
        done = edge(*there, *wrong)
        assert done.code == 1
        assert "refuses: the token is missing or wrong" in done.err
