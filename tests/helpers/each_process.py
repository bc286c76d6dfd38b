"""Trains as tiny.py does, and writes what the networks of each process hold at the end beside the run folder.

The variable FAULT names what happens to this process in the second epoch.
"""

import os
import signal

from facegan.common import cli, files
from facegan.training import loop, presets, recorder, run_writer

import numpy as np
import tiny

train = loop.train


def train_and_write(gan, batches, schedule, writer, **options):
    train(gan, batches, schedule, writer, **options)
    place = os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0")
    np.savez(writer.folder.with_name(f"{writer.folder.name}_process{place}.npz"), *gan.get_weights())


def fill_the_disk(writer, variables, progress, *arguments, **options):
    if progress["step"] > 5:
        raise files.WriteError("run: the disk is full")
    save_state(writer, variables, progress, *arguments, **options)


def draw_nan_once(writer, gan, step, best):
    if step == 10:
        run_writer.RunWriter.save_networks = save_networks
        raise cli.NotFiniteError("MODEL: draws images of NaN")
    return save_networks(writer, gan, step, best)


def kill(this, *arguments):
    add(this, *arguments)
    if this.step == 8:
        os.kill(os.getpid(), signal.SIGKILL)


def save_in_a_hurry(this, *arguments, **options):
    make(this, *arguments, **options)
    this.save_seconds = 0


save_state, save_networks = run_writer.RunWriter.save_state, run_writer.RunWriter.save_networks
add, make = recorder.Progress.add, recorder.Recorder.__init__
FAULTS = {
    "full disk": (run_writer.RunWriter, "save_state", fill_the_disk),
    "nan": (run_writer.RunWriter, "save_networks", draw_nan_once),
    "killed": (recorder.Progress, "add", kill),
    "hurry": (recorder.Recorder, "__init__", save_in_a_hurry),
}

if __name__ == "__main__":
    if "FAULT" in os.environ:
        setattr(*FAULTS[os.environ["FAULT"]])
    presets.PRESETS.update(tiny.ROWS)
    loop.train = train_and_write
    cli.run(tiny.train_gan.main)
