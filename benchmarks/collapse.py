"""Check that training notices when it fails: runs made to fail must be told of, healthy ones must not.

    python benchmarks/collapse.py data/faces32.npz --preset faces32

Trains runs of --steps each, three healthy ones with seeds 0, 1 and 2 and three made to fail: a learning rate a hundred
times too high, a discriminator whose generator hardly learns, a generator that is fed one latent. Prints for each what
was seen and since when; a failing run ends when it is told of. Writes nothing; exit code 1 when one is judged wrongly.

Needs: all that train_gan.py needs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan import commands, presets

HEALTHY = {f"healthy, seed {seed}": {"seed": seed} for seed in range(3)}
FAILING = {
    "learning rate x 100": {"d_factor": 100, "g_factor": 100},
    "D far too strong": {"g_factor": 1e-5},
    "one latent": {"one_latent": True},
}


def main():
    parser = commands.parser(__doc__)
    parser.add_argument("data", metavar="DATA", help="a .npz that suits the preset")
    parser.add_argument("--preset", default="faces32", choices=presets.PRESETS, help="default %(default)s")
    parser.add_argument("--steps", type=commands.integer(1), default=1000, help="of each run, default %(default)s")
    parser.add_argument("--batch-size", type=commands.integer(2), help="default: the preset's")
    parser.add_argument("--only", choices=("healthy", "failing"), help="leave out the others")
    options = parser.parse_args()
    commands.import_keras()

    from facegan import data

    pixels, _ = data.load_images(options.data)
    cases = {**(HEALTHY if options.only != "failing" else {}), **(FAILING if options.only != "healthy" else {})}
    wrong = 0
    for name, case in cases.items():
        finding, lowest = run(presets.PRESETS[options.preset], pixels, options, **case)
        wrong += bool(finding) != (name in FAILING)
        seen = finding.sentence if finding else f"nothing seen; lowest smoothed variety {lowest:.2f}"
        print(f"{options.preset}, {name}: {seen}", flush=True)
    return int(wrong > 0)


def run(preset, pixels, options, seed=0, d_factor=1, g_factor=1, one_latent=False):
    """Train until the watch finds something or the steps are over; (finding or None, lowest variety it averaged)."""
    import keras

    from facegan import collapse, data, devices, gan, networks

    device = devices.find_device()
    keras.utils.set_random_seed(seed)
    precision = devices.resolve_precision("auto", device)
    shape = pixels.shape[1:]
    model = gan.GAN(
        networks.build_generator(preset, shape, dtype=precision, to_train=True),
        networks.build_discriminator(preset, shape, dtype=precision, to_train=True),
        networks.build_generator(preset, shape, dtype="float32"),
        output=preset.output,
        update=preset.update,
        average=preset.average,
        seed=seed,
    )
    rates = preset.learning_rate * preset.d_rate * d_factor, preset.learning_rate * g_factor
    optimizers = [keras.optimizers.Adam(rate, beta_1=preset.beta_1) for rate in rates]
    model.compile(*optimizers, jit_compile=devices.compiles_with_xla(device))
    size = options.batch_size or preset.batch_size
    drawing = preset.latent_dim, preset.latents, preset.shared_latents
    batches = data.Batches(pixels, range(len(pixels)), size, preset.update != "summed", *drawing, seed=seed)
    if one_latent:
        batches.draw = lambda random, shape: 0.5 * _ones(shape)
    watch, found, varieties = collapse.Watch(), [], []

    def look(batch, logs):
        finding = watch.see(batch + 1, {name: float(value) for name, value in logs.items()})
        if batch + 1 > collapse.WARM_UP:
            varieties.append(watch.state["averages"]["variety"])
        if finding:
            found.append(finding)
            model.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=look)
    stream = batches.from_step(0)
    model.fit(stream, steps_per_epoch=options.steps, verbose=0, shuffle=False, callbacks=[callback])
    return (found[0] if found else None), min(varieties, default=0.0)


def _ones(shape):
    import numpy

    return numpy.ones(shape, numpy.float32)


if __name__ == "__main__":
    commands.run(main)
