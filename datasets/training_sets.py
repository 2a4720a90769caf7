"""Images that denoisers are trained on: crops and photographs of the Berkeley segmentation dataset.

Neither has an image of BSD68. Both have pixels of two other test sets: Set12/04 (starfish) is a crop of BSDS500
12003, and Set5/woman a reduced copy of 302003; each is here as a crop (train400) or whole (cbsd432).
"""

from datasets.description import Dataset, listed, whole

_TERMS = "Berkeley BSDS500: non-commercial research and education; cite Arbelaez et al., TPAMI 2011"

DATASETS = (
    Dataset(
        name="train400",
        title="Train400",
        colour="gray",
        images=whole(
            listed(
                "Train400",
                "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Train400",
            )
        ),
        source="https://github.com/cszn/DnCNN (TrainingCodes/DnCNN_TrainingCodes_v1.0/data/Train400): 180x180 crops of "
        "BSDS500 train and test",
        licence=_TERMS,
        published="what TNRD, DnCNN and most gray denoisers after them were trained on",
        role="train",
    ),
    Dataset(
        name="cbsd432",
        title="CBSD432",
        colour="rgb",
        images=whole(
            listed(
                "CBSD432", "majedelhelou/BUIFD/58ee380546e120195ce02f6e0829dd2e0f2667cf/Training/training_data/CBSD432"
            )
        ),
        source="https://github.com/majedelhelou/BUIFD (Training/training_data/CBSD432): BSDS500 but CBSD68, JPEG as "
        "published",
        licence=_TERMS,
        published="what CDnCNN and BUIFD were trained on",
        role="train",
    ),
)
