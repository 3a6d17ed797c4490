"""The page for people: whole, self-contained, true to the records."""

from __future__ import annotations

import html.parser
import re

import numpy as np
import pytest

from rdct.evaluation import crops
from rdct.evaluation.cli import main


class Page(html.parser.HTMLParser):
    """Tags in order, links to anything outside, and the text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def records(tmp_path, pictures, toy):
    images, labels = pictures
    folder = tmp_path / "records"
    arguments = ["--images", str(images), "--labels", str(labels), "--model", toy, "--points", "6"]
    systems = ["--systems", "jpeg-turbo-444,jpeg-precise-444", "-j", "1", "--quiet"]
    assert main(["run", *arguments, *systems, "-o", str(folder)]) == 0
    return folder, images


def test_page_is_whole_and_loads_nothing(tmp_path, records):
    folder, images = records
    out = tmp_path / "report.html"
    options = ["--accuracy", "0.99", "--resamples", "20", "--images", str(images), "--crops", "1"]
    assert main(["report", str(folder), "-o", str(out), *options]) == 0
    page = Page(out.read_text("utf-8"))
    assert page.open == []
    assert page.links and all(link.startswith("data:image/") for link in page.links)
    assert "2 pictures" in page.text and "jpeg-precise-444" in page.text
    # Raw and two codecs, pixels and labels; two plots.
    assert sum(link.startswith("data:image/png") for link in page.links) == 6
    assert sum(link.startswith("data:image/svg") for link in page.links) == 2
    assert re.search(r"At agreement 0\.99, jpeg-\S+ needs the fewest bits: \d\.\d+ a pixel", page.text)
    # The colours of the labels are named: the toy network calls its classes by their numbers.
    assert re.search(r"than on the raw picture\.(class [012])+", page.text)
    assert not list(tmp_path.glob(".*tmp"))


def test_without_pictures_there_are_no_crops(tmp_path, records):
    folder, _ = records
    out = tmp_path / "report.html"
    assert main(["report", str(folder), "-o", str(out), "--accuracy", "0.9", "--resamples", "0"]) == 0
    assert "data:image/png" not in out.read_text("utf-8")


def test_pictures_that_are_not_on_record_are_refused(tmp_path, records, capsys):
    folder, _ = records
    other = tmp_path / "other"
    other.mkdir()
    from PIL import Image

    Image.fromarray(np.zeros((72, 96, 3), np.uint8)).save(other / "black.png")
    out = tmp_path / "report.html"
    assert main(["report", str(folder), "-o", str(out), "--images", str(other), "--accuracy", "0.9"]) == 1
    assert "holds none of the 2 pictures on record" in capsys.readouterr().err
    assert not out.exists()


def test_what_a_codec_is_called_cannot_break_the_page(records):
    from rdct.evaluation import report, summary

    folder, _ = records
    (group,) = summary.groups(folder)
    found = summary.summarise(group, (0.9,), resamples=0)
    found["rows"][0]["settings"] = "<script>alert(1)</script>"
    assert "<script>" not in report.page([[found]], [[]])


@pytest.mark.parametrize(
    ("shape", "at"), [((200, 300), (100, 250)), ((60, 80), (10, 10)), ((121, 161), (120, 160))]
)
def test_the_crop_holds_what_differs(shape, at):
    weight = np.zeros(shape, np.float32)
    weight[at] = 1
    top, left = crops._window(weight)
    height, width = crops.CROP
    assert 0 <= top <= max(0, shape[0] - height) and 0 <= left <= max(0, shape[1] - width)
    assert top <= at[0] < top + height and left <= at[1] < left + width


def test_axes_end_near_the_best_point_and_empty_ones_are_left_out(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    from rdct.evaluation import plots

    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: (drawn.append(self), path.touch()))
    point = {"miou_agreement": None}
    points = [{**point, "bpp": 2**k, "agreement": 0.95 + 0.005 * k, "miou": None} for k in range(5)]
    truth = [{**one, "miou": 0.6} for one in points]
    rows = [[{"codec": "webp", "tables": None, "points": one}] for one in (truth, points)]
    about = {"model": "m", "set": "s", "pictures": 1}
    plots.plot([{**about, "rows": one} for one in rows], tmp_path / "p.svg")
    axes = np.array(drawn[0].axes).reshape(2, 2)
    assert 0.97 < axes[0, 0].get_ylim()[1] < 0.98
    assert [[ax.axison for ax in row] for row in axes] == [[True, True], [True, False]]
