from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from bench.plan.request import single
from bench.run.images import pictures
from bench.run.one_cell import run_cell
from bench.run.settings import Settings
from datasets.from_path import from_path
from datasets.radiographs import from_folder, is_radiographs, radiograph

PATIENT = "Doe^Jane^Q"


def packaged(name):
    """Return a file that comes with pydicom for its own tests."""
    return Path(get_testdata_file(name, download=False))


def dicom(path, pixels, bits=12, kind="MONOCHROME2", **tags):
    """Write a DICOM file as a radiography unit does, with a patient in it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    frames = pixels.shape[0] if pixels.ndim == 3 else 1
    about = {
        "PatientName": PATIENT,
        "PatientID": "7654321",
        "PatientBirthDate": "19010101",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": kind,
        "BitsAllocated": pixels.itemsize * 8,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
        "PixelData": pixels.tobytes(),
        **({"NumberOfFrames": frames} if frames > 1 else {}),
        **tags,
    }
    for name, value in about.items():
        setattr(file, name, value)
    file.save_as(path, enforce_file_format=True)
    return path


STORED = np.array([[0, 1, 1000], [4095, 2048, 7]], np.uint16)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, STORED / 4095 * 255),
        ({"RescaleSlope": 2, "RescaleIntercept": -1024}, STORED / 4095 * 255),
        ({"WindowCenter": 1000, "WindowWidth": 200}, STORED / 4095 * 255),
        ({"kind": "MONOCHROME1"}, 255 - STORED / 4095 * 255),
        ({"RescaleSlope": -1, "RescaleIntercept": 4095}, 255 - STORED / 4095 * 255),
        ({"kind": "MONOCHROME1", "RescaleSlope": -1, "RescaleIntercept": 4095}, STORED / 4095 * 255),
        ({"bits": 16}, STORED / 65535 * 255),
    ],
)
def test_levels_are_the_full_range_of_the_stored_bits(tmp_path, tags, expected):
    entry = from_folder(dicom(tmp_path / "a.dcm", STORED, **tags).parent)
    (image,) = entry.images
    levels = entry.picture(image.clean, tmp_path / "a.dcm")
    assert (levels.shape, levels.dtype, entry.colour, entry.protocol) == ((2, 3, 1), np.float32, "gray", "float")
    assert np.allclose(levels[..., 0], expected, atol=1e-4)


def test_signed_values_begin_at_the_lowest(tmp_path):
    pixels = np.array([[-2048, 0, 2047]], np.int16)
    levels = radiograph(dicom(tmp_path / "a.dcm", pixels))
    assert np.allclose(levels.ravel(), [0, 2048 / 4095 * 255, 255], atol=1e-4)


def test_eight_bits_stay_as_they_are(tmp_path):
    pixels = np.array([[0, 17, 255]], np.uint8)
    dicom(tmp_path / "a.dcm", pixels, bits=8)
    dicom(tmp_path / "b.dcm", pixels, bits=8, kind="MONOCHROME1")
    assert from_folder(tmp_path).protocol == "standard"
    read = radiograph(tmp_path / "a.dcm")
    assert (read.dtype, read.ravel().tolist()) == (np.uint8, [0, 17, 255])
    assert radiograph(tmp_path / "b.dcm").ravel().tolist() == [255, 238, 0]


def test_each_frame_is_an_image(tmp_path):
    pixels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    named = from_folder(dicom(tmp_path / "classic5", pixels))
    assert (named.name, named.ledger) == ("file classic5", None)  # not the dataset of that name
    entry = from_folder(dicom(tmp_path / "loop.dcm", pixels))
    assert (entry.name, entry.image_names()) == ("loop.dcm", ["loop-0", "loop-1"])
    second = entry.picture(entry.images[1].clean, tmp_path / "loop.dcm")
    assert np.allclose(second[..., 0], pixels[1] / 4095 * 255, atol=1e-4)


@pytest.mark.parametrize("form", ["RLE", "bigendian", "implicit", "expb", "jp2klossless", "padded"])
def test_one_image_is_the_same_in_every_form_of_storage(form):
    stored = radiograph(packaged("MR_small.dcm"))
    assert np.array_equal(radiograph(packaged(f"MR_small_{form}.dcm")), stored)
    # What the package's description of this file gives: 64x64, 16 bits, signed; its pixels begin with 905.
    assert stored.shape == (64, 64, 1)
    assert stored[0, 0, 0] == pytest.approx((905 + 32768) / 65535 * 255, abs=1e-4)


def test_png_files_are_radiographs_beside_dicom_files_and_read_alike_without(tmp_path):
    Image.fromarray(np.array([[0, 200]], np.uint8)).save(tmp_path / "flat.png")
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(tmp_path / "deep.png")
    (tmp_path / "notes.txt").write_text("not an image")
    assert not is_radiographs(tmp_path)
    alone = from_path(tmp_path)
    assert (alone.image_names(), alone.protocol, alone.colour) == (["deep", "flat"], "float", "gray")
    assert [picture.clean.ravel().tolist() for picture in pictures(alone)] == [[0, 1, 255], [0, 200]]
    dicom(tmp_path / "one.dcm", STORED)
    assert is_radiographs(tmp_path)
    entry = from_path(tmp_path)
    assert (entry.image_names(), entry.protocol) == (["deep", "flat", "one"], "float")
    assert radiograph(tmp_path / "deep.png").ravel().tolist() == [0, 1, 255]
    assert radiograph(tmp_path / "flat.png").ravel().tolist() == [0, 200]
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "colour.png")
    with pytest.raises(ValueError, match=r"colour\.png: it is RGB; expected gray of 8 or 16 bits"):
        radiograph(tmp_path / "colour.png")


def test_files_without_an_ending_are_known_by_their_mark(tmp_path):
    for name in ("IM0001", "1.2.840.113619.2.5.78", "1.2.840.113619.2.5.79"):
        dicom(tmp_path / name, STORED)
    dicom(tmp_path / "DICOMDIR", STORED)
    (tmp_path / "README").write_text("x" * 200)
    assert is_radiographs(tmp_path)
    assert from_folder(tmp_path).image_names() == ["1.2.840.113619.2.5.78", "1.2.840.113619.2.5.79", "IM0001"]
    dicom(tmp_path / "IM0001.dcm", STORED)
    with pytest.raises(ValueError, match=r"two images are named 'IM0001' .*; give each its own name"):
        from_folder(tmp_path)


def test_a_folder_without_radiographs(tmp_path):
    (tmp_path / "notes.txt").write_text("not an image")
    assert not is_radiographs(tmp_path)
    with pytest.raises(ValueError, match="the folder has no radiograph; expected DICOM or gray PNG files"):
        from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "compressed as JPEG-LS Lossless Image Compression, and no decoder here"),
        ("JPEG-lossy.dcm", r"compressed as JPEG Extended \(Process 2 and 4\), and no decoder here"),
        ("MR_truncated.dcm", "cannot be read to their end"),
        ("examples_rgb_color.dcm", r"it is RGB; expected MONOCHROME1 or 2 \(gray\)"),
        ("examples_palette.dcm", "it is PALETTE COLOR; expected MONOCHROME1"),
        ("test-SR.dcm", "has no image; expected one with pixels: take it out"),
        ("no_meta.dcm", "no readable DICOM file"),
        ("badVR.dcm", "NumberOfFrames is no number"),
        ("liver_1frame.dcm", "it stores 1 bits"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(name, message):
    with pytest.raises(ValueError, match=f"radiograph .*{name}: .*{message}") as caught:
        radiograph(packaged(name))
    assert "\n" not in str(caught.value)


def test_overlays_in_unused_bits_are_left_out(tmp_path):
    plain, marked = (radiograph(dicom(tmp_path / "a.dcm", STORED + np.uint16(bit))) for bit in (0, 4096))
    assert np.array_equal(plain, marked)


def test_unusual_headers_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="rescale slope is 0"):
        radiograph(dicom(tmp_path / "b.dcm", STORED, RescaleSlope=0))
    with pytest.raises(ValueError, match="in an unusual place"):
        radiograph(dicom(tmp_path / "c.dcm", STORED, HighBit=15))
    monkeypatch.setattr("datasets.radiographs._stored", lambda *given: STORED + np.uint16(4096))
    with pytest.raises(ValueError, match="values outside the 12 bits that it says are stored"):
        radiograph(dicom(tmp_path / "d.dcm", STORED))


def test_a_run_on_deep_radiographs_and_nothing_about_the_patient(tmp_path, recwarn, capfd):
    ramp = np.add.outer(np.arange(96) * 15, np.arange(96) * 15).astype(np.uint16)
    dicom(tmp_path / "one.dcm", ramp, PatientAge="nonsense, of Doe^Jane^Q")
    recwarn.clear()  # of writing it
    entry = from_folder(tmp_path)
    record = run_cell(single("gaussian", "", entry, "25"), Settings(jobs=1))
    (row,) = record.images
    # The noise has a standard deviation of 25 levels of 255: a PSNR of 20 log10(255 / 25).
    assert row["noisy_psnr"] == pytest.approx(20 * np.log10(255 / 25), abs=0.2)
    assert row["psnr"] > row["noisy_psnr"] + 6
    told = repr(entry) + repr(record.provenance) + str([w.message for w in recwarn]) + "".join(capfd.readouterr())
    for secret in ("Doe", "Jane", "7654321", "1901"):
        assert secret not in told
