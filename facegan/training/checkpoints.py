"""The full state of a training run on disk: the last three are kept, so that one is always complete and one is good."""

import contextlib
import json
from pathlib import Path

from facegan.common import datasets, files

import numpy as np

# Newest first. A run goes back to the third when it turns out that the newer two had already collapsed.
NEW_NAME = "state_new.npz"
NAMES = ("state.npz", "state_previous.npz", "state_oldest.npz")
PROGRESS, SETTINGS = "progress", "settings"  # texts beside the numbered variables
UNREADABLE = (OSError, ValueError, KeyError, TypeError, *datasets.DAMAGE)  # what reading may raise


class StateError(ValueError):
    """The states of a run folder cannot be read, or belong to other networks; the message begins with the folder."""


def save_state(folder, variables, progress, rotate=True, settings=None):
    """Write the state and keep the two before it.

    Args:
        folder: the run folder.
        variables: list of Keras variables, in an order that is always the same for the same settings.
        progress: a dictionary of JSON: the "step", running sums, whatever else the run needs to resume.
        rotate: False replaces the newest state and keeps the older ones, for when the newest may turn out to be bad.
        settings: JSON data, see `saved_settings`.
    """
    arrays = {f"{number:04d}": variable.numpy() for number, variable in enumerate(variables)}
    texts = {PROGRESS: np.array(json.dumps(progress)), SETTINGS: np.array(json.dumps(settings))}
    new = Path(folder) / NEW_NAME
    with files.explained(folder):
        if new.exists():  # a process was killed before it had its place
            _put_in_place(new)
        with files.atomic_write(new) as file:
            datasets.save_arrays(file, **texts, **arrays)
        _put_in_place(new, rotate)


def _put_in_place(new, rotate=True):
    newest, previous, oldest = (new.with_name(name) for name in NAMES)
    if rotate and newest.exists():
        if previous.exists():
            previous.replace(oldest)
        newest.replace(previous)
    new.replace(newest)


def load_state(folder, variables, parse=dict, before_step=None):
    """Read the newest complete state into the variables, and report newer ones that are damaged.

    Args:
        folder: the run folder. variables: as given to `save_state`.
        parse: a function of the progress that was saved; a state for which it raises KeyError, TypeError or ValueError
            counts as damaged.
        before_step: if given, only a state whose progress["step"] is at most this is read.

    Returns:
        The parsed progress, or None if there is no such state.

    Raises:
        StateError: there are states but none is complete, or they belong to other networks.
    """
    shapes, damaged, of_others, found_any = [tuple(variable.shape) for variable in variables], [], [], False
    for path in _existing(folder):
        found = _read(path, parse)
        if found is None:
            damaged.append(path.name)
            continue
        progress, arrays = found
        if [array.shape for array in arrays] != shapes:
            of_others.append(path.name)
            continue
        found_any = True
        if before_step is not None and progress["step"] > before_step:
            continue
        if damaged or of_others:
            print(f"note: {', '.join(damaged + of_others)} is incomplete or damaged: using an older state")
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)
        return parse(progress)
    if of_others and not found_any:
        raise StateError(f"{folder}: {of_others[0]} is of other networks; name another folder")
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


def saved_settings(folder):
    """The settings that the newest readable state was saved with, or None if there are none."""
    for path in _existing(folder):
        with contextlib.suppress(*UNREADABLE), path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return json.loads(str(file[SETTINGS]))
    return None


def _existing(folder):
    """The state files in a folder, newest first."""
    return [path for path in (Path(folder) / name for name in (NEW_NAME, *NAMES)) if path.exists()]


def _read(path, parse=dict):
    """(progress, arrays) of a state file, or None if it is truncated or damaged, as its zip checksums show."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            progress = json.loads(str(file[PROGRESS]))
            if not isinstance(progress["step"], int) or progress["step"] < 0:
                return None
            parse(progress)
            return progress, [file[name] for name in sorted(file.files) if name not in (PROGRESS, SETTINGS)]
    except UNREADABLE:
        return None
