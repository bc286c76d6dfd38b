"""Tables of numbers that survive interruptions, and TensorBoard events."""

import subprocess
import sys
from pathlib import Path

from facegan.training import logs

import numpy as np
import pytest
from matplotlib import axes
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


def test_rows_of_a_block_are_written_together_and_the_rest_when_flushed(tmp_path):
    path = tmp_path / "t.csv"
    table = logs.Table(path, COLUMNS, 0, block=3)
    written = []
    for step in range(1, 6):
        table.add({"step": step})
        written.append([row["step"] for row in logs.read_table(path)])
    assert written == [[], [], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    table.flush()
    assert [row["step"] for row in logs.read_table(path)] == [1, 2, 3, 4, 5]


def drawn_curves(monkeypatch, tmp_path, count, **changed):
    """Draw the losses of a table of `count` steps: the plotted values by curve."""
    table = logs.Table(tmp_path / "steps.csv", ("step", *logs.NUMBERS), 0, count)
    for step in range(1, count + 1):
        numbers = dict.fromkeys(logs.NUMBERS, 0.5) | {"d_loss_generated": 0.25}
        table.add({"step": step, **numbers, **changed})
    curves, plot = {}, axes.Axes.plot

    def record(self, x, y, label, **options):
        curves[label] = np.stack([x, y])
        return plot(self, x, y, label=label, **options)

    monkeypatch.setattr(axes.Axes, "plot", record)
    logs.draw_losses(tmp_path / "steps.csv", tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.size == (900, 600)
    return curves


def test_the_losses_of_both_networks_are_drawn_with_the_sum_of_the_discriminators(monkeypatch, tmp_path):
    curves = drawn_curves(monkeypatch, tmp_path, 2)
    assert {name: tuple(values[1]) for name, values in curves.items() if name[0] in "DG"} == {
        "D, real": (0.5, 0.5),
        "D, generated": (0.25, 0.25),
        "D, sum": (0.75, 0.75),
        "G": (0.5, 0.5),
    }


def test_a_loss_of_pairs_is_one_curve_and_missing_numbers_are_gaps(monkeypatch, tmp_path):
    curves = drawn_curves(monkeypatch, tmp_path, 2, d_loss_generated=0.5, g_loss=None)
    assert [*curves] == ["D, pairs", "G", "accuracy, pairs", "batch diversity"]
    assert np.isnan(curves["G"][1]).all()


def test_a_long_run_is_drawn_as_means_of_steps_up_to_its_last(monkeypatch, tmp_path):
    monkeypatch.setattr(logs, "MOST_POINTS", 4)
    steps, means = drawn_curves(monkeypatch, tmp_path, 10)["D, real"]
    assert [*steps] == [3, 6, 9, 10]
    assert [*means] == [0.5] * 4


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
        "board.close()\n"
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


GARBAGE = ["not a row at all", "50,0.1", 'x,"open quote,', "nine,1,2", "\0\0,1,2", "60,1,2,3,4", "\udc80\udcff"]


def test_damaged_lines_are_left_out_and_their_number_is_said(tmp_path, capsys):
    path = tmp_path / "t.csv"
    table = logs.Table(path, COLUMNS, 0)
    for step in (10, 20):
        table.add({"step": step, "loss": 0.5})
    lines = path.read_text().splitlines()
    text = "\r\n".join([*lines[:2], *GARBAGE, lines[2], ""])
    path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    assert [row["step"] for row in logs.read_table(path)] == [10, 20]
    logs.Table(path, COLUMNS, 20)
    assert path.read_text().splitlines() == lines
    assert f"note: {path}: 6 damaged lines are left out" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff\n" * 9, b"", b"\n", b"no,header\n1,2\n"])
def test_a_table_that_is_something_else_begins_anew(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    logs.Table(path, COLUMNS, 20).add({"step": 30})
    assert [row["step"] for row in logs.read_table(path)] == [30]


def test_curves_are_drawn_without_the_fields_that_are_damaged(tmp_path):
    (tmp_path / "t.csv").write_text("step,g_loss\n10,0.5\n20,garbage\n")
    logs.draw_losses(tmp_path / "t.csv", tmp_path / "losses.png")
