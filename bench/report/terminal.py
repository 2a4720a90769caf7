"""What a person sees in the terminal: progress, the table, the reasons."""

import math
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bench.judge.footnotes import PREDICTED_NOISE, SELF_SCORE, footnotes
from bench.judge.verdict import Verdict, judge, reference
from bench.plan.cell import Cell, Failure
from bench.run.progress import CellProgress
from bench.run.progress import Progress as CampaignProgress
from bench.store.results import PEAK_255_OF_UNIT, Result, number

_STYLE = {"reproduced": "green", "above": "cyan", "below": "yellow", "not comparable": "dim"}


def console() -> Console:
    """Return the console for standard output; 120 columns wide where it is no terminal."""
    out = Console(highlight=False, soft_wrap=False)
    return out if out.is_terminal else Console(highlight=False, width=120)


class Live(CampaignProgress):
    """One progress line a cell: images done, mean PSNR so far, images a second, time left.

    Parameters
    ----------
    out : Console
        Where it is printed.
    failures : bool
        Whether failures are printed as they come; False where the caller prints them.
    """

    def __init__(self, out: Console, *, failures: bool = True) -> None:
        self.out, self.failures = out, failures
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[psnr]}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(compact=True),
            console=out,
            disable=not out.is_terminal,
            transient=True,
        )

    def planned(self, total: int, finished: int) -> None:
        """Say how many cells are finished already, and show the progress line."""
        if finished:
            self.out.print(f"{finished} of {total} cells are finished already", style="dim")
        if finished < total:
            self.bar.start()

    def begin(self, cell: Cell) -> CellProgress:
        """Start a cell's line and return what keeps it up to date."""
        return _Line(self.bar, f"{cell.label}, {cell.dataset.name}, {cell.degradation}")

    def done(self, cell: Cell, seconds: float, fallback: str = "") -> None:
        """Print the line that stays of a finished cell."""
        net = f" [{cell.net.id}]" if cell.net.weights else ""
        more = ""
        if cell.extrapolates and cell.net.trained:
            more = f"; outside its training range {cell.net.trained[0]:g}-{cell.net.trained[1]:g}"
        more += f"; in PyTorch, since onnxruntime cannot: {fallback}" if fallback else ""
        self.out.print(f"done  {cell.title}{net}: {seconds:.1f} s{more}", markup=False)

    def failed(self, failure: Failure) -> None:
        """Print why something failed."""
        if self.failures:
            failed(failure)

    def ended(self, cells: int, seconds: float) -> None:
        """Take the progress line away, and say how long it took."""
        self.bar.stop()
        if cells > 1:
            self.out.print(f"{cells} cells in {seconds:.0f} s", style="dim")


class _Line(CellProgress):
    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name = progress, name
        self.task = progress.add_task(name, total=None, psnr="", speed="")
        self.start = 0.0

    def files(self, done: int, total: int) -> None:
        self.progress.update(self.task, description=f"downloading for {self.name}", completed=done, total=total)

    def images(self, done: int, total: int, psnr: float) -> None:
        self.start = self.start or time.perf_counter()
        speed = f"{(done - 1) / (time.perf_counter() - self.start):.1f} images/s" if done > 1 else ""
        self.progress.update(
            self.task, description=self.name, completed=done, total=total,
            psnr="" if math.isnan(psnr) else f"{psnr:.2f} dB", speed=speed, visible=done < total,
        )  # fmt: skip


def failed(failure: Failure) -> None:
    """Print why something failed, on standard error, as one line."""
    print(f"failed  {failure.title}: {failure.cause}", file=sys.stderr)  # noqa: T201


def check(out: Console, colour: str, name: str, remark: str, *, passed: bool | None) -> None:
    """Print one check of `make conform` as a line."""
    words = {True: Text("ok  ", "green"), False: Text("FAIL", "red"), None: Text("none", "dim")}
    out.print(Text.assemble(words[passed], f"  {colour:4}  {name}", (f"  {remark}", "dim")), soft_wrap=True)


