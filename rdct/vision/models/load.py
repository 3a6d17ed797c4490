"""`load(spec)`: from what a user types to a ready network.

Model files run code or hold weights that decide results, so a spec comes from the command line or
the caller only, never from a stream, a table set or a message.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rdct.vision.models.classes import (
    CAMVID_CLASSES,
    CAMVID_PALETTE,
    CAMVID_VOID,
    default_names,
    default_palette,
)
from rdct.vision.models.published import PUBLISHED, fill, read_state

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from rdct.vision.models.protocol import Model

__all__ = ["BUILTIN", "DEFAULT_MODEL", "TorchModel", "load"]

DEFAULT_MODEL = "bisenet-camvid"
#: Networks that ship with their weights.
BUILTIN = ("bisenet-camvid",)

_TORCHSCRIPT = (".pt", ".torchscript", ".ts")
_DATA = Path(__file__).with_name("data")
_FORMS = (
    f"a built-in name ({', '.join(BUILTIN)}), NAME:WEIGHTS with NAME one of "
    f"{', '.join((*PUBLISHED, *BUILTIN))}, FILE.py:FACTORY, or a TorchScript file "
    f"({', '.join(_TORCHSCRIPT)})"
)


class TorchModel:
    """A torch network that keeps the `Model` protocol and checks what it is given and gives back.

    Parameters
    ----------
    module : callable
        Maps float ``[N, 3, H, W]``, RGB 0..255, to logits ``[N, K, H, W]``. A ``torch.nn.Module``
        is put in evaluation mode and frozen: its parameters get no gradients, its input may.
    name, class_names, palette, ignore_label, working_size
        As in `Model`.
    device : str or torch.device
        Where it runs; images go there.
    """

    def __init__(
        self,
        module: nn.Module | Callable[[Tensor], Tensor],
        *,
        name: str,
        class_names: tuple[str, ...],
        palette: np.ndarray,
        ignore_label: int | None = None,
        working_size: tuple[int, int] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        import torch

        class_names = tuple(str(one) for one in class_names)
        palette = np.asarray(palette)
        if not class_names:
            raise ValueError(f"model {name!r} names no class; give at least one")
        if palette.shape != (len(class_names), 3) or palette.dtype != np.uint8:
            raise ValueError(
                f"model {name!r} has {len(class_names)} classes, so its palette must be uint8 "
                f"[{len(class_names)}, 3], got {palette.dtype} {palette.shape}"
            )
        if working_size is not None:
            working_size = tuple(working_size)
            if len(working_size) != 2 or not all(isinstance(n, int) and n >= 1 for n in working_size):
                raise ValueError(
                    f"model {name!r}: working_size must be (height, width), both at least 1, or None, "
                    f"got {working_size}"
                )
        self.module = _freeze(module, device)
        self.name = name
        self.class_names = class_names
        self.palette = palette
        self.ignore_label = ignore_label
        self.working_size = working_size
        self.device = torch.device(device)

    def __call__(self, image: Tensor) -> Tensor:
        if image.ndim != 4 or image.shape[1] != 3 or not image.is_floating_point():
            raise ValueError(
                f"model {self.name!r} takes float [N, 3, H, W], RGB in 0..255, "
                f"got {image.dtype} {tuple(image.shape)}"
            )
        if 0 in image.shape:
            raise ValueError(f"model {self.name!r} got an empty batch {tuple(image.shape)}")
        logits = self.module(image)
        expected = (image.shape[0], len(self.class_names), *image.shape[2:])
        _check_answer(self.name, logits, expected)
        return logits

    def __repr__(self) -> str:
        return f"TorchModel({self.name!r}, {len(self.class_names)} classes, {self.device})"


def _freeze(module: nn.Module | Callable, device: str | torch.device) -> nn.Module | Callable:
    import torch

    if isinstance(module, torch.nn.Module):
        module = module.to(device).eval()
        # One by one: TorchScript modules have no requires_grad_ of their own.
        for parameter in module.parameters():
            parameter.requires_grad_(False)
    return module


def _check_answer(name: str, logits: object, expected: tuple[int | None, ...]) -> None:
    shape = getattr(logits, "shape", None)
    found = type(logits).__name__ if shape is None else list(shape)
    fits = shape is not None and len(shape) == len(expected)
    if not fits or any(e is not None and e != s for e, s in zip(expected, shape, strict=True)):
        wanted = ["K" if e is None else e for e in expected]
        raise ValueError(
            f"model {name!r} answered {found} where logits {wanted} were expected: it must return "
            "one tensor [N, K, H, W] at the size of its input; up-sample inside the model"
        )


def load(spec: str = DEFAULT_MODEL, device: str | torch.device = "cpu") -> Model:
    """Make a network ready: evaluation mode, parameters frozen, gradients to the input possible.

    Parameters
    ----------
    spec : str
        ``"bisenet-camvid"``, the built-in default; ``"espnet-camvid:FILE.pth"``, a published
        architecture (one of `PUBLISHED`) with weights the user brings, a PyTorch or safetensors
        file; ``"FILE.py:FACTORY"``, a Python file and a callable in it that returns a
        ``torch.nn.Module`` or a `Model` (optional attributes ``name``, ``class_names``,
        ``num_classes``, ``palette``, ``ignore_label``, ``working_size``); or a TorchScript file
        (``.pt``, ``.torchscript``). A Python file runs with all your rights.
    device : str or torch.device
        Where the network runs.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        The spec has none of these forms, or the network breaks the protocol; names the spec, the
        rule and the way out.
    FileNotFoundError
        A named file does not exist.
    """
    if not isinstance(spec, str):
        raise TypeError(f"a model spec is a string, got {type(spec).__name__}; use {_FORMS}")
    head, colon, tail = spec.partition(":")
    if spec in BUILTIN:
        return _bisenet(spec, _DATA / "bisenet_camvid.safetensors", device)
    if spec in PUBLISHED:
        raise ValueError(
            f"model {spec!r} ships without weights; give the file ({PUBLISHED[spec].file}): "
            f"{spec}:/path/to/weights.pth"
        )
    if colon and head in BUILTIN:
        return _bisenet(spec, _existing(tail, spec), device)
    if colon and head in PUBLISHED:
        return _published(spec, head, _existing(tail, spec), device)
    # A Windows path holds a colon of its own, so the factory is what follows the last one.
    file, colon, factory = spec.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_python(spec, _existing(file, spec), factory, device)
    if spec.endswith(".py"):
        raise ValueError(
            f"model spec {spec!r} names a Python file but no callable in it; write {spec}:FACTORY"
        )
    if spec.endswith(_TORCHSCRIPT):
        return _from_torchscript(spec, _existing(spec, spec), device)
    raise ValueError(f"unknown model spec {spec!r}; use {_FORMS}")


def _existing(path: str, spec: str) -> Path:
    file = Path(path)
    if not path or not file.is_file():
        raise FileNotFoundError(f"model spec {spec!r}: no file {path!r}")
    return file


def _bisenet(spec: str, weights: Path, device: str | torch.device) -> TorchModel:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from rdct.vision.models.bisenet import CompactBiSeNet

    network = CompactBiSeNet(len(CAMVID_CLASSES))
    try:
        state = {name: value.float() for name, value in load_file(str(weights)).items()}
        missing, unexpected = network.load_state_dict(state, strict=False)
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"model spec {spec!r}: {weights} does not hold this network's weights as safetensors "
            f"({error}); write it with python -m rdct.vision.models.train"
        ) from error
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise ValueError(
            f"model spec {spec!r}: {weights} lacks {missing[:3]} and has unknown {unexpected[:3]}; "
            "it belongs to another network"
        )
    return TorchModel(
        network.eval().fuse(),
        name=spec if spec in BUILTIN else f"bisenet-camvid:{weights.name}",
        class_names=CAMVID_CLASSES,
        palette=CAMVID_PALETTE,
        ignore_label=CAMVID_VOID,
        device=device,
    )


def _published(spec: str, name: str, weights: Path, device: str | torch.device) -> TorchModel:
    known = PUBLISHED[name]
    network = known.build()
    try:
        fill(network, read_state(weights), known.unused)
    except Exception as error:  # a damaged file fails in as many ways as it can be damaged
        raise ValueError(
            f"model spec {spec!r}: {weights} is no state dict of {known.what} ({error}); use {known.file}"
        ) from error
    return TorchModel(
        network,
        name=name,
        class_names=known.class_names,
        palette=known.palette,
        ignore_label=known.ignore_label,
        working_size=known.working_size,
        device=device,
    )


def _from_python(spec: str, file: Path, factory: str, device: str | torch.device) -> TorchModel:
    module_spec = importlib.util.spec_from_file_location(f"rdct_model_{file.stem}", file)
    if module_spec is None or module_spec.loader is None:
        raise ValueError(f"model spec {spec!r}: {file} cannot be imported as Python")
    module = importlib.util.module_from_spec(module_spec)
    # Registered, because dataclasses and torch look a class's module up by name.
    sys.modules[module_spec.name] = module
    module_spec.loader.exec_module(module)
    build = getattr(module, factory, None)
    if not callable(build):
        raise ValueError(
            f"model spec {spec!r}: {file} defines no callable {factory!r}; "
            "name a function or class that returns the network"
        )
    network = build()
    if not callable(network):
        raise ValueError(
            f"model spec {spec!r}: {factory} returned {type(network).__name__}, not a network; "
            "return a torch.nn.Module or a callable that keeps rdct.vision.models.Model"
        )
    if isinstance(network, TorchModel):
        return network
    return _adopt(spec, network, f"{file.stem}:{factory}", device)


def _from_torchscript(spec: str, file: Path, device: str | torch.device) -> TorchModel:
    import torch

    try:
        network = torch.jit.load(str(file), map_location="cpu")
    except RuntimeError as error:
        raise ValueError(
            f"model spec {spec!r}: {file} is no TorchScript file ({error}); a state dict needs its "
            "architecture: NAME:WEIGHTS or FILE.py:FACTORY"
        ) from error
    return _adopt(spec, network, file.stem, device)


def _adopt(spec: str, network: nn.Module | Callable, name: str, device: str | torch.device) -> TorchModel:
    """Wrap a foreign network; what it does not say of its classes is found out or made up."""
    import torch

    network = _freeze(network, device)
    names = getattr(network, "class_names", None)
    count = len(names) if names is not None else getattr(network, "num_classes", None)
    if not isinstance(count, int):
        # Only an answer tells K. 64x96: sides that differ, and that most strides divide.
        probe = torch.zeros(1, 3, 64, 96, device=device)
        try:
            with torch.no_grad():
                answer = network(probe)
        except Exception as error:
            raise ValueError(
                f"model spec {spec!r}: the network failed on a 64x96 picture ({error}); it must "
                "take float [N, 3, H, W], RGB in 0..255 (or set num_classes to skip this trial)"
            ) from error
        _check_answer(spec, answer, (1, None, 64, 96))
        count = answer.shape[1]
    palette = getattr(network, "palette", None)
    return TorchModel(
        network,
        name=str(getattr(network, "name", name)),
        class_names=tuple(names) if names is not None else default_names(count),
        palette=default_palette(count) if palette is None else np.asarray(palette),
        ignore_label=getattr(network, "ignore_label", None),
        working_size=getattr(network, "working_size", None),
        device=device,
    )
