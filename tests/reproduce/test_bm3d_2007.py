"""BM3D of 2007 against what papers printed for its authors' MATLAB code."""

import pytest


@pytest.mark.slow
@pytest.mark.usefixtures("published_files")
def test_bm3d_of_2007_meets_what_was_printed_for_its_authors_code(measured):
    """The package of the same authors lies 0.106 dB above on this image, under the same noise."""
    result = measured("bm3d-2007", "set12:06", "25", protocol="matlab0")
    assert result.mean("psnr") == pytest.approx(28.42, abs=0.015)
