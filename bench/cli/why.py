"""Why a cell does not give a number that a paper or a person has (make why)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "dncnn",
    data: options.Data = "set12",
    noise: options.Noise = "",
    target: Annotated[
        str,
        typer.Option(
            help="The number: 29.41, PSNR and SSIM 29.41/0.8312, one an image 32.6,34.9, or each; else the published."
        ),
    ] = "",
    metric: Annotated[str, typer.Option(help="psnr or ssim.")] = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    weights: options.Weights = "",
    ensemble: options.Ensemble = "1",
    precision: options.Precision = "fp32",
    sigma: options.Sigma = "",
    range: options.Range = "",
    output: options.Output = "",
    images: options.Images = 0,
    runs: Annotated[
        int | None,
        typer.Option(
            min=0, help="Inputs that run on the whole set beside the usual ones; not given: 5 minutes of them."
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="Time after which no other input runs: 90s, 9m, 1.5h.")] = "",
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    jobs: options.Jobs = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Find the choices that explain another number: of images, noise, method, output, score (make why)."""
    from bench.cli.printing import print_outcomes
    from bench.common.parsing import budget_seconds
    from bench.plan.request import Request
    from bench.studies.why.study import build

    request = Request(
        method, data, noise, protocol, seed, weights, ensemble, precision, sigma=sigma, range=range, output=output
    )
    how = {"target": target, "metric": metric, "images": images, "runs": runs, "budget": budget_seconds(budget)}
    settings = options.settings(device, backend, jobs)
    print_outcomes(build(request, out, settings=settings, table=table, **how))  # type: ignore[arg-type] # by name
