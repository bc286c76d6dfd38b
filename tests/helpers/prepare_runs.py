"""Runs of prepare_faces.py in this process, and what they wrote."""

import csv
import sys
from pathlib import Path

import prepare_faces
from facegan.common import cli

import pytest


def prepare(*arguments):
    """Run prepare_faces.py with these arguments and return its exit code, None or 2."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "argv", ["prepare_faces.py", *map(str, arguments)])
        return prepare_faces.main()


def lines(path):
    """The lines of a csv as dictionaries."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outputs(out):
    """The bytes of the three files that a command writes."""
    out = Path(out)
    return [out.with_suffix(suffix).read_bytes() for suffix in (".npz", ".csv", ".png")]


def refused(*arguments):
    """Run prepare_faces.py and return the one line that a user's mistake gives."""
    with pytest.raises((cli.UserError, SystemExit)) as error:
        prepare(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)
