"""Committed results are measured again by the commands beside them."""

import pytest

from bench.cli.app import main
from bench.plan.cell import Failure
from bench.plan.request import Request, plan
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from bench.store.results import gather
from bench.studies.verify import again

ROW = "| `a.csv` | `make bench METHOD=median,gaussian DATA={} NOISE=15` |\n"
HEAD = "method,net,dataset,degradation,protocol,psnr,ssim,noisy_psnr\n"


@pytest.fixture
def one_process(monkeypatch):
    """Let cells run in this process, which has imported all that others would import first."""
    monkeypatch.setattr(again, "Settings", lambda: Settings(jobs=1))


@pytest.fixture
def folder(photographs, tmp_path, monkeypatch, one_process, row_of):
    """Return a folder with a table of results: one as it was measured, one that nothing gives, one of no command."""
    monkeypatch.setattr(again, "measurable", lambda: ())
    cells, _ = plan(Request("median,gaussian", str(photographs), "15"))
    first, second = map(row_of, gather([run_cell(cell, Settings(jobs=1)) for cell in cells]))
    names = HEAD.strip().split(",")
    right = ",".join(first[name] for name in names)
    wrong = ",".join(str(float(second[name]) + 0.002) if name == "psnr" else second[name] for name in names)
    other = right.replace("gaussian:15", "gaussian:77")
    made = tmp_path / "measured"
    made.mkdir()
    (made / "a.csv").write_text(HEAD + "\n".join((right, wrong, other)) + "\n")
    (made / "README.md").write_text("| table | command |\n|---|---|\n" + ROW.format(photographs))
    return made


def test_a_result_that_differs_is_a_failure_and_what_no_command_makes_is_said(folder):
    said = list(again.build(20, 0, 0.0, folder=folder))
    assert "rows that no command of" in said[1]
    assert "a.csv: Median on folder photographs, gaussian:77" in said[1]
    (failure,) = (one for one in said if isinstance(one, Failure))
    assert failure.cause.startswith("psnr is ")
    assert "Gaussian" in failure.request[""]
    assert [one for one in said if str(one).startswith("as committed  a.csv: Median on")]
    assert said[-1] == "2 of 2 measured again"


def test_each_table_is_said_with_how_it_is_made_again(folder):
    (folder / "b.csv").write_text("what\n1\n")
    (folder / "c.csv").write_text("what\n1\n")
    (folder / "d.csv").write_text("key,psnr\nf00,30\n,\n")
    with (folder / "README.md").open("a") as file:
        file.write("| `b.csv`, `b.png` | `make speed WHAT=scale`, then `python -m bench draws --count 3` |\n")
        file.write("| `d.csv` | `make verify` |\n")
    assert next(again.build(1, 0, 0.0, folder=folder)).splitlines() == [
        "a.csv: 2 results, compared at random; no key says by which code",
        "b.csv: made by make speed, python -m bench draws, not compared; no key says by which code",
        "c.csv: NO COMMAND of README.md makes it; no key says by which code",
        "d.csv: made by make verify, not compared; 1 of 1 rows not made at the current key",
    ]


def test_no_cell_is_begun_when_the_time_is_over(folder):
    assert list(again.build(20, 0, 1e-9, folder=folder))[-1] == "0 of 2 measured again; the time is over"


def test_every_committed_result_has_a_command(capsys):
    found, orphans = again.committed()
    assert not orphans
    tables = {path.name for path in again.FOLDER.glob("*.csv")}
    assert {name for name, commands in again._commands(again.FOLDER).items() if commands} == tables
    assert len({one.table for one in found}) >= 22
    assert main(["verify-measured", "--method=nosuch"]) == 2
    assert "no committed result of nosuch is in results/measured/" in capsys.readouterr().err


@pytest.mark.usefixtures("published_files", "one_process")
def test_a_committed_result_is_measured_again(capsys):
    assert main(["verify-measured", "--count=1", "--method=gaussian", "--data=set12"]) == 0
    assert "as committed  classical-set12.csv: Gaussian on set12" in capsys.readouterr().out
