import pytest


@pytest.fixture(autouse=True)
def _no_figures_for_papers(request, monkeypatch):
    """Reports of tests leave out what takes most of their time, drawn a second time, unless a test looks at it."""
    if request.module.__name__.rpartition(".")[2] != "test_figure_files":
        monkeypatch.setattr("bench.report.figures.charts.paper_figures", lambda *_, **__: [])
