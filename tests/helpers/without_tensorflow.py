"""Runs scripts as on a machine without TensorFlow: without_tensorflow.py SCRIPT OPTION... + SCRIPT..."""

import importlib.machinery
import runpy
import sys
from pathlib import Path


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] == "tensorflow" else super().find_spec(name, path, target)


def run(script, *options):
    """Run a script as its own command would; its exit code."""
    sys.path[:1] = [str(Path(script).parent), str(Path(__file__).parents[2])]
    sys.argv = [script, *options]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        return stop.code


if __name__ == "__main__":
    sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
    commands = [[]]
    for word in sys.argv[1:]:
        if word == "+":
            commands.append([])
        else:
            commands[-1].append(word)
    for command in commands:
        if code := run(*command):
            sys.exit(code)
