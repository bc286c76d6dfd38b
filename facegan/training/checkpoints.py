"""The full state of a training run on disk: the last three are kept, so that one is always complete and one is good."""

import json
import zipfile
import zlib
from pathlib import Path

from facegan.common import files

import numpy as np

# Newest first. A run goes back to the third when it turns out that the newer two had already collapsed.
NEW_NAME = "state_new.npz"
NAMES = ("state.npz", "state_previous.npz", "state_oldest.npz")


class StateError(ValueError):
    """The states of a run folder cannot be read, or belong to other networks; the message begins with the folder."""


def save_state(folder, variables, progress, rotate=True):
    """Write the state and keep the two before it.

    Args:
        folder: the run folder.
        variables: list of Keras variables, in an order that is always the same for the same settings.
        progress: a JSON value: the step, running sums, whatever else the run needs to resume.
        rotate: False replaces the newest state and keeps the older ones, for when the newest may turn out to be bad.
    """
    arrays = {f"{number:04d}": variable.numpy() for number, variable in enumerate(variables)}
    newest, previous, oldest = (Path(folder) / name for name in NAMES)
    with files.explained(folder):
        with files.atomic_write(newest.with_name(NEW_NAME)) as file:
            np.savez(file, progress=np.array(json.dumps(progress)), **arrays)
        if rotate:
            if previous.exists():
                previous.replace(oldest)
            if newest.exists():
                newest.replace(previous)
        newest.with_name(NEW_NAME).replace(newest)


def load_state(folder, variables, before_step=None):
    """Read the newest complete state into the variables, and report newer ones that are damaged.

    Args:
        folder: the run folder. variables: as given to `save_state`.
        before_step: if given, only a state whose progress["step"] is at most this is read.

    Returns:
        The progress that was saved with it, or None if there is no such state.

    Raises:
        StateError: there are states but none is complete, or they belong to other networks.
    """
    damaged, found_any = [], False
    for path in _existing(folder):
        found = _read(path)
        if found is None:
            damaged.append(path.name)
            continue
        found_any = True
        progress, arrays = found
        if before_step is not None and progress["step"] > before_step:
            continue
        if damaged:
            print(f"note: {', '.join(damaged)} is incomplete or damaged: using an older state")
        if [array.shape for array in arrays] != [tuple(variable.shape) for variable in variables]:
            raise StateError(f"{folder}: {path.name} is of other networks; name another folder")
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)
        return progress
    if damaged and not found_any:
        raise StateError(f"{folder}: none of {', '.join(damaged)} can be read whole; name another folder")
    return None


def discard_after(folder, step):
    """Remove the states of steps later than `step`: a run that goes back must not find what it abandoned."""
    for path in _existing(folder):
        found = _read(path)
        if found is None or found[0]["step"] > step:
            path.unlink()


def steps_made(folder):
    """The step of the newest complete state in a run folder, 0 if there is none."""
    return next((found[0]["step"] for found in map(_read, _existing(folder)) if found), 0)


def has_state(folder):
    """Whether a run folder holds any state."""
    return bool(_existing(folder))


def _existing(folder):
    """The state files in a folder, newest first."""
    return [path for path in (Path(folder) / name for name in (NEW_NAME, *NAMES)) if path.exists()]


def _read(path):
    """(progress, arrays) of a state file, or None if its zip checksums show that it is truncated or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            progress = json.loads(str(file["progress"]))
            return progress, [file[name] for name in sorted(file.files) if name != "progress"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError):
        return None
