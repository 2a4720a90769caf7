"""Rank methods without a reference, and how well that works (make selfscore)."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "median,gaussian,dncnn-b,ffdnet",
    data: options.Data = "builtin",
    noise: options.Noise = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    weights: options.Weights = "",
    sigma: Annotated[
        str, typer.Option(help="Besides the truth, what the methods that take sigma are given: a comma list.")
    ] = "",
    images: Annotated[int, typer.Option(min=0, help="How many images, from the first; 0: all.")] = 0,
    side: Annotated[
        int, typer.Option(min=0, help="Take the middle of each image, of so many pixels; 0: all of it.")
    ] = 0,
    device: options.Device = "cpu",
    jobs: Annotated[int, typer.Option(min=0, callback=options.few_enough, help="Threads on the CPU; 0: one.")] = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Rank methods by the self-supervised score, beside PSNR where there is a reference (make selfscore)."""
    from bench.cli.printing import print_outcomes
    from bench.plan.request import Request
    from bench.run.settings import Settings
    from bench.studies.selfscore.study import build

    request = Request(method, data, noise, protocol, seed, weights, sigma=sigma)
    print_outcomes(build(request, out, images=images, side=side, table=table, settings=Settings(device, threads=jobs)))
