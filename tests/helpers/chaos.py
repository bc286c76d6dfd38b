"""Faults at the n-th file operation: runs a piece of work, breaks it there, repeats it, and compares the bytes.

    python tests/helpers/chaos.py preparing FOLDER 1000

Each fault strikes a child process: it is killed in the middle of a write, before or after a rename or a flush to disk;
or the disk is full from then on; or one operation fails. The work is then repeated, sometimes with more faults, and at
last without. Its files must be those of work that nothing disturbed, with nothing beside them.
"""

import errno
import io
import os
import random
import shutil
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import prepare_faces
from facegan.common import cli
from facegan.training import checkpoints, logs

import numpy as np
from PIL import Image

KILLED = 137
KINDS = ("killed", "full", "error")
PHOTOS = 24


class Faults:
    """Counts the operations that change files; at number `at`, a fault of a kind strikes. A context manager."""

    def __init__(self, at=0, kind="killed"):
        self.at, self.kind, self.count = at, kind, 0

    def strikes(self):
        """Count an operation; returns whether it fails. A disk that is full stays full."""
        self.count += 1
        return self.at and (self.count == self.at or (self.kind == "full" and self.count > self.at))

    def fail(self):
        if self.kind == "killed":
            os._exit(KILLED)
        raise OSError(errno.ENOSPC if self.kind == "full" else errno.EIO, "a fault")

    def write(self, file, data):
        """Write all of the data, or half of it before the fault."""
        if self.strikes():
            file.write(data[: len(data) // 2])
            file.flush()
            self.fail()
        return file.write(data)

    def around(self, operation):
        def wrapped(*arguments, **options):
            if self.strikes():
                if self.kind == "killed" and self.count % 2:
                    operation(*arguments, **options)
                self.fail()
            return operation(*arguments, **options)

        return wrapped

    def __enter__(self):
        self._before = {(os, name): getattr(os, name) for name in ("fsync", "replace", "rename")}
        self._before[(io, "open")] = io.open
        for (module, name), operation in self._before.items():
            wrapped = self.around(operation) if module is os else self._open
            setattr(module, name, wrapped)
        return self

    def __exit__(self, *exception):
        for (module, name), operation in self._before.items():
            setattr(module, name, operation)

    def _open(self, path, mode="r", *arguments, **options):
        file = self._before[(io, "open")](path, mode, *arguments, **options)
        return File(file, self) if set(mode) & set("wa+x") else file


class File:
    """An open file whose writes are counted."""

    def __init__(self, file, faults):
        self._file, self._faults = file, faults

    def write(self, data):
        return self._faults.write(self._file, data)

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._file.close()

    def __iter__(self):
        return iter(self._file)


def prepare(folder):
    """Prepare a few photographs, some of them damaged or duplicates."""
    if not (folder.parent / "photos").exists():
        (folder.parent / "photos").mkdir()
        for number in range(PHOTOS):
            pixels = np.random.default_rng(number % 20).integers(0, 256, (40, 30, 3), np.uint8)
            Image.fromarray(pixels).save(folder.parent / "photos" / f"=photo {number:02d}.png")
        (folder.parent / "photos" / "damaged.png").write_bytes(b"no photo")
    words = ["--crop", "centre", "--size", "16", "--drop-duplicates", "--out", str(folder / "faces.npz")]
    sys.argv = ["prepare_faces.py", str(folder.parent / "photos"), *words]
    prepare_faces.pipeline.FIRST_BATCH = prepare_faces.pipeline.BATCH_PHOTOS = 5
    cli.run(prepare_faces.main)


class Variable:
    """A variable as `checkpoints` uses them."""

    def __init__(self, *shape):
        self.value, self.shape = np.zeros(shape), shape

    def numpy(self):
        return self.value

    def assign(self, value):
        self.value = value


def train(folder):
    """What a training run does with its files, without the networks: tables by blocks, states that follow them."""
    variables = [Variable(300), Variable(2, 2)]
    progress = checkpoints.load_state(folder, variables) or {"step": 0}
    steps = logs.Table(folder / "steps.csv", ("step", "loss"), progress["step"], block=4)
    log = logs.Table(folder / "log.csv", ("step", "collapse"), progress["step"] // 6 * 6)
    for step in range(progress["step"] + 1, 31):
        for variable in variables:
            variable.value = 0.9 * variable.value + step
        steps.add({"step": step, "loss": float(variables[0].value[0])})
        if step % 6 == 0:
            steps.flush()
            log.add({"step": step, "collapse": None})
        if step % 3 == 0:
            steps.flush()
            checkpoints.save_state(folder, variables, {"step": step}, settings={"seed": 1})


def in_child(work, folder, faults):
    """Run work in a child process; returns (exit code, what it printed to standard error, operations counted)."""
    said = folder.parent / "stderr.txt"
    read, write = os.pipe()
    process = os.fork()
    if not process:
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
        try:
            with faults:
                cli.run(lambda: work(folder))
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stderr.flush()
        os.write(write, str(faults.count).encode())
        os._exit(code)
    os.close(write)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with os.fdopen(read) as counted:
        return code, said.read_text(), int(counted.read() or 0)


def contents(folder):
    """The files of a folder by name: of the newest state its arrays, since a zip records the time, of others bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith("state"):
            states = [folder / name for name in (checkpoints.NEW_NAME, *checkpoints.NAMES)]
            with np.load(next(path for path in states if path.exists())) as arrays:
                found["state"] = {name: arrays[name].tobytes() for name in arrays.files}
        elif path.is_file():
            found[path.name] = path.read_bytes()
        elif path.name.endswith(".partial"):
            found[path.name] = "left"
    return found


WORKS = {"preparing": prepare, "training": train}


def main(name, folder, count, seed=0):
    """Strike `count` times; raises AssertionError where the files differ or a traceback is printed."""
    work, folder, random_state = WORKS[name], Path(folder), random.Random(seed)
    (folder / "whole").mkdir(parents=True)
    code, said, operations = in_child(work, folder / "whole", Faults())
    assert code == 0, said
    expected = contents(folder / "whole")
    struck, done = dict.fromkeys(KINDS, 0), 0
    while done < count:
        shutil.rmtree(folder / "struck", ignore_errors=True)
        (folder / "struck").mkdir()
        strikes = []
        while not strikes or (random_state.random() < 0.3 and done < count):
            strikes.append((random_state.randint(1, operations), random_state.choice(KINDS)))
            code, said, _ = in_child(work, folder / "struck", Faults(*strikes[-1]))
            assert "Traceback" not in said, (strikes, said)
            assert code in (0, 2, KILLED), (strikes, code, said)
            if strikes[-1][1] != "killed" and code:
                assert said.count("\n") == 1, (strikes, said)
            struck[strikes[-1][1]] += 1
            done += 1
        code, said, _ = in_child(work, folder / "struck", Faults())
        finished = "exists already" in said and contents(folder / "struck") == expected
        assert code == 0 or finished, (strikes, code, said)
        assert contents(folder / "struck") == expected, (strikes, sorted(contents(folder / "struck")))
    print(f"{name}: {operations} operations, {done} faults: {struck}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
