"""Baselines over gRPC on the loopback device, by their names in the registry."""

from __future__ import annotations

import pytest
from PIL import Image

pytest.importorskip("grpc", reason="needs rdct[rpc]")
pytest.importorskip("av", reason="needs rdct[video]")

from rdct.offload import Limits
from rdct.offload.live import Device
from rdct.offload.registry import edge_factory, server_factory
from rdct.offload.rpc.client import Link
from rdct.offload.rpc.server import Background, OffloadServer
from rdct.vision.frames import open_source


class Keep:
    def __init__(self):
        self.results = []

    def open(self, source, welcome):
        pass

    def write(self, shown):
        self.results.append(shown.result)

    def close(self):
        pass


@pytest.mark.parametrize(
    ("system", "options"),
    [("rdct", {"quality": 60}), ("h264-intra", {"qp": 24}), ("glimpse", {})],
)
def test_by_name_over_grpc(by_hand, tmp_path, system, options):
    for frame in by_hand.walk(6):
        Image.fromarray(frame.image).save(tmp_path / f"{frame.index}.png")
    asked = []

    def make(hello):
        asked.append(hello.system)
        return server_factory(hello.system)(by_hand.RedDetector(), None)

    keep = Keep()
    with Background(lambda: OffloadServer(make, limits=Limits(max_in_flight=64))) as served:
        device = Device(
            open_source(str(tmp_path)),
            lambda welcome: edge_factory(system)(welcome, **options),
            lambda hello, deliver: Link(f"127.0.0.1:{served.port}", hello, deliver),
            sinks=[keep],
            system=system,
            pace=False,
            lockstep=True,
        )
        tally = device.run()
    assert asked == [system] and tally.frames == 6 and tally.results_lost == 0
    assert {len(one.regions) for one in keep.results} == {2}
    assert tally.keyframes == (1 if system == "glimpse" else 6)
