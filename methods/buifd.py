"""DnCNN of the BUIFD paper: SaoYan's layout, blind, trained on clipped noisy images."""

from methods.description import Method, Net, listed
from methods.dncnn import load

_PAPER = (
    "El Helou, Suesstrunk: Blind Universal Bayesian Image Denoising With Gaussian Noise Level Learning, IEEE TIP 2020, "
    "https://arxiv.org/abs/1907.03029"
)

METHODS = (
    # BUIFD itself and the nets of colour and of 0-75: the authors' repository has them, of no digest known here.
    Method(
        name="dncnn-b@buifd",
        title="DnCNN-B retrained for BUIFD on clipped noise, sigma 0-55 (PROTOCOL=clipped)",
        paper=_PAPER,
        nets=(
            Net(
                id="dncnn-b@buifd",
                label="DnCNN-B (BUIFD)",
                colour="gray",
                trained=(0, 55),
                weights=listed()["buifd/gray_DnCNN_55/net_49.pth"],
                receptive_field=41,
                parameters=667_008,
                output="residual",
                published=("DnCNN", "blind, trained sigma 0-55"),
            ),
        ),
        load=load,
    ),
)
