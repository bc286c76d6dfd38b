"""Runs of prepare_faces.py in this process, and what they wrote."""

import csv
from pathlib import Path

import pytest

import prepare_faces
from facegan import commands


def prepare(*arguments):
    return prepare_faces.main([str(argument) for argument in arguments])


def lines(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def outputs(out):
    out = Path(out)
    return [out.with_suffix(suffix).read_bytes() for suffix in (".npz", ".csv", ".png")]


def refused(*arguments):
    """Run main and return the one line that a user's mistake gives."""
    with pytest.raises((commands.UserError, SystemExit)) as error:
        prepare(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)
