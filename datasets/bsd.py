"""BSD68: the 68 test images of the Berkeley segmentation dataset that denoising papers use."""

from datasets.description import Dataset, listed

_TERMS = "Berkeley BSDS500: non-commercial research and education; cite Arbelaez et al., TPAMI 2011"

DATASETS = (
    Dataset(
        name="bsd68",
        title="BSD68",
        colour="gray",
        files=listed("BSD68", "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/BSD68"),
        source="https://github.com/cszn/DnCNN (testsets/BSD68): CBSD68 through MATLAB's rgb2gray",
        licence=_TERMS,
        published="gray Gaussian denoising since Roth and Black 2005; DnCNN Table II",
    ),
    Dataset(
        name="cbsd68",
        title="CBSD68",
        colour="rgb",
        files=listed("CBSD68", "cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets/CBSD68"),
        source="https://github.com/cszn/FFDNet (testsets/CBSD68): BSDS500 val, decoded",
        licence=_TERMS,
        published="colour Gaussian denoising; DnCNN Fig. 6, FFDNet Table V",
    ),
)
