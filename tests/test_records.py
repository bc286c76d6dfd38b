"""Tables of numbers that survive interruptions."""

import importlib.util

import pytest
from PIL import Image

from facegan import records

COLUMNS = ("step", "loss", "note")


def test_rows_come_back_as_numbers_texts_and_nothing(tmp_path):
    table = records.Table(tmp_path / "t.csv", COLUMNS, 0)
    table.add({"step": 10, "loss": 0.125, "note": "d wins"})
    table.add({"step": 20, "loss": float("nan")})
    rows = records.read_table(tmp_path / "t.csv")
    assert rows[0] == {"step": 10, "loss": 0.125, "note": "d wins"}
    assert rows[1]["loss"] != rows[1]["loss"]
    assert rows[1]["note"] is None


def test_rows_after_the_step_resumed_from_and_a_half_written_line_are_cut(tmp_path):
    path = tmp_path / "t.csv"
    table = records.Table(path, COLUMNS, 0)
    for step in (10, 20, 30):
        table.add({"step": step, "loss": 1 / 3})
    before = path.read_text().splitlines()
    path.write_text(path.read_text() + "40,0.1")
    records.Table(path, COLUMNS, 20)
    assert path.read_text().splitlines() == before[:3]


def test_the_curves_are_drawn_with_gaps_where_numbers_are_missing(tmp_path):
    names = ("d_loss_real", "d_loss_generated", "g_loss", "d_accuracy_real", "d_accuracy_generated", "variety")
    rows = [{"step": step, **dict.fromkeys(names, 0.5)} for step in (10, 20)]
    rows[1]["g_loss"] = None
    records.draw_losses(rows, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (900, 600)


def test_without_tensorboard_events_are_left_out_with_a_note(monkeypatch, tmp_path, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "tensorboard" else find(name))
    board = records.TensorBoard(tmp_path / "events")
    board.scalars(1, {"loss": 0.5})
    board.flush()
    assert "no TensorBoard events" in capsys.readouterr().out
    assert not (tmp_path / "events").exists()


@pytest.mark.parametrize("value", [1, 1.0, 0.1, 123456.0])
def test_numbers_are_written_short(tmp_path, value):
    table = records.Table(tmp_path / "t.csv", COLUMNS, 0)
    table.add({"step": value})
    assert records.read_table(tmp_path / "t.csv")[0]["step"] == value
    assert not (tmp_path / "t.csv").read_text().splitlines()[1].split(",")[0].endswith(".0")
