"""Margin sensitivities against exact sums over the pixels of small networks."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from grace import Look, margin_sensitivity  # noqa: E402
from grace.dct import picture_coefficients, picture_from_coefficients  # noqa: E402
from grace.fisher import fisher_of  # noqa: E402
from grace.gradients import gradients_of  # noqa: E402

SIZE = (8, 8)


class Linear(torch.nn.Module):
    """Logits linear in each pixel's RGB: margins move exactly by their gradients."""

    class_names = ("a", "b", "c")

    def __init__(self):
        super().__init__()
        self.weight = torch.tensor([[0.02, 0.01, -0.01], [0.0, 0.015, 0.01], [-0.01, 0.0, 0.005]])
        self.bias = torch.tensor([-1.0, -0.5, 0.6])
        self.forwards = 0
        self.eval()

    def forward(self, x):
        self.forwards += 1
        return torch.einsum("kc,nchw->nkhw", self.weight.to(x), x) + self.bias.to(x)[:, None, None]


def exact(network, image, spread):
    """h by its definition, pixel by pixel, coefficient by coefficient."""
    rgb = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float64).copy())
    parts = [part.requires_grad_(True) for part in picture_coefficients(rgb, "444")]
    logits = network(picture_from_coefficients(parts, *SIZE, "444")[None])[0].reshape(3, -1)
    order = logits.argsort(0, descending=True)
    total = [torch.zeros_like(part) for part in parts]
    for pixel in range(logits.shape[1]):
        margin = logits[order[0, pixel], pixel] - logits[order[1, pixel], pixel]
        kernel = math.exp(-(float(margin.detach()) ** 2) / (2 * spread**2)) / (math.pi * spread**2)
        found = torch.autograd.grad(margin, parts, retain_graph=True)
        total = [a + kernel * g**2 for a, g in zip(total, found, strict=True)]
    return [part.detach().numpy() / logits.shape[1] for part in total]


@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_is_the_sum_over_pixels(picture, spread):
    image, network = picture(*SIZE), Linear()
    found = margin_sensitivity(network, image, probes=3000, spread=spread)
    assert (found.probes, found.spread, found.width, found.height) == (3000, spread, 8, 8)
    for plane, wanted in zip(found.planes, exact(network, image, spread), strict=True):
        # Mean of 3000 squares: 2.6 % of each (one standard deviation), less in sum.
        np.testing.assert_allclose(plane, wanted, rtol=0.15, atol=1e-3 * wanted.max())
        assert plane.sum() == pytest.approx(wanted.sum(), rel=0.03)


def test_flips_under_small_errors_are_what_it_says(picture):
    """By trial: margins spread by w, then errors of spread w in one coefficient that take them through 0."""
    random = np.random.default_rng(4)
    spread, gradient = 0.5, 0.5
    margins = np.linspace(0, 3, 601)
    drawn = margins + spread * random.standard_normal((4000, 1))
    error = gradient * random.standard_normal((4000, 1))
    # Where the tangent touches (s = w) the count of f(m) s sqrt(2 / pi) is met by h e^2 / 2 + const.
    flips = (np.sign(drawn) != np.sign(drawn + error)).mean(0).sum()
    kernel = np.exp(-(margins**2) / (2 * spread**2)) / (math.pi * spread**2)
    quadratic = (kernel * gradient**2 / 2).sum()
    const = (kernel * spread**2 / 2).sum()
    assert quadratic == pytest.approx(const)
    # Linear in |error|, f taken at 0: right to first order, within a fifth at errors as large as w.
    assert flips == pytest.approx(quadratic + const, rel=0.2)


def test_only_pixels_near_a_boundary_count():
    """Left half: two classes tie. Right half: one leads by far."""

    class Halves(torch.nn.Module):
        class_names = ("a", "b")

        def forward(self, x):
            lead = torch.zeros_like(x[:, :1])
            lead[..., 8:] = 20
            return torch.cat((x[:, :1] / 50 + lead, x[:, 1:2] / 50), 1)

    image = np.full((8, 16, 3), 128, np.uint8)
    found = margin_sensitivity(Halves().eval(), image)
    assert (found.planes[1][:, 0] > 0).any() and (found.planes[1][:, 1] == 0).all()


def test_one_forward_pass_serves_all():
    network = Linear()
    image = np.full((16, 16, 3), 100, np.uint8)
    margin_sensitivity(network, image, probes=5)
    assert network.forwards == 1
    look = Look(network, image)
    labels = look.labels()
    gradients = gradients_of(look)
    np.testing.assert_array_equal(labels, gradients.labels)
    assert network.forwards == 2
    # Given up with the backward pass: another look runs the network again.
    fisher_of(look)
    assert network.forwards == 3


def test_tiles_add_up_to_the_whole(toy, picture):
    """The toy's reach is 3 pixels, so 32 of overlap do; probes differ, their mean does not."""
    image = picture(40, 72)
    whole = margin_sensitivity(toy, image, probes=60)
    cut = margin_sensitivity(toy, image, probes=60, tile=32, overlap=32, seed=1)
    np.testing.assert_array_equal(whole.labels, cut.labels)
    np.testing.assert_allclose(cut.mean().sum((1, 2)), whole.mean().sum((1, 2)), rtol=0.1)


def test_follows_the_seed_alone(toy, picture):
    first, again, other = (margin_sensitivity(toy, picture(24, 24), seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.planes[0], again.planes[0])
    assert not np.array_equal(first.planes[0], other.planes[0])


def test_refuses(toy, picture):
    for options, message in (
        ({"probes": 0}, "probes must be at least 1, got 0"),
        ({"spread": 0.0}, "spread must be a number of logits above 0, got 0"),
        ({"spread": math.inf}, "spread must be"),
    ):
        with pytest.raises(ValueError, match=message):
            margin_sensitivity(toy, picture(8, 8), **options)

    class One(torch.nn.Module):
        def forward(self, x):
            return x[:, :1]

    with pytest.raises(ValueError, match="one class has no margins"):
        margin_sensitivity(One().eval(), picture(8, 8))
