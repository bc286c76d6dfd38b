"""Trains as tiny.py does, and writes what the networks of each process hold at the end beside the run folder."""

import os

from facegan.common import cli
from facegan.training import loop, presets

import numpy as np
import tiny

train = loop.train


def train_and_write(gan, batches, schedule, writer, **options):
    train(gan, batches, schedule, writer, **options)
    place = os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0")
    np.savez(writer.folder.with_name(f"{writer.folder.name}_process{place}.npz"), *gan.get_weights())


if __name__ == "__main__":
    presets.PRESETS.update(tiny.ROWS)
    loop.train = train_and_write
    cli.run(tiny.train_gan.main)
