"""Filters that networks are equivalent to, and their net bias (make explain)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "dncnn",
    data: options.Data = "builtin",
    noise: Annotated[str, typer.Option(help="Degradations; a row of the figure each.")] = "25",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    sigma: options.Sigma = "",
    image: Annotated[str, typer.Option(help="Name of an image of the dataset; its first one otherwise.")] = "",
    pixel: Annotated[str, typer.Option(help="y,x;y,x; a flat, an edge and a textured pixel otherwise.")] = "",
    weights: options.Weights = "",
    device: options.Device = "auto",
    out: options.Out = options.RESULTS,
) -> None:
    """Show which linear filter a network is equivalent to at a pixel, and its net bias (make explain)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.studies.explain.study import build

    request = Request(method, data, noise, protocol, seed, weights, sigma=sigma)
    print_outcomes(build(request, image, pixel, out, device))
