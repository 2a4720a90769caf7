"""What the site has besides the pages of `docs/`: a page a command, tables of the registries, files that pages link to.

mkdocs calls the functions `on_...`. A page of `docs/` may link to any file of the repository, as it does on a code
host; the site has a copy of it at the same place.
"""

import csv
import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
"""The target of a link or a picture to a file of the repository, and its anchor."""

ADDRESS = re.compile(r"https?://[^\s<>|,;)]*[^\s<>|,;):.]")
"""An address in a sentence, without what ends the sentence."""

CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)


def on_config(config: Any) -> Any:
    """Put the commands into the navigation, and the pages that it does not name."""
    named = set(re.findall(r"[\w/-]+\.md", json.dumps(config.nav)))
    others = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    for section in config.nav:
        if "Commands" in section:
            section["Commands"] = [section["Commands"], *(f"commands/{name}.md" for name, _ in commands())]
        elif "More" in section:
            section["More"] = [name for name in others if name not in named and not name.startswith("commands/")]
    config.nav = [section for section in config.nav if section.get("More") != []]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of commands without a text of their own, and what is linked to outside of `docs/`."""
    from mkdocs.structure.files import File

    for name in ("index", *(name for name, _ in commands())):
        if files.get_file_from_path(f"commands/{name}.md") is None:
            title = "Commands" if name == "index" else f"make {name}"
            files.append(File.generated(config, f"commands/{name}.md", content=f"# {title}\n"))
    for path in sorted(linked()):
        files.append(File.generated(config, place(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Fill the tables of a page, and turn its links to those of the site."""
    uri = page.file.src_uri
    folder, name = posixpath.split(uri)
    if folder == "commands":
        title, text = markdown.split("\n", 1)
        made = command_page(name.removesuffix(".md")) if name != "index.md" else ("", command_table())
        markdown = "\n\n".join((title, made[0], text.strip(), made[1]))
    for mark, table in TABLES.items():
        if f"<!-- {mark} -->" in markdown:
            markdown = markdown.replace(f"<!-- {mark} -->", table())
    source = next((path for path in ("README.md", *linked()) if place(path) == uri), f"docs/{uri}")

    def turned(match: re.Match[str]) -> str:
        target = place(posixpath.normpath(posixpath.join(posixpath.dirname(source), match[1])))
        return posixpath.relpath(target, posixpath.dirname(uri) or ".") + (match[2] or "")

    return LINK.sub(turned, markdown)


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Take the script that searching from disk needs from the site, where the theme would take it from the network."""
    return local(output, page.file.dest_uri)


def on_post_template(output: str, template_name: str, config: Any) -> str:
    """Do the same for pages that the theme adds."""
    return local(output, template_name)


def local(output: str, uri: str) -> str:
    """Return a page of the site with its scripts taken from there."""
    script = posixpath.relpath("vendor/iframe-worker.js", posixpath.dirname(uri) or ".")
    return output.replace("https://unpkg.com/iframe-worker/shim", script)


def place(path: str) -> str:
    """Return where a file of the repository stands in the site.

    Examples
    --------
    >>> place("docs/start.md"), place("README.md"), place("results/README.md")
    ('start.md', 'index.md', 'results/README.md')
    """
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def targets(path: str) -> Iterator[tuple[str, str]]:
    """Yield the links of a page, each as a file of the repository and the anchor in it."""
    text = CODE.sub("", (ROOT / path).read_text(encoding="utf-8"))
    for target, anchor in LINK.findall(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(path), target)), anchor


def linked() -> set[str]:
    """Return the files outside of `docs/` that pages link to, those linked to by these among them."""
    found: set[str] = set()
    left = ["README.md", *(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))]
    while left:
        new = {path for path, _ in targets(left.pop()) if not path.startswith("docs/")} - found
        found |= new
        left += [path for path in new if path.endswith(".md")]
    return (found | {"README.md"}) - {"."}


def commands() -> list[tuple[str, str]]:
    """Return the commands in the order of the Makefile, each with the line that `make` says of it."""
    lines = (ROOT / "Makefile").read_text(encoding="utf-8")
    return [(name, text) for name, text in re.findall(r"^([a-z-]+):.*?## (.*)$", lines, re.MULTILINE) if name != "help"]


def command_page(name: str) -> tuple[str, str]:
    """Return what a command does, and its variables."""
    import typer

    from bench.cli.app import COMMANDS, app
    from bench.cli.make import RENAMED, variables

    program = RENAMED.get(name, name)
    if program not in COMMANDS:
        return f"{dict(commands())[name].partition(' (')[0]}.", ""
    does = typer.main.get_command(app).commands[program].help or ""  # type: ignore[attr-defined]
    does = re.sub(r" \(make [\w-]+\)", "", " ".join(does.split()))
    rows = [
        (f"`{variable}`", parameter.help or "", _default(parameter)) for variable, parameter in variables(name).items()
    ]
    taken = table(("variable", "what it is", "default"), rows) if rows else "It takes no variable."
    without = f"Without make: `python -m bench {name}`, with the same words, or with options (`--help` lists them)."
    return does, f"## Variables of make {name}\n\n{taken}\n\n{without}"


def _default(parameter: Any) -> str:
    if getattr(parameter, "is_flag", False):
        return "off"
    usual = parameter.default
    text = f"{usual:g}" if isinstance(usual, float) else _short(usual)
    return "" if usual in (None, "") or callable(usual) else f"`{text}`"


def _short(value: Any) -> str:
    path = Path(str(value))
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(value)


def command_table() -> str:
    """Return one row a command."""
    return table(("command", "what it does"), [(f"[`make {name}`]({name}.md)", text) for name, text in commands()])


def columns_table() -> str:
    """Return the columns of `leaderboard.csv` and of `TABLE=file.csv`."""
    from bench.report.columns import FILE, columns

    rows = [
        (f"`{c.name}`", c.title, c.unit, c.origin, ", ".join(o for o in c.outputs if o != FILE))
        for c in columns(FILE, [])
    ]
    return table(("column", "heading", "unit", "comes from", "also in"), rows)


def committed_table() -> str:
    """Return the columns of every table in `results/`: tables that have the same share a row."""
    folder = ROOT / "results"
    tables: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.csv")) + sorted((folder / "measured").glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            columns = ", ".join(f"`{name}`" for name in next(csv.reader(file)))
        tables.setdefault(columns, []).append(f"`{path.relative_to(folder).as_posix()}`")
    return table(("file", "columns"), [(", ".join(names), columns) for columns, names in tables.items()])


def methods_table() -> str:
    """Return one row a method of the registry."""
    from bench.cli.registry_tables import colours, sigmas
    from methods import available

    rows = []
    for method in available().values():
        licences = sorted({net.weights.licence for net in method.nets if net.weights})
        own = "yours" if method.learned else "none needed"
        rows.append((f"`{method.name}`", method.title, colours(method.nets), sigmas(method.nets),
                     ", ".join(licences) or own, links(method.paper)))  # fmt: skip
    return table(("METHOD", "what it is", "colour", "sigma", "licence of the weights", "paper"), rows)


def datasets_table() -> str:
    """Return one row a dataset of the registry."""
    from datasets import available

    sets = sorted(available().values(), key=lambda one: (one.role, one.name))
    rows = [(f"`{s.name}`", s.title, str(len(s.images)), s.colour, s.role, f"`{s.default_noise}`", links(s.source),
             links(s.licence)) for s in sets]  # fmt: skip
    return table(("DATA", "what it is", "images", "colour", "set", "NOISE", "source", "licence"), rows)


def noise_table() -> str:
    """Return one row a kind of degradation."""
    from bench.degradation import KINDS

    rows = []
    for kind in KINDS.values():
        examples = re.split(", (?=[a-z])| or ", kind.example)
        rows.append((", ".join(f"`{example}`" for example in examples), kind.summary))
    return table(("NOISE", "what it is"), rows)


def protocols_table() -> str:
    """Return one row a protocol, and one a choice of a protocol of one's own."""
    from bench.plan.protocol import CHOICES, PROTOCOLS

    named = table(("PROTOCOL", "what it fixes"), [(f"`{one.name}`", one.summary()) for one in PROTOCOLS.values()])
    choices = [(f"`{name}={value}`", means) for name, values in CHOICES.items() for value, means in values.items()]
    return f"{named}\n\n{table(('your own', 'what it means'), choices)}"


