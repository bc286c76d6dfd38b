"""Tables of numbers that survive interruptions, and TensorBoard events."""

import subprocess
import sys
from pathlib import Path

from facegan.training import logs

import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_accumulator

COLUMNS = ("step", "loss", "note")


def test_rows_come_back_as_numbers_texts_and_nothing(tmp_path):
    table = logs.Table(tmp_path / "t.csv", COLUMNS, 0)
    table.add({"step": 10, "loss": 0.125, "note": "mode collapse"})
    table.add({"step": 20, "loss": float("nan")})
    rows = logs.read_table(tmp_path / "t.csv")
    assert rows[0] == {"step": 10, "loss": 0.125, "note": "mode collapse"}
    assert rows[1]["loss"] != rows[1]["loss"]
    assert rows[1]["note"] is None


def test_rows_after_the_step_resumed_from_and_a_half_written_line_are_cut(tmp_path):
    path = tmp_path / "t.csv"
    table = logs.Table(path, COLUMNS, 0)
    for step in (10, 20, 30):
        table.add({"step": step, "loss": 1 / 3})
    before = path.read_text().splitlines()
    path.write_text(path.read_text() + "40,0.1")
    logs.Table(path, COLUMNS, 20)
    assert path.read_text().splitlines() == before[:3]


def test_the_curves_are_drawn_with_gaps_where_numbers_are_missing(tmp_path):
    names = ("d_loss_real", "d_loss_generated", "g_loss", "d_accuracy_real", "d_accuracy_generated", "batch_diversity")
    rows = [{"step": step, **dict.fromkeys(names, 0.5)} for step in (10, 20)]
    rows[1]["g_loss"] = None
    logs.draw_losses(rows, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (900, 600)


def test_columns_that_a_table_already_has_stay_when_a_run_resumes_without_them(tmp_path):
    path = tmp_path / "t.csv"
    logs.Table(path, (*COLUMNS, "figure"), 0).add({"step": 10, "figure": 0.5})
    logs.Table(path, COLUMNS, 10).add({"step": 20, "loss": 1.0})
    assert [row["figure"] for row in logs.read_table(path)] == [0.5, None]


def test_tensorboard_events_are_written_without_tensorflow_and_read_back(tmp_path):
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "import numpy as np\n"
        "from facegan.training import logs\n"
        "board = logs.TensorBoard(sys.argv[1])\n"
        "board.scalars(10, {'g_loss': 0.5, 'missing': None})\n"
        "board.picture(10, 'generated', np.zeros((4, 6, 3), np.uint8))\n"
        "board.flush()\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True, cwd=Path(__file__).parents[2])
    accumulator = event_accumulator.EventAccumulator(str(tmp_path))
    accumulator.Reload()
    assert [(event.step, event.value) for event in accumulator.Scalars("g_loss")] == [(10, 0.5)]
    assert accumulator.Tags()["scalars"] == ["g_loss"]
    (picture,) = accumulator.Images("generated")
    assert (picture.height, picture.width) == (4, 6)


@pytest.mark.parametrize("value", [1, 1.0, 0.1, 123456.0])
def test_numbers_are_written_short(tmp_path, value):
    table = logs.Table(tmp_path / "t.csv", COLUMNS, 0)
    table.add({"step": value})
    assert logs.read_table(tmp_path / "t.csv")[0]["step"] == value
    assert not (tmp_path / "t.csv").read_text().splitlines()[1].split(",")[0].endswith(".0")
