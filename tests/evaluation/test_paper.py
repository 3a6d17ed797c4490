"""Table I from made-up records: what stands where, and against what."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.evaluation import figures, paper
from rdct.evaluation.records import Records

DIALS = {"stac-paper": (0.125, 0.25, 0.5, 1, 2, 4), "jpeg-turbo-444": (12, 28, 62, 84, 93, 96)}
DIALS |= {
    "grace": DIALS["stac-paper"],
    "h264-all": (13, 18, 23, 28, 33, 38),
    "h264-intra": (13, 18, 23, 28, 33, 38),
}
#: Multiples of JPEG's bytes at equal agreement.
COST = {"jpeg-turbo-444": 1.0, "grace": 0.8, "stac-paper": 0.6, "h264-all": 0.5, "h264-intra": 0.9}
#: Points of H.264 are better (and dearer) than JPEG's.
AHEAD = {"h264-all": 2, "h264-intra": 2}


def write(folder, names) -> None:
    """One frame for each of six points; the n-th from below has 9600 + 50 n of 10000 pixels right."""
    about = {
        "medium": "video",
        "set": "clip",
        "model": "toy",
        "weights": "w",
        "sha256": "s",
        "truth_sha256": "t",
    }
    plan = {"settings": "", "table_set": None, "tables_sha256": None, "code": ""}
    with Records(folder) as out:
        out.add(
            "run",
            {
                **about,
                "systems": {name: {**plan, "dials": list(DIALS[name])} for name in names},
                "absent": {},
                "tables": "toy",
                "frames": 1,
                "fps": 1,
                "width": 100,
                "height": 100,
                "commit": "d",
                "versions": {"rdct": "0"},
                "command": "stac-eval run table-1",
                "mode": "synchronous",
                "threshold_db": 26,
            },
        )
        for name in names:
            dials = DIALS[name] if name.startswith("jpeg") else DIALS[name][::-1]
            for index, dial in enumerate(dials):
                step = index + AHEAD.get(name, 0)
                hit, size = 9600 + 50 * step, round(COST[name] * 1000 * 2**step)
                matrix = [hit, 10000 - hit, 0, 0, 0, 0]
                identity = {
                    **about,
                    **plan,
                    "system": name,
                    "dial": dial,
                    "tables": None,
                    "point": f"{name}{dial}",
                }
                out.add(
                    "frame",
                    {
                        "point": identity["point"],
                        "frame": 0,
                        "keyframe": 0,
                        "result": "server",
                        "age_frames": 0,
                        "delay_s": 0,
                        "raw_confusion": matrix,
                        "truth_confusion": matrix,
                        "bytes_up": {"stream": size},
                        "bytes_down": {"labels": 10},
                        "edge_s": 0,
                        "server_s": [],
                        "decoded_psnr": None,
                    },
                )
                out.add("point", {**identity, "frames": 1, "hello_bytes": 0, "table_set_bytes": 0})


def lines(text: str) -> dict[str, list[str]]:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    return {row[0]: row[1:] for row in rows[2:]}


def test_theirs_beside_ours(tmp_path):
    write(tmp_path / "o", COST)
    found = lines(paper.table_one(tmp_path / "o"))
    assert list(found) == ["stac-paper", "grace", "jpeg-turbo-444", "h264-all", "h264-intra"]
    assert found["grace"][:5] == ["budget searched", "23120", "0.6604", "6.8", "-15.9 %"]
    assert found["jpeg-turbo-444"][4] == "-33.5 %" and found["h264-all"][4] == "-24.2 %"
    assert found["h264-intra"][:5] == ["-"] * 5
    # At JPEG's finest point STAC stands at its own finest: 0.6 of JPEG's bytes.
    rate = 8e-3 * 600 * 2**5
    assert (
        found["stac-paper"][5:8] == ["scale 0.12", f"{rate:.0f}", "0.9850"] and found["stac-paper"][10] == ""
    )
    assert found["jpeg-turbo-444"][5] == "Q96" and found["jpeg-turbo-444"][10] == "-40.0 %"
    assert found["grace"][10] == found["grace"][12] == "-25.0 %"
    # H.264 at CRF 13 agrees more and costs four times as much as where it agrees as JPEG does.
    assert found["h264-all"][5] == "CRF 13" and found["h264-all"][7] == "0.9950"
    assert (
        found["h264-all"][10] == f"{100 * (0.6 / (0.5 * 4) - 1):+.1f} %"
        and found["h264-all"][12] == "+20.0 %"
    )


def test_between_points_other_columns_follow_the_rate():
    points = [{"kbps": 100.0, "miou": 0.5}, {"kbps": 400.0, "miou": 0.7}]
    assert paper._at({"points": points}, "miou", 200.0) == pytest.approx(0.6)
    points[0]["miou"] = None
    assert paper._at({"points": points}, "miou", 200.0) is None


def test_without_its_own_system_there_is_no_table(tmp_path, capsys):
    write(tmp_path / "o", ["jpeg-turbo-444", "grace"])
    with pytest.raises(ValueError, match="stac-paper not on record"):
        paper.table_one(tmp_path / "o")
    assert figures.main(["table-1", str(tmp_path / "o")]) == 1
    assert "stac-paper" in capsys.readouterr().err


def test_the_command_prints_it(tmp_path, capsys):
    write(tmp_path / "o", COST)
    assert figures.main(["table-1", str(tmp_path / "o")]) == 0
    assert "| stac-paper | budget searched |" in capsys.readouterr().out
    assert np.isclose(
        paper.PUBLISHED["stac-paper"].kbps / paper.PUBLISHED["grace"].kbps - 1, -0.1587, atol=1e-4
    )
