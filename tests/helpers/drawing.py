"""A tiny generator on disk, and the drawing scripts run on it in this process."""

import dataclasses
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from facegan.common import cli, generators
from facegan.training import networks, presets

LATENT_DIM = 8
ROW = dataclasses.replace(
    presets.PRESETS["cifar32"],
    latent_dim=LATENT_DIM,
    stem=8,
    upsampling_blocks=((8, 4), (8, 4)),
    downsampling_blocks=((8, 3), (8, 3)),
)


def save_generator(path, image_shape=(16, 16, 3), latent_prior="normal", output="tanh", seed=1):
    """Write an untrained generator as a `.h5`; its path as text."""
    import keras

    keras.utils.set_random_seed(seed)
    model = networks.build_generator(dataclasses.replace(ROW, output=output), image_shape)
    generators.save_model(model, path, {"latent_prior": latent_prior})
    return str(path)


def run(monkeypatch, script, *arguments):
    """Run a script as the shell would, but in this process; its exit code, None for success."""
    monkeypatch.setattr(sys, "argv", [script.__file__, *map(str, arguments)])
    try:
        cli.run(script.main)
    except SystemExit as stop:
        return stop.code


def refusal(monkeypatch, capsys, script, *arguments):
    """The one line with which a script refuses its arguments; fails if it accepts them or prints more."""
    assert run(monkeypatch, script, *arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1 and captured.err.endswith("\n")
    return captured.err


def files_in(folder):
    """The paths of all files in a folder and below, relative to it, as sorted texts."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def decoded(path):
    """What ffmpeg says about a video, and the pixels of its frames, bytes (n · height · width · 3)."""
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    result = subprocess.run(command, capture_output=True, check=True)
    return result.stderr.decode(), result.stdout
