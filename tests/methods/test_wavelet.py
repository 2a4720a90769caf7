import numpy as np
import pytest
import pywt
import torch
from torch import nn

from methods.networks.wavelet import DWT, IWT, WaveletUNet, kernels, widths


def photograph() -> torch.Tensor:
    """Return a colour photograph (1, 3, 64, 80), float64, 1.0 = white."""
    from skimage import data

    return torch.from_numpy(data.astronaut()[100:164, 180:260] / 255).permute(2, 0, 1)[None]


@pytest.mark.parametrize("order", ["block", "interleaved"])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_the_inverse_gives_the_image_back_and_the_energy_is_kept(order, channels):
    image = torch.randn(2, channels, 12, 20, generator=torch.Generator().manual_seed(0))
    bands = DWT(channels, order)(image)
    assert bands.shape == (2, 4 * channels, 6, 10)
    assert bands.square().sum().item() == pytest.approx(image.square().sum().item(), rel=1e-6)
    torch.testing.assert_close(IWT(channels, order)(bands), image, atol=1e-6, rtol=0)
    other = torch.randn(2, 4 * channels, 6, 10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(DWT(channels, order)(IWT(channels, order)(other)), other, atol=1e-6, rtol=0)


def test_against_pywavelets():
    """Its horizontal detail is our LH, its vertical one our HL; its signs are those of MWRCANet."""
    image = photograph()
    approximation, (horizontal, vertical, diagonal) = (
        torch.from_numpy(np.asarray(band)) if not isinstance(band, tuple) else tuple(map(torch.from_numpy, band))
        for band in pywt.dwt2(image.numpy(), "haar")
    )
    blocks = torch.cat([approximation, -vertical, -horizontal, diagonal], dim=1)
    torch.testing.assert_close(DWT(3).double()(image), blocks, atol=1e-12, rtol=0)
    interleaved = torch.stack([approximation, horizontal, vertical, diagonal], dim=2).flatten(1, 2)
    torch.testing.assert_close(DWT(3, "interleaved").double()(image), interleaved, atol=1e-12, rtol=0)


def test_the_formulas_of_the_mwcnn_code():
    """With a b c d the even and odd pixels as its PyTorch code slices them."""
    image = photograph()
    a, b = image[:, :, 0::2, 0::2] / 2, image[:, :, 1::2, 0::2] / 2
    c, d = image[:, :, 0::2, 1::2] / 2, image[:, :, 1::2, 1::2] / 2
    bands = torch.cat([a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d], dim=1)
    torch.testing.assert_close(DWT(3).double()(image), bands, atol=1e-12, rtol=0)


def test_the_kernels_that_stand_in_checkpoints_of_mwrcanet():
    stored = torch.tensor(
        [[[1.0, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]]
    )  # ll, lh, hl, hh
    assert torch.equal(DWT(2, "interleaved").state_dict()["weight"], stored[:, None] / 2)
    assert torch.equal(IWT(2, "interleaved").state_dict()["weight"], stored[:, None] / 2)
    assert not DWT(2).state_dict()  # MWCNN's checkpoints have none
    assert not list(DWT(2, "interleaved").parameters())  # fixed


def test_an_unknown_order():
    with pytest.raises(ValueError, match="'rows'; expected one of block, interleaved"):
        kernels("rows")


def identity_stages() -> WaveletUNet:
    return WaveletUNet([nn.Identity(), nn.Identity()], nn.Identity(), [nn.Identity(), nn.Identity()], [2, 8])


def test_skip_connections_are_sums():
    """With stages that do nothing every level adds one copy: y = x_2, 2 x_1, 3 x_0."""
    features = torch.rand(1, 2, 8, 12)
    torch.testing.assert_close(identity_stages()(features), 3 * features)


def test_receptive_field_of_the_transform_alone():
    """A pixel depends on its block of 4x4, of which it may be a corner; with a transform around it, of 8x8."""
    assert identity_stages().receptive_field(transformed=False) == 2 * 3 + 1
    assert identity_stages().receptive_field(transformed=True) == 2 * 7 + 1


def test_widths_are_read_off_names_in_any_order():
    def conv(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1))

    network = nn.ModuleDict({"core": WaveletUNet([conv(4, 5), conv(20, 6)], conv(24, 7), [], [5, 6])})
    assert widths(dict(sorted(network.state_dict().items(), reverse=True))) == (4, (5, 6, 7))
    with pytest.raises(KeyError, match=r"core\.contract\.0\.0\.weight"):
        widths({})