def tables(out: Console, results: Sequence[Result]) -> None:
    """Print results beside the published numbers, one table a protocol: the numbers of two never mix.

    Images without a reference have a table of their own, by their self-supervised score.
    """
    for name in dict.fromkeys(result.protocol for result in results):
        members = [result for result in results if result.protocol == name]
        for kind, table in ((True, _table), (False, _unreferenced)):
            shown = [result for result in members if result.has_reference == kind]
            if shown:
                out.print()
                table(out, shown)
    for note in footnotes(results):
        out.print(f"note: {note}", style="dim", markup=False)


def _table(out: Console, results: Sequence[Result]) -> None:
    """Print results of one protocol, and under them the reasons of the verdicts."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("Method", "Data", "Noise"):
        grid.add_column(name, overflow="fold", max_width=24)
    with_noise = any(result.predicts_noise for result in results)
    judged = [(result, judge(result), reference(result, "ssim")) for result in results]
    # Columns of published numbers stand where there are any.
    columns = {
        "PSNR dB": True,
        "paper": any(verdict for _, verdict, _ in judged),
        "diff": any(verdict for _, verdict, _ in judged),
        "SSIM": True,
        "paper ": any(ssim for _, _, ssim in judged),
        "MSE": True,
        "noisy dB": True,
        "noise dB": with_noise,
        "peak 255": with_noise,
        "s/image": True,
    }
    for name, shown in columns.items():
        if shown:
            grid.add_column(name.strip(), justify="right", no_wrap=True)
    grid.add_column("Verdict", no_wrap=True)
    reasons: list[str] = []
    for result, verdict, ssim in judged:
        noise = result.mean("noise_psnr")
        cells = [
            number(result.mean("psnr"), ".2f"),
            verdict.published.value if verdict else "-",
            f"{verdict.difference:+.3f}" if verdict else "-",
            number(result.mean("ssim"), ".4f"),
            ssim.value if ssim else "-",
            number(result.mean("mse"), ".1f"),
            number(result.mean("noisy_psnr"), ".2f"),
            number(noise, ".2f"),
            number(noise + PEAK_255_OF_UNIT, ".2f"),
            f"{result.mean('seconds'):.3g}",
        ]
        kept = [cell for cell, shown in zip(cells, columns.values(), strict=True) if shown]
        grid.add_row(result.label, result.dataset, result.noise, *kept, _verdict(verdict))
        if verdict:
            reasons.append(f"{result.label}, {result.dataset}, {result.degradation}: {verdict.word}: {verdict.reason}")
    out.print(grid)
    seeds = sorted({seed for result in results for seed in result.seeds})
    out.print(f"protocol {results[0].protocol}; mean over seeds {', '.join(map(str, seeds))}", style="dim")
    if with_noise:
        out.print(PREDICTED_NOISE, style="dim", markup=False)
    for reason in reasons:
        out.print(reason, style="dim", markup=False)


def _unreferenced(out: Console, results: Sequence[Result]) -> None:
    """Print results on images without a reference, the best by the self-supervised score first."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("Method", "Data", "Noise"):
        grid.add_column(name, overflow="fold", max_width=40)
    for name in ("self-score", "±", "told sigma", "s/image"):
        grid.add_column(name, justify="right", no_wrap=True)
    for result in sorted(results, key=lambda r: (r.dataset, r.mean("self_mse"))):
        grid.add_row(
            result.label,
            result.dataset,
            result.noise,
            number(result.mean("self_mse"), ".2f"),
            number(result.mean("self_error"), ".2f"),
            number(result.mean("told_sigma"), ".1f"),
            f"{result.mean('seconds'):.3g}",
        )
    out.print(grid)
    out.print(f"protocol {results[0].protocol}; no reference; {SELF_SCORE}", style="dim", markup=False)


def _verdict(verdict: Verdict | None) -> Text:
    return Text(verdict.word, _STYLE[verdict.word]) if verdict else Text("not published", "dim")
