"""stac-tables: what it prints where, its exit codes, and that an interrupted build goes on."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from grace import NetworkTables
from grace.cli import main

ROOT = Path(__file__).resolve().parents[2]
TOY = """
import torch
from torch import nn

def make():
    torch.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 5, padding=2))
    for p in net.parameters():
        nn.init.normal_(p, 0, 0.01 if p.ndim == 4 and p.shape[1] == 3 else 0.5)
    net.num_classes = 4
    return net
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, picture):
    root = tmp_path_factory.mktemp("cli")
    (root / "toy.py").write_text(TOY)
    (root / "images").mkdir()
    for index in range(3):
        Image.fromarray(picture(48, 72, seed=index)).save(root / "images" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def built(folder):
    """A table set made by the command, and what it said."""
    path = folder / "toy.rdts"
    assert main(arguments(folder, "-o", path)) == 0
    return path


def arguments(folder, *more, accuracy="agreement=0.95"):
    model = f"{folder / 'toy.py'}:make"
    fixed = ["build", "--model", model, "--images", str(folder / "images"), "-j", "1"]
    return [*fixed, "--accuracy", accuracy, *map(str, more)]


def test_build(built):
    tables = NetworkTables.load(built)
    assert tables.provenance["reached"] >= 0.95 and tables.name == "toy:make"
    assert tables.provenance["pictures"] == 3
    command = tables.provenance["command"]
    assert command.startswith("stac-tables build --model ") and str(built.parent) not in command
    assert not built.with_name("toy.rdts.state").exists()


def test_build_says_what_it_did(folder, tmp_path, capsys):
    out = tmp_path / "x.rdts"
    assert main(arguments(folder, "-o", out, "--limit", 1, "--levels", 4)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 3 and lines[0].startswith(f"{out}: table set ") and "from 1 pictures" in lines[0]

    assert main(arguments(folder, "-o", out, "--limit", 1, "-f", "--json", "--quiet")) == 0
    said = capsys.readouterr()
    assert said.err == ""
    found = json.loads(said.out)
    assert found["output"] == str(out) and found["model"] == "toy:make" and found["levels"] == 16

    assert main(arguments(folder, "-o", out, "--limit", 1, "-f", "-v")) == 0
    said = capsys.readouterr().err
    for step in ("gradients 1/1", "budget 1", "regions 1/1", "calibration, uniform 1", "bands 6/6"):
        assert f"] {step}: " in said


def test_the_same_build_gives_the_same_file(folder, built, tmp_path):
    out = tmp_path / "again.rdts"
    assert main(arguments(folder, "-o", out, "--quiet")) == 0
    first, second = json.loads(built.read_text()), json.loads(out.read_text())
    for entries in (first, second):
        entries["provenance"].pop("command")
    assert first == second


def test_existing_output_is_kept(folder, built, capsys):
    before = built.read_bytes()
    assert main(arguments(folder, "-o", built)) == 1
    assert f"error: {built} exists; -f replaces it" in capsys.readouterr().err
    assert built.read_bytes() == before


@pytest.mark.parametrize(
    "more,code,message",
    [
        (["--accuracy", "psnr=30"], 2, "accuracy is agreement or miou_drop, not 'psnr'"),
        (["--accuracy", "agreement"], 2, "accuracy is agreement=A or miou-drop=D, not 'agreement'"),
        (["--accuracy", "miou-drop=0.01"], 2, "needs --labels DIR"),
        (["--levels", "65"], 2, "--levels must be 1..64, got 65"),
        (["--levels", "x"], 2, "invalid int value"),
        (["--rho", "0.5"], 2, "--rho must be a number 1..256 or 'data', got '0.5'"),
        (["--regions", "9"], 2, "--regions must be 1..8"),
        (["--limit", "0"], 2, "--limit must be at least 1, got 0"),
        (["--subsampling", "411"], 2, "invalid choice"),
        (["-o", "."], 2, "is a folder; name a file"),
        (["-o", "no/such/folder.rdts"], 1, "no folder 'no/such'"),
        (["--images", "nowhere"], 1, "no folder 'nowhere'"),
        (["--model", "nonesuch"], 1, "unknown model spec 'nonesuch'"),
        (["--model", "nowhere.py:make"], 1, "no file 'nowhere.py'"),
        (["--quiet", "-v"], 2, "not allowed with"),
    ],
)
def test_errors(folder, tmp_path, monkeypatch, capsys, more, code, message):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(folder, *more)) == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_demand_out_of_reach(folder, tmp_path, capsys):
    out = tmp_path / "x.rdts"
    code = main(arguments(folder, "-o", out, accuracy="agreement=0.99999"))
    assert code == 1 and not out.exists()
    said = capsys.readouterr().err
    assert "accuracy agreement=0.99999 cannot be met: even steps of 1 give agreement 0.9" in said


def test_no_command(capsys):
    assert main([]) == 2
    assert main(["--help"]) == 0
    assert "build" in capsys.readouterr().out


def test_show(built, capsys):
    assert main(["show", str(built)]) == 0
    text = capsys.readouterr().out
    tables = NetworkTables.load(built)
    assert f"table set {tables.id}: 16 levels, 6 rate bands, for 444" in text
    middle = tables.table_set.tables[8]
    for row in middle.reshape(24, 8):
        assert " ".join(map(str, row)) in " ".join(text.split())
    assert "model: toy:make" in text and "accuracy: agreement=0.95" in text
    assert main(["show", str(built), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["id"] == tables.id and np.array(found["tables"]).shape == (16, 3, 8, 8)
    assert found["budgets"][8] == found["budget"]


def test_measured(folder, tmp_path, capsys):
    path = tmp_path / "measured.rdts"
    assert main(arguments(folder, "--method", "measured", "--limit", "1", "-o", path, "-v")) == 0
    said = capsys.readouterr().err
    assert "measured 0/5: " in said and "% gradient, loss " in said
    assert NetworkTables.load(path).provenance["method"] == "measured"
    assert main(["show", str(path)]) == 0
    assert "Y, level 8 (the middle one, measured):" in capsys.readouterr().out


def test_plot(built, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "p.png"
    assert main(["show", str(built), "--plot", str(out)]) == 0
    with Image.open(out) as image:
        assert image.width > 800
    assert main(["show", str(built), "--plot", str(out)]) == 1
    assert "exists; -f replaces it" in capsys.readouterr().err


def test_plot_without_matplotlib(built, tmp_path, capsys, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["show", str(built), "--plot", str(tmp_path / "p.png")]) == 1
    assert "pip install 'rdct[plot]'" in capsys.readouterr().err


def test_show_errors(tmp_path, capsys):
    assert main(["show", str(tmp_path / "x.rdts")]) == 1
    assert "no table set" in capsys.readouterr().err
    (tmp_path / "x.rdts").write_text("{}")
    assert main(["show", str(tmp_path / "x.rdts")]) == 1
    assert "x.rdts: not a table set" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_interrupted_and_resumed(folder, built, tmp_path):
    out = tmp_path / "r.rdts"
    state = tmp_path / "r.rdts.state"
    command = [sys.executable, "-m", "grace.cli", *arguments(folder, "-o", out, "-v")]
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    # A test run in the background of a shell inherits that Ctrl-C is ignored.
    listens = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=listens
    ) as process:
        for line in process.stderr:
            if "budget 2" in line:
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130, rest
    assert "interrupted" in rest and f"the same command goes on from {state}" in rest
    assert not out.exists() and len(state.read_text().splitlines()) >= 1 + 3 + 2

    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"stac-tables: going on from {state}" in done.stderr
    assert time.monotonic() - begun < 60 and not state.exists()
    assert NetworkTables.load(out).id == NetworkTables.load(built).id


def test_a_reader_that_goes_away_is_no_complaint(built):
    script = "import sys; from grace.cli import main; sys.exit(main(sys.argv[1:]))"
    show = [sys.executable, "-c", script, "show", str(built)]
    process = subprocess.Popen(show, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(60) == 1
    assert errors == b""


def test_importing_grace_does_not_import_torch():
    code = (
        "import sys, grace, grace.tables, grace.search, grace.network_tables, grace.cli;"
        "grace.NetworkTables, grace.smallest;"
        "bad = {'torch', 'matplotlib', 'PIL', 'scipy'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_classes_are_counted_into_a_set(folder, built, tmp_path, capsys):
    from rdct.vision import models

    bare = NetworkTables.load(built)
    shares = bare.class_shares
    path = tmp_path / "bare.rdts"
    dataclasses.replace(bare, class_shares=None).save(path)
    spec = f"{folder / 'toy.py'}:make"
    command = ["classes", str(path), "--model", spec, "--images", str(folder / "images"), "-o", str(path)]
    assert main(command) == 1 and "-f replaces it" in capsys.readouterr().err
    assert main([*command, "-f"]) == 0
    names = models.load(spec).class_names
    assert f"{names[0]}: {100 * shares[0]:.2f} %" in capsys.readouterr().err
    found = NetworkTables.load(path)
    np.testing.assert_allclose(found.class_shares, shares)
    assert found.id == bare.id and found.provenance == bare.provenance


def test_classes_of_another_network_are_not_counted(folder, built, tmp_path, capsys):
    command = ["classes", str(built), "--images", str(folder / "images"), "-o", str(tmp_path / "x.rdts")]
    assert main(command) == 2
    assert "was made for" in capsys.readouterr().err


def test_class_weights_from_a_file(folder, tmp_path, capsys):
    weights = tmp_path / "weights.json"
    weights.write_text('{"nothing": 2}')
    assert main(arguments(folder, "-o", tmp_path / "x.rdts", "--class-weights", weights)) == 2
    assert "no class 'nothing'" in capsys.readouterr().err
    weights.write_text("[1, 2, 3, 4]")
    path = tmp_path / "weighted.rdts"
    assert main(arguments(folder, "-o", path, "--class-weights", weights)) == 0
    assert NetworkTables.load(path).provenance["class_weights"] == [1, 2, 3, 4]
