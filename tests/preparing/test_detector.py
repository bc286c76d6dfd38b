"""Faces are detected where they are, the same ones alone as among other photos."""

import io
import sys

from facegan.preparing import crops, preparer, pyramid
from facegan.preparing import detector as detector_module
from facegan.preparing.detector import Detector, Face, nms, square
from facegan.preparing.settings import Settings

import matplotlib.cbook
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def portrait():
    with Image.open(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return image.convert("RGB")


@pytest.fixture(scope="module")
def detector():
    return Detector()


def variants(portrait):
    """Photos of many shapes: the portrait whole, cropped, mirrored and small, and pictures without a face."""
    whole = np.asarray(portrait)
    random = np.random.default_rng(1)
    sizes = [(178, 218), (89, 109), (200, 200), (300, 120), (120, 300), (64, 64), (257, 191)]
    photos = [whole, whole[:400, 100:420], np.ascontiguousarray(whole[:, ::-1])]
    photos += [np.asarray(portrait.resize(size, Image.Resampling.LANCZOS)) for size in sizes]
    photos += [random.integers(0, 256, (140, 150, 3), dtype=np.uint8), np.zeros((60, 80, 3), np.uint8)]
    photos += [np.zeros((19, 400, 3), np.uint8), np.zeros((1, 1, 3), np.uint8), np.zeros((21, 3000, 3), np.uint8)]
    return photos


def as_numbers(faces):
    return [[*face.box, face.confidence, *face.landmarks.ravel()] for face in faces]


def intersection_over_union(first, second):
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = np.prod(np.maximum(sides, 0))
    return shared / (np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2]) - shared)


