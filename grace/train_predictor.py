"""Making a predictor of region sensitivity: what a network minds, learnt from what pictures hold.

For each picture the network's Fisher sensitivity, taken at the picture decoded from the middle level as a
server would take it, gives every region's log2(D / mean D); `grace.region_features` gives what a device
knows. A small perceptron (or a linear rule) is fitted to the pairs, rounded to integers, and judged as such
on pictures it has not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import codec
from grace.pictures import Pictures
from grace.predictor import Layer, SensitivityPredictor
from grace.provenance import package_version, pictures_sha256, weights_sha256
from grace.region_features import region_features
from grace.sensitivity import region_sums

if TYPE_CHECKING:
    from grace.fisher import FisherSensitivity
    from grace.network_tables import NetworkTables
    from rdct.vision.models import Model

__all__ = ["HIDDEN", "PROBES", "fit", "region_octaves", "train_predictor"]

HIDDEN = 16
PROBES = 2
#: The ladder ends long before: beyond, only noise would be learnt.
_MOST = 8.0
_FEWEST_PICTURES = 5
_RIDGE = 10.0
_EPOCHS, _BATCH, _RATE, _DECAY = 30, 512, 6e-3, 1e-2
# What a hidden layer's largest value on the training pictures becomes: room to twice that.
_HIDDEN_TOP = 16383
_WEIGHT_TOP = 32767

Progress = Callable[[str, int, int, str], None]


def region_octaves(sensitivity: FisherSensitivity, steps: np.ndarray, region_blocks: int = 3) -> np.ndarray:
    """How much more than the mean each region errs under one table, in octaves: what is to be foretold.

    Parameters
    ----------
    sensitivity : FisherSensitivity
    steps : numpy.ndarray
        ``[3, 8, 8]``.
    region_blocks : int

    Returns
    -------
    numpy.ndarray
        float64 ``[rows, columns]``: log2(D / mean D), D per coefficient, within 8 octaves either way; 0
        throughout where nothing counts at all.
    """
    found = region_sums(sensitivity, region_blocks)
    squares = np.square(np.asarray(steps, np.float64))[: found.sums.shape[2]]
    error = np.tensordot(found.sums.astype(np.float64), squares, axes=((2, 3, 4), (0, 1, 2)))
    count = found.blocks.sum(2)
    mean = error.sum() / count.sum()
    if not mean > 0:
        return np.zeros(error.shape)
    return np.clip(np.log2(np.maximum(error / (mean * count), 2.0 ** (-2 * _MOST))), -_MOST, _MOST)


def train_predictor(
    model: Model,
    tables: NetworkTables,
    images: str | Path | Sequence,
    *,
    limit: int | None = None,
    probes: int = PROBES,
    hidden: int = HIDDEN,
    progress: Progress | None = None,
    command: str | None = None,
) -> NetworkTables:
    """Make a predictor for a network and its table set.

    Parameters
    ----------
    model : rdct.vision.models.Model
        The network the set was made for.
    tables : NetworkTables
        Its middle level is what errors are foretold for.
    images : str, Path or sequence
        As for `grace.build_table_set`, at least 5. The middle fifth in order of name is held out: pictures
        of one drive follow each other, so that only few have a neighbour on the other side.
    limit : int, optional
        Use only so many pictures, spread evenly.
    probes : int
        Of the Fisher sensitivity, for each picture.
    hidden : int
        Units of the hidden layer, 0..256; 0 makes a linear rule, by ridge regression.
    progress : callable, optional
        Called with (step, done, total, note).
    command : str, optional
        Recorded in the provenance.

    Returns
    -------
    NetworkTables
        The same with the predictor, and so with the same id.

    Raises
    ------
    ValueError
        Too few pictures, or the set was made for other weights.
    """
    from grace.fisher import fisher_sensitivity

    own, known = weights_sha256(model), tables.provenance.get("weights_sha256")
    if known is not None and own is not None and known != own:
        raise ValueError(
            f"the table set was made for {tables.name} with other weights than {model.name} has; "
            "give the network it was made for"
        )
    pictures = Pictures(images, limit=limit)
    if len(pictures) < _FEWEST_PICTURES:
        raise ValueError(f"a predictor needs at least {_FEWEST_PICTURES} pictures, got {len(pictures)}")
    side, middle = tables.region_blocks, tables.middle
    features, targets = [], []
    for index in range(len(pictures)):
        image = pictures[index]
        shape = codec.map_shape(*image.shape[:2], side)
        plan = codec.QuantPlan(tables.table_set, np.full(shape, middle, np.uint8), side)
        decoded = codec.decode(codec.encode(image, plan, subsampling=tables.subsampling))
        found = fisher_sensitivity(model, decoded, probes=probes, subsampling=tables.subsampling)
        features.append(region_features(image, side))
        targets.append(region_octaves(found, tables.table_set.tables[middle], side))
        if progress is not None:
            progress("sensitivity", index + 1, len(pictures), pictures.name(index))

    held = range(2 * len(pictures) // 5, max(3 * len(pictures) // 5, 2 * len(pictures) // 5 + 1))
    seen = [index for index in range(len(pictures)) if index not in held]
    layers = fit([features[i] for i in seen], [targets[i] for i in seen], hidden)
    made = SensitivityPredictor(layers, side)
    foretold = np.concatenate([made(features[i]).ravel() for i in held]) / 256
    truth = np.concatenate([targets[i].ravel() for i in held])
    hashes = [pictures.sha256(index) for index in range(len(pictures))]
    provenance = {
        "model": model.name,
        "weights_sha256": own,
        "pictures": len(pictures),
        "pictures_sha256": pictures_sha256(pictures, hashes),
        "held_out": len(held),
        "probes": probes,
        "hidden": hidden,
        # On the pictures held out, of the integer predictor.
        "correlation": _correlation(foretold, truth),
        "rms_octaves": float(np.sqrt(np.square(foretold - truth).mean())),
        "spread_octaves": float(truth.std()),
        "version": package_version(),
        "command": command,
    }
    return replace(tables, predictor=replace(made, provenance=provenance))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's; 0 where either does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def fit(
    features: Sequence[np.ndarray], targets: Sequence[np.ndarray], hidden: int = HIDDEN
) -> tuple[Layer, ...]:
    """Fit a predictor's layers and round them to integers.

    Parameters
    ----------
    features : sequence of numpy.ndarray
        For each picture integers ``[..., inputs]`` within -32768..32767.
    targets : sequence of numpy.ndarray
        For each ``[...]``, in octaves.
    hidden : int
        0..256; 0 is ridge regression, without torch.

    Returns
    -------
    tuple of Layer
        The last gives 1/256 octaves. Equal inputs give equal layers on one machine; another's library may
        round a little differently.
    """
    if not 0 <= hidden <= 256:
        raise ValueError(f"hidden must be 0..256, got {hidden}")
    x = np.concatenate([one.reshape(-1, one.shape[-1]) for one in features]).astype(np.float64)
    y = np.concatenate([np.ravel(one) for one in targets]).astype(np.float64)
    mean, spread = x.mean(0), x.std(0)
    # What never varies says nothing, and must not say anything where it does.
    known = spread > 0
    z = np.where(known, (x - mean) / np.where(known, spread, 1), 0)
    weights, biases = _linear(z, y) if hidden == 0 else _perceptron(z, y, hidden)
    first = np.where(known, weights[0] / np.where(known, spread, 1), 0)
    biases[0] = biases[0] - first @ mean
    weights[0] = first
    return _rounded(weights, biases, x)


def _linear(z: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    gram = z.T @ z + _RIDGE * np.eye(z.shape[1])
    return [np.linalg.solve(gram, z.T @ (y - y.mean()))[None]], [np.array([y.mean()])]


def _perceptron(z: np.ndarray, y: np.ndarray, hidden: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weights and biases of both layers, by AdamW under one cycle of the learning rate."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Linear(z.shape[1], hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
        )
        inputs, wanted = torch.from_numpy(z).float(), torch.from_numpy(y).float()
        steps = max(_EPOCHS * len(y) // _BATCH, 200)
        optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
        for _ in range(steps):
            drawn = torch.randint(len(y), (min(_BATCH, len(y)),))
            loss = torch.nn.functional.mse_loss(net(inputs[drawn])[:, 0], wanted[drawn])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    both = net[0], net[2]
    return (
        [one.weight.detach().double().numpy() for one in both],
        [one.bias.detach().double().numpy() for one in both],
    )


def _rounded(weights: list[np.ndarray], biases: list[np.ndarray], x: np.ndarray) -> tuple[Layer, ...]:
    """Integer layers: each sum scaled so that its result fits, and by as many bits more as weights have."""
    layers, unit = [], 1.0  # how many steps of the integers make one of the fit
    for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        last = index == len(weights) - 1
        if last:
            scale = 256.0
        else:
            x = np.maximum(x @ weight.T + bias, 0)
            scale = _HIDDEN_TOP / max(float(x.max()), 1e-9)
        largest = np.abs(weight).max() * scale / unit
        shift = int(np.clip(np.floor(np.log2(_WEIGHT_TOP / max(largest, 1e-9))), 0, 30))
        whole = np.rint(weight * (scale / unit) * 2.0**shift)
        layers.append(
            Layer(
                np.clip(whole, -_WEIGHT_TOP, _WEIGHT_TOP),
                np.rint(bias * scale * 2.0**shift).astype(np.int64),
                shift,
            )
        )
        unit = scale
    return tuple(layers)
