"""Images laid out with similar ones side by side."""

from facegan.exploring import map_layout

import numpy as np
import pytest


def neighbours_apart(points, order, side):
    square = points[order].reshape(side, side, -1)
    across = np.linalg.norm(square[:, 1:] - square[:, :-1], axis=-1).mean()
    return (across + np.linalg.norm(square[1:] - square[:-1], axis=-1).mean()) / 2


def test_every_image_has_one_place_and_the_rest_are_empty():
    order = map_layout.arrange(np.random.RandomState(0).standard_normal((30, 5)))
    assert sorted(order) == [-1] * 6 + list(range(30))


def test_similar_images_are_neighbours():
    random = np.random.RandomState(0)
    points = random.uniform(size=(400, 3))
    order = map_layout.arrange(points)
    at_random = neighbours_apart(points, random.permutation(400), 20)
    start = map_layout._initial_order(map_layout.principal_components(points), 20)
    assert neighbours_apart(points, order, 20) < 0.35 * at_random
    assert neighbours_apart(points, order, 20) < 0.75 * neighbours_apart(points, start, 20)


def test_the_same_images_are_laid_out_the_same_way():
    points = np.random.RandomState(0).standard_normal((50, 5))
    np.testing.assert_array_equal(map_layout.arrange(points), map_layout.arrange(points))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_one_two_or_three_equal_images_can_be_laid_out(count):
    assert sorted(map_layout.arrange(np.ones((count, 4))))[-count:] == list(range(count))


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_changes_colour_and_not_shape(channels):
    random = np.random.RandomState(0)
    image = random.randint(0, 100, (1, 32, 32, channels)).astype(np.uint8)
    pixels = np.concatenate([image, image + 100])
    colour, shape = (map_layout.describe(pixels, kind) for kind in ("colour", "shape"))
    assert abs(colour[1] - colour[0]).mean() > 90
    np.testing.assert_allclose(shape[0], shape[1], atol=0.1)
