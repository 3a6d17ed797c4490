"""`stac-eval` as a user types it."""

from __future__ import annotations

import json

import pytest

from rdct.evaluation import cli

SYSTEMS = "jpeg-turbo-444,webp,grace"


@pytest.fixture
def done(tmp_path, pictures, toy):
    images, labels = map(str, pictures)
    out = str(tmp_path / "records")
    words = ["run", "--images", images, "--labels", labels, "--model", toy, "--systems", SYSTEMS]
    assert cli.main([*words, "--points", "8", "-j", "1", "-o", out]) == 0
    return out


def test_run_table_plot(done, tmp_path, pictures, toy, capsys):
    words = ["--images", str(pictures[0]), "--labels", str(pictures[1]), "--model", toy, "--systems", SYSTEMS]
    assert cli.main(["run", *words, "--points", "8", "-j", "1", "-o", done]) == 0
    run = capsys.readouterr()
    assert run.out == "" and "grace is absent" in run.err
    assert "0 points measured, 32 were on record" in run.err
    assert cli.main(["table", done, "--accuracy", "0.95", "--resamples", "20"]) == 0
    table = capsys.readouterr()
    assert table.err == "" and table.out.startswith("toy on ") and "absent: needs network tables" in table.out
    assert cli.main(["table", done, "--json", "--resamples", "0"]) == 0
    (group,) = json.loads(capsys.readouterr().out)
    assert [row["codec"] for row in group["rows"]] == ["jpeg-turbo-444", "webp", "grace"]
    assert group["accuracies"] == [0.98, 0.985]
    page = tmp_path / "page.md"
    page.write_text("<!-- begin toy -->\n<!-- end toy -->\n")
    assert cli.main(["table", done, "--into", str(page), "--section", "toy", "--resamples", "0"]) == 0
    assert "stac-eval run --images" in page.read_text() and "| webp |" in page.read_text()
    for name in ("curves.png", "curves.svg"):
        assert cli.main(["plot", done, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 5000


def test_one_table_mode_and_one_metric(tmp_path, pictures, toy, tables, capsys):
    out, words = str(tmp_path / "o"), ["--images", str(pictures[0]), "--labels", str(pictures[1])]
    words += ["--model", toy, "--tables", tables, "--systems", "webp,grace", "--points", "6", "-j", "1"]
    assert cli.main(["run", *words, "-o", out]) == 0
    capsys.readouterr()
    for mode, wanted in (([], {"grace (id)", "grace (inline)"}), (["--tables-mode", "id"], {"grace (id)"})):
        assert cli.main(["table", out, "--resamples", "0", "--accuracy", "0.9", "--markdown", *mode]) == 0
        shown = capsys.readouterr().out
        assert {row for row in ("grace (id)", "grace (inline)") if f"| {row} |" in shown} == wanted
        assert "| webp |" in shown
    sizes = []
    for metric in ([], ["--metric", "agreement"]):
        assert cli.main(["plot", out, "-o", str(tmp_path / "p.svg"), *metric]) == 0
        sizes.append((tmp_path / "p.svg").read_text().count("bits per pixel"))
    assert sizes == [2, 1], "agreement and mIoU, then agreement alone"


def test_compare_json(tmp_path, pictures, toy, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = [str(path) for path in sorted(pictures[0].iterdir())]
    words = [
        "compare",
        *images,
        "--model",
        toy,
        "--systems",
        f"{SYSTEMS},default",
        "--points",
        "8",
        "-j",
        "1",
    ]
    assert cli.main([*words, "--accuracy", "0.9,0.95,1", "--json"]) == 0
    out = capsys.readouterr()
    found = json.loads(out.out)
    assert set(found) == {"accuracies", "miou_against", "rows"}
    assert found["accuracies"] == [0.9, 0.95, 1.0] and found["miou_against"] == "raw"
    assert [row["codec"] for row in found["rows"]] == ["jpeg-turbo-444", "webp", "default", "grace"]
    for row in found["rows"]:
        assert set(row) == {"codec", "settings", "bpp", "points"}
        assert len(row["bpp"]) == 3 and all(b is None or b > 0 for b in row["bpp"])
        for point in row["points"]:
            assert set(point) == {"bpp", "agreement", "miou"} and 0 <= point["miou"] <= 1
    assert found["rows"][0]["bpp"][2] is None, "a lossy curve does not reach 1"
    assert found["rows"][-1]["points"] == [] and found["rows"][-1]["settings"].startswith("absent: ")
    assert "generic ladder" in found["rows"][2]["settings"]
    assert not (tmp_path / "stac-eval-compare").exists()


def test_compare_for_people(tmp_path, pictures, toy, capsys):
    images = [str(path) for path in sorted(pictures[0].iterdir())]
    words = ["--model", toy, "--systems", "jpeg-turbo-444,webp", "--points", "6", "-j", "1", "--quiet"]
    out = tmp_path / "kept"
    assert cli.main(["compare", *images, *words, "-o", str(out)]) == 0
    shown = capsys.readouterr()
    assert "jpeg-turbo-444" in shown.out and shown.err == ""
    assert (out / "compare.png").is_file()
    # The folder may hold more pictures from earlier; the table is of those that were named.
    assert cli.main(["compare", images[0], *words, "-o", str(out)]) == 0
    assert ", 1 picture\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 2),
        (["run", "-o", "x"], 2),
        (["table", "nowhere", "--into", "page.md"], 2),
        (["table", "x", "--accuracy", "98"], 2),
        (["plot", "x", "-o", "curves.bmp"], 2),
        (["table", "nowhere"], 1),
        (["run", "nothing", "-o", "x"], 1),
        (["compare", "missing.png", "--model", "nothing", "--json"], 1),
        (["--help"], 0),
    ],
)
def test_exit_codes(words, code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == code
    out, err = capsys.readouterr()
    assert (out == "") == (code != 0) and (err != "") == (code != 0)
    assert "Traceback" not in err


def test_interrupt(monkeypatch, done):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_summaries", stop)
    assert cli.main(["table", done]) == 130
