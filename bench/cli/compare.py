"""Whether methods differ on the same images, or only seem to (make compare)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = options.METHODS,
    data: options.Data = "builtin",
    noise: options.Noise = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    metric: Annotated[str, typer.Option(help="psnr, ssim or mse.")] = "psnr",
    weights: options.Weights = "",
    ensemble: options.Ensemble = "1",
    precision: options.Precision = "fp32",
    tile: options.Tile = 0,
    sigma: options.Sigma = "",
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    jobs: options.Jobs = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Test whether methods differ on the same images: paired differences, intervals, ranks (make compare)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.compare.study import build

    request = Request(method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma)
    settings = options.settings(device, backend, jobs)
    print_outcomes(build(request, out, metric=metric, table=table, settings=settings))
