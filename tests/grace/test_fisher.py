"""Fisher sensitivities against the exact curvature of a toy network's divergence."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from grace import fisher_sensitivity  # noqa: E402
from grace.dct import picture_coefficients, picture_from_coefficients  # noqa: E402

SIZE = (16, 24)


def divergence(model, parts, changed, subsampling):
    """Mean over the pixels of KL(answer without the change, answer with it)."""
    log_p, log_q = (
        model(picture_from_coefficients(p, *SIZE, subsampling)[None]).log_softmax(1) for p in (parts, changed)
    )
    return (log_p.exp() * (log_p - log_q)).sum(1).mean().item()


def at_a_picture(picture, subsampling):
    rgb = torch.from_numpy(picture(*SIZE).transpose(2, 0, 1).copy()).double()
    parts = picture_coefficients(rgb, subsampling)
    return parts, picture_from_coefficients(parts, *SIZE, subsampling).numpy().transpose(1, 2, 0)


@pytest.mark.parametrize("subsampling", ["444", "420", "grey"])
def test_is_the_curvature_of_the_divergence(toy, picture, subsampling):
    parts, image = at_a_picture(picture, subsampling)
    found = fisher_sensitivity(toy, image, probes=400, subsampling=subsampling)
    assert (found.height, found.width, found.subsampling, found.probes) == (*SIZE, subsampling, 400)
    rng = np.random.default_rng(2)
    for component, plane in enumerate(found.planes):
        assert plane.dtype == np.float32 and plane.shape == tuple(parts[component].shape)
        got, exact = [], []
        # The largest ones, where noise of the arithmetic does not show, and some others.
        order = np.argsort(-plane, axis=None)
        for flat in [*order[:12], *rng.choice(order[12 : plane.size // 4], 12, replace=False)]:
            at = np.unravel_index(flat, plane.shape)
            changed = [part.clone() for part in parts]
            changed[component][at] += 0.05
            exact.append(divergence(toy, parts, changed, subsampling) / (0.05**2 / 2))
            got.append(plane[at])
        # A mean of 400 squares of a normal variable is off by 7 % (one standard deviation).
        np.testing.assert_allclose(got, exact, rtol=0.35)
        assert np.sum(got) == pytest.approx(np.sum(exact), rel=0.1)


def test_one_probe_is_right_on_average(toy, picture):
    image = picture(64, 80)
    many = fisher_sensitivity(toy, image, probes=30, seed=1)
    one = fisher_sensitivity(toy, image, seed=2)
    assert one.mean().shape == (3, 8, 8)
    np.testing.assert_allclose(one.mean().sum((1, 2)), many.mean().sum((1, 2)), rtol=0.15)


def test_follows_the_seed_alone(toy, picture):
    image = picture(24, 24)
    first, again, other = (fisher_sensitivity(toy, image, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.planes[0], again.planes[0])
    assert not np.array_equal(first.planes[0], other.planes[0])
    np.testing.assert_array_equal(first.labels, other.labels)


def test_refuses(toy, picture):
    with pytest.raises(ValueError, match="probes must be at least 1, got 0"):
        fisher_sensitivity(toy, picture(8, 8), probes=0)
    toy.train()
    with pytest.raises(ValueError, match="training mode"):
        fisher_sensitivity(toy, picture(8, 8))
