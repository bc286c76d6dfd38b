"""Faces are cut out level, whole and as large as the photo allows."""

import numpy as np
import pytest

from facegan import crops
from facegan.detector import Face


def test_eyes_are_set_level():
    canvas = np.zeros((200, 200, 3), np.uint8)
    eyes = np.array([[80.0, 110.0], [120.0, 90.0]])
    for x, y in eyes.astype(int):
        canvas[y - 3 : y + 4, x - 3 : x + 4] = 255
    face = Face(np.array([50.0, 50, 150, 150]), 1.0, np.array([*eyes, [100, 110], [90, 130], [110, 130]]))
    aligned = crops.cut_face(canvas, face, (100, 100), align=True)[..., 0]
    rows = [np.average(np.arange(100), weights=half.sum(axis=1)) for half in (aligned[:, :50], aligned[:, 50:])]
    assert abs(rows[0] - rows[1]) < 1 and abs(np.mean(rows) - 50) < 1.5
    plain = crops.cut_face(canvas, face, (100, 100))[..., 0]
    rows = [np.average(np.arange(100), weights=half.sum(axis=1)) for half in (plain[:, :50], plain[:, 50:])]
    assert rows[0] - rows[1] > 15


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


def test_the_centre_is_the_largest_rectangle_of_the_shape():
    pixels = np.zeros((100, 60, 3), np.uint8)
    pixels[20:80] = 255
    assert (crops.cut_centre(pixels, (30, 30)) == 255).all()
    assert crops.cut_centre(pixels[:1, :1], (8, 12)).shape == (8, 12, 3)
