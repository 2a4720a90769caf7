"""What finished outputs went through and were made from is named where it is planted by other code, and only there."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, median_filter
from skimage import data
from skimage.restoration import denoise_tv_chambolle, denoise_wavelet

from bench.cli.app import main
from bench.plan.request import Request, plan
from bench.run.sample import samples
from bench.studies.why.finished import border
from bench.studies.why.handling import Finished, cut_to_8_bit, grid_of, jpeg_quality, marked, traces

SCENES = {
    "camera": data.camera()[100:356, 120:376],
    "moon": data.moon()[200:456, 200:456],
    "coins": data.coins()[20:276, 100:356],
    "brick": data.brick()[:256, :256],
}
SMOOTHED = {
    "gaussian": lambda y: gaussian_filter(y, 1),
    "tv": lambda y: denoise_tv_chambolle(y / 255, 0.1) * 255,
    "wavelet": lambda y: denoise_wavelet(y / 255, sigma=20 / 255) * 255,
    "median": lambda y: median_filter(y, 3),
}


def noisy(clean, sigma=25, seed=1):
    return clean + np.random.default_rng(seed).normal(0, sigma, clean.shape)


def rounded(image):
    return np.rint(np.clip(image, 0, 255))


def picture(levels):
    return Image.fromarray(rounded(levels).astype(np.uint8))


def jpeg(levels, quality):
    file = io.BytesIO()
    picture(levels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file), float)


def resized(levels, size, kernel):
    there = picture(levels)
    return np.asarray(there.resize(size, kernel).resize(there.size, kernel), float)


def resized_by_torch(levels):
    image = torch.from_numpy(levels.astype(np.float32))[None, None]
    for _ in range(2):
        size = (128, 128) if image.shape[-1] == levels.shape[1] else levels.shape
        image = torch.nn.functional.interpolate(image, size, mode="bicubic")
    return rounded(image[0, 0].numpy())


def finished(change=lambda output: output, method="gaussian", sigma=25):
    """Return the scenes with noise and what a method and a change make of them."""
    images = []
    for name, scene in SCENES.items():
        clean = scene.astype(float)
        given = noisy(clean, sigma)
        output = change(SMOOTHED[method](given))
        images.append(Finished(name, *(part[..., None].astype(np.float32) / 255 for part in (clean, given, output))))
    return images


@pytest.mark.parametrize(("quality", "method"), [(50, "tv"), (75, "gaussian"), (90, "wavelet"), (95, "tv"), (98, "tv")])
def test_the_quality_of_jpeg_files(quality, method):
    images = finished(lambda output: jpeg(output, quality), method)[:2]
    assert list(traces(images)) == [f"2 of 2 outputs that were looked at were JPEG files of quality {quality}"]


def test_the_quality_of_jpeg_files_in_colour():
    for name in ("astronaut", "chelsea"):
        colour = gaussian_filter(noisy(getattr(data, name)()[:250, :250].astype(float)), (1, 1, 0))
        assert jpeg_quality(jpeg(colour, 75) / 255) == 75
        assert jpeg_quality(rounded(colour) / 255) == 0


@pytest.mark.parametrize("kernel", [Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS])
@pytest.mark.parametrize(("size", "words"), [((128, 128), "1/2 of their size"), ((64, 64), "1/4 of their size")])
def test_another_size_and_back(size, words, kernel):
    images = finished(lambda output: resized(output, size, kernel), "tv")
    assert [grid_of(image.output) for image in images] == [words] * 4


def test_another_size_of_odd_images_and_of_torch():
    odd = denoise_tv_chambolle(noisy(data.coffee()[:333, :481, 1].astype(float)) / 255, 0.1) * 255
    assert grid_of(resized(odd, (256, 256), Image.Resampling.BILINEAR)[..., None] / 255) == "256x256"
    assert grid_of(odd[..., None] / 255) == ""
    assert all(grid_of(image.output) == "1/2 of their size" for image in finished(resized_by_torch, "tv"))


@pytest.mark.parametrize("sigma", [5, 100])
@pytest.mark.parametrize("method", SMOOTHED)
def test_honest_outputs_have_nothing(method, sigma):
    images = finished(rounded, method, sigma)
    assert not list(traces(images[:2]))
    assert not marked(images)
    assert not border(images)
    assert not cut_to_8_bit(images, sigma)


def test_what_the_noisy_image_has_is_not_of_the_outputs():
    """As where a JPEG file is what is to be denoised, and hardly is."""
    images = finished()
    given = [Finished(i.name, i.clean, jpeg(i.clean[..., 0] * 255, 75)[..., None] / 255, i.output) for i in images]
    same = [Finished(image.name, image.clean, image.noisy, image.noisy) for image in given]
    assert jpeg_quality(same[0].output) == 75
    assert not list(traces(same))


@pytest.mark.parametrize("sigma", [5, 15, 25])
@pytest.mark.parametrize("method", ["gaussian", "tv", "wavelet"])
def test_a_cut_to_8_bit(sigma, method):
    assert cut_to_8_bit(finished(lambda output: output.clip(0, 255).astype(np.uint8), method, sigma), sigma)
    assert not cut_to_8_bit(finished(rounded, method, sigma), sigma)


def captioned(output):
    there = picture(output)
    ImageDraw.Draw(there).text((5, 235), "Denoised (ours)", fill=255)
    return np.asarray(there, float)


def boxed(output):
    return np.where(np.pad(np.ones((40, 30)), ((10, 206), (200, 26))) > 0, 0.0, output)


def test_a_mark_in_all_outputs():
    found = marked(finished(boxed))
    assert sorted(found) == [0, 1, 2, 3]
    rows, columns = np.nonzero(found[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 49, 200, 229)
    assert found[0].sum() > 0.5 * 40 * 30  # where the images are not black themselves
    rows, columns = np.nonzero(marked(finished(captioned))[0])
    assert rows.min() >= 235
    assert columns.max() < 110
    assert not marked(finished(lambda output: output[:, ::-1]))


@pytest.mark.parametrize("width", [1, 8, 17, 20, 28])
def test_a_border_that_most_outputs_have(width):
    def padded(output):
        return np.pad(output[width:-width, width:-width], width)

    assert border(finished(padded)) == width


def smoothed(levels):
    return gaussian_filter(levels, 0.8)


def own(clean, sigma):
    return clean + np.random.default_rng(4711).normal(0, sigma, clean.shape)


WEAKER, CLIPPED = "their noise was weaker, of sigma", "as of noise that was clipped to 0 to 255"
MADE = {
    "honest": ("standard", lambda clean, noisy: smoothed(noisy), ""),
    "honest under clipping": ("clipped", lambda clean, noisy: smoothed(noisy.clip(0, 255)), ""),
    "weaker": ("seed0", lambda clean, noisy: smoothed(clean + 0.4 * (noisy - clean)), WEAKER),
    "mixed": ("standard", lambda clean, noisy: 0.6 * clean + 0.4 * smoothed(noisy), "or the clean images are mixed in"),
    "stronger": ("seed0", lambda clean, noisy: smoothed(clean + 2 * (noisy - clean)), "stronger, of sigma"),
    "own draw": ("standard", lambda clean, noisy: smoothed(own(clean, 25)), "it was of sigma 2"),
    "own weaker draw": ("standard", lambda clean, noisy: smoothed(own(clean, 10)), "too good for sigma 25"),
    "own stronger draw": ("standard", lambda clean, noisy: smoothed(own(clean, 50)), "stronger than sigma 25"),
    "clipped": ("standard", lambda clean, noisy: smoothed(noisy.clip(0, 255)), CLIPPED),
    "not clipped": ("clipped", lambda clean, noisy: smoothed(noisy), "not clipped, and this protocol clips it"),
    "jpeg": ("standard", lambda clean, noisy: jpeg(smoothed(noisy), 85), "were JPEG files of quality 85"),
    "mark": ("standard", lambda clean, noisy: boxed(smoothed(noisy)), "in rows 10 to 49 and columns 200 to 229"),
    "cut": ("standard", lambda clean, noisy: np.floor(smoothed(noisy).clip(0, 255)), "half a level too dark"),
}


@pytest.mark.parametrize("made", MADE)
def test_what_outputs_are_made_from_is_named_and_nothing_else(made, tmp_path, capsys):
    """The noisy images under PROTOCOL=clipped are drawn anew without it: the same field, as it was before."""
    protocol, method, words = MADE[made]
    scenes, folder = tmp_path / "scenes", tmp_path / "outputs"
    scenes.mkdir()
    folder.mkdir()
    for name, scene in SCENES.items():
        Image.fromarray(scene).save(scenes / f"{name}.png")
    drawn = "standard" if protocol == "clipped" else protocol
    for sample in samples(plan(Request("gaussian", str(scenes), "25", drawn))[0][0]):
        levels = method(sample.clean[..., 0].astype(float), sample.noisy[..., 0].astype(float) * 255)
        Image.fromarray(rounded(levels).astype(np.uint8)).save(folder / f"{sample.name}.png")
    typed = ["--method", f"outputs:{folder}", "--data", str(scenes), "--noise", "25", "--protocol", protocol]
    assert main(["why", *typed, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert words in said
    others = {of_it for *_, of_it in MADE.values() if of_it and of_it != words}
    others -= {WEAKER, "or the clean images are mixed in"} if "weaker" in made or made == "mixed" else set()
    others -= {"it was of sigma 2"} if "own" in made else set()
    assert not [line for line in others if line in said], said
