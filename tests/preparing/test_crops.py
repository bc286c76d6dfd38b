"""Faces are cut out whole or aligned to the template, without aliasing, and reflected beyond the photo's edge."""

from facegan.preparing import crops
from facegan.preparing.detector import Face

import numpy as np
import pytest
from PIL import Image

SHARES = np.array([[0.29, 0.37], [0.71, 0.37], [0.5, 0.58], [0.335, 0.77], [0.665, 0.77]])


def placed(size, angle=0.0, side=100.0, middle=None):
    """A face whose landmarks lie as in a square of this side about `middle`, turned by `angle`; `size` as a photo's."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    landmarks = (SHARES - 0.5) * side @ turn + (np.array(size[::-1]) / 2 if middle is None else middle)
    return Face(np.array([*landmarks.min(axis=0), *landmarks.max(axis=0)]), 1.0, landmarks)


def drawn(size, face, side):
    """A black photo with a soft white dot at each landmark."""
    rows, columns = np.indices(size)
    squares = [(columns - x) ** 2 + (rows - y) ** 2 for x, y in face.landmarks]
    dots = sum(np.exp(-square / (2 * (side / 40) ** 2)) for square in squares)
    return np.repeat(np.rint(255 * np.clip(dots, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def textured(size, grain=8):
    """A photo of random colours that change smoothly over `grain` pixels."""
    random = np.random.default_rng(1).integers(0, 256, (size[0] // grain, size[1] // grain, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(random).resize(size[::-1], Image.Resampling.BICUBIC))


def stripes(size, period, angle):
    """A photo of grey stripes, 100 levels above and below 127."""
    rows, columns = np.indices(size)
    phase = 2 * np.pi / period * (columns * np.cos(angle) + rows * np.sin(angle))
    return np.repeat(np.rint(127 + 100 * np.sin(phase)).astype(np.uint8)[..., None], 3, axis=2)


def difference(first, second):
    return np.abs(first.astype(int) - second)


@pytest.mark.parametrize("shape", [(80, 80), (96, 64), (64, 96), (32, 32)])
@pytest.mark.parametrize(
    ("angle", "side", "middle", "margin"),
    [(0.0, 90, (150, 150), 0.0), (0.4, 60, (130.3, 170.8), 0.0), (-0.7, 230, (160, 140), 0.0), (2.5, 100, None, 0.25)],
)
def test_eyes_nose_and_mouth_land_on_the_template_to_half_a_pixel(shape, angle, side, middle, margin):
    face = placed((300, 300), angle, side, middle)
    image = crops.cut_face(drawn((300, 300), face, side), face, shape, margin, align=True)[..., 0].astype(float)
    expected = np.array(shape[::-1]) / 2 + (SHARES - 0.5) * min(shape) / (1 + 2 * margin)
    rows, columns = np.indices(shape) + 0.5
    for x, y in expected:
        near = image * (np.hypot(columns - x, rows - y) < min(shape) / 10)
        found = [(near * axis).sum() / near.sum() for axis in (columns, rows)]
        assert np.abs(np.array(found) - [x, y]).max() < 0.5


def test_no_other_similarity_brings_the_landmarks_nearer_to_the_template():
    random = np.random.default_rng(2)
    for _ in range(20):
        landmarks = placed((300, 300), random.uniform(-1, 1)).landmarks + random.normal(0, 6, (5, 2))
        to_photo = crops.alignment(landmarks, (80, 80))
        landed = (landmarks - to_photo[:, 2]) @ np.linalg.inv(to_photo[:, :2]).T
        # x' = a x - b y + c and y' = b x + a y + d, solved for a, b, c and d
        (x, y), ones, none = landmarks.T, np.ones(5), np.zeros(5)
        equations = np.concatenate([np.column_stack([x, -y, ones, none]), np.column_stack([y, x, none, ones])])
        solution = np.linalg.lstsq(equations, (80 * SHARES).T.ravel(), rcond=None)[0]
        np.testing.assert_allclose(landed.T.ravel(), equations @ solution, atol=1e-6)


def test_a_tilted_photo_gives_the_same_image_as_the_upright_one():
    photo = textured((400, 400))
    upright = crops.cut_face(photo, placed((399, 399), 0, 160), (64, 64), align=True)
    for degrees in (-35, 10, 90):
        tilted = np.asarray(Image.fromarray(photo).rotate(-degrees, Image.Resampling.BICUBIC))
        image = crops.cut_face(tilted, placed((399, 399), np.radians(degrees), 160), (64, 64), align=True)
        assert difference(image, upright).mean() < 1
        assert difference(crops.cut_face(photo, placed((399, 399), 0.2, 160), (64, 64), align=True), upright).mean() > 5


@pytest.mark.parametrize("side", [30, 80, 150, 700])
@pytest.mark.parametrize("middle", [(10, 15), (190, 20), (100, 135), (-40, 160)])
def test_beyond_the_edge_the_whole_photo_is_reflected_and_nothing_is_smeared(side, middle):
    photo = textured((144, 200), grain=36)
    around = np.pad(photo, ((1000, 1000), (1000, 1000), (0, 0)), "reflect")
    image = crops.cut_face(photo, placed((144, 200), 0.3, side, middle), (48, 48), align=True)
    inside = placed((144, 200), 0.3, side, np.add(middle, 1000))
    found = difference(image, crops.cut_face(around, inside, (48, 48), align=True))
    # From 144 on the photo is reduced before it is reflected, and each reflection is off by up to a pixel of the photo.
    assert found.max() <= 1 if side < 144 else found.mean() < 5


@pytest.mark.parametrize("side", [100, 150, 260, 700])
@pytest.mark.parametrize("angle", [0.0, 0.3, 0.785])
def test_stripes_too_fine_for_the_image_turn_grey_and_coarser_ones_stay(side, angle):
    photo_size, along = (1000, 1000), side / 48
    face = placed(photo_size, angle, side)
    for direction in (0.0, 0.4, np.pi / 2):
        for pixels in (0.95, 0.75, 0.5, 0.33):  # of the image, from stripe to stripe
            if pixels * along >= 2:
                image = crops.cut_face(stripes(photo_size, pixels * along, direction), face, (48, 48), align=True)
                assert difference(image, 127).max() < 20
        image = crops.cut_face(stripes(photo_size, 5 * along, direction), face, (48, 48), align=True)
        assert image[..., 0].std() > 60


def test_an_enlarged_image_is_smooth():
    photo = np.zeros((60, 60, 3), np.uint8)
    photo[:, 30:] = 255
    image = crops.cut_face(photo, placed((60, 60), 0, 20), (160, 160), align=True).astype(int)
    assert np.abs(np.diff(image, axis=1)).max() < 60 and (image[:, :60] < 20).all() and (image[:, 100:] > 235).all()


def test_detail_is_the_photos_pixels_along_one_of_the_image():
    face = placed((300, 300), 0.5, 160)
    assert crops.detail(face, (300, 300), (80, 80), align=True) == pytest.approx(2)
    assert crops.detail(face, (300, 300), (80, 40), align=True, margin=0.5) == pytest.approx(8)
    boxed = Face(np.array([10.0, 10, 50, 90]), 1.0, face.landmarks)
    assert crops.detail(boxed, (300, 300), (80, 80)) == 0.5
    assert crops.detail(boxed, (300, 300), (160, 40), margin=0.25) == pytest.approx(0.7, abs=0.1)


def test_the_share_inside_counts_pixels_of_the_image_in_the_photo():
    for middle, share in (((100, 50), 1), ((0, 50), 0.5), ((200, 100), 0.25), ((300, 50), 0), ((100, 120), 0.25)):
        middle = np.array(middle) - 0.5
        assert crops.share_inside(placed((100, 200), 0, 80, middle).landmarks, (100, 200), (40, 40)) == share
    assert (
        crops.share_inside(placed((100, 200), 0, 80, (99.5, 49.5)).landmarks, (100, 200), (40, 40), margin=0.5) == 0.65
    )


def test_landmarks_that_are_no_face_give_an_image_all_the_same():
    random = np.random.default_rng(3)
    upright = placed((40, 50), 0, 20).landmarks
    wrong = [np.zeros((5, 2)), upright * [-1, 1], upright[[2] * 5], *random.normal(20, 30, (30, 5, 2))]
    wrong += [marks * [1, 1e-9] for marks in wrong]
    for landmarks in wrong:
        for size in ((40, 50), (1, 1), (1, 30)):
            photo = np.full((*size, 3), 77, np.uint8)
            image = crops.cut_face(photo, Face(np.zeros(4), 1.0, landmarks), (16, 24), align=True)
            assert image.shape == (16, 24, 3) and (image == 77).all()


def test_frontality_falls_as_the_nose_leaves_the_middle():
    def face(nose_x, turn=0.0):
        points = np.array([[-10.0, 0], [10, 0], [nose_x, 8], [-7, 20], [7, 20]])
        return points @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]] + 50

    assert crops.frontality(face(0)) == pytest.approx(1)
    assert crops.frontality(face(0, turn=0.4)) == pytest.approx(1)
    assert crops.frontality(face(5)) == crops.frontality(face(-5)) == pytest.approx(1 / 3)
    assert crops.frontality(face(12)) == 0
    assert crops.frontality(np.zeros((5, 2))) == 0


def test_boxes_are_clamped_to_the_photo_and_grown_by_the_margin():
    assert crops.box_in_photo([-5, -9.6, 20, 30], (100, 80)) == (0, 0, 20, 30)
    assert crops.box_in_photo([60, 80, 100, 140], (100, 80)) == (60, 80, 19, 19)
    assert crops.box_in_photo([20, 40, 30, 60], (100, 80), margin=0.5) == (15, 30, 20, 40)


def test_the_centre_is_the_largest_rectangle_with_the_shape():
    pixels = np.zeros((100, 60, 3), np.uint8)
    pixels[20:80] = 255
    assert (crops.cut_centre(pixels, (30, 30)) == 255).all()
    assert crops.cut_centre(pixels[:1, :1], (8, 12)).shape == (8, 12, 3)
