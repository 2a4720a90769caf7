"""Say what there is to choose from (make list)."""

from typing import Annotated

import typer

from bench.cli import options
from bench.cli.printing import say


def command(
    what: Annotated[
        str, typer.Argument(help="methods, datasets, noise, protocols, all, or a method or dataset; all otherwise.")
    ] = "",
    method: Annotated[
        str,
        typer.Option(
            help="All that methods say of themselves, or the methods that are all of: "
            "gray, colour, blind, given, ready, learned, classical."
        ),
    ] = "",
    data: Annotated[str, typer.Option(help="All that datasets say of themselves.")] = "",
    json: options.Json = False,
) -> None:
    """Say which methods, datasets, degradations and protocols there are (make list)."""
    from bench.cli.printing import print_warnings
    from bench.cli.registry_tables import FILTERS, checked, show
    from bench.common.parsing import split
    from bench.plan.resolve import dataset_words

    print_warnings()
    of_methods = split(method, "METHOD")
    filters = [word for word in of_methods if word in FILTERS]
    of_sets = [*dataset_words(what, "WHAT"), *dataset_words(data)]
    words = [*of_sets, *(word for word in of_methods if word not in FILTERS)]
    words = checked(words or ["methods" if filters else "all"])
    if json:
        from bench.cli.registry_json import described

        say(described(words, filters))
    else:
        show(words, filters)
