"""The viewer of pictures in Chromium, by mouse and by keyboard; scores of crops are those of scikit-image."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from skimage.io import imread
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

pytestmark = pytest.mark.xdist_group("browser")

DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def viewer(opened, until):
    """A page whose viewer was opened by keyboard at its first strip, with all pictures there."""
    page = opened()
    page.locator("button.view").first.focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelectorAll('#viewer canvas').length === 5")
    until(  # every pane has something else than its background
        page,
        "[...document.querySelectorAll('#viewer canvas')].every((one) => one.getContext('2d')"
        ".getImageData(one.width / 2, one.height / 2, 1, 1).data[3] === 255)",
    )
    return page


def drawn(page, place: int = 0):
    """The red channel of a canvas of the viewer, rows first."""
    page.evaluate(DRAWN)
    address = page.locator("#viewer canvas").nth(place).evaluate("(canvas) => canvas.toDataURL()")
    return np.array(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))[..., 0]


def files(page, out):
    """The pictures of the first strip, in the order of the panes."""
    links = page.locator(".strip").first.locator("a[data-panel]")
    return [
        imread(out / "report" / link) for link in links.evaluate_all("all => all.map((a) => a.getAttribute('href'))")
    ]


def test_keys_change_the_picture_in_place_and_escape_gives_the_focus_back(viewer, out):
    pictures = files(viewer, out)
    names = viewer.locator("#viewer .caption").all_inner_texts()
    viewer.keyboard.press("2")
    viewer.evaluate(DRAWN)
    assert viewer.locator("#viewer canvas").count() == 1
    assert viewer.locator("#viewer .caption").inner_text() == names[3]
    shown = {}
    for key, place in (("1", 2), ("2", 3), ("3", 4), ("n", 1), ("0", 0)):
        viewer.keyboard.press(key)
        shown[key] = drawn(viewer)
        assert viewer.locator("#viewer .caption").inner_text() == names[place]
        scale = shown[key].shape[0] // pictures[place].shape[0]
        middle = pictures[place].shape[0] // 2, pictures[place].shape[1] // 2
        # The middle of the picture lies in the middle of the pane, each pixel a square.
        y, x = shown[key].shape[0] // 2 + scale // 2, shown[key].shape[1] // 2 + scale // 2
        near = pictures[place][middle[0] - 1 : middle[0] + 2, middle[1] - 1 : middle[1] + 2]
        assert shown[key][y, x] in near
    assert not np.array_equal(shown["1"], shown["3"])
    viewer.keyboard.press("4")  # there is no fourth method
    viewer.evaluate(DRAWN)
    assert viewer.locator("#viewer .caption").inner_text() == names[0]
    viewer.keyboard.press("Escape")
    assert not viewer.locator("#viewer").is_visible()
    assert viewer.evaluate("document.activeElement === document.querySelector('button.view')")


def test_all_panes_show_the_same_place(viewer, out):
    viewer.get_by_role("button", name="1:1").click()
    pane = viewer.locator("#viewer canvas").nth(1)
    box = pane.bounding_box()
    viewer.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(7):
        viewer.mouse.wheel(0, -60)
        viewer.evaluate(DRAWN)
    assert viewer.locator("#viewer output").inner_text() == "8:1"
    before = drawn(viewer, 0)
    viewer.mouse.down()
    viewer.mouse.move(box["x"] + box["width"] / 2 - 80, box["y"] + box["height"] / 2 - 40, steps=3)
    viewer.mouse.up()
    assert not np.array_equal(drawn(viewer, 0), before)  # another pane was dragged
    pictures = files(viewer, out)
    places = set()
    for i, picture in enumerate(pictures):
        seen = drawn(viewer, i)
        found = [
            (y, x, top, left)
            for top in range(8)
            for left in range(8)
            for small in [seen[top::8, left::8][1:7, 1:9]]
            for y, x in zip(*np.nonzero(picture[:-5, :-7] == small[0, 0]), strict=True)
            if small.shape == (6, 8) and np.array_equal(picture[y : y + 6, x : x + 8], small)
        ]
        assert found
        places.add((found[0][0], found[0][1]))
    assert len(places) == 1


def test_the_slider_moves_by_arrow_keys_and_by_mouse(viewer):
    viewer.keyboard.press("s")
    slider = viewer.get_by_label("Slider between the two pictures")
    assert slider.input_value() == "500"
    assert viewer.evaluate("document.activeElement.type") == "range"
    half = drawn(viewer)
    viewer.keyboard.press("ArrowRight")
    assert slider.input_value() == "510"
    assert not np.array_equal(drawn(viewer), half)
    box = viewer.locator("#viewer canvas").bounding_box()
    at = box["x"] + 0.51 * box["width"]
    viewer.mouse.move(at, box["y"] + 60)
    viewer.mouse.down()
    viewer.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 60, steps=4)
    viewer.mouse.up()
    assert float(slider.input_value()) == pytest.approx(250, abs=5)


def test_a_crop_drawn_by_mouse_has_the_scores_of_scikit_image(viewer, out, until):
    viewer.keyboard.press("o")
    viewer.keyboard.press("c")
    box = viewer.locator("#viewer canvas").bounding_box()
    viewer.mouse.move(box["x"] + 0.42 * box["width"], box["y"] + 0.25 * box["height"])
    viewer.mouse.down()
    viewer.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.75 * box["height"], steps=4)
    viewer.mouse.up()
    until(viewer, "document.querySelectorAll('#viewer .scores tr[data-psnr]').length === 4")
    said = viewer.locator("#viewer .scores p").inner_text()
    width, height, x, y = (int(n) for n in re.findall(r"\d+", said.split(",")[0] + said.split(",")[1])[:4])
    assert min(width, height) >= 11
    clean, *others = [picture[y : y + height, x : x + width] for picture in files(viewer, out)]
    rows = viewer.locator("#viewer .scores tbody tr")
    for place, other in enumerate(others):
        row = rows.nth(place)
        window = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
        _, full = structural_similarity(clean, other, full=True, **window)
        assert float(row.get_attribute("data-psnr")) == pytest.approx(
            peak_signal_noise_ratio(clean, other, data_range=255), abs=1e-6
        )
        assert float(row.get_attribute("data-ssim")) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)
    viewer.keyboard.press("x")
    assert not viewer.locator("#viewer .scores").is_visible()


def test_the_viewer_has_no_serious_finding(viewer, findings):
    for key in ("", "o", "s", "e", "c"):
        if key:
            viewer.keyboard.press(key)
    assert not findings(viewer)


def test_two_fingers_zoom_and_one_pans(viewer):
    viewer.get_by_role("button", name="1:1").click()
    pane = viewer.locator("#viewer canvas").first
    assert pane.evaluate("(canvas) => getComputedStyle(canvas).touchAction") == "none"
    box = pane.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    hands = viewer.context.new_cdp_session(viewer)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": left, "y": top, "id": finger} for finger, (left, top) in enumerate(places)]
        hands.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        viewer.evaluate(DRAWN)

    touch("touchStart", (x - 10, y))
    touch("touchStart", (x - 10, y), (x + 10, y))
    for apart in (20, 40, 80):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    assert viewer.locator("#viewer output").inner_text() == "8:1"  # eight times as far apart
    before = drawn(viewer)
    touch("touchStart", (x, y))
    touch("touchMove", (x - 20, y))
    touch("touchMove", (x - 40, y))
    touch("touchEnd")
    after = drawn(viewer)
    assert viewer.locator("#viewer output").inner_text() == "8:1"
    assert np.array_equal(after[:, :-40], before[:, 40:])
    assert not np.array_equal(after, before)
