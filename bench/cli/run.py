"""Measure methods on datasets (make bench)."""

import typer

from bench.cli import options
from bench.cli.printing import say
from bench.run.settings import TIMEOUT


def command(
    method: options.Method = options.METHODS,
    data: options.Data = "builtin",
    noise: options.Noise = "",
    seed: options.Seed = "0",
    protocol: options.Protocol = "",
    weights: options.Weights = "",
    as_: options.As = "",
    claim: options.Claim = "",
    ensemble: options.Ensemble = "1",
    precision: options.Precision = "fp32",
    tile: options.Tile = 0,
    sigma: options.Sigma = "",
    range: options.Range = "",
    output: options.Output = "",
    compile: options.Compile = False,
    memory: options.Memory = 0.0,
    timeout: options.Timeout = TIMEOUT,
    fresh: options.Fresh = False,
    device: options.Device = "auto",
    backend: options.Backend = "auto",
    engine: options.Engine = "serial",
    scheduler: options.Scheduler = "",
    jobs: options.Jobs = 0,
    table: options.Table = None,
    save: options.Save = None,
    out: options.Out = options.RESULTS,
    dry_run: options.DryRun = False,
    json: options.Json = False,
) -> None:
    """Measure methods on datasets and print them beside the published numbers (make bench)."""
    from dataclasses import replace

    from bench.cli.printing import print_warnings
    from bench.common.atomic import write_whole
    from bench.common.tables import ending, json_text
    from bench.judge.claims import claims, remark
    from bench.plan.cell import understood
    from bench.plan.request import Request, planned
    from bench.report import terminal
    from bench.report.console import console
    from bench.report.leaderboard import TEXTS, leaderboards, to_json
    from bench.run.campaign import run_campaign
    from bench.run.forecast import forecasts
    from bench.store.records import Store
    from bench.store.results import gather

    how = options.settings(
        device, backend, jobs, compile=compile, memory=memory, timeout=timeout, engine=engine, scheduler=scheduler
    )
    settings = replace(how, save=save)
    print_warnings()
    words = (method, data, noise, protocol, seed, weights, ensemble, precision, tile, sigma, range, output, as_)
    plan = planned(Request(*words))
    claimed = claims(claim, plan.cells) if claim else {}
    store = Store(out / "runs")
    screen = console(stderr=json)
    live = terminal.Live(screen)
    for line in filter(None, (*plan.remarks, remark(claim, claimed))):
        screen.print(line, style="dim", markup=False)
    if dry_run:
        for line in understood(plan.cells, warnings=True):
            live.note(line)
        for failure in plan.failures:
            terminal.failed(failure)
        found = forecasts(plan.cells, store, settings, fresh=fresh)
        terminal.print_forecasts(screen, found)
        if json:
            say(json_text([forecast.row for forecast in found]), nl=False)
        raise typer.Exit(0 if not plan.failures else 1 if plan.cells else 2)
    for cell in plan.cells:
        store.claim(cell, claimed.get(cell.key))
    done = run_campaign(plan.cells, store, settings, live, plan.failures, fresh=fresh)
    results = gather(done.records())
    for line in store.lines_left_out:
        say(line, err=True)
    if json:
        say(to_json(leaderboards(results)), nl=False)
    elif results:
        terminal.print_results(screen, results)
    if results and table is not None:
        write_whole(table, TEXTS[ending(table)](leaderboards(results)))
    if done.failures or any(result.failed_images for result in results):
        raise typer.Exit(1 if results else 2)
