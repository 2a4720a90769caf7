"""Say what there is to choose from (make list)."""

from typing import Annotated

import typer


def command(
    what: Annotated[
        str, typer.Argument(help="methods, datasets, noise, protocols, all, or a method or dataset; all otherwise.")
    ] = "",
    method: Annotated[str, typer.Option(help="All that methods say of themselves.")] = "",
    data: Annotated[str, typer.Option(help="All that datasets say of themselves.")] = "",
) -> None:
    """Say which methods, datasets, degradations and protocols there are (make list)."""
    from bench.cli.printing import print_warnings
    from bench.cli.registry_tables import show
    from bench.common.parsing import split

    print_warnings()
    typed = {"WHAT": what, "METHOD": method, "DATA": data}
    for word in [word for variable, text in typed.items() for word in split(text, variable)] or ["all"]:
        show(word)
