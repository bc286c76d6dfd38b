"""Measure training on a GPU under JAX against a plain PyTorch loop over the same networks and batches, in one run.

    python benchmarks/accelerator.py

Prints for each preset the images per second of both (batch size x steps / seconds, the best of --rounds), their ratio,
the arithmetic that this is in TFLOP/s and as a share of what the device's matrix product reaches, and how long 100
epochs of 50,000 images take. Ours is what train_gan.py runs: batches drawn on the host and sent as uint8, one compiled
step with the average of G, fit(). The baseline keeps all images on the device, draws its latents there, and runs
compiled networks in channels_last under autocast. Both compute in bfloat16, with cross-entropy and without gradient
penalties, which the baseline lacks; a further line gives ours with the preset's own loss. Each contest is a process of
its own, so that neither finds the other's memory taken. Writes nothing.

Needs JAX and PyTorch, not TensorFlow; benchmarks/dcgan_in_pytorch.py, benchmarks/train.py and what it needs.
"""

import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import dcgan_in_pytorch
import train

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.training import presets

DEFAULT_PRESETS = ("faces80", "faces32", "dcgan64", "slim80", "detail80")
EPOCHS, IMAGES = 100, 50_000


def main():
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--preset", nargs="+", default=DEFAULT_PRESETS, choices=presets.PRESETS, help="default %(default)s")
    add("--batch-size", type=cli.integer(2), help="default the preset's")
    add("--steps", type=cli.integer(2), default=200, help="to measure at a time, default %(default)s")
    add("--rounds", type=cli.integer(1), default=3, help="default %(default)s")
    add("--side", type=cli.integer(64), default=8192, help="of the matrices multiplied, default %(default)s")
    add("--contest", choices=CONTESTS, help="measure this alone, for the first preset, and print the number")
    options = parser.parse_args()
    if options.contest:
        print("result", CONTESTS[options.contest](options))
        return
    peak = measure("matrix", options, options.preset[0])
    print(f"matrix product of side {options.side:,}, bfloat16: {peak / 1e12:.1f} TFLOP/s")
    for name in options.preset:
        compare(name, options, peak)


def compare(name, options, peak):
    """Measure one preset both ways and print what comes of it."""
    batch_size = options.batch_size or presets.PRESETS[name].batch_size
    ours, baseline = (measure(contest, options, name) for contest in ("jax", "pytorch"))
    work = 2 * measure("work", options, name)
    print(f"{name}, batches of {batch_size}, {work / 1e9:.2f} GFLOP for an image:")
    for label, rate in (("ours, JAX", ours), ("plain loop, PyTorch", baseline)):
        speed = f"{rate:10,.1f} images/s {rate * work / 1e12:8.2f} TFLOP/s {rate * work / peak:6.1%} of the product's"
        print(f"  {label:20} {speed}, {duration(rate, batch_size)}")
    print(f"  ratio {ours / baseline:.2f}", flush=True)
    if plain(presets.PRESETS[name]) != presets.PRESETS[name]:
        own = measure("own loss", options, name)
        print(f"  {'ours, its own loss':20} {own:10,.1f} images/s, {duration(own, batch_size)}", flush=True)


def duration(rate, batch_size):
    """How long the run that is quoted takes at a rate in images per second, as text."""
    minutes = EPOCHS * (IMAGES // batch_size) * batch_size / rate / 60
    return f"{EPOCHS} epochs of {IMAGES:,}: {minutes:,.1f} min"


def plain(preset):
    """The preset with the loss and the networks that both train with."""
    return dataclasses.replace(preset, loss="bce", r1=0.0, r2=0.0, **dcgan_in_pytorch.LEFT_OUT)


def measure(contest, options, name):
    """The number that a process of its own prints for one contest."""
    passed = [f"--steps={options.steps}", f"--rounds={options.rounds}", f"--side={options.side}"]
    if options.batch_size:
        passed.append(f"--batch-size={options.batch_size}")
    command = [sys.executable, __file__, "--contest", contest, "--preset", name, *passed]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        raise SystemExit(result.returncode)
    return float(result.stdout.split("result ")[-1])


def jax_rate(options):
    """Images per second of our step with the baseline's loss."""
    preset, batch_size = chosen(options)
    return our_rate(options, plain(preset), batch_size)


def own_rate(options):
    """Images per second of our step as train_gan.py makes it."""
    return our_rate(options, *chosen(options))


def our_rate(options, preset, batch_size):
    return max(train.our_rate(preset, batch_size, options.steps, "mixed_bfloat16") for _ in range(options.rounds))


def pytorch_rate(options):
    """Images per second of the plain loop."""
    return dcgan_in_pytorch.rate(*chosen(options), options.steps, options.rounds)


def work_of_an_image(options):
    """Multiplications and additions, in pairs, that a step without penalties costs for each image of its batch.

    A forward pass through a network counts once, the gradients of its weights once more, those of its input once more;
    batch norm, activations and optimizers are left out. G's update needs no gradients of D's weights.
    """
    from facegan.training import networks

    preset, _ = chosen(options)
    generator = passes(networks.build_generator(preset, preset.image_shape))
    discriminator = passes(networks.build_discriminator(preset, preset.image_shape))
    real = 0.5 if preset.update != "summed" else 1.0
    drawn_for_d = 0.0 if preset.shared_latents else real
    return generator * (3 + drawn_for_d) + discriminator * (2 * real * 3 + 2)


def passes(network):
    """Multiply-adds of one forward pass for one image."""
    total = 0
    for layer in network.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is not None:
            spread = layer.input if "Transpose" in type(layer).__name__ else layer.output
            total += math.prod(kernel.shape) * math.prod(spread.shape[1:-1])
    return total


def matrix_rate(options):
    """Operations per second of square matrix products in bfloat16."""
    from facegan.common import hardware

    return max(hardware.matrix_rate(options.side, "bfloat16") for _ in range(options.rounds))


def chosen(options):
    preset = presets.PRESETS[options.preset[0]]
    return preset, options.batch_size or preset.batch_size


CONTESTS = {
    "jax": jax_rate,
    "own loss": own_rate,
    "pytorch": pytorch_rate,
    "work": work_of_an_image,
    "matrix": matrix_rate,
}

if __name__ == "__main__":
    cli.run(main)
