"""Runs of train_gan.py on tiny nets, and whether two of them are the same to the bit."""

from facegan.common import generators
from facegan.training import logs

import numpy as np
import tiny

FAST = ("--precision", "float32", "--no-quality")


def train(monkeypatch, dataset, out, *options, preset="tiny", more_data=()):
    """Run train_gan.py on a tiny preset without measuring; its exit code."""
    return tiny.train(monkeypatch, dataset, *more_data, "--preset", preset, "--out", out, *FAST, *options)


def arrays(path):
    """The variables in a state file, by name."""
    with np.load(path) as file:
        return {name: file[name] for name in file.files if name not in ("progress", "settings")}


def assert_same_run(one, other):
    """Same bytes of state and of steps.csv, same saved weights, the same log.csv but for the times."""
    ours, theirs = arrays(one / "state.npz"), arrays(other / "state.npz")
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert value.tobytes() == theirs[name].tobytes(), name
    assert (one / "steps.csv").read_bytes() == (other / "steps.csv").read_bytes()
    rows = [logs.read_table(folder / "log.csv") for folder in (one, other)]
    assert [{**row, "seconds": 0} for row in rows[0]] == [{**row, "seconds": 0} for row in rows[1]]
    saved = [[path.name for path in generators.checkpoints(folder)] for folder in (one, other)]
    assert saved[0] == saved[1]
    for name in saved[0]:
        draws = [generators.load_generator(folder / name).draw(np.ones((3, 8), "float32")) for folder in (one, other)]
        np.testing.assert_array_equal(*draws)
