# SPDX-License-Identifier: Apache-2.0
"""The benchmarks are there, assert before they time, and can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("simplejpeg", reason="the reference peer")

import codec
from benchmarks import settings, test_decode, test_encode
from benchmarks.peers import NAMES, REFERENCE, Absent, open_peer
from benchmarks.pictures import Picture, small_street

ROOT = Path(__file__).resolve().parents[2]
FILES = ("batch", "coefficients", "decode", "edge_step", "encode", "flow", "kernels", "plan", "propagate")


def run_pytest(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def setting():
    """A small picture of our own, so that a test needs no data and little time."""
    return settings.Setting(Picture("street", small_street()), "444", open_peer(REFERENCE))


@pytest.mark.slow
def test_are_collected_when_asked_for():
    done = run_pytest("benchmarks", "--collect-only", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in FILES:
        assert f"benchmarks/test_{name}.py::" in done.stdout
    for subsampling in settings.RATES:
        for variant in test_encode.VARIANTS:
            assert f"test_encode.py::test_ours[{subsampling}-{variant}]" in done.stdout
        for peer in NAMES:
            assert f"test_decode.py::test_peer[{subsampling}-{peer}]" in done.stdout


def test_are_not_collected_otherwise(pytestconfig):
    assert pytestconfig.getini("testpaths") == ["tests"]


def test_absent_peer_says_why(monkeypatch):
    monkeypatch.setitem(sys.modules, "turbojpeg", None)
    with pytest.raises(Absent, match="PyTurboJPEG is not installed"):
        open_peer("PyTurboJPEG")


@pytest.mark.parametrize("name", NAMES)
def test_peers_encode_and_decode(name):
    try:
        peer = open_peer(name)
    except Absent as error:
        pytest.skip(str(error))
    image = small_street()
    for subsampling in ("444", "420"):
        data = peer.encode(peer.prepare(image), 90, subsampling)
        assert codec.read_header(data).subsampling == subsampling
        pixels = peer.to_rgb(peer.decode(data))
        assert np.abs(pixels.astype(int) - image).mean() < 4
        if peer.decode_into is not None:
            out = np.zeros_like(image)
            peer.decode_into(data, out)
            assert np.array_equal(out, pixels)


def test_closest_quality():
    assert settings.closest_quality(lambda quality: 10 * quality, 444) == 44
    assert settings.closest_quality(lambda quality: 10 * quality, 446) == 45
    assert settings.closest_quality(lambda quality: 10 * quality, 5000) == 100
    assert settings.closest_quality(lambda quality: 10 * quality, 0) == 1


def test_largest_accepted():
    assert settings.largest_accepted(lambda x: x <= 37, 4, 512) == 37
    with pytest.raises(ValueError, match="even 4"):
        settings.largest_accepted(lambda x: False, 4, 512)


def test_example_tables_are_scaled():
    assert np.array_equal(settings.scaled_example(4096), codec.ijg_table(50))
    assert np.array_equal(settings.scaled_example(2048), codec.ijg_table(75))
    assert settings.scaled_example(8).max() == 1


def test_level_field_uses_all_levels():
    field = settings.level_field((43, 86))
    assert set(np.unique(field)) == set(range(16))
    assert np.array_equal(field, settings.level_field((43, 86)))
    assert abs(field.mean() - 8) < 1.5


def test_plans_reach_the_peers_psnr(setting):
    assert setting.psnr(setting.pixels) >= setting.peer_psnr
    coarser = setting.one_table(setting.plan.steps[0] * 17 // 16 + 1)
    assert setting.psnr(codec.decode(codec.encode(setting.picture.rgb, coarser))) < setting.peer_psnr
    jpeg = setting.stream("jpeg").data
    assert setting.psnr(setting.peer.decode(jpeg)) >= setting.peer_psnr
    levels = len(setting.stream("16 levels").data) / len(setting.stream("huffman").data)
    assert levels == pytest.approx(1, abs=0.003)


@pytest.mark.parametrize("row", ["huffman", "huffman-fixed", "huffman, 16 levels"])
def test_encoding_checks_pass_and_fail(setting, monkeypatch, row):
    variant = test_encode.VARIANTS[row]
    monkeypatch.setattr(test_encode, "BYTES_TOLERANCE", 2.0)  # small pictures carry their tables
    monkeypatch.setattr(test_encode, "FIXED_TOLERANCE", 2.0)
    monkeypatch.setattr(test_encode, "PSNR_TOLERANCE", 0.5)
    data = variant.encoder(setting)()
    pixels = codec.decode(data, table_sets=[variant.plan(setting).table_set])
    test_encode.check_bytes(data, variant, setting)
    test_encode.check_pixels(data, pixels, variant, setting)
    with pytest.raises(AssertionError, match="other bytes"):
        test_encode.check_bytes(data[:-1] + bytes([data[-1] ^ 1]), variant, setting)
    wrong = pixels.copy()
    wrong[17, 23, 1] ^= 1
    with pytest.raises(AssertionError):
        test_encode.check_pixels(data, wrong, variant, setting)


def test_more_bytes_than_the_peer_fail(setting, monkeypatch):
    variant = test_encode.VARIANTS["huffman"]
    data = variant.encoder(setting)()
    monkeypatch.setattr(test_encode, "BYTES_TOLERANCE", 0.5)
    with pytest.raises(AssertionError, match="at the same PSNR"):
        test_encode.check_bytes(data, variant, setting)


@pytest.mark.parametrize("row", ["huffman", "huffman, out=", "huffman, 16 levels", "our JPEG"])
def test_decoding_checks_pass_and_fail(setting, row):
    variant = test_decode.VARIANTS[row]
    pixels = np.array(test_decode.decoder(variant, setting)())
    test_decode.check_pixels(pixels, variant, setting)
    pixels[5, 7, 2] ^= 1
    with pytest.raises(AssertionError, match="other pixels"):
        test_decode.check_pixels(pixels, variant, setting)


def test_decoders_that_differ_are_noticed(setting):
    pixels = setting.pixels
    test_decode.check_close(pixels, pixels ^ 1)
    with pytest.raises(AssertionError, match="more than 2"):
        test_decode.check_close(pixels, pixels ^ 4)


@pytest.mark.slow
def test_a_run_without_data_draws_its_picture_and_records(tmp_path):
    out = tmp_path / "run.json"
    rows = "benchmarks/test_plan.py::test_plan_of_map[420]"
    done = run_pytest(
        rows,
        f"--benchmark-json={out}",
        "--race-rounds=2",
        "--benchmark-max-time=0.1",
        RDCT_DATA=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(out.read_text())
    extra = run["benchmarks"][0]["extra_info"]
    assert extra["picture"] == "examples/street.py, scene 821"
    assert {"row", "codec", "version", "cpu", "threads", "against"} <= set(extra)
    assert run["benchmarks"][0]["group"] == "plan 420"
    assert "QuantPlan.with_map" in done.stdout
