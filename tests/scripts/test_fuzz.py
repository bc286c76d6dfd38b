"""Any text and any damaged file is either read or refused in one line; FUZZ_EXAMPLES=100000 runs it long."""

import contextlib
import io
import os

import prepare_faces
from facegan.common import datasets, faces, generators, images, latents
from facegan.exploring import directions, formula
from facegan.preparing import csv_table, photos
from facegan.training import logs

import drawing
import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
fuzzed = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES <= 60,
    suppress_health_check=list(hypothesis.HealthCheck),
)
# Texts that are nearly what the parsers take.
PIECES = ["1", "0", "25", "4294967296", "-", "..", ",", "=", "*", ".", "e9", "nan", "smile", "me.jpg", "@", "/", "x",
          " ", "\n", "\0", "\udcff", "٣", "a.npz", "auto3", "'"]  # fmt: skip
texts = strategies.one_of(
    strategies.text(max_size=30), strategies.lists(strategies.sampled_from(PIECES), max_size=9).map("".join)
)


def refused_in_a_line(parse, *arguments):
    """Call a parser; what it raises must be a ValueError, or an OSError that `cli` turns into a line."""
    try:
        return parse(*arguments)
    except (ValueError, OSError) as error:
        assert str(error)
        return None


PARSERS = {
    "faces": faces.parse,
    "numbers": latents.parse_faces,
    "term": lambda text: formula.parse_term(text, 1),
    "strengths": formula.parse_strengths,
    "size": prepare_faces.parse_size,
    "shard": prepare_faces.parse_shard,
}


@pytest.mark.parametrize("name", PARSERS)
@fuzzed
@hypothesis.given(text=texts)
def test_an_argument_is_read_or_refused(name, text):
    refused_in_a_line(PARSERS[name], text)


@fuzzed
@hypothesis.given(sources=strategies.lists(texts, min_size=1, max_size=5))
def test_a_manifest_gives_back_every_name_and_holds_no_formula(tmp_path_factory, sources):
    sources = [source.replace("\r", " ").replace("\0", " ") for source in sources]
    lines = [{"source": csv_table.files.printable(source), "status": "kept"} for source in sources]
    text = csv_table.to_text(csv_table.COLUMNS, [dict.fromkeys(csv_table.COLUMNS, "x"), *lines])
    path = tmp_path_factory.getbasetemp() / "manifest.csv"
    path.write_text(text.replace("x", "source", 1), encoding="utf-8", newline="")
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        raw = [row[0] for row in csv.reader(file)][1:]
    assert not any(field.startswith(("=", "+", "-", "@", "\t")) for field in raw)
    assert [csv_table.unquoted(field) for field in raw] == [line["source"] for line in lines]


@fuzzed
@hypothesis.given(label=texts)
def test_any_label_can_be_drawn(label):
    images.grid(np.zeros((1, 8, 8, 3), np.uint8), numbers=[label])
    images.stack([images.Image.new("RGB", (8, 8))], [label])


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """The bytes of whole files, and the functions that read them."""
    folder = tmp_path_factory.mktemp("originals")
    drawing.save_generator(folder / "g.h5")
    np.savez(folder / "l.npz", np.ones((3, 8), np.float32))
    np.savez_compressed(folder / "c.npz", np.ones((3, 8, 8, 3), np.uint8))
    directions.save(directions.Direction(np.ones(8, np.float32), "abc"), folder / "d.npz")
    picture = io.BytesIO()
    images.Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(picture, "JPEG")
    (folder / "p.jpg").write_bytes(picture.getvalue())
    (folder / "t.csv").write_bytes(b"step,loss\r\n1,0.5\r\n2,0.25\r\n")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_photo(path):
    with contextlib.suppress(photos.UnreadableError):
        photos.decode(path.read_bytes())


READERS = {
    "g.h5": generators.load_generator,
    "l.npz": latents.read_latents,
    "c.npz": datasets.open_pixels,
    "d.npz": directions.read,
    "p.jpg": read_photo,
    "t.csv": lambda path: logs.Table(path, ("step", "loss"), 9),
}


@pytest.mark.parametrize("name", READERS)
@fuzzed
@hypothesis.given(data=strategies.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, originals, name, data):
    content = bytearray(originals[name])
    for _ in range(data.draw(strategies.integers(1, 4))):
        place = data.draw(strategies.integers(0, len(content) - 1))
        kind = data.draw(strategies.sampled_from(["flip", "cut", "fill", "insert"]))
        if kind == "flip":
            content[place] ^= data.draw(strategies.integers(1, 255))
        elif kind == "cut":
            content = content[: max(place, 1)]
        else:
            some = data.draw(strategies.binary(min_size=1, max_size=12))
            content[place : place + (len(some) if kind == "fill" else 0)] = some
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(bytes(content))
    refused_in_a_line(READERS[name], path)
