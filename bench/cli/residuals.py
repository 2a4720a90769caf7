"""Is what a method takes away the noise that was added: histograms and normality (make residuals)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = options.METHODS,
    data: options.Data = "builtin",
    noise: options.Noise = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    weights: options.Weights = "",
    ensemble: options.Ensemble = "1",
    precision: options.Precision = "fp32",
    tile: options.Tile = 0,
    sigma: options.Sigma = "",
    images: options.Images = 0,
    patches: Annotated[int, typer.Option(min=1, help="How many patches of 40x40 pixels, for each seed.")] = 128,
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    jobs: options.Jobs = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Measure noise, residuals and errors of a batch of patches, and test whether they are normal (make residuals)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.residuals.study import build

    request = Request(method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma)
    settings = options.settings(device, backend, jobs)
    print_outcomes(build(request, out, images=images, patches=patches, table=table, settings=settings))
