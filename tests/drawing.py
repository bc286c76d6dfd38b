"""A tiny generator on disk, and the drawing scripts run on it in this process."""

import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan import commands, networks, presets, runs

LATENT_DIM = 8
ROW = dataclasses.replace(
    presets.PRESETS["cifar32"], latent_dim=LATENT_DIM, stem=8, doublings=((8, 4), (8, 4)), halvings=((8, 3), (8, 3))
)


def save_generator(path, image_shape=(16, 16, 3), distribution="normal", output="tanh", seed=1):
    """Write an untrained generator as a `.h5`; its path as text."""
    import keras

    keras.utils.set_random_seed(seed)
    model = networks.build_generator(dataclasses.replace(ROW, output=output), image_shape)
    runs.save_model(model, path, {"latents": distribution})
    return str(path)


def run(monkeypatch, script, *arguments):
    """Run a script's `main` as the shell would, without starting a process; its exit code."""
    monkeypatch.setattr(sys, "argv", [script.__file__, *map(str, arguments)])
    try:
        commands.run(script.main)
    except SystemExit as stop:
        return stop.code


def refusal(monkeypatch, capsys, script, *arguments):
    """The one line with which a script refuses its arguments; fails where it does not refuse or says more."""
    assert run(monkeypatch, script, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.endswith("\n")
    return captured.err


def files_in(folder):
    """Every file below a folder, as sorted relative texts."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())
