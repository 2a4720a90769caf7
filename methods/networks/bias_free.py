"""The networks of Mohan et al. 2020, with additive constants or without any (bias-free).

A bias-free network is positively homogeneous, f(a y) = a f(y) for every a > 0, and so denoises at noise
levels that it was not trained for. Gray images only, as in the paper. The names of the layers are
those in the authors' files of weights.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from methods.networks.layers import start_as_saoyan


class BiasFreeBatchNorm(nn.Module):
    """Batch normalisation that scales each channel and neither centres nor shifts it.

    Mohan et al. 2020, Section 4: y = x g / (s + epsilon), with g the trained scale. In training s is the standard
    deviation of the channel over the batch (about its mean, divided by n - 1); in evaluation the root of its running
    variance. Epsilon is added to s, and not to the variance. `momentum` is the part of the new variance in the running
    one.
    """

    running_var: Tensor

    def __init__(self, features: int, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.epsilon, self.momentum = epsilon, momentum
        self.weight = nn.Parameter(torch.ones(features))
        self.register_buffer("running_var", torch.ones(features))

    def gain(self, deviation: Tensor) -> Tensor:
        """Return the factor of each channel, shape (features,), for their standard deviations."""
        return self.weight / (deviation + self.epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """Scale the channels of a batch (B, features, H, W); its statistics are those of fp32 at least."""
        if self.training:
            # Not the root of var: the gradient of std is 0, and not NaN, for a channel that is constant.
            deviation = x.to(torch.promote_types(x.dtype, torch.float32)).std(dim=(0, 2, 3), correction=1)
            with torch.no_grad():
                self.running_var.lerp_(deviation**2, self.momentum)
        else:
            deviation = self.running_var.sqrt()
        return (x * self.gain(deviation)[:, None, None]).to(x.dtype)  # of half precision under autocast, which stays so


class Chain(nn.Module):
    """3x3 convolutions, each but the last followed by ReLU; the middle ones also normalised, if asked.

    Parameters
    ----------
    inputs, outputs : int
        Channels before and after.
    hidden : int
        Number of middle convolutions.
    features : int
        Width of the hidden layers; the authors trained 64.
    bias : bool
        Whether the convolutions have a bias. With it the normalisation is the ordinary one.
    last_bias : bool
        Whether the last convolution has one.
    norm : bool
        Whether the middle convolutions are followed by batch normalisation.
    """

    def __init__(
        self, inputs: int, outputs: int, hidden: int, features: int, *, bias: bool, last_bias: bool, norm: bool = False
    ) -> None:
        super().__init__()
        self.bias, self.norm = bias, norm
        self.first_layer = nn.Conv2d(inputs, features, 3, padding=1, bias=bias)
        self.hidden_layer_list = nn.ModuleList(
            nn.Conv2d(features, features, 3, padding=1, bias=bias) for _ in range(hidden)
        )
        self.bn_layer_list = nn.ModuleList(
            nn.BatchNorm2d(features) if bias else BiasFreeBatchNorm(features) for _ in range(hidden if norm else 0)
        )
        self.last_layer = nn.Conv2d(features, outputs, 3, padding=1, bias=last_bias)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, sigma: float | None = None) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W); `sigma` is not used."""
        x = self.relu(self.first_layer(x))
        for index, layer in enumerate(self.hidden_layer_list):
            x = layer(x)
            if self.norm:
                x = self.bn_layer_list[index](x)
            x = self.relu(x)
        return self.last_layer(x)


class DnCNN(Chain):
    """DnCNN (Zhang et al. 2017) with bias-free or ordinary batch normalisation; it predicts the noise.

    Mohan et al. 2020, Appendix A. It starts as the authors' training does, see `start_as_saoyan`.

    Parameters
    ----------
    depth : int
        Number of convolutions; the authors trained 20.
    features : int
        Width of the hidden layers; the authors trained 64.
    bias : bool
        Whether there are additive constants.
    norm : bool
        Whether it has batch normalisation (the form that is trained) or not (the folded form).
    """

    size_multiple = 1

    def __init__(self, depth: int = 20, features: int = 64, *, bias: bool = False, norm: bool = True) -> None:
        super().__init__(1, 1, depth - 2, features, bias=bias, last_bias=bias, norm=norm)
        self.depth, self.features = depth, features
        self.receptive_field = 2 * depth + 1
        start_as_saoyan(self)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W), 1.0 = white; `sigma` is not used."""
        return noisy - super().forward(noisy)


class UNet(nn.Module):
    """An encoder and a decoder over two scales; it gives the image itself.

    Mohan et al. 2020, Appendix A (after Ronneberger et al. 2015). The lower scale has half the height and width,
    dilated convolutions, and no normalisation; the last convolution never has a bias. At full size it is `features`
    wide (the authors trained 32), below twice as wide.
    """

    receptive_field = 47
    size_multiple = 2

    def __init__(self, features: int = 32, *, bias: bool = False) -> None:
        super().__init__()
        deep = 2 * features
        self.conv1 = nn.Conv2d(1, features, 5, padding=2, bias=bias)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=bias)
        self.conv3 = nn.Conv2d(features, deep, 3, stride=2, padding=1, bias=bias)
        self.conv4 = nn.Conv2d(deep, deep, 3, padding=1, bias=bias)
        self.conv5 = nn.Conv2d(deep, deep, 3, padding=2, dilation=2, bias=bias)
        self.conv6 = nn.Conv2d(deep, deep, 3, padding=4, dilation=4, bias=bias)
        self.conv7 = nn.ConvTranspose2d(deep, deep, 4, stride=2, padding=1, bias=bias)
        self.conv8 = nn.Conv2d(deep + features, features, 3, padding=1, bias=bias)
        self.conv9 = nn.Conv2d(features, 1, 5, padding=2, bias=False)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W), 1.0 = white, H and W even; `sigma` is not used.

        For odd sizes the authors append a row or column of zeros and cut it off again.
        """
        fine = self.relu(self.conv1(noisy))
        fine = self.relu(self.conv2(fine))
        coarse = fine
        for layer in (self.conv3, self.conv4, self.conv5, self.conv6, self.conv7):
            coarse = self.relu(layer(coarse))
        return self.conv9(self.relu(self.conv8(torch.cat([coarse, fine], dim=1))))


