"""The pieces of a video evaluation by themselves: H.264, the clip, the words, the command."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rdct.evaluation import cli
from rdct.evaluation.video import clip as clips
from rdct.evaluation.video import scenario as video
from rdct.vision import metrics


def moving(count: int = 5, height: int = 48, width: int = 64) -> list[np.ndarray]:
    small = np.random.default_rng(3).uniform(30, 225, (8, 12, 3)).astype(np.uint8)
    scene = np.asarray(Image.fromarray(small).resize((width + 4 * count, height), Image.BICUBIC))
    return [np.ascontiguousarray(scene[:, 4 * i : 4 * i + width]) for i in range(count)]


@pytest.fixture
def folder(tmp_path):
    """Frames named so that 10 comes before 2 by letters."""
    path = tmp_path / "frames"
    path.mkdir()
    for number, image in zip((1, 2, 10), moving(3), strict=True):
        Image.fromarray(image).save(path / f"f{number}.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(path / "zzz_labels.png")
    return path


# ------------------------------------------------------------------------------------------------- H.264


@pytest.mark.parametrize("intra", [False, True])
def test_h264_decodes_to_what_went_in(intra):
    pytest.importorskip("av", reason="H.264 needs PyAV")
    from rdct.evaluation.video import h264

    images = moving()
    packets = h264.encode_sequence(images, 15, 8, intra=intra)
    decoder = h264.Decoder()
    for image, packet in zip(images, packets, strict=True):
        assert metrics.psnr(decoder.decode(packet), image) > 40
    # Only pictures by themselves can be read by themselves.
    alone = h264.Decoder()
    if intra:
        assert metrics.psnr(alone.decode(packets[3]), images[3]) > 40
    else:
        with pytest.raises(Exception):  # noqa: B017  (PyAV's own, or ours if it gives no picture)
            alone.decode(packets[3])


def test_h264_live_gives_one_packet_a_picture():
    pytest.importorskip("av", reason="H.264 needs PyAV")
    from rdct.evaluation.video import h264

    encoder, decoder = h264.Encoder((48, 64), 15, 20), h264.Decoder()
    for image in moving():
        assert metrics.psnr(decoder.decode(encoder.encode(image)), image) > 30
    assert encoder.finish() == []
    held_back = h264.Encoder((48, 64), 15, 20, live=False)
    with pytest.raises(RuntimeError, match="live"):
        held_back.encode(moving()[0])


def test_h264_coarser_is_smaller_and_x264_s_remarks_are_not_charged():
    pytest.importorskip("av", reason="H.264 needs PyAV")
    from rdct.evaluation.video import h264

    sizes = [sum(map(len, h264.encode_sequence(moving(), 15, crf))) for crf in (10, 20, 30)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert not any(b"x264" in packet for packet in h264.encode_sequence(moving(), 15, 20))


# ------------------------------------------------------------------------------------------------- clips


def test_a_pattern_leaves_out_what_is_no_frame(folder):
    what = video.make(source=f"{folder}/f*.png", model="m", fps=5)
    found = clips.load(what)
    assert [frame.time_s for frame in found.frames] == [0.0, 0.2, 0.4] and found.duration_s == 0.6
    for frame, image in zip(found.frames, moving(3), strict=True):  # 2 before 10
        assert np.array_equal(frame.image, image)


def test_frames_are_resized_once_for_all(folder):
    whole = clips.load(video.make(source=f"{folder}/f*.png", model="m"))
    half = clips.load(video.make(source=f"{folder}/f*.png", model="m", size=[32, 24], limit=2))
    assert half.shape == (24, 32) and half.original == (64, 48) and len(half.frames) == 2
    assert half.sha256 != whole.sha256
    averages = whole.frames[0].image.reshape(24, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(half.frames[0].image - averages).max() <= 1


def test_labels_must_fit(folder, tmp_path):
    labels = tmp_path / "labels"
    labels.mkdir()
    what = video.make(source=f"{folder}/f*.png", model="m", labels=labels)
    with pytest.raises(FileNotFoundError, match=r"f1\.png"):
        clips.load(what)
    for number in (1, 2, 10):
        Image.fromarray(np.full((48, 64), number, np.uint8)).save(labels / f"f{number}.png")
    assert [one[0, 0] for one in clips.load(what).truth] == [1, 2, 10]
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(labels / "f2.png")
    with pytest.raises(ValueError, match="labels are"):
        clips.load(what)


def test_no_frames(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        clips.load(video.make(source=f"{tmp_path}/*.png", model="m"))


# --------------------------------------------------------------------------------------------- the command


@pytest.fixture
def measured(tmp_path, folder, toy, tables):
    """Records of two systems."""
    file = tmp_path / "s.toml"
    file.write_text(
        f'kind = "video"\nsource = "{folder}/f*.png"\nmodel = {json.dumps(toy)}\ntables = "{tables}"\n'
        'set = "pan"\nsystems = ["jpeg-turbo-444", "grace"]\n'
    )
    out = tmp_path / "o"
    assert cli.main(["run", str(file), "-o", str(out), "-j", "1", "--quiet"]) == 0
    return out


def test_tables_plots_and_pages(measured, tmp_path, capsys):
    assert cli.main(["table", str(measured)]) == 0
    shown = capsys.readouterr().out
    assert "pan: 3 frames" in shown and "kbit/s at agreement" in shown and "grace" in shown
    assert cli.main(["table", str(measured), "--json", "--accuracy", "0.5,0.6"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["accuracies"] == [0.5, 0.6] and [len(row["points"]) for row in found["rows"]] == [6, 6]
    page = tmp_path / "page.md"
    page.write_text("<!-- begin v -->\n<!-- end v -->\n")
    assert cli.main(["table", str(measured), "--into", str(page), "--section", "v"]) == 0
    assert "| jpeg-turbo-444 |" in page.read_text() and "Every point" in page.read_text()
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    assert cli.main(["plot", str(measured), "-o", str(tmp_path / "p.svg")]) == 0
    assert (tmp_path / "p.svg").read_bytes().count(b"<path") > 20
    assert cli.main(["report", str(measured), "-o", str(tmp_path / "r.html")]) == 0
    assert "kbit/s" in (tmp_path / "r.html").read_text()
    assert cli.main(["report", str(measured), "-o", str(tmp_path / "r.html"), "--images", str(tmp_path)]) == 1
    assert "no crops of videos" in capsys.readouterr().err


def test_fields_of_stills_are_refused(measured, tmp_path, capsys):
    args = ["run", str(tmp_path / "s.toml"), "-o", str(tmp_path / "o2"), "--tables-mode", "id"]
    assert cli.main(args) == 1
    assert "tables_mode" in capsys.readouterr().err


def test_stills_and_videos_do_not_share_a_folder(measured, pictures, toy, capsys):
    images, _ = pictures
    args = [
        "--images",
        str(images),
        "--model",
        toy,
        "--systems",
        "webp",
        "--points",
        "1",
        "-j",
        "1",
        "--quiet",
    ]
    assert cli.main(["run", *args, "-o", str(measured)]) == 0
    assert cli.main(["table", str(measured)]) == 1
    assert "a folder for each" in capsys.readouterr().err
