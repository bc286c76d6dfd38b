"""Faces on the command line: lists of numbers and photographs, and where their latents come from."""

import argparse
import dataclasses
from pathlib import Path

from facegan.common import cli, faces, latents

import numpy as np
import pytest


@dataclasses.dataclass
class FakeGenerator:
    """What `faces.Source` needs of a generator."""

    path: str = "generator.h5"
    latent_dim: int = 4

    def latents_of(self, numbers):
        return latents.latents_of_faces(numbers, self.latent_dim)


def options(*words):
    parser = argparse.ArgumentParser()
    faces.add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("me.jpg").touch()
    return Path("me.jpg")


def test_a_list_of_faces_holds_numbers_and_photographs(photo):
    assert faces.parse("1-3, me.jpg,30") == [1, 2, 3, photo, 30]
    assert [faces.label(face) for face in (30, photo)] == ["30", "me"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x", "'x' is not a face number; write numbers and ranges such as 1-25,30"),
        ("1,you.png", "you.png: no such photograph"),
        ("1-90000,1-90000", "more than 100,000 faces; draw them in several runs"),
    ],
)
def test_what_is_neither_a_number_nor_a_photograph_is_refused(photo, text, said):
    with pytest.raises(ValueError) as caught:
        faces.parse(text)
    assert str(caught.value) == said


def test_a_source_takes_numbers_rows_and_photographs_and_truncates_all_but_photographs(photo, tmp_path):
    np.savez("points.npz", np.arange(8, dtype=np.float32).reshape(2, 4))

    def latents_of_photos(paths, generator, folder):
        assert (paths, folder) == ([photo], "out")
        return np.full((1, 4), 7)

    source = faces.Source("points.npz", 0.5, latents_of_photos)
    found = source.latents_of([2, photo, 1], FakeGenerator(), "out")
    np.testing.assert_array_equal(found, [[2, 2.5, 3, 3.5], [7, 7, 7, 7], [0, 0.5, 1, 1.5]])
    numbered = faces.Source().latents_of([12], FakeGenerator())
    np.testing.assert_array_equal(numbered, latents.latents_of_faces([12], 4))


def test_a_row_that_the_file_lacks_or_of_another_length_is_refused(tmp_path):
    path = tmp_path / "points.npz"
    np.savez(path, np.zeros((3, 5)))
    source = faces.Source(path)
    source.check([1, 3, Path("me.jpg")])
    with pytest.raises(ValueError, match=r"points\.npz: has no row 4; there are 3, numbered from 1"):
        source.check([2, 4])
    with pytest.raises(ValueError, match=r"points\.npz: its rows have 5 numbers, but generator\.h5 takes 4"):
        source.check_generator(FakeGenerator())


def test_open_source_names_the_option_that_is_wrong(bundled, tmp_path):
    with pytest.raises(cli.UserError, match=r"^MODEL nowhere: no such file or run folder"):
        faces.open_source(options("nowhere"), [1])
    with pytest.raises(cli.UserError, match=r"^--latents none\.npz: no such file"):
        faces.open_source(options("--latents", "none.npz"), [1])
    np.savez("points.npz", np.zeros((3, 5)))
    with pytest.raises(cli.UserError, match=r"^--latents points\.npz: has no row 4"):
        faces.open_source(options("--latents", "points.npz"), [4])
    source = faces.open_source(options("--latents", "points.npz"), [3])
    with pytest.raises(cli.UserError, match=r"^--latents points\.npz: its rows have 5 numbers, but .*portraits\.h5"):
        faces.load_generator(options("--latents", "points.npz"), source)


def test_only_photographs_need_folders_other_than_common(monkeypatch):
    assert faces.photo_searcher([1, 2]) is None
    from facegan.exploring import photo_latents

    assert faces.photo_searcher([1, Path("me.jpg")]) is photo_latents.latents_of
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(cli.UserError, match=r"^using a photograph as a face: needs facegan/exploring, "):
        faces.photo_searcher([Path("me.jpg")])
