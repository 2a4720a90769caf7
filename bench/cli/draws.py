"""Measure what a noise draw does to PSNR and SSIM."""

from typing import Annotated

import typer

from bench.cli import options


def command(
    method: options.Method = "dncnn",
    data: options.Data = "builtin",
    noise: Annotated[str, typer.Option(help="Sigmas.")] = "15,25,50",
    count: Annotated[int, typer.Option(min=2, help="Noise draws.")] = 20,
    device: options.Device = "auto",
    table: options.Table = None,
    out: options.Out = options.RESULTS,
) -> None:
    """Measure how much a noise draw moves PSNR and SSIM, which the tolerance of verdicts rests on."""
    from bench.cli.printing import print_rows
    from bench.studies.noise_draws import measure

    print_rows(measure(method, data, noise, count, options.settings(device, "auto", 0), out), table)
