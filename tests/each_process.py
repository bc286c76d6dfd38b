"""Trains as tiny.py does, and writes what the networks of each process hold at the end beside the run folder."""

import os

import numpy
import tiny

from facegan import commands, presets, training

train = training.train


def train_and_write(gan, batches, schedule, folder, *arguments):
    train(gan, batches, schedule, folder, *arguments)
    place = os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0")
    numpy.savez(folder.with_name(f"{folder.name}_process{place}.npz"), *gan.get_weights())


if __name__ == "__main__":
    presets.PRESETS.update(tiny.ROWS)
    training.train = train_and_write
    commands.run(tiny.train_gan.main)
