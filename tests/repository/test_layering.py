"""The layers of docs/architecture.md section 3, enforced by parsing imports and #includes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# package -> packages of ours it may import; a longer prefix wins over a shorter one.
PYTHON_LAYERS = {
    "codec": set(),
    "rdct.vision": set(),
    "grace": {"codec", "rdct.vision"},
    "rdct.offload": {"codec", "rdct.vision"},
    "stac": {"codec", "rdct.vision", "grace", "rdct.offload"},
    "rdct.dds": {"codec", "rdct.vision", "rdct.offload"},
    "rdct.runespoor": {"codec", "rdct.vision", "rdct.offload"},
    "rdct.vpaas": {"codec", "rdct.vision", "rdct.offload"},
    "rdct.chameleon": {"codec", "rdct.vision", "rdct.offload"},
    "rdct.baselines": {"codec", "rdct.vision", "rdct.offload", "stac.propagation"},
    "rdct.evaluation": {
        "codec",
        "rdct.vision",
        "grace",
        "rdct.offload",
        "stac",
        "rdct.dds",
        "rdct.baselines",
    },
}
OURS = ("codec", "grace", "stac", "rdct")
# Third-party packages that must not be imported when a module is loaded (inside functions they may be).
LAZY = {
    "codec": {"torch", "scipy", "numba", "cv2", "PIL", "matplotlib"},
    "rdct.vision": {"torch", "safetensors", "PIL", "av", "onnxruntime"},
    "stac": {"torch", "matplotlib"},
    "grace": {"matplotlib"},
    "rdct.offload": {"torch", "av", "PIL"},
}
# Third-party packages that only some folder may import at all.
ONLY_IN = {
    "grpc": "rdct.offload.rpc",
    "grpc_health": "rdct.offload.rpc",
    "prometheus_client": "rdct.offload.rpc",
}
C_LAYERS = {
    "common": {"common"},
    "dsp": {"common", "dsp"},
    "stream": {"common", "dsp", "stream"},
    "enc": {"common", "dsp", "stream", "enc"},
    "dec": {"common", "dsp", "stream", "dec"},
}
# common/context.h names the kernels a context holds: the one step to the right, documented in that file.
C_EXCEPTIONS = {("common/context.h", "dsp/dsp.h")}


def python_files():
    return [path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))]


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str, layers) -> str | None:
    fitting = [layer for layer in layers if module == layer or module.startswith(layer + ".")]
    return max(fitting, key=len) if fitting else None


def imports(path: Path):
    """Yield (imported module, is it at module level) for every import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    inside = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    guarded = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        top_level = node not in inside and node not in guarded
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, top_level
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join(parents[: len(parents) - node.level + 1] + ([base] if base else []))
            for alias in node.names:
                yield f"{base}.{alias.name}", top_level


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_python_imports_only_what_its_layer_allows(path):
    module = module_name(path)
    layer = layer_of(module, PYTHON_LAYERS)
    allowed = PYTHON_LAYERS.get(layer, set())
    is_command = path.name == "__main__.py" or re.fullmatch(r"cli(_\w+)?\.py", path.name)
    lazy = LAZY.get(layer, set())
    for imported, top_level in imports(path):
        if imported.split(".")[0] in OURS and layer is not None and not is_command:
            own = (
                imported == layer
                or imported.startswith(layer + ".")
                or imported in ("rdct", "rdct." + layer.split(".")[-1])
            )
            fine = own or any(imported == name or imported.startswith(name + ".") for name in allowed)
            assert fine, f"{module} imports {imported}; layer {layer} may import {sorted(allowed)}"
        if top_level and imported.split(".")[0] in lazy and "models" not in module:
            pytest.fail(
                f"{module} imports {imported} when it is loaded; do it inside the function that needs it"
            )
        home = ONLY_IN.get(imported.split(".")[0])
        assert home is None or module.startswith(home), f"{module} imports {imported}; only {home} may"
        assert "pickle" not in imported.split("."), (
            f"{module} imports pickle: nothing of ours goes through it"
        )


def test_nothing_imports_commands_or_evaluation():
    for path in python_files():
        module = module_name(path)
        for imported, _ in imports(path):
            if imported.startswith("rdct.evaluation"):
                assert module.startswith("rdct.evaluation"), f"{module} imports {imported}"
            if re.match(r"(grace|stac|rdct\..*)\.cli(_\w+)?\b", imported):
                assert path.name == "__main__.py", f"{module} imports the command {imported}"


def test_the_device_side_never_imports_torch():
    """Not even inside a function: stac-edge runs where there is none."""
    device = ("rdct.offload", "stac.edge", "stac.keyframes", "stac.propagation", "rdct.vision.f", "rdct.dds")
    # Of the baselines all but the network that enlarges pictures on the server, and its training.
    networks = ("rdct.baselines.super_resolution", "rdct.baselines.train_sr")
    for path in python_files():
        if module_name(path).startswith((*device, "rdct.baselines")) and module_name(path) not in networks:
            assert not [name for name, _ in imports(path) if name.split(".")[0] == "torch"], path


BASELINES = ("uniform", "h264", "awstream", "glimpse", "vigil", "cloudseg", "camera_only")


def test_baselines_do_not_use_each_other():
    """What they share is in other files of the room."""
    for name in BASELINES:
        for imported, _ in imports(ROOT / "rdct" / "baselines" / f"{name}.py"):
            others = [f"rdct.baselines.{other}" for other in BASELINES if other != name]
            assert not imported.startswith(tuple(others)), f"{name} imports {imported}"


def c_files():
    return sorted(path for path in (ROOT / "csrc").rglob("*.[ch]") if path.parent.name in C_LAYERS)


@pytest.mark.parametrize("path", c_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_c_includes_only_leftwards(path):
    layer = path.parent.name
    here = f"{layer}/{path.name}"
    text = path.read_text(encoding="utf-8")
    assert "Python.h" not in text
    for include in re.findall(r'#include "([^"]+)"', text):
        room = include.split("/")[0] if "/" in include else None
        fine = include == "rdct.h" or room in C_LAYERS[layer] or (here, include) in C_EXCEPTIONS
        assert fine or (layer == "common" and path.stem == "context" and room == "dsp"), (
            f"{here} includes {include}"
        )


def test_there_are_files_to_check():
    assert len(python_files()) > 20
    assert len(c_files()) > 30
