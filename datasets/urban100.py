"""Urban100: buildings with regular structures (Huang, Singh, Ahuja: CVPR 2015)."""

from datasets.description import RAW, Dataset, File, listed, whole

_ADDRESS = "jbhuang0604/SelfExSR/8f6dd8c1d20cb7e8792a7177b4f6fd677633f598/data/Urban100/image_SRF_4"
_ENDING = "_SRF_4_HR"
_FIRST = listed("Urban100_first10", _ADDRESS)
# Of these the source states no digest: the commit in the address fixes them.
_OTHERS = tuple(
    File(f"Urban100/img_{number:03d}{_ENDING}.png", url=f"{RAW}/{_ADDRESS}/img_{number:03d}{_ENDING}.png")
    for number in range(len(_FIRST) + 1, 101)
)
_SOURCE = "https://github.com/jbhuang0604/SelfExSR (data/Urban100/image_SRF_4, HR): cropped to multiples of 4 there"
_TERMS = "none stated for the images (photographs gathered from Flickr); cite Huang et al., CVPR 2015"

DATASETS = (
    Dataset(
        name="urban100",
        title="Urban100",
        colour="rgb",
        images=whole((*_FIRST, *_OTHERS), _ENDING),
        source=_SOURCE,
        licence=_TERMS,
        published="colour denoising: RNAN Table 2, SwinIR Table 6, SCUNet Table 2, ART Table 4, Xformer Table 3",
    ),
    Dataset(
        name="urban100-first10",
        title="Urban100, img_001 to img_010",
        colour="rgb",
        images=whole(_FIRST, _ENDING),
        source=_SOURCE,
        licence=_TERMS,
        published="nowhere: numbers of all 100 images do not stand for these ten",
    ),
)
