"""config.json of a run folder: every setting, so that one folder never holds two runs."""

import dataclasses
import importlib.metadata
import json
import math
import platform
from pathlib import Path

from facegan.common import files, hardware
from facegan.training import checkpoints, presets

NAME = "config.json"
# A run's length, how often it saves and where it runs may change when it resumes. Where it runs changes the last bits
# of the result, and its length changes a decaying learning rate.
MAY_DIFFER = ("data", "epochs", "steps", "save_every", "save_minutes", "on_collapse", "quality", "held_out_rows")
# What is shown, not what is learned.
MAY_DIFFER += tuple(f"preset {name}" for name in ("saved", "inverted", "plot_side", "accuracy_images"))
NOTED = ("precision", "accumulate", "device", "xla", "backend", "versions", "preset update_clip")
# Where a process of several runs and finds its data; the data set's fingerprint must still be the same.
OF_ONE_PROCESS = ("data", "device", "versions", "held_out_rows")
# What a run did whose config.json was written before there was the setting or the preset had the field.
BEFORE = {"accumulate": 1} | {f"preset {field.name}": field.default for field in dataclasses.fields(presets.Preset)}


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on, as config.json keeps it.

    Attributes:
        preset to quality: train_gan.py's options of these names, with the preset's values for those left out.
        preset_row: the preset's fields that no option changes.
        fingerprint: the data set's. image_shape: (height, width, channels).
        latent_prior: "normal" or "uniform".
        precision: a Keras dtype policy. device: count, kind and name. xla: whether a step is compiled with XLA.
        versions: of Python, Keras, numpy and the backend, by name.
        held_out_rows: rows of the data set kept out of training.
    """

    preset: str
    data: str | list
    epochs: int | None
    steps: int | None
    save_every: int
    batch_size: int
    accumulate: int
    learning_rate: float
    lr_decay: float
    latent_dim: int
    seed: int
    hold_out: float
    limit: int | None
    ema_decay: float
    loss: str
    label_smoothing: float
    r1: float
    r2: float
    mirror: bool
    augment: bool
    init_from: list | None
    on_collapse: str
    save_minutes: float
    quality: bool
    preset_row: dict
    fingerprint: str
    image_shape: list
    latent_prior: str
    precision: str
    device: str
    xla: bool
    backend: str
    versions: dict
    held_out_rows: list


def resolve(options, preset, *, device, precision, image_shape, fingerprint, held_out):
    """Gather a run's settings.

    Args:
        options: train_gan.py's, with the preset's values for those left out.
        preset: a row of `presets.PRESETS`.
        device: the `hardware.Device` in use. precision: the Keras dtype policy.
        image_shape: (height, width, channels). fingerprint: the data set's. held_out: rows kept out of training.

    Returns:
        A `RunConfig`.
    """
    import keras

    backend = keras.backend.backend()
    names = {field.name for field in dataclasses.fields(RunConfig)} - {"precision", "device"}
    versions = {name: importlib.metadata.version(name) for name in ("keras", "numpy", backend)}
    given = {name: value for name, value in vars(options).items() if name in names}
    # In an image with more pixels, D's gradient is spread over more of them.
    pixels = math.prod(image_shape[:2]) / math.prod(preset.image_shape[:2])
    penalties = {name: getattr(preset, name) * pixels for name in ("r1", "r2") if given[name] is None}
    return RunConfig(
        **given | penalties,
        preset_row=preset.fields_without(vars(options)),
        fingerprint=fingerprint,
        image_shape=list(image_shape),
        latent_prior=preset.latent_prior,
        precision=precision,
        device=str(device),
        xla=hardware.compiles_with_xla(device),
        backend=backend,
        versions={"python": platform.python_version(), **versions},
        held_out_rows=held_out.tolist(),
    )


def check_same_run(folder, config):
    """Refuse to mix two runs in one folder, and print the differences that are allowed but change the result.

    A folder without a state holds no run yet: a command that ran out of memory may try again with a smaller batch.

    Args:
        folder: the run folder, with or without a config.json. config: the `RunConfig` of the current command.

    Returns:
        The names of the settings that differ, all of which may.

    Raises:
        ValueError: its state has other settings, or it has none and config.json cannot be read.
    """
    if not checkpoints.has_state(folder):
        return []
    try:
        # The state's own settings count: config.json may be lost, or another run's.
        saved = checkpoints.saved_settings(folder) or json.loads((Path(folder) / NAME).read_text(encoding="utf-8"))
        before = BEFORE | _flat(saved)
    except (ValueError, TypeError, KeyError, AttributeError, OSError):
        raise ValueError(f"{folder}: holds a run whose {NAME} cannot be read; name another folder") from None
    now = _flat(dataclasses.asdict(config))
    differing = [name for name in now if before.get(name) != now[name]]
    refused = [name for name in differing if name not in MAY_DIFFER + NOTED]
    if "precision" in differing and "mixed_float16" in (before.get("precision"), now["precision"]):
        refused.append("precision")  # under mixed_float16 the optimizers' state includes a loss scale
    if refused:
        listed = "; ".join(f"{name} was {before.get(name)}, is {now[name]}" for name in refused)
        raise ValueError(f"{folder}: holds a run with other settings ({listed}); name another folder")
    for name in NOTED:
        if name in differing:
            print(f"note: {name} was {before.get(name)}, is {now[name]}: the run resumes, but its result may differ")
    return differing


def shared(config):
    """The settings of a `RunConfig` that all processes of a launch must have in common, by name."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in OF_ONE_PROCESS}


def _flat(record):
    """A config's settings by name, the preset's fields among them as "preset stem"."""
    row = {f"preset {name}": value for name, value in record["preset_row"].items()}
    return {**{name: value for name, value in record.items() if name != "preset_row"}, **row}


def write(folder, config):
    """Write the settings of a run into its folder."""
    with files.atomic_write(Path(folder) / NAME, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(config), file, indent=1)
        file.write("\n")