def open_table() -> str:
    """Return the published numbers that were measured, not reproduced, and not explained."""
    from bench.judge.verified import committed, state
    from bench.studies.verify.judged import nearest

    rows = []
    for row in filter(lambda row: state(row) == "open", committed()):
        cause, left = nearest(row) or ("none known", float(row["difference"]))
        number = " ".join(
            filter(None, (row["method"], row["variant"], row["dataset"], row["image"], row["degradation"]))
        )
        scores = (f"{row['metric'].upper()} {row['published']}", f"{float(row['measured']):.5g}", row["verdict"])
        rows.append((number, row["paper"], *scores, cause, f"{left:+.3f}"))
    return table(("number", "paper", "published", "measured", "verdict", "nearest cause", "what it leaves"), rows)


def links(text: str) -> str:
    """Return a sentence whose addresses are links in Markdown, and whose paths may be broken behind a slash.

    Examples
    --------
    >>> links("https://a.org/b; from http://c.net/d/: all (e/f, https://g.de/h).")
    '<https://a.org/b>; from <http://c.net/d/>: all (e/<wbr>f, <https://g.de/h>).'
    """
    between, found = ADDRESS.split(text), [f"<{address}>" for address in ADDRESS.findall(text)]
    parts = [re.sub(r"(?<=\w)/(?=\w)", "/<wbr>", part) for part in between]
    return "".join(part + address for part, address in zip(parts, [*found, ""], strict=True))


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown; its texts may have markup."""
    lines = (names, ["---"] * len(names), *rows)
    return "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)


TABLES: Mapping[str, Callable[[], str]] = {
    "columns": columns_table,
    "committed": committed_table,
    "methods": methods_table,
    "datasets": datasets_table,
    "noise": noise_table,
    "protocols": protocols_table,
    "open": open_table,
}
"""What stands in a page for the comment of its name."""
