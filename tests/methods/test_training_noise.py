import pytest
import torch

from methods.networks.training_noise import corrupt


def by_hand(clean, generator, additive, multiplicative):
    """Noise of the family, image by image with Python's numbers: x + s n, or x (1 + s n)."""
    given = [kind for kind in ([s / 255 for s in additive], list(multiplicative)) if kind]
    kinds = [name for name, kind in (("added", additive), ("factor", multiplicative)) if kind]
    chance = torch.rand(3, len(clean), generator=generator).tolist()
    normal = torch.randn(clean.shape, generator=generator)
    images = []
    for x, n, k, u, alike in zip(clean, normal, *chance, strict=True):
        levels, name = given[int(k * len(given))], kinds[int(k * len(given))]
        s = levels[int(u * len(levels))]
        n = n[:1] if alike < 0.5 else n
        images.append(x + s * n if name == "added" else x * (1 + s * n))
    return torch.stack([image.expand(clean.shape[1:]) for image in images])


@pytest.mark.parametrize(
    ("additive", "multiplicative"), [((1, 5, 10, 20, 40), (0.05, 0.1, 0.2)), ((3, 30, 7), ()), ((), (0.1, 0.4))]
)
def test_noise_of_every_image_is_that_of_the_definition(additive, multiplicative):
    clean = torch.rand(200, 3, 6, 5, generator=torch.Generator().manual_seed(1))
    found = corrupt(clean, torch.Generator().manual_seed(2), additive, multiplicative)
    expected = by_hand(clean, torch.Generator().manual_seed(2), additive, multiplicative)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_nothing_waits_for_the_device(monkeypatch):
    def waits(*words, **named):
        raise AssertionError("a number was asked of the device")

    clean, generator = torch.rand(4, 3, 8, 8), torch.Generator().manual_seed(0)
    for name in ("tolist", "item", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, waits)
    for truncated in (False, True):
        assert corrupt(clean, generator, truncated=truncated).shape == (4, 3, 8, 8)
