"""Frames from folders and from clips made here: order, times and damage."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdct.vision.frames import Frame, SourceError, open_source
from rdct.vision.frames_folder import natural_order

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
WIDTH, HEIGHT, COUNT = 96, 64, 12


@pytest.fixture(scope="module")
def pictures():
    """A dozen frames of a rendered street, u8 [64, 96, 3]."""
    sys.path.insert(0, str(EXAMPLES))
    import street

    scene = street.Scene(3, WIDTH, HEIGHT)
    return [scene.frame(t)[0] for t in range(COUNT)]


def write_clip(path, pictures, codec="mpeg4", times_ms=None, rate=25):
    """A video of the pictures, one every 1 / rate seconds or at `times_ms`."""
    av = pytest.importorskip("av", reason="videos need PyAV")
    with av.open(str(path), "w") as container:
        try:
            stream = container.add_stream(codec, rate=rate)
        except av.codec.codec.UnknownCodecError:
            pytest.skip(f"this FFmpeg cannot encode {codec}")
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
        stream.bit_rate = 4_000_000
        if times_ms is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times_ms is not None:
                frame.pts, frame.time_base = times_ms[i], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory, pictures):
    return write_clip(tmp_path_factory.mktemp("clip") / "street.mp4", pictures)


def fill_folder(folder, pictures, ending=".png"):
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"frame{i}{ending}")
    return folder


# ------------------------------------------------------------------------------------------------- folders


def test_a_folder_in_natural_order(tmp_path, pictures):
    fill_folder(tmp_path, pictures)
    (tmp_path / "notes.txt").write_text("no picture")
    with open_source(tmp_path) as source:
        assert (source.fps, source.size, source.frame_count) == (15.0, (HEIGHT, WIDTH), COUNT)
        assert not source.live and source.damaged == 0
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert [frame.time_s for frame in frames] == [i / 15 for i in range(COUNT)]
    assert all(np.array_equal(f.image, p) for f, p in zip(frames, pictures, strict=True))
    assert all(frame.image.flags.c_contiguous and frame.size == (HEIGHT, WIDTH) for frame in frames)


def test_natural_order():
    names = ["a10.png", "a2.png", "a02.png", "b.png", "a2b10.png", "a2b9.png", "10.png", "9.png"]
    wanted = ["9.png", "10.png", "a02.png", "a2.png", "a2b9.png", "a2b10.png", "a10.png", "b.png"]
    assert [path.name for path in sorted(map(Path, names), key=natural_order)] == wanted


def test_fps_and_loop(tmp_path, pictures):
    fill_folder(tmp_path, pictures[:2])
    with open_source(tmp_path, fps=4, loop=True) as source:
        assert source.frame_count is None
        frames = [frame for frame, _ in zip(source, range(5), strict=False)]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time_s for frame in frames] == [0, 0.25, 0.5, 0.75, 1.0]
    assert np.array_equal(frames[4].image, pictures[0])


def test_one_picture_and_other_kinds(tmp_path):
    grey = tmp_path / "grey.PNG"
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(grey)
    (frame,) = open_source(str(grey))
    assert np.array_equal(frame.image, np.repeat(np.arange(12, dtype=np.uint8).reshape(3, 4, 1), 3, 2))
    Image.fromarray(np.zeros((3, 4, 4), np.uint8), "RGBA").save(tmp_path / "grey2.png")
    assert [frame.image.shape for frame in open_source(tmp_path)] == [(3, 4, 3)] * 2


def test_sizes_may_change(tmp_path):
    for i, side in enumerate((4, 6, 5)):
        Image.fromarray(np.zeros((side, 8, 3), np.uint8)).save(tmp_path / f"{i}.png")
    with open_source(tmp_path) as source:
        assert source.size == (4, 8)
        assert [frame.size for frame in source] == [(4, 8), (6, 8), (5, 8)]


def test_iterating_again_starts_again(tmp_path, pictures, clip):
    for spec in (fill_folder(tmp_path, pictures), clip):
        with open_source(spec) as source:
            first, second = list(source), list(source)
        assert len(first) == len(second) == COUNT
        assert all(
            np.array_equal(a.image, b.image) and a.time_s == b.time_s
            for a, b in zip(first, second, strict=True)
        )


def test_folders_that_give_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such source.*camera:N"):
        open_source(tmp_path / "nowhere")
    with pytest.raises(SourceError, match=r"no pictures in the folder.*\.png"):
        open_source(tmp_path)
    (tmp_path / "1.png").write_bytes(b"nothing of the kind")
    with pytest.raises(SourceError, match=r"1\.png is no picture"):
        open_source(tmp_path)
    with pytest.raises(ValueError, match="fps must be positive, got 0"):
        open_source(tmp_path, fps=0)


def test_a_damaged_picture_is_named_and_not_skipped(tmp_path, pictures):
    fill_folder(tmp_path, pictures[:3])
    whole = (tmp_path / "frame1.png").read_bytes()
    (tmp_path / "frame1.png").write_bytes(whole[: len(whole) // 2])
    taken = []
    with pytest.raises(SourceError, match=r"frame 1 of .*frame1\.png"), open_source(tmp_path) as source:
        taken.extend(source)
    assert not taken or len(taken) == 1


# -------------------------------------------------------------------------------------------------- videos


@pytest.mark.parametrize(("codec", "ending"), [("libx264", ".mp4"), ("mpeg4", ".avi"), ("libx264", ".mkv")])
def test_a_video(tmp_path, pictures, codec, ending):
    clip = write_clip(tmp_path / f"street{ending}", pictures, codec)
    with open_source(str(clip)) as source:
        assert source.size == (HEIGHT, WIDTH) and source.fps == 25 and not source.live
        assert source.frame_count in (None, COUNT)
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(COUNT))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(COUNT) / 25, atol=2e-3)
    for frame, picture in zip(frames, pictures, strict=True):
        assert frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        assert np.abs(frame.image.astype(int) - picture).mean() < 12


def test_times_of_a_variable_frame_rate(tmp_path, pictures):
    times_ms = [0, 40, 80, 200, 210, 500, 540, 580, 1000, 1001, 1100, 2000]
    clip = write_clip(tmp_path / "street.mkv", pictures, times_ms=times_ms)
    with open_source(clip) as source:
        assert [round(1000 * frame.time_s) for frame in source] == times_ms
    with open_source(clip, fps=10) as source:
        assert source.fps == 10
        assert [frame.time_s for frame in source] == [i / 10 for i in range(COUNT)]


def test_a_video_over_and_over(clip):
    with open_source(clip, loop=True) as source:
        frames = [frame for frame, _ in zip(source, range(2 * COUNT + 1), strict=False)]
    assert [frame.index for frame in frames] == list(range(2 * COUNT + 1))
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), 0.04, atol=1e-3)
    assert np.array_equal(frames[0].image, frames[COUNT].image)


def test_a_clip_cut_short_gives_what_came_before(tmp_path, pictures):
    # A transport stream needs no index at its end.
    clip = write_clip(tmp_path / "street.ts", pictures, "mpeg2video")
    whole = clip.read_bytes()
    assert len(list(open_source(clip))) == COUNT
    clip.write_bytes(whole[: int(0.6 * len(whole))])
    with open_source(clip) as source:
        frames = list(source)
    assert 0 < len(frames) < COUNT
    assert [frame.index for frame in frames] == list(range(len(frames)))


def test_damage_is_counted(tmp_path, pictures):
    clip = write_clip(tmp_path / "street.mov", pictures, "png")
    data = bytearray(clip.read_bytes())
    marks = [i for i in range(len(data)) if data.startswith(b"\x89PNG", i)]
    assert len(marks) == COUNT
    for mark in (marks[3], marks[7]):
        data[mark : mark + 600] = bytes(600)
    clip.write_bytes(data)
    with open_source(clip) as source:
        frames = list(source)
        assert source.damaged == 2
    np.testing.assert_allclose([25 * frame.time_s for frame in frames], np.delete(np.arange(12), [3, 7]))
    assert [frame.index for frame in frames] == list(range(COUNT - 2))


def test_what_is_no_video(tmp_path, clip):
    pytest.importorskip("av", reason="videos need PyAV")
    text = tmp_path / "text.mp4"
    text.write_text("not a video, whatever it is called\n" * 50)
    with pytest.raises(SourceError, match=r"text\.mp4 cannot be opened as a video"):
        open_source(text)
    headless = tmp_path / "cut.mp4"  # the index of an MP4 comes last
    headless.write_bytes(clip.read_bytes()[:-400])
    with pytest.raises(SourceError, match=r"cut\.mp4 (cannot be opened|.* no frame)"):
        list(open_source(headless))


def test_sound_alone_is_no_video(tmp_path):
    import wave

    pytest.importorskip("av", reason="videos need PyAV")
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(SourceError, match="no video stream"):
        open_source(tmp_path / "sound.wav")


def test_addresses_and_cameras_that_are_not_there():
    pytest.importorskip("av", reason="streams need PyAV")
    with pytest.raises(SourceError, match=r"rtsp://127\.0\.0\.1:9/none cannot be opened"):
        open_source("rtsp://127.0.0.1:9/none")
    with pytest.raises(SourceError, match=r"cannot be opened|by number"):
        open_source("camera:97")
    with pytest.raises(ValueError, match="loop needs a file or a folder"):
        open_source("rtsp://127.0.0.1:9/none", loop=True)


def test_without_pyav_the_error_says_what_to_install(monkeypatch, tmp_path, pictures):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"x")
    with pytest.raises(ImportError, match=r'pip install "rdct\[video\]"'):
        open_source(tmp_path / "clip.mp4")
    fill_folder(tmp_path, pictures[:1])
    assert len(list(open_source(tmp_path))) == 1


def test_a_frame_does_not_print_its_pixels():
    assert repr(Frame(3, 0.2, np.zeros((2, 2, 3), np.uint8))) == "Frame(index=3, time_s=0.2)"
