"""A network at one sigma, as the exporters take it."""

from torch import Tensor, nn


class Fixed(nn.Module):
    """A function of the noisy image alone."""

    def __init__(self, network: nn.Module, sigma: float | None) -> None:
        super().__init__()
        self.network, self.sigma = network, sigma

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise a batch (B, C, H, W)."""
        denoised: Tensor = self.network(noisy, self.sigma)
        return denoised
