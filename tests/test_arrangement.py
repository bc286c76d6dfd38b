"""Images laid out so that like stands beside like."""

import numpy
import pytest

from facegan import arrangement


def neighbours_apart(points, order, side):
    square = points[order].reshape(side, side, -1)
    across = numpy.linalg.norm(square[:, 1:] - square[:, :-1], axis=-1).mean()
    return (across + numpy.linalg.norm(square[1:] - square[:-1], axis=-1).mean()) / 2


def test_every_image_has_one_place_and_the_rest_are_empty():
    order = arrangement.arrange(numpy.random.RandomState(0).standard_normal((30, 5)))
    assert sorted(order) == [-1] * 6 + list(range(30))


def test_like_stands_beside_like():
    random = numpy.random.RandomState(0)
    points = random.uniform(size=(400, 3))
    order = arrangement.arrange(points)
    by_chance = neighbours_apart(points, random.permutation(400), 20)
    start = arrangement._initial_order(arrangement.principal_components(points), 20)
    assert neighbours_apart(points, order, 20) < 0.35 * by_chance
    assert neighbours_apart(points, order, 20) < 0.75 * neighbours_apart(points, start, 20)


def test_the_same_images_are_laid_out_the_same_way():
    points = numpy.random.RandomState(0).standard_normal((50, 5))
    numpy.testing.assert_array_equal(arrangement.arrange(points), arrangement.arrange(points))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_images_or_equal_ones_can_be_laid_out(count):
    assert sorted(arrangement.arrange(numpy.ones((count, 4))))[-count:] == list(range(count))


@pytest.mark.parametrize("channels", [1, 3])
def test_colour_sees_colour_and_shape_does_not_see_brightness(channels):
    random = numpy.random.RandomState(0)
    image = random.randint(0, 100, (1, 32, 32, channels)).astype(numpy.uint8)
    pixels = numpy.concatenate([image, image + 100])
    colour, shape = (arrangement.describe(pixels, kind) for kind in ("colour", "shape"))
    assert abs(colour[1] - colour[0]).mean() > 90
    numpy.testing.assert_allclose(shape[0], shape[1], atol=0.1)
