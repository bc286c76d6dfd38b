"""Face numbers and the arithmetic of latents."""

import itertools

from facegan.common import latents

import numpy as np
import pytest


def test_faces_are_read_from_numbers_and_ranges():
    assert latents.parse_faces("1-4, 30,7") == [1, 2, 3, 4, 30, 7]
    assert latents.parse_faces("5") == [5]
    assert latents.parse_faces("2-2,2") == [2, 2]


@pytest.mark.parametrize("text", ["", "0", "1,,2", "7-3", "-4", "1.5", "a", "1-", "4294967296", "1-200000", "٣x"])
def test_a_text_that_is_not_a_list_of_faces_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:
        latents.parse_faces(text)
    assert "\n" not in str(caught.value)


def test_a_face_has_the_same_latent_alone_and_among_others():
    alone = latents.latents_of_faces([12], 100)
    among = latents.latents_of_faces(range(1, 32), 100)
    assert alone.dtype == np.float32
    np.testing.assert_array_equal(alone[0], among[11])
    assert len(np.unique(among, axis=0)) == 31


def test_face_92_is_the_draw_of_a_generator_seeded_with_92():
    # The first numbers of that stream: if they change, every face does.
    first = latents.latents_of_faces([92], 100)[0, :3]
    np.testing.assert_allclose(first, [0.23029924, 0.30794755, -0.73632926], rtol=1e-6)


def test_uniform_latents_fill_the_cube_from_minus_one_to_one():
    drawn = latents.latents_of_faces(range(1, 101), 100, "uniform")
    assert drawn.min() >= -1 and drawn.max() <= 1
    assert abs(drawn.std() - 1 / np.sqrt(3)) < 0.02


def test_lerp_by_hand():
    points = latents.lerp([1.0, 0.0], [3.0, 4.0], [0, 0.25, 1])
    np.testing.assert_allclose(points, [[1, 0], [1.5, 1], [3, 4]])


def test_slerp_by_hand():
    # A quarter circle: a third of it is 30 degrees. Then vectors of lengths 2 and 1 at 60 degrees:
    # halfway both weigh sin 30° / sin 60° = 1/√3.
    points = latents.slerp([1.0, 0.0], [0.0, 1.0], [0, 1 / 3, 1])
    np.testing.assert_allclose(points, [[1, 0], [np.sqrt(3) / 2, 0.5], [0, 1]], atol=1e-7)
    start, end = np.array([2.0, 0.0]), np.array([0.5, np.sqrt(3) / 2])
    halfway = latents.slerp(start, end, [0.5])[0]
    np.testing.assert_allclose(halfway, (start + end) / np.sqrt(3), rtol=1e-6)


def test_slerp_keeps_length_and_turns_evenly():
    start, end = latents.latents_of_faces([3, 17], 100)
    start, end = 10 * start / np.linalg.norm(start), 10 * end / np.linalg.norm(end)
    points = latents.slerp(start, end, np.linspace(0, 1, 9))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 10, rtol=1e-6)
    angles = [latents.angle_between(a, b) for a, b in itertools.pairwise(points)]
    np.testing.assert_allclose(angles, latents.angle_between(start, end) / 8, rtol=1e-4)
    assert np.linalg.norm(latents.lerp(start, end, [0.5])) < 8.5


@pytest.mark.parametrize("method", [latents.lerp, latents.slerp])
def test_paths_start_and_end_exactly_at_their_faces_and_are_the_same_both_ways(method):
    start, end = latents.latents_of_faces([3, 17], 100)
    fractions = np.linspace(0, 1, 7)
    there = method(start, end, fractions)
    np.testing.assert_array_equal(there[0], start)
    np.testing.assert_array_equal(there[-1], end)
    np.testing.assert_allclose(there, method(end, start, fractions)[::-1], atol=1e-6)
    np.testing.assert_allclose(method(start, start, fractions), np.tile(start, (7, 1)), rtol=1e-6)


