"""The generated module says what the .proto file says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rdct.offload import offload_pb2

ROOT = Path(__file__).resolve().parents[2]


def test_offload_pb2_is_generated_from_offload_proto(tmp_path):
    pytest.importorskip("grpc_tools", reason="grpcio-tools is not installed; it compiles the .proto file")
    from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

    out = tmp_path / "set"
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--descriptor_set_out={out}"]
    subprocess.run([*command, "rdct/offload/offload.proto"], cwd=ROOT, check=True)
    (fresh,) = FileDescriptorSet.FromString(out.read_bytes()).file
    committed = FileDescriptorProto.FromString(offload_pb2.DESCRIPTOR.serialized_pb)
    for one in (fresh, committed):  # spelled out by some versions of protoc only
        for message in one.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert committed == fresh, "regenerate it: the command stands in rdct/offload/offload.proto"