def test_a_face_is_detected_where_it_is(detector, portrait):
    (faces,) = detector.detect([np.asarray(portrait)])
    face = faces[0]
    left, top, right, bottom = face.box
    assert face.confidence > 0.98
    assert 160 < left < 200 and 90 < top < 130 and 320 < right < 370 and 310 < bottom < 350
    left_eye, right_eye, nose, mouth_left, mouth_right = face.landmarks
    assert left_eye[0] < nose[0] < right_eye[0] and mouth_left[0] < mouth_right[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_a_photo_has_the_same_faces_to_the_last_bit_whatever_photos_are_searched_with_it(detector, portrait):
    photos = variants(portrait)
    alone = [as_numbers(detector.detect([photo])[0]) for photo in photos]
    assert sum(map(bool, alone)) >= 8
    order = np.random.default_rng(2).permutation(40) % len(photos)
    together = detector.detect([photos[k] for k in order])
    for k, faces in zip(order, together, strict=True):
        assert as_numbers(faces) == alone[k]


def test_boxes_agree_with_those_of_the_package(detector, portrait):
    mtcnn = pytest.importorskip("mtcnn")
    package = mtcnn.MTCNN()
    for photo in variants(portrait)[:6]:
        (faces,) = detector.detect([photo])
        x, y, width, height = package.detect_faces(photo)[0]["box"]
        expected = np.array([x, y, x + width, y + height])
        left, top, width, height = crops.box_in_photo(faces[0].box, photo.shape[:2])
        assert intersection_over_union(np.array([left, top, left + width, top + height]), expected) > 0.9


def test_fast_detects_the_same_face_a_little_less_exactly(detector, portrait):
    photos = variants(portrait)[:6]
    for quick, exact in zip(Detector(fast=True).detect(photos), detector.detect(photos), strict=True):
        assert intersection_over_union(quick[0].box, exact[0].box) > 0.75


def test_small_faces_are_detected_if_there_is_no_big_one(detector, portrait):
    scene = Image.new("RGB", (640, 480), (90, 120, 90))
    scene.paste(portrait.resize((128, 150)), (500, 300))
    (faces,) = detector.detect([np.asarray(scene)])
    assert len(faces) == 1 and 530 < faces[0].box[[0, 2]].mean() < 590
    scene.paste(portrait.crop((0, 0, 490, 480)), (0, 0))
    assert len(Detector(every_face=True).detect([np.asarray(scene)])[0]) == 2


@pytest.mark.parametrize("degrees", [65, 90, -90])
def test_a_tilted_face_is_detected_where_it_is(detector, portrait, degrees):
    small = portrait.resize((256, 300), Image.Resampling.LANCZOS)
    (upright,) = detector.detect([np.asarray(small)])
    turned = small.rotate(-degrees, Image.Resampling.BICUBIC, expand=True)
    (faces,) = detector.detect([np.asarray(turned)])
    angle, middles = np.radians(degrees), [(np.array(photo.size) - 1) / 2 for photo in (small, turned)]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = (upright[0].landmarks - middles[0]) @ turn + middles[1]
    between_eyes = np.linalg.norm(expected[0] - expected[1])
    assert np.abs(faces[0].landmarks - expected).max() < 0.35 * between_eyes
    left, top, right, bottom = faces[0].box
    assert (expected > [left, top]).all() and (expected < [right, bottom]).all()
    assert max(right - left, bottom - top) < 3 * between_eyes


def test_a_box_turned_by_90_degrees_has_its_sides_exchanged_and_otherwise_holds_the_ellipse_in_it():
    face = Face(np.array([10.0, 20, 50, 80]), 0.9, np.array([[10.0, 20]] * 5))
    quarter = face.moved(np.array([[0.0, -1, 100], [1, 0, 0]]))
    np.testing.assert_allclose(quarter.box, [20, 10, 80, 50])
    np.testing.assert_allclose(quarter.landmarks, [[80, 10]] * 5)
    cosine, sine = np.cos(0.5), np.sin(0.5)
    circle = np.linspace(0, 2 * np.pi, 1000)
    ellipse = np.array([30 + 20 * np.cos(circle), 50 + 30 * np.sin(circle)])
    x, y = np.array([[cosine, -sine], [sine, cosine]]) @ ellipse + [[5], [7]]
    bounds = face.moved(np.array([[cosine, -sine, 5], [sine, cosine, 7]])).box
    np.testing.assert_allclose(bounds, [x.min(), y.min(), x.max(), y.max()], atol=0.01)


def test_every_face_of_a_photo_includes_those_found_without_asking_for_every_face(detector, portrait):
    photos = [*variants(portrait), np.asarray(portrait.rotate(90, expand=True))]
    every = Detector(every_face=True).detect(photos)
    for faces, usual in zip(map(as_numbers, every), map(as_numbers, detector.detect(photos)), strict=True):
        assert all(face in faces for face in usual)
        assert [face[4] for face in faces] == sorted((face[4] for face in faces), reverse=True)


def test_on_windows_another_remedy_is_named_for_opencv(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ValueError, match="redistributable, and on Windows N or KN the Media Feature Pack"):
        detector_module.check_packages()


def test_no_photos_have_no_faces(detector):
    assert detector.detect([]) == []


def test_only_a_preparer_with_several_threads_limits_operations_to_one_core(monkeypatch):
    in_threads = []
    monkeypatch.setattr(detector_module, "_start_tensorflow", in_threads.append)
    for threads in (1, 4):
        preparer.Preparer(Settings(), threads)
    preparer.Preparer(Settings(crop="centre"))
    assert in_threads == [False, True]


def test_a_small_face_of_a_large_photo_is_aligned_with_all_the_detail_there_is(portrait, tmp_path):
    scene = Image.new("RGB", (2500, 2420), (90, 120, 90))
    scene.paste(portrait.resize((384, 450)), (1600, 1500))
    scene.save(tmp_path / "large.png")
    scene.reduce(2).save(tmp_path / "half.png")  # as the large one is decoded for the detector
    settings = Settings(100, 100, align=True, min_size=50)
    large, half = (preparer.prepare_photo(tmp_path / f"{name}.png", settings) for name in ("large", "half"))
    differences = [np.abs(np.diff(pixels.astype(int), axis=1)).mean() for pixels in (large, half)]
    assert differences[0] > 1.15 * differences[1]
    assert np.abs(large.astype(int) - half).mean() < 5  # 7 if it lay half a pixel elsewhere


def test_a_photo_that_is_gone_when_it_is_decoded_again_is_unreadable(portrait):
    scene, file = Image.new("RGB", (2500, 2420)), io.BytesIO()
    scene.paste(portrait.resize((384, 450)), (1600, 1500))
    scene.save(file, "BMP")
    answers = iter([file.getvalue(), b""])
    small_faces = preparer.Preparer(Settings(100, 100, align=True, min_size=50), threads=1)
    photo = small_faces.read("a", lambda: next(answers))
    small_faces.finish([photo])
    assert [(entry.status, entry.detail) for entry in photo.entries] == [("unreadable", "empty file")]


def test_nms_drops_boxes_only_for_better_ones_of_the_same_photo():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [30, 30, 40, 40], [0, 0, 10, 10]], float)
    scores, photos = np.array([0.8, 0.9, 0.7, 0.95]), np.array([0, 0, 0, 1])
    np.testing.assert_array_equal(nms(boxes, scores, photos, 0.5), [1, 2, 3])
    np.testing.assert_array_equal(nms(boxes, scores, photos, 0.9), [1, 0, 2, 3])
    inner = np.array([[0, 0, 10, 10], [2, 2, 6, 6]], float)
    one_photo = np.zeros(2, int)
    assert len(nms(inner, scores[:2], one_photo, 0.5)) == 2
    assert len(nms(inner, scores[:2], one_photo, 0.5, by_smaller=True)) == 1


def test_boxes_become_squares_with_the_same_middle():
    np.testing.assert_array_equal(square(np.array([[10.0, 20, 30, 60]])), [[0, 20, 40, 60]])


def test_every_level_fits_its_canvas():
    random = np.random.default_rng(3)
    for height, width in random.integers(20, 900, (60, 2)):
        levels = pyramid.Pyramid(np.zeros((height, width, 3), np.uint8), 4)
        for number, level in enumerate(levels.levels):
            rows, columns = pyramid.canvas_shape(levels.canvas, number)
            assert level.shape[0] <= rows and level.shape[1] <= columns and min(level.shape[:2]) >= 12
