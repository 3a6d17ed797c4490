# SPDX-License-Identifier: Apache-2.0
"""A small hand-made run through the report."""

from __future__ import annotations

import copy
import json

import pytest

from benchmarks import report


def entry(group, row, median, **extra):
    extra = {"row": row, "megapixels": 2.0, "picture": "a street", "threads": 1, "cpu": "avx2", **extra}
    return {"group": group, "name": f"test[{row}]", "extra_info": extra, "stats": {"median": median}}


RUN = {
    "datetime": "2026-01-02T03:04:05.678901+00:00",
    "machine_info": {"cpu": {"brand_raw": "A Processor"}, "python_version": "3.11.7"},
    "benchmarks": [
        entry("encode 444", "simplejpeg", 0.020, bpp=1.5, cpu="own choice", version="1.9.0"),
        entry(
            "encode 444",
            "huffman-fixed",
            0.010,
            bpp=1.45,
            psnr=40.8,
            against={"simplejpeg": {"median": 1.9, "low": 1.85, "high": 1.95, "processor": 1.8, "rounds": 9}},
        ),
        entry(
            "encode 444",
            "huffman-fixed, 16 levels",
            0.0125,
            against={"huffman-fixed": {"median": 0.8, "low": 0.79, "high": 0.81, "rounds": 9}},
        ),
        entry("decode 420", "simplejpeg", 0.008),
        entry("decode 420", "huffman-fixed", 0.010),
        entry("encode 420", "context", 0.020),
        entry("decode 420", "context", 0.050),
        entry("kernel fdct", "avx2", 0.0001, unit="samples"),
    ],
}
EMULATION = {"device": "A Device", "low": 1.5, "high": 2.0, "compute": 1.5, "memory": 2.0}


@pytest.fixture
def file(tmp_path):
    def write(run):
        path = tmp_path / "run.json"
        path.write_text(json.dumps(run))
        return path

    return write


def cells(text, start):
    """The cells of the first table line that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_table_leads_with_the_ratio_to_the_peer(file):
    run, rows = report.read_run(file(RUN))
    text = report.as_markdown(run, rows, "simplejpeg")
    section = text[text.index("## encode 444") :]
    assert cells(section, "row")[:2] == ["row", "x simplejpeg"]
    assert cells(section, "huffman-fixed")[1] == "1.90 (1.85-1.95)"  # by turns
    assert cells(section, "huffman-fixed, 16 levels")[1] == "~1.60"  # by medians
    assert cells(section, "simplejpeg")[1] == "1"
    header = cells(section, "row")
    assert cells(section, "huffman-fixed")[header.index("MP/s")] == "200.0"
    assert cells(section, "huffman-fixed")[header.index("bpp")] == "1.450"
    assert "emulated" not in text
    for stated in ("2026-01-02T03:04:05", "A Processor", "a street"):
        assert stated in text


def test_another_peer(file):
    _, rows = report.read_run(file(RUN))
    ratio = report.ratio_to(rows[0], "huffman-fixed", rows)
    assert ratio.median == pytest.approx(0.5)
    assert report.ratio_to(rows[0], "nobody", rows) is None
    assert report.ratio_to(rows[0], "simplejpeg", rows) is None


def test_targets_are_judged(file):
    run, rows = report.read_run(file(RUN))
    text = report.as_markdown(run, rows, "simplejpeg")
    lines = text[text.index("## Targets") : text.index("## decode")].splitlines()
    judged = {(line.split("|")[1].strip(), line.split("|")[2].strip()): line for line in lines if "|" in line}
    assert "| yes |" in judged["encode 444", "huffman-fixed"]
    assert "| no |" in judged["encode 444", "huffman-fixed, 16 levels"]
    assert "| no |" in judged["decode 420", "huffman-fixed"]
    assert "| 60 MP/s | 100 MP/s | yes |" in judged["encode 420", "context"]
    assert "| 60 MP/s | 40 MP/s | no |" in judged["decode 420", "context"]


def test_emulated_range_beside_the_ratio(file):
    run, rows = report.read_run(file({**RUN, "emulation": EMULATION}))
    text = report.as_markdown(run, rows, "simplejpeg")
    assert "A Device takes 1.50 to 2.00 times as long" in text
    section = text[text.index("## encode 444") :]
    where = cells(section, "row").index("emulated ms")
    assert cells(section, "huffman-fixed")[where] == "15-20"
    assert cells(section, "huffman-fixed")[1] == "1.90 (1.85-1.95)"
    terminal = report.as_text(rows, "simplejpeg", (1.5, 2.0))
    assert "emulated ms" in terminal and "15-20" in terminal


def test_a_busy_machine_is_told(file):
    run, rows = report.read_run(file({**RUN, "busy_cores_before": 0.1}))
    text = report.as_markdown(run, rows, "simplejpeg")
    assert "Other work" not in text and "processor time" not in text
    run, rows = report.read_run(file({**RUN, "busy_cores_before": 1.9}))
    text = report.as_markdown(run, rows, "simplejpeg")
    assert "1.9 cores busy" in text
    assert "| 1.80 x simplejpeg |" in text  # of processor time


def test_kernels_count_samples(file):
    run, rows = report.read_run(file(RUN))
    assert "MS/s" in report.as_markdown(run, rows, "simplejpeg")


def test_command_writes_table_and_plot(file, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    path = file(RUN)
    assert report.main([str(path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("# Benchmarks")
    assert report.main([str(path), "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out/report.md").read_text().startswith(printed)
    assert (tmp_path / "out/report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"benchmarks": [{}]}', '{"benchmarks": []}'])
def test_other_files_are_refused(tmp_path, capsys, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    assert report.main([str(path)]) == 1
    assert str(path) in capsys.readouterr().err


def test_no_plot_without_the_peer(file, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    run = copy.deepcopy(RUN)
    run["benchmarks"] = [e for e in run["benchmarks"] if e["extra_info"]["row"] != "simplejpeg"]
    assert report.main([str(file(run)), "-o", str(tmp_path)]) == 1
    assert "simplejpeg" in capsys.readouterr().err
    assert not (tmp_path / "report.md").exists()
