"""DDS over gRPC on the loopback device, as the commands run it."""

from __future__ import annotations

import pytest
from PIL import Image

pytest.importorskip("grpc", reason="needs rdct[rpc]")

from rdct.dds.edge import DdsPolicy
from rdct.dds.feedback import DetectionRules
from rdct.dds.server import DdsServer
from rdct.offload import Limits
from rdct.offload.live import Device
from rdct.offload.registry import edge_factory
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


def test_two_rounds_over_grpc(by_hand, tmp_path):
    for t in range(6):
        picture = by_hand.scene((30, 30, 24, 8), (90, 30, 24, 40))
        Image.fromarray(picture).save(tmp_path / f"{t}.png")

    def make(hello):
        assert hello.system == "dds"
        return DdsServer(by_hand.TextureDetector(), by_hand.TABLE_SET, rules=DetectionRules(max_area=0.2))

    keep = Keep()
    with Background(lambda: OffloadServer(make, limits=Limits(max_in_flight=64))) as served:
        device = Device(
            open_source(str(tmp_path)),
            lambda welcome: edge_factory("dds")(welcome, policy=DdsPolicy(hold_s=20.0, deadline_s=30.0)),
            lambda hello, deliver: Link(f"127.0.0.1:{served.port}", hello, deliver),
            sinks=[keep],
            system="dds",
            pace=False,
            lockstep=True,  # else the end of the folder would be the end of waiting
        )
        tally = device.run()
    assert tally.frames == 6 and tally.results_lost == 0
    assert tally.keyframes == 6 and tally.keyframes_unanswered == 0
    assert {len(one.regions) for one in keep.results} == {2}
