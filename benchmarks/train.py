"""Measure training against the loops that people copy, in one run.

    python benchmarks/train.py --preset cifar32 --batch-size 64 --steps 30

Prints images per second (batch size x steps / seconds, first steps left out) and ratios to the first baseline, for the
same networks; ours with averaging, metrics and its real stream of data, in float32 and in what --precision auto means
here, the same on Keras's own layers where facegan/training/fast_cpu_layers.py is used, and the share of the time that a
step waits for data. Everything is measured in turn, --rounds times over, and the best of each counts, so that other
work on the machine affects all alike.

The baselines for a tutorial's networks (cifar32, faces80) are its loop on Keras 2 and the usual DCGAN class on Keras 3;
ours then trains them by faces32's rule (D moves once a step, on images that G's update draws too). For other presets
it is a plain PyTorch loop that makes the same updates as ours, as the DCGAN tutorial runs it (eager, float32), and
compiled under bfloat16 autocast.

With --memory it instead prints how much anonymous memory training takes on a data set of 3.8 GB, made for it in a
temporary folder, and on one as small as a pass of 200 steps can be: both draw and save as often.

The baselines need tf_keras, or PyTorch: pip install tf_keras torch.
"""

import dataclasses
import functools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dcgan_in_pytorch
import numpy as np
import tutorial_loop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.training import presets

ROOT = Path(__file__).resolve().parent.parent


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("--preset", default="cifar32", choices=presets.PRESETS, help="default %(default)s")
    parser.add_argument("--batch-size", type=cli.integer(2), default=64, help="default %(default)s")
    parser.add_argument("--steps", type=cli.integer(2), default=30, help="to measure, default %(default)s")
    parser.add_argument("--rounds", type=cli.integer(1), default=3, help="default %(default)s")
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed")
    options = parser.parse_args()
    if options.memory:
        compare_memory()
    else:
        compare_speed(options)


def compare_speed(options):
    cli.import_keras()
    from facegan.common import hardware

    preset = presets.PRESETS[options.preset]
    if options.preset in tutorial_loop.PLAIN:
        preset = dataclasses.replace(preset, update="concatenated", shared_latents=True)
    else:
        preset = dataclasses.replace(preset, **dcgan_in_pytorch.LEFT_OUT)
    arguments = preset, options.batch_size, options.steps
    if options.preset in tutorial_loop.PLAIN:
        contestants = {
            "tutorials' loop, Keras 2": functools.partial(tutorial_loop.tutorial_rate, *arguments),
            "usual class, Keras 3": functools.partial(tutorial_loop.usual_rate, *arguments),
        }
    else:
        contestants = {
            "plain loop, PyTorch": functools.partial(pytorch_rate, options, "--eager"),
            "the same, compiled, bfloat16": functools.partial(pytorch_rate, options),
        }
    precisions = dict.fromkeys(("float32", hardware.resolve_precision("auto", hardware.find_device())))
    for precision in precisions:
        contestants[f"ours, {precision}"] = functools.partial(our_rate, *arguments, precision)
        contestants[f"the same, {precision}, Keras's layers"] = functools.partial(
            our_rate, *arguments, precision, to_train=False
        )
        contestants[f"the same, {precision}, batch at hand"] = functools.partial(
            our_rate, *arguments, precision, fixed=True
        )
    rates = dict.fromkeys(contestants, 0.0)
    for _ in range(options.rounds):
        for name, measure in contestants.items():
            rates[name] = max(rates[name], measure())
    base = next(iter(rates.values()))
    for name, rate in rates.items():
        print(f"{name:40} {rate:8.1f} images/s  {rate / base:5.2f}x")
    for precision in precisions:
        share = 1 - rates[f"ours, {precision}"] / rates[f"the same, {precision}, batch at hand"]
        print(f"ours, {precision}: waits for data {max(0.0, share):.1%} of the time")


def pytorch_rate(options, *how):
    """Images per second of the PyTorch loop, in a process of its own: its threads would not sleep beside ours."""
    sizes = ["--batch-size", str(options.batch_size), "--steps", str(options.steps)]
    command = [sys.executable, ROOT / "benchmarks" / "dcgan_in_pytorch.py", "--preset", options.preset, *sizes, *how]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        raise SystemExit(result.returncode)
    return float(result.stdout.split()[-2])


def our_rate(preset, batch_size, steps, precision, fixed=False, to_train=True):
    """Images per second of our training step under `fit()`.

    `fixed` gives it one batch again and again; without `to_train` the networks are made of Keras's own layers.
    """
    from facegan.common import hardware
    from facegan.training import batches, gan

    import keras

    model = gan.GAN.from_preset(preset, preset.image_shape, precision=precision, to_train=to_train)
    optimizers = [keras.optimizers.Adam(preset.learning_rate, beta_1=preset.beta_1) for _ in range(2)]
    model.compile(*optimizers, jit_compile=hardware.compiles_with_xla(hardware.find_device()))
    pixels = np.random.randint(0, 256, (2_000, *preset.image_shape), np.uint8)
    drawn = batches.Batches(pixels, np.arange(len(pixels)), preset, batch_size=batch_size)
    batch = drawn.at(0)
    stream = (batch for _ in iter(int, 1)) if fixed else drawn.from_step(0)
    clock = tutorial_loop.step_clock(keras)
    first = tutorial_loop.WARM_UP
    model.fit(stream, steps_per_epoch=first + steps, verbose=0, shuffle=False, callbacks=[clock])
    return batch_size * steps / (clock.times[-1] - clock.times[first - 1])


def compare_memory():
    """Train on 200,000 and on 12,800 images of 80x80 and print the peak of anonymous memory of each."""
    from facegan.preparing import row_writer

    with tempfile.TemporaryDirectory() as folder:
        peaks = {}
        for count in (12_800, 200_000):
            path = Path(folder) / f"{count}.npz"
            with row_writer.RowWriter(path, (80, 80, 3)) as writer:
                for _ in range(count // 200):
                    writer.write(np.random.randint(0, 256, (200, 80, 80, 3), np.uint8))
                writer.finish()
            peaks[count] = peak_memory(path, Path(folder) / f"run{count}")
            print(f"{count:8,} images: peak of anonymous memory {peaks[count]:8.0f} MB")
        print(f"difference: {peaks[200_000] - peaks[12_800]:.0f} MB")


def peak_memory(dataset, out):
    """Megabytes of anonymous memory that train_gan.py takes at most in 200 steps; mapped pages do not count."""
    options = ["--preset", "slim80", "--steps", "200", "--no-quality", "--out", out]
    command = [sys.executable, ROOT / "train_gan.py", dataset, *options]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                peak = max(peak, int(line.split()[1]) / 1000)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return peak


if __name__ == "__main__":
    cli.run(main)
