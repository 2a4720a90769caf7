"""Set12: the twelve classic gray test images of the DnCNN paper."""

from datasets.description import Dataset, listed, whole

DATASETS = (
    Dataset(
        name="set12",
        title="Set12",
        colour="gray",
        images=whole(listed("Set12", "cszn/DnCNN/e93b27812d3ff523a3a79d19e5e50d233d7a8d0a/testsets/Set12")),
        source="https://github.com/cszn/DnCNN (testsets/Set12)",
        licence="none stated (classic research test images)",
        published="gray Gaussian denoising; DnCNN Table III",
    ),
)
