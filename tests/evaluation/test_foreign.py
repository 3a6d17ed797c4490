"""A system and a network nobody here has seen, through the commands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import features

from rdct.evaluation import cli, codecs, scenario, summary

DOCS = Path(__file__).resolve().parents[2] / "docs/cli.md"

#: Keeps every pixel's upper bits; its dial is how many.
BITS = """
import zlib
import numpy as np
from rdct.evaluation.codecs import Dial

class Bits:
    name, settings, dial = "bits", "zlib 9, upper bits of every sample", Dial("bits", 1, 8, coordinate=float)
    def encode(self, image, dial):
        data = image >> (8 - dial) << (8 - dial)
        return np.array(image.shape, "<u4").tobytes() + zlib.compress(data.tobytes(), 9)
    def decode(self, data):
        return np.frombuffer(zlib.decompress(data[12:]), np.uint8).reshape(np.frombuffer(data[:12], "<u4"))

def make(setup):
    assert setup.model.name
    return Bits()
"""


@pytest.fixture
def bits(tmp_path):
    path = tmp_path / "bits.py"
    path.write_text(BITS)
    return f"{path}:make"


def example() -> str:
    """The example of docs/cli.md."""
    (found,) = re.findall(r"```python\n# jpeg2000\.py\n(.*?)```", DOCS.read_text("utf-8"), re.S)
    return found


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow without OpenJPEG")
def test_the_documented_example_runs_as_printed(tmp_path, pictures, toy, capsys, monkeypatch):
    text = example()
    assert len([line for line in text.splitlines() if line.strip()]) <= 14
    monkeypatch.chdir(tmp_path)
    Path("jpeg2000.py").write_text(text)
    images = [str(path) for path in sorted(pictures[0].iterdir())]
    words = ["--system", "jpeg2000.py:make", "--systems", "jpeg-turbo-444", "--model", toy, "--points", "6"]
    assert cli.main(["compare", *images, *words, "-j", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["codec"] for row in rows] == ["jpeg-turbo-444", "jpeg2000"]
    bpp = [point["bpp"] for point in rows[1]["points"]]
    assert len(bpp) == 6 and max(bpp) > 3 * min(bpp)


def test_run_measures_and_measures_anew_when_the_file_changes(tmp_path, pictures, toy, bits, capsys):
    words = ["run", "--images", str(pictures[0]), "--model", toy, "--systems", "jpeg-turbo-444"]
    words += ["--system", bits, "--points", "8", "-o", str(tmp_path / "o")]
    assert cli.main([*words, "-j", "2"]) == 0
    assert "32 points measured" in capsys.readouterr().err
    assert cli.main([*words, "-j", "1"]) == 0
    assert "0 points measured, 32 were on record" in capsys.readouterr().err
    (group,) = summary.groups(tmp_path / "o")
    curve = group.curves[1]
    assert curve.system == "bits" and curve.code.startswith("bits.py+")
    assert curve.accuracy("agreement")[-1] == 1, "eight of eight bits lose nothing"
    path = Path(bits.rpartition(":")[0])
    path.write_text(path.read_text().replace("8 - dial", "8 - dial "))
    assert cli.main([*words, "-j", "1"]) == 0
    assert "16 points measured, 16 were on record" in capsys.readouterr().err


def test_scenario_names_systems(tmp_path, pictures, toy, bits):
    path = tmp_path / "s.toml"
    path.write_text(
        f'images = "{pictures[0]}"\nmodel = "{toy}"\nsystems = ["webp", "{{here}}/bits.py:make"]\n'
        "points = 3\n[dials]\nbits = [2, 4]\n"
    )
    what = scenario.load(str(path))
    assert what.systems == ("webp", bits)
    assert cli.main(["run", str(path), "-j", "1", "--quiet", "-o", str(tmp_path / "o")]) == 0
    (group,) = summary.groups(tmp_path / "o")
    assert [(c.system, c.dials) for c in group.curves][1] == ("bits", [2, 3, 4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no callable"),
        ("def make(setup): return 3", "name = None"),
        (BITS.replace('Dial("bits", 1, 8, coordinate=float)', "8"), "dial = 8; it must be a Dial"),
        (BITS.replace("def encode", "def code"), "no method encode"),
        (BITS.replace('"bits", "zlib', '"grace", "zlib'), "calls itself 'grace'"),
        (BITS.replace('"bits", "zlib', '"webp", "zlib'), "calls itself 'webp'"),
        (BITS.replace('"bits", "zlib', '"boundary", "zlib'), "calls itself 'boundary'"),
        (None, "no file"),
    ],
)
def test_what_breaks_the_protocol_is_said(tmp_path, pictures, toy, bits, text, message, capsys):
    path = Path(bits.rpartition(":")[0])
    path.unlink() if text is None else path.write_text(text)
    words = ["run", "--images", str(pictures[0]), "--model", toy, "--systems", "webp", "--system", bits]
    assert cli.main([*words, "-j", "1", "-o", str(tmp_path / "o")]) == 1
    assert message in capsys.readouterr().err


def test_a_system_cannot_spoil_the_others_picture(toy, bits):
    path = Path(bits.rpartition(":")[0])
    path.write_text(path.read_text().replace("data = image", "image[:] = 0; data = image"))
    from rdct.evaluation.measure import make_setup

    system = codecs.build(bits, make_setup(toy, None))
    with pytest.raises(ValueError, match="read-only"):
        system.code(np.ones((8, 8, 3), np.uint8), 8, (None,))
