"""IRCNN's denoisers: seven dilated convolutions, one set of weights a noise level (Zhang et al. 2017)."""

import math

from torch import Tensor, nn

from methods.networks.layers import chain

DILATIONS = (1, 2, 3, 4, 3, 2, 1)
"""Of the seven 3x3 convolutions; each is padded with as many zeros."""


class IRCNN(nn.Module):
    """A set of equal networks for sigma 2, 4, 6, ... (0-255 scale), chosen by the sigma asked.

    Zhang, Zuo, Gu, Zhang, "Learning Deep CNN Denoiser Prior for Image Restoration", CVPR 2017,
    Fig. 1 and Section 3: seven 3x3 dilated convolutions with ReLU between them predict the noise,
    x = y - R(y); batch normalisation is merged into them. The receptive field is
    1 + 2 (1+2+3+4+3+2+1) = 33. The choice for sigma is that of the authors' repository
    (cszn/IRCNN, `loadmodel.m`): number ceil(sigma/2), at least the first and at most the last.

    Parameters
    ----------
    levels : int
        Number of networks, 25 in the paper (sigma 2 to 50).
    channels : int
        1 (gray) or 3 (RGB).
    features : int
        Width of the hidden layers, 64 in the paper.
    """

    receptive_field = 1 + 2 * sum(DILATIONS)

    def __init__(self, levels: int = 25, channels: int = 1, features: int = 64) -> None:
        super().__init__()
        widths = [channels, *[features] * (len(DILATIONS) - 1), channels]
        self.nets = nn.ModuleList(chain(widths, DILATIONS) for _ in range(levels))

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, C, H, W), 1.0 = white, with noise of deviation `sigma` on that scale.

        Raises
        ------
        ValueError
            If `sigma` is None and there is more than one network.
        """
        denoised: Tensor = noisy - self.nets[self.index(sigma)](noisy)
        return denoised

    def index(self, sigma: float | None) -> int:
        """Return the place in `nets` of the network for a sigma on the unit scale.

        Raises
        ------
        ValueError
            If `sigma` is None and there are several networks.
        """
        if len(self.nets) == 1:
            return 0
        if sigma is None:
            raise ValueError(
                f"IRCNN: sigma is None; expected the standard deviation of the noise, 1.0 = white, "
                f"by which one of {len(self.nets)} networks is chosen"
            )
        number = math.ceil(round(255 * float(sigma), 6) / 2)  # 255 * (30 / 255) is a little more than 30
        return min(len(self.nets), max(number, 1)) - 1
