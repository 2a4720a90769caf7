"""Write the noisy images that methods get, for another program (make noisy)."""

from pathlib import Path
from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    data: options.Data = "builtin",
    noise: options.Noise = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    format: Annotated[
        str, typer.Option(help="npy or tiff (real numbers, 1.0 = white), png (8 bit, where noise is clipped).")
    ] = "",
    to: Annotated[Path, typer.Option(file_okay=False, help="Folder that gets the images.")] = Path("results/noisy"),
) -> None:
    """Write the noisy images that methods get, for another program; METHOD=outputs: scores what it makes of them."""
    import shlex

    from bench.cli.printing import print_outcomes
    from bench.common.parsing import unknown
    from bench.plan.request import Request
    from bench.run.saving import FORMATS, TREE, noisy_images

    if format and format not in FORMATS:
        raise unknown("format", format, FORMATS)
    print_outcomes(noisy_images(Request(data=data, noise=noise, seed=seed, protocol=protocol), to, format))
    typed = {"DATA": data, "NOISE": noise, "SEED": seed, "PROTOCOL": protocol}
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in typed.items() if value)
    say(
        "write what your program makes of them, under the same names, into a folder beside `noisy`, as `mynet`, and "
        f'score it: make bench {words} METHOD="outputs:{to}/{TREE}/mynet/{{name}}"'
    )
