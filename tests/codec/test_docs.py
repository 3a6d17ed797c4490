# SPDX-License-Identifier: Apache-2.0
"""The examples in docstrings and in docs/api.md run."""

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

import codec

MODULES = [
    "codec",
    "codec.batch",
    "codec.decoder",
    "codec.encoder",
    "codec.errors",
    "codec.level_map",
    "codec.pillow",
    "codec.tables",
    "codec.transcode",
    "codec.types",
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert not failed
    assert tried or name == "codec.errors"


def test_api_page():
    path = Path(__file__).parents[2] / "docs/api.md"
    if not path.is_file():
        pytest.skip("needs the repository")
    failed, tried = doctest.testfile(str(path), module_relative=False, optionflags=FLAGS)
    assert not failed and tried > 20
    text = path.read_text("utf-8")
    assert not [name for name in codec.__all__ if name not in text and name not in UNMENTIONED]


UNMENTIONED = {"__version__", "errors", "Header", "Planes", "Coefficients", "EncodeStats", "encode_planes",
               "encode_with_stats", "huffman_lengths", "quantize"}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [n for n in codec.__all__ if inspect.isfunction(getattr(codec, n)) or inspect.isclass(getattr(codec, n))],
)
def test_every_argument_is_described(name):
    thing = getattr(codec, name)
    if isinstance(thing, type) and issubclass(thing, Exception):
        assert thing.__doc__
        return
    text = thing.__doc__
    assert text
    if inspect.isfunction(thing):
        assert "Returns" in text
        for parameter in inspect.signature(thing).parameters:
            assert parameter in text, parameter


def test_stub_names_what_the_extension_has():
    import ast

    from codec import _core

    stub = Path(codec.__file__).with_name("_core.pyi")
    tree = ast.parse(stub.read_text("utf-8"))
    named = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    named |= {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign)}
    public = {name for name in vars(_core) if not name.startswith("_")} - {"np", "errors"}
    assert named == public
    context = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Context")
    members = {getattr(node, "name", None) or node.target.id for node in context.body} - {"__init__"}
    assert members == {name for name in vars(_core.Context) if not name.startswith("_")}