class RecurrentCNN(nn.Module):
    """One small network applied again and again to the noisy image and its own last output.

    Mohan et al. 2020, Appendix A (after Zhang et al. 2018, "Dynamically unfolding recurrent
    restorer"): p_0 = y, p_t+1 = g(y, p_t), and the image is the last p. In training the number of
    recurrences is drawn evenly from 1 to `recurrences` for every batch; in evaluation it is
    `recurrences`. The last convolution of g never has a bias.

    Parameters
    ----------
    recurrences : int
        How often g is applied; the authors trained up to 4.
    hidden, features : int
        Middle convolutions of g, and their width; the authors trained 5 of 64.
    """

    size_multiple = 1

    def __init__(self, recurrences: int = 4, hidden: int = 5, features: int = 64, *, bias: bool = False) -> None:
        super().__init__()
        self.recurrences = recurrences
        self.receptive_field = 2 * recurrences * (hidden + 2) + 1
        self.cnn = Chain(2, 1, hidden, features, bias=bias, last_bias=False)

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W), 1.0 = white; `sigma` is not used."""
        recurrences = int(torch.randint(1, self.recurrences + 1, ())) if self.training else self.recurrences
        image = noisy
        for _ in range(recurrences):
            image = self.cnn(torch.cat([noisy, image], dim=1))
        return image


class DenseNet(nn.Module):
    """Stages that each see the noisy image and what the stage before passed on.

    Mohan et al. 2020, Appendix A, "simplified DenseNet" (after Huang et al. 2017). The stages share
    no weights. The first takes the noisy image alone; each but the last passes on several channels, and the
    last, whose last convolution never has a bias, gives the image.

    Parameters
    ----------
    stages : int
        The authors trained 4.
    hidden, features : int
        Middle convolutions of a stage, and their width; the authors trained 5 of 64.
    passed : int
        Channels that a stage passes on; the authors trained 5.
    """

    size_multiple = 1

    def __init__(
        self, stages: int = 4, hidden: int = 5, features: int = 64, passed: int = 5, *, bias: bool = False
    ) -> None:
        super().__init__()
        self.receptive_field = 2 * stages * (hidden + 2) + 1
        final = stages - 1
        self.cnn_list = nn.ModuleList(
            Chain(
                1 + passed if stage else 1,
                1 if stage == final else passed,
                hidden,
                features,
                bias=bias,
                last_bias=bias and stage != final,
            )
            for stage in range(stages)
        )

    def forward(self, noisy: Tensor, sigma: float | None = None) -> Tensor:
        """Denoise a batch (B, 1, H, W), 1.0 = white; `sigma` is not used."""
        passed = noisy
        for index, stage in enumerate(self.cnn_list):
            passed = stage(torch.cat([noisy, passed], dim=1) if index else noisy)
        return passed


def fold(network: DnCNN) -> DnCNN:
    """Return the same function of evaluation mode without batch normalisation: convolutions and ReLU.

    Bias-free, w' = w g / (sqrt(v) + epsilon) with scale g and running variance v, and still no bias.
    With biases, w' = w g / sqrt(v + epsilon) and b' = (b - m) g / sqrt(v + epsilon) + c with running mean m and
    shift c.
    """
    network = copy.deepcopy(network).eval()
    tensors = {key: value for key, value in network.state_dict().items() if not key.startswith("bn_layer_list")}
    for index, (conv, norm) in enumerate(zip(network.hidden_layer_list, network.bn_layer_list, strict=False)):
        assert isinstance(conv, nn.Conv2d)
        name = f"hidden_layer_list.{index}"
        if isinstance(norm, BiasFreeBatchNorm):
            tensors[f"{name}.weight"] = conv.weight * norm.gain(norm.running_var.sqrt())[:, None, None, None]
        elif isinstance(norm, nn.BatchNorm2d):
            merged = fuse_conv_bn_eval(conv, norm)
            tensors |= {f"{name}.{part}": tensor for part, tensor in merged.state_dict().items()}
    plain = DnCNN(network.depth, network.features, bias=network.bias, norm=False)
    plain.load_state_dict(tensors)
    return plain.eval()
