"""BSD68: the 68 test images of the Berkeley segmentation dataset that denoising papers use."""

from pathlib import Path

from datasets.description import Dataset, Image, Part, listed
from datasets.labels import segmentations

_TERMS = "Berkeley BSDS500: non-commercial research and education; cite Arbelaez et al., TPAMI 2011"
_GRAY = listed("BSD68", "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/BSD68")
_COLOUR = listed("CBSD68", "cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets/CBSD68")
_DRAWN = {
    Path(file.path).stem: file
    for file in listed(
        "BSD68_groundTruth", "BIDS/BSDS500/a04b7c6c3a9f0ace74bf205c72a43d32e1c72722/BSDS500/data/groundTruth/val"
    )
}


def _images(*, gray: bool) -> tuple[Image, ...]:
    """Give each image what people drew of it; test001 to test068 are those of CBSD68 in the order of their names."""
    files = _GRAY if gray else _COLOUR
    return tuple(
        Image(Path(file.path).stem, Part(file), labels=Part(_DRAWN[Path(colour.path).stem]))
        for file, colour in zip(files, _COLOUR, strict=True)
    )


DATASETS = (
    Dataset(
        name="bsd68",
        title="BSD68",
        colour="gray",
        images=_images(gray=True),
        source="https://github.com/cszn/DnCNN (testsets/BSD68): CBSD68 through MATLAB's rgb2gray",
        licence=_TERMS,
        published="gray Gaussian denoising since Roth and Black 2005; DnCNN Table II",
        label_reader=segmentations,
    ),
    Dataset(
        name="cbsd68",
        title="CBSD68",
        colour="rgb",
        images=_images(gray=False),
        source="https://github.com/cszn/FFDNet (testsets/CBSD68): BSDS500 val, decoded",
        licence=_TERMS,
        published="colour Gaussian denoising; DnCNN Fig. 6, FFDNet Table V",
        label_reader=segmentations,
    ),
)