@pytest.mark.parametrize("end", [[2.0, 4.0], [-1.0, -2.0], [0.0, 0.0], [-1.0, -2.0 - 1e-9]])
def test_slerp_is_lerp_where_the_circle_is_not_defined(end):
    start, fractions = [1.0, 2.0], [0, 0.3, 0.5, 1]
    np.testing.assert_array_equal(
        latents.slerp(start, end, fractions), latents.lerp(start, end, fractions), strict=True
    )
    np.testing.assert_array_equal(
        latents.slerp(end, start, fractions), latents.lerp(end, start, fractions), strict=True
    )


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e15])
def test_slerp_of_a_direction_does_not_depend_on_its_scale(scale):
    start, end = latents.latents_of_faces([3, 17], 16).astype(np.float64)
    plain = latents.slerp(start, end, [0.4])
    np.testing.assert_allclose(latents.slerp(start * scale, end * scale, [0.4]), plain * scale, rtol=1e-5)


def test_a_path_of_several_stops_draws_a_shared_stop_once():
    stops = latents.latents_of_faces([3, 17, 42], 20)
    points = latents.path(stops, 10)
    assert points.shape == (19, 20)
    np.testing.assert_array_equal(points[[0, 9, 18]], stops)
    loop = latents.path(stops, 10, loop=True)
    assert loop.shape == (27, 20)
    np.testing.assert_array_equal(loop[[0, 9, 18]], stops)


def test_a_plane_has_its_four_faces_in_its_corners():
    corners = latents.latents_of_faces([1, 2, 3, 4], 20)
    points = latents.plane(corners, 5, 6).reshape(5, 6, 20)
    np.testing.assert_array_equal(points[[0, 0, -1, -1], [0, -1, 0, -1]], corners)
    flat = latents.plane(corners, 3, 3, "lerp").reshape(3, 3, 20)
    np.testing.assert_allclose(flat[1, 1], corners.mean(axis=0), atol=1e-6)


def test_average_by_hand():
    np.testing.assert_array_equal(latents.average([[1, 2], [3, 6]]), [2, 4])


def test_truncation_scales_latents_and_keeps_their_direction():
    face = latents.latents_of_faces([9], 50)
    truncated = latents.truncate(face, 0.7)
    assert truncated.dtype == np.float32
    np.testing.assert_allclose(truncated, 0.7 * face, rtol=1e-6)


def test_files_of_latents_are_read_compressed_or_not_and_as_float32(tmp_path):
    points = latents.latents_of_faces([1, 2, 3], 8)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "latent_points.npz", points.astype(np.float64))
        read = latents.read_latents(tmp_path / "latent_points.npz")
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, points)


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.uint8), np.zeros(3), np.zeros((0, 3)), np.full((1, 2), np.nan)])
def test_files_that_hold_something_else_are_refused(tmp_path, array):
    np.savez(tmp_path / "other.npz", array)
    with pytest.raises(ValueError, match="holds"):
        latents.read_latents(tmp_path / "other.npz")


def test_files_that_are_damaged_pickled_or_missing_are_refused_in_one_line(tmp_path):
    np.savez(tmp_path / "whole.npz", np.zeros((4, 100)))
    content = (tmp_path / "whole.npz").read_bytes()
    np.savez(tmp_path / "pickle.npz", np.array([{}], object))
    np.savez(tmp_path / "two.npz", one=np.zeros((1, 2)), other=np.zeros((1, 2)))
    (tmp_path / "cut.npz").write_bytes(content[:1000])
    (tmp_path / "damaged.npz").write_bytes(content[:500] + bytes(100) + b"\x01" + content[601:])
    (tmp_path / "text.npz").write_text("latents")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "folder.npz").mkdir()
    np.save(tmp_path / "one.npy", np.zeros((2, 3)))
    (tmp_path / "one.npy").rename(tmp_path / "npy.npz")
    for name in ("pickle", "two", "cut", "damaged", "text", "empty", "folder", "npy", "missing"):
        with pytest.raises(ValueError) as caught:
            latents.read_latents(tmp_path / f"{name}.npz")
        assert str(caught.value).startswith(f"{tmp_path / name}.npz: ") and "\n" not in str(caught.value), name
