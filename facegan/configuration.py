"""config.json of a run folder: every setting, so that one folder never holds two runs."""

import importlib.metadata
import json
import platform
from pathlib import Path

from facegan import checkpoints, devices, files
from facegan.commands import UserError

NAME = "config.json"
# How long a run is, how often it saves and where it runs may change when it goes on; the latter not to the bit, nor the
# first where the learning rate follows from the length.
MAY_DIFFER = ("data", "epochs", "steps", "every", "save_minutes", "on_collapse", "quality", "held_out_rows")
WORTH_A_NOTE = ("precision", "device", "xla", "backend", "versions")
# What runs did before there was a setting for it.
ONCE = {"cooling": 0.0}


def resolve(options, preset, image_shape, fingerprint, held_out):
    """Everything that a run depends on, as config.json keeps it.

    Args:
        options: of train_gan.py, filled from the preset. preset: a row of `presets.PRESETS`.
        image_shape: (height, width, channels). fingerprint: of the data set. held_out: rows kept out of training.
    """
    import keras

    device = devices.find_device()
    given = vars(options)
    return {
        **{name: given[name] for name in ("preset", "data", "epochs", "steps", "every", "batch_size", "learning_rate")},
        **{
            name: given[name]
            for name in ("cooling", "latent_dim", "seed", "hold_out", "limit", "average", "loss", "smooth")
        },
        **{name: given[name] for name in ("augment", "start_from", "on_collapse", "save_minutes", "quality")},
        "fingerprint": fingerprint,
        "image_shape": list(image_shape),
        "latents": preset.latents,
        **{f"preset {name}": value for name, value in preset.beyond(given).items()},
        "precision": devices.resolve_precision(options.precision, device),
        "device": f"{device.count} x {device.kind} ({device.name})",
        "xla": devices.compiles_with_xla(device),
        "backend": keras.backend.backend(),
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("keras", "numpy", keras.backend.backend())},
        },
        "held_out_rows": held_out.tolist(),
    }


def check_same_run(folder, settings):
    """Refuse to mix two runs in one folder, and tell which of the differences that are allowed there are.

    A folder without a state holds no run yet: one that ran out of memory may try again with a smaller batch.

    Args:
        folder: the run folder, with or without a config.json. settings: what the present command resolved to.

    Returns:
        The names of the settings that differ and may.

    Raises:
        UserError: its config.json has other settings, or cannot be read.
    """
    path = Path(folder) / NAME
    if not path.exists() or not checkpoints.has_state(folder):
        return []
    try:
        before = {**ONCE, **json.loads(path.read_text(encoding="utf-8"))}
    except (ValueError, TypeError, OSError):
        raise UserError(f"--out {folder}: its {NAME} cannot be read; name another folder") from None
    differing = [name for name in settings if before.get(name) != settings[name]]
    refused = [name for name in differing if name not in MAY_DIFFER + WORTH_A_NOTE]
    if "precision" in differing and "mixed_float16" in (before.get("precision"), settings["precision"]):
        refused.append("precision")  # its optimizers keep the scale of the loss, others do not
    if refused:
        listed = "; ".join(f"{name} was {before.get(name)}, is {settings[name]}" for name in refused)
        raise UserError(f"--out {folder}: holds a run with other settings ({listed}); name another folder")
    for name in WORTH_A_NOTE:
        if name in differing:
            print(f"note: {name} was {before.get(name)}, is {settings[name]}: the run goes on, but not to the bit")
    return differing


def write(folder, settings):
    """Write the settings of a run into its folder."""
    with files.whole_file(Path(folder) / NAME, "w", encoding="utf-8") as file:
        json.dump(settings, file, indent=1)
        file.write("\n")
