# SPDX-License-Identifier: Apache-2.0
"""Options, pictures and bookkeeping of the benchmarks: see README.md in this folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
if "benchmarks" not in sys.modules and str(ROOT) not in sys.path:
    # Last, so that an installed codec wins over the folder of the same name.
    sys.path.append(str(ROOT))

from benchmarks import nuc, racing  # noqa: E402
from benchmarks.peers import NAMES, REFERENCE, Absent, Peer, open_peer  # noqa: E402
from benchmarks.pictures import Picture, road_frame  # noqa: E402
from benchmarks.sequences import Sequence, road_sequence  # noqa: E402
from benchmarks.settings import RATES, Setting  # noqa: E402
from benchmarks.yardsticks import Unavailable, Yardsticks, clock_hz  # noqa: E402

# What pytest-benchmark uses here unless the command line says otherwise.
_BENCHMARK_DEFAULTS = {
    "--benchmark-disable-gc": True,
    "--benchmark-min-rounds": 20,
    "--benchmark-warmup": True,
    "--benchmark-warmup-iterations": 3,
}
_ROWS = pytest.StashKey[list]()
_YARDSTICKS = pytest.StashKey[Yardsticks]()
_BUSY = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("rdct benchmarks")
    group.addoption(
        "--nuc",
        action="store_true",
        help=f"emulate the {nuc.DEVICE}: two cores, AVX2 at most, and a range of how long it would take",
    )
    group.addoption(
        "--race-rounds",
        type=int,
        default=20,
        metavar="N",
        help="rounds in which ours and a peer take turns for the ratio; 0 for none (default: %(default)s)",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    if not config.getoption("nuc", False) or nuc.MARK in os.environ:
        return None
    if not hasattr(os, "sched_setaffinity"):
        raise pytest.UsageError("--nuc pins the run to two cores, which this system cannot do")
    invocation = config.invocation_params
    return nuc.start([sys.executable, "-m", "pytest", *map(str, invocation.args)], invocation.dir)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []
    given = [str(argument).partition("=")[0] for argument in config.invocation_params.args]
    for option, value in _BENCHMARK_DEFAULTS.items():
        if option not in given:
            setattr(config.option, option[2:].replace("-", "_"), value)
    if config.getoption("nuc", False) and nuc.MARK in os.environ:
        try:
            config.stash[_YARDSTICKS] = Yardsticks()
        except (Unavailable, ImportError) as error:
            raise pytest.UsageError(f"--nuc: {error}") from error


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: Any, output_json: dict) -> None:
    """Adds to the file how busy the machine was before, and the emulation."""
    output_json["busy_cores_before"] = config.stash.get(_BUSY, 0.0)
    yardsticks = config.stash.get(_YARDSTICKS, None)
    if yardsticks is None:
        return
    slowdown = nuc.slowdown(yardsticks.seconds)
    output_json["emulation"] = {
        "device": nuc.DEVICE,
        "low": slowdown.low,
        "high": slowdown.high,
        "compute": slowdown.compute,
        "memory": slowdown.memory,
        "parts": dict(slowdown.parts),
        "seconds_here": yardsticks.seconds,
        "clock_here_hz": yardsticks.clock_hz,
    }


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    from benchmarks.report import QUIET, Row, as_text, busy

    rows: list[Row] = config.stash.get(_ROWS, [])
    if not rows:
        return
    yardsticks = config.stash.get(_YARDSTICKS, None)
    slowdown = None if yardsticks is None else nuc.slowdown(yardsticks.seconds)
    terminalreporter.section(f"times as fast as {REFERENCE}")
    if config.stash[_BUSY] > QUIET:
        terminalreporter.write_line(busy(config.stash[_BUSY]), yellow=True)
    if slowdown is not None:
        terminalreporter.write_line(
            f"emulated = {nuc.DEVICE}: {slowdown.low:.2f} to {slowdown.high:.2f} times as long as here "
            f"(compute {slowdown.compute:.2f}, memory {slowdown.memory:.2f}; benchmarks/nuc.py)"
        )
    limits = None if slowdown is None else (slowdown.low, slowdown.high)
    terminalreporter.write_line(as_text(rows, REFERENCE, limits))


@pytest.fixture(scope="session")
def picture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Picture:
    cache = getattr(request.config, "cache", None)
    return road_frame(Path(cache.mkdir("rdct-benchmarks")) if cache else tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="session")
def sequence(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sequence:
    cache = getattr(request.config, "cache", None)
    return road_sequence(Path(cache.mkdir("rdct-benchmarks")) if cache else tmp_path_factory.mktemp("street"))


@pytest.fixture(scope="session")
def settings(picture: Picture) -> dict[str, Setting]:
    """By subsampling; what is dear in them is made when first used."""
    return {name: Setting(picture, name, _peer(REFERENCE)) for name in RATES}


@pytest.fixture(params=list(RATES))
def setting(request: pytest.FixtureRequest, settings: dict[str, Setting]) -> Setting:
    return settings[request.param]


@pytest.fixture(params=NAMES)
def peer(request: pytest.FixtureRequest) -> Peer:
    return _peer(request.param)


def _peer(name: str) -> Peer:
    try:
        return open_peer(name)
    except Absent as error:
        pytest.skip(str(error))


class Timed:
    """Times a function for the report; every benchmark ends with one call of it.

    Called after the test has asserted that what it is about to time is right.
    """

    def __init__(self, benchmark: Any, config: pytest.Config, picture_name: str) -> None:
        self._benchmark, self._config, self._picture = benchmark, config, picture_name

    def __call__(
        self,
        function: Any,
        *,
        group: str,
        row: str,
        pixels: int | None,
        against: dict[str, Any] | None = None,
        **info: Any,
    ) -> None:
        """
        Parameters
        ----------
        function : callable
            Without arguments.
        group, row : str
            Where it stands in the tables. Rows of a group do the same work.
        pixels : int or None
            Of the pictures one call works on, for MP/s.
        against : dict
            Other functions, by row name, to take turns with: gives the ratios of the report.
        **info
            More for extra_info: codec, version, cpu, threads, bytes, bpp, psnr ...
        """
        benchmark, config = self._benchmark, self._config
        benchmark.group = group
        extra = benchmark.extra_info
        extra.update({"row": row, "picture": self._picture, **info})
        if pixels is not None:
            extra["megapixels"] = pixels / 1e6
        if not benchmark.disabled:
            if _BUSY not in config.stash:
                config.stash[_BUSY] = racing.busy_cores()
            yardsticks = config.stash.get(_YARDSTICKS, None)
            if yardsticks is not None:
                yardsticks.sample()
            extra["against"] = racing.race(function, against or {}, config.getoption("race_rounds"))
        benchmark(function)
        if benchmark.disabled:
            return
        from benchmarks.report import Row

        median = benchmark.stats.stats.median
        if pixels is not None:
            extra["mp_per_s"] = pixels / 1e6 / median
            clock = clock_hz() if extra.get("unit") == "samples" else None
            if clock is not None:
                extra["cycles_per_block"] = 64 * clock * median / pixels
        config.stash[_ROWS].append(Row.of(group, extra, median))


@pytest.fixture
def timed(benchmark: Any, request: pytest.FixtureRequest, picture: Picture) -> Timed:
    return Timed(benchmark, request.config, picture.name)
