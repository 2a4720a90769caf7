"""Measure what a noise draw does to PSNR and SSIM."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "dncnn",
    data: options.Data = "builtin",
    noise: Annotated[str, typer.Option(help="Sigmas.")] = "15,25,50",
    protocol: options.Protocol = "",
    side: Annotated[
        int, typer.Option(min=0, help="Take the middle of each image, of so many pixels; 0: all of it.")
    ] = 0,
    count: Annotated[int, typer.Option(min=2, help="Noise draws.")] = 20,
    device: options.Device = "auto",
    jobs: options.Threads = 0,
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Measure how much a noise draw moves PSNR and SSIM, which the tolerance of verdicts rests on."""
    from bench.cli.printing import print_rows
    from bench.plan.request import Request
    from bench.studies.noise_draws import measure

    request = Request(method, data, noise, protocol)
    print_rows(measure(request, count, options.settings(device, "auto", jobs), out, side=side), table)
