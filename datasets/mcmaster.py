"""McMaster: 18 saturated colour images (Zhang et al. 2011)."""

from datasets.description import Dataset, listed, whole

DATASETS = (
    Dataset(
        name="mcmaster",
        title="McMaster",
        colour="rgb",
        images=whole(listed("McMaster", "cszn/FFDNet/e787f46df2f374ff3591186706229cb9a0591fea/testsets/McMaster")),
        source="https://github.com/cszn/FFDNet (testsets/McMaster)",
        licence="none stated; research use (https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm)",
        published="colour denoising: FFDNet Table V and the tables after it",
    ),
)
