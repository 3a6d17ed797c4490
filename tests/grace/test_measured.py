"""Measured tables: the regression by itself, then whole builds with a toy network."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import codec  # noqa: E402
from grace import build_table_set  # noqa: E402
from grace.coding import Coder  # noqa: E402
from grace.measured import BANDS, annex_k, band_slopes, measured_table  # noqa: E402
from grace.pictures import Pictures  # noqa: E402
from grace.state import State  # noqa: E402

#: Fine enough that chroma costs bytes.
START = annex_k() / 5


def nothing(*_):
    pass


@pytest.fixture(scope="module")
def pictures(picture):
    return [picture(48, 64, seed) for seed in range(2)]


@pytest.fixture(scope="module")
def model(make_toy):
    """Sees luma only, so that errors of chroma are free."""
    toy = make_toy(dtype=torch.float32)

    class Grey(torch.nn.Module):
        class_names = toy.class_names

        def forward(self, x):
            luma = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
            return 3 * toy(luma.expand(-1, 3, -1, -1))

    return Grey().eval()


def measured(model, pictures, path=None, tell=nothing):
    coder = Coder(Pictures(pictures), "444", 3, 1)
    with State(path, {"work": 1}) as state:
        return measured_table(model, coder, ["first", "second"], START, np.full((3, 8, 8), 16.0), state, tell)


@pytest.fixture(scope="module")
def whole(model, pictures):
    """Steps found in one go, and how often the network was asked."""
    counted = Counted(model)
    return measured(counted, pictures), counted.passes


class Counted(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.passes = model, 0

    def forward(self, x):
        self.passes += 1
        return self.model(x)


def coded(model, pictures, steps):
    """Bytes and mean divergence with one table."""
    size, losses = 0, []
    for picture in pictures:
        table_set = codec.TableSet(np.clip(np.rint(steps), 1, 4095).astype(np.uint16)[None])
        plan = codec.QuantPlan(table_set, np.zeros(codec.map_shape(*picture.shape[:2]), np.uint8))
        data = codec.encode(picture, plan, entropy="context", tables="id")
        size += len(data)
        with torch.no_grad():
            raw, seen = (
                model(torch.from_numpy(one.transpose(2, 0, 1)[None].astype(np.float32))).log_softmax(1)
                for one in (picture, codec.decode(data, table_sets=(table_set,)))
            )
        losses.append(float((raw.exp() * (raw - seen)).sum(1).mean()))
    return size, np.mean(np.log(losses))


def test_bands_hold_every_frequency_once():
    assert BANDS.shape == (20, 3, 8, 8)
    assert (BANDS.sum(0) == 1).all()
    order = np.zeros(64, int)
    order[codec.ZIGZAG] = np.arange(64)
    for component, bands in enumerate((BANDS[:10], BANDS[10:15], BANDS[15:])):
        places = [np.sort(order[band[component].ravel()]) for band in bands]
        assert [*np.concatenate(places)] == list(range(64))


def trials(slopes, byte_slopes, noise, count=64, seed=0):
    random = np.random.default_rng(seed)
    signs = random.choice((-1.0, 1.0), (count, len(slopes)))
    loss = signs @ slopes + noise * random.standard_normal(count)
    return signs, loss, signs @ byte_slopes


def test_slopes_are_found():
    byte_slopes = -np.linspace(0.01, 0.1, 20)
    weights = byte_slopes / byte_slopes.sum()
    wanted = np.geomspace(0.4, 2, 20)
    ratios, found = band_slopes(*trials(wanted * weights, byte_slopes, 0.002), total=1.0)
    np.testing.assert_allclose(found, weights, rtol=0.02)
    np.testing.assert_allclose(ratios, wanted, rtol=0.2, atol=0.05)


def test_noise_says_nothing():
    byte_slopes = -np.linspace(0.01, 0.1, 20)
    wanted = np.geomspace(0.4, 2, 20) * byte_slopes / byte_slopes.sum()
    ratios, _ = band_slopes(*trials(wanted, byte_slopes, 5.0), total=1.0)
    np.testing.assert_allclose(ratios, 1, atol=0.3)


def test_lower_loss_at_the_same_bytes(model, pictures, whole):
    steps, _ = whole
    assert steps.shape == (3, 8, 8)
    size, loss = coded(model, pictures, steps)
    size_start, loss_start = coded(model, pictures, START)
    # The level header differs by a few bytes, and a stream stores sixteenths of octaves.
    assert size <= 1.01 * size_start
    assert loss < loss_start - 0.2
    # Chroma hardly matters to this network, so its steps grow against those of luma.
    growth = np.log2(steps / START).mean((1, 2))
    assert growth[1:].min() > growth[0] + 0.25


def test_goes_on_where_it_stopped(model, pictures, whole, tmp_path):
    path = tmp_path / "state"

    def stop(step, done, total, note):
        if step == "slopes 0" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measured(model, pictures, path, stop)
    counted = Counted(model)
    np.testing.assert_array_equal(measured(counted, pictures, path), whole[0])
    # One picture's share of the first slopes was there: 32 pairs, and the blends of both.
    assert counted.passes < whole[1] - 64


def test_a_whole_build(model, pictures):
    from rdct.vision import metrics, models

    told = []
    found = build_table_set(
        model, pictures, method="measured", accuracy=("agreement", 0.97), progress=lambda *a: told.append(a)
    )
    assert found.provenance["method"] == "measured"
    assert found.table_set.log_base is not None  # compact in a stream
    assert {"Annex K budget", "blends", "slopes 0", "measured budget"} <= {step for step, *_ in told}
    agreements = []
    for picture in pictures:
        plan = codec.QuantPlan(
            found.table_set, np.full(codec.map_shape(*picture.shape[:2]), found.middle, np.uint8)
        )
        decoded = codec.decode(codec.encode(picture, plan))
        agreements.append(metrics.agreement(models.labels(model, decoded), models.labels(model, picture)))
    assert np.mean(agreements) == pytest.approx(found.provenance["reached"])
    assert np.mean(agreements) >= 0.97
    # B is what the middle table can add to the loss, to first order.
    cost = found.coefficients * (found.mean_gradient * found.table_set.tables[found.middle] / 2).mean()
    assert cost == pytest.approx(found.budget, rel=0.05)


def test_refuses(model, pictures):
    with pytest.raises(ValueError, match="method must be gradient or measured, got 'guess'"):
        build_table_set(model, pictures, method="guess")
