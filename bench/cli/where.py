"""Where errors sit: at boundaries, inside regions, by class (make where)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = options.METHODS,
    data: Annotated[str, typer.Option(help="Datasets with label maps.")] = "bsd68",
    noise: options.Noise = "25",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
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
    """Show the errors of methods by distance from the boundaries that people drew, and by class (make where)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.where.study import build

    request = Request(method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma)
    print_outcomes(build(request, out, options.settings(device, backend, jobs), table))
