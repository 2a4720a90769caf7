"""What a segmentation network makes of denoised images (make segment)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = options.METHODS,
    data: Annotated[str, typer.Option(help="Datasets with label maps and classes.")] = "camvid",
    noise: options.Noise = "30",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    weights: options.Weights = "",
    ensemble: options.Ensemble = "1",
    precision: options.Precision = "fp32",
    tile: options.Tile = 0,
    sigma: options.Sigma = "",
    segmenter: Annotated[str, typer.Option(help="A file of make train; otherwise ours that fits the dataset.")] = "",
    images: options.Images = 0,
    image: Annotated[str, typer.Option(help="Name of the image of the figure; one of median gain otherwise.")] = "",
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    jobs: options.Jobs = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Segment images noisy, denoised and clean: PSNR beside mean intersection over union (make segment)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.segment.study import build

    request = Request(method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma)
    settings = options.settings(device, backend, jobs)
    print_outcomes(build(request, out, segmenter=segmenter, images=images, image=image, table=table, settings=settings))
