"""Runs scripts as on a machine without some packages: without_packages.py PACKAGES SCRIPT OPTION... + SCRIPT...

PACKAGES is a list such as tensorflow,jax, or "only:" and a list of all packages that there are.
"""

import importlib.machinery
import runpy
import sys
from pathlib import Path

OURS = {"facegan", *sys.stdlib_module_names}


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        package, (only, names) = name.split(".")[0], cls.packages
        hidden = package not in OURS and package[0] != "_" and package not in names if only else package in names
        return None if hidden else super().find_spec(name, path, target)


def run(script, *options):
    """Run a script as its own command would; its exit code."""
    sys.path[:1] = [str(Path(script).parent), str(Path(__file__).parents[2])]
    sys.argv = [script, *options]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        return stop.code


if __name__ == "__main__":
    Finder.packages = sys.argv[1].startswith("only:"), sys.argv[1].removeprefix("only:").split(",")
    sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = Finder
    commands = [[]]
    for word in sys.argv[2:]:
        if word == "+":
            commands.append([])
        else:
            commands[-1].append(word)
    for command in commands:
        if code := run(*command):
            sys.exit(code)
