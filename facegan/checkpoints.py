"""The full state of a training run on disk, kept in three generations so that one is always whole and one is good."""

import json
import zipfile
import zlib
from pathlib import Path

import numpy

from facegan import files

# Newest first. The third is where a run goes back to when it turns out that the newer ones had already collapsed.
NAMES = ("state.npz", "state_previous.npz", "state_oldest.npz")


def save_state(folder, variables, progress, rotate=True):
    """Write the state and keep the two before it.

    Args:
        folder: the run folder.
        variables: list of Keras variables, in an order that the same settings always give.
        progress: what JSON can hold: the step, running sums, whatever else the run needs to go on.
        rotate: False replaces the newest state and leaves the older ones, for a run that looks unwell.
    """
    arrays = {f"{number:04d}": numpy.asarray(variable.value) for number, variable in enumerate(variables)}
    newest, previous, oldest = (Path(folder) / name for name in NAMES)
    with files.whole_file(newest.with_name("state_new.npz")) as file:
        numpy.savez(file, progress=numpy.array(json.dumps(progress)), **arrays)
    if rotate:
        if previous.exists():
            previous.replace(oldest)
        if newest.exists():
            newest.replace(previous)
    newest.with_name("state_new.npz").replace(newest)


def load_state(folder, variables, before_step=None):
    """Read the newest whole state into the variables.

    Args:
        folder: the run folder. variables: as given to `save_state`.
        before_step: if given, only a state whose progress["step"] is at most this.

    Returns:
        The progress that was saved with it, or None where there is no usable state.
    """
    for name in ("state_new.npz", *NAMES):
        found = _read(Path(folder) / name)
        if found is None:
            continue
        progress, arrays = found
        if before_step is not None and progress["step"] > before_step:
            continue
        for variable, value in zip(variables, arrays, strict=True):
            variable.assign(value)
        return progress
    return None


def read_progress(folder):
    """The progress of the newest whole state in a run folder, or None."""
    for name in ("state_new.npz", *NAMES):
        found = _read(Path(folder) / name)
        if found is not None:
            return found[0]
    return None


def _read(path):
    """(progress, arrays) of a state file, or None where it is missing or was cut short; zip checksums tell."""
    try:
        with path.open("rb") as stream, numpy.load(stream, allow_pickle=False) as file:
            progress = json.loads(str(file["progress"]))
            return progress, [file[name] for name in sorted(file.files) if name != "progress"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError):
        return None
