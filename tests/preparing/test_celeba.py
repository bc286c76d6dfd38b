"""CelebA is fetched, with the one call to its client replaced, and its table of attributes read."""

import os
import sys
import types
from pathlib import Path

from facegan.preparing import celeba

import pytest


@pytest.fixture
def client(monkeypatch):
    """A `kagglehub` whose download does what the test says; it records the handles it was asked for."""
    fake = types.ModuleType("kagglehub")
    fake.asked = []

    def dataset_download(handle):
        fake.asked.append(handle)
        return fake.answer()

    fake.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    return fake


def test_the_photographs_land_in_the_folder_given_and_the_licence_is_shown(client, tmp_path, capsys):
    def answer():
        version = Path(os.environ["KAGGLEHUB_CACHE"], "datasets", "celeba", "versions", "2")
        (version / "img_align_celeba" / "img_align_celeba").mkdir(parents=True)
        (version / "list_attr_celeba.csv").touch()
        return str(version)

    client.answer = answer
    photographs = celeba.fetch_celeba(tmp_path / "new" / "celeba")
    assert photographs.is_dir() and photographs.is_relative_to(tmp_path / "new" / "celeba")
    assert client.asked == ["jessicali9530/celeba-dataset"]
    shown = capsys.readouterr().err
    assert "non-commercial research only" in shown and str(tmp_path) in shown
    assert celeba.attribute_tables(photographs) == [photographs.parent / "list_attr_celeba.csv"]


@pytest.mark.parametrize("error", [OSError("Failed to resolve host\nat line 3"), ValueError("bad checksum")])
def test_a_failed_download_is_one_line_that_says_how_to_resume(client, tmp_path, error):
    def answer():
        raise error

    client.answer = answer
    with pytest.raises(ValueError, match=r"download failed \(.*\); run the same command to resume") as caught:
        celeba.fetch_celeba(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_interrupted_download_says_how_to_resume(client, tmp_path):
    def answer():
        raise KeyboardInterrupt

    client.answer = answer
    with pytest.raises(KeyboardInterrupt, match="the same command to resume"):
        celeba.fetch_celeba(tmp_path)


def test_a_download_without_photographs_is_refused(client, tmp_path):
    client.answer = lambda: tmp_path
    with pytest.raises(ValueError, match="has no img_align_celeba"):
        celeba.fetch_celeba(tmp_path)


def test_without_the_client_the_error_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    with pytest.raises(ValueError, match="pip install kagglehub"):
        celeba.fetch_celeba(tmp_path)


@pytest.mark.skipif(not Path(os.devnull).is_char_device(), reason="has no devices among its files")
def test_a_device_is_refused_as_a_table_before_it_is_read():
    with pytest.raises(ValueError, match=f"{os.devnull}: is a device"):
        celeba.Attributes(os.devnull)


@pytest.mark.parametrize("text", ["2\nSmiling Young\na.jpg  1 -1\nb.jpg -1  1\n", "Smiling Young\na.jpg 1 -1\n"])
def test_attributes_of_a_photo_are_found_by_name_with_and_without_folders(tmp_path, text):
    (tmp_path / "list.txt").write_text(text)
    attributes = celeba.Attributes(tmp_path / "list.txt")
    assert attributes.columns == ["Smiling", "Young"]
    assert attributes.of("a.jpg") == attributes.of("some/folder/a.jpg") == {"Smiling": "1", "Young": "-1"}
    assert attributes.of("unknown.jpg") == {} and attributes.missing == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"image_id,Smiling\n",
        b"image_id,Smiling,Young\na.jpg,1\n",
        b"\xff\xfe\0",
        b'image_id,Smiling\na.jpg,"' + b"x" * 140_000,
    ],
)
def test_what_is_not_a_table_of_attributes_is_one_line_that_names_the_file(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"table\.csv: ") as caught:
        celeba.Attributes(path)
    assert "\n" not in str(caught.value)
