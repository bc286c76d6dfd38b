"""Fetching CelebA, with the one call of its client replaced."""

import os
import sys
import types
from pathlib import Path

import pytest

from facegan import commands, download


@pytest.fixture
def client(monkeypatch):
    """A `kagglehub` whose download does what the test says; it keeps the handles it was asked for."""
    fake = types.ModuleType("kagglehub")
    fake.asked = []

    def dataset_download(handle):
        fake.asked.append(handle)
        return fake.answer()

    fake.dataset_download = dataset_download
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    return fake


def test_the_photographs_land_in_the_folder_named_and_the_licence_is_told(client, tmp_path, capsys):
    def answer():
        version = Path(os.environ["KAGGLEHUB_CACHE"], "datasets", "celeba", "versions", "2")
        (version / "img_align_celeba" / "img_align_celeba").mkdir(parents=True)
        (version / "list_attr_celeba.csv").touch()
        return str(version)

    client.answer = answer
    photographs = download.fetch_celeba(tmp_path / "new" / "celeba")
    assert photographs.is_dir() and photographs.is_relative_to(tmp_path / "new" / "celeba")
    assert client.asked == ["jessicali9530/celeba-dataset"]
    told = capsys.readouterr().err
    assert "non-commercial research only" in told and str(tmp_path) in told and "--attributes" in told


@pytest.mark.parametrize("error", [OSError("Failed to resolve host\nat line 3"), ValueError("bad checksum")])
def test_a_failed_download_is_one_line_that_says_how_to_go_on(client, tmp_path, error):
    def answer():
        raise error

    client.answer = answer
    with pytest.raises(commands.UserError, match=r"download failed \(.*\); the same command goes on") as caught:
        download.fetch_celeba(tmp_path)
    assert "\n" not in str(caught.value)


def test_an_interrupted_download_says_how_to_go_on(client, tmp_path):
    def answer():
        raise KeyboardInterrupt

    client.answer = answer
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        download.fetch_celeba(tmp_path)


def test_an_answer_without_photographs_is_told(client, tmp_path):
    client.answer = lambda: tmp_path
    with pytest.raises(commands.UserError, match="holds no img_align_celeba"):
        download.fetch_celeba(tmp_path)


def test_without_the_client_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    monkeypatch.setenv("KAGGLEHUB_CACHE", "")
    with pytest.raises(commands.UserError, match="pip install kagglehub"):
        download.fetch_celeba(tmp_path)
