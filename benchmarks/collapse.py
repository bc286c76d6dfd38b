"""Check that training notices when it fails: runs made to fail must be reported, healthy ones must not.

    python benchmarks/collapse.py data/faces32.npz --preset faces32

Trains runs of --steps each, three healthy ones with seeds 0, 1 and 2 and three made to fail: a learning rate a hundred
times too high, a discriminator whose generator hardly learns, a generator that is fed one latent. Prints for each what
was found and since when; a failing run ends there. Writes nothing; exit code 1 when a verdict is wrong.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.training import presets

HEALTHY = {f"healthy, seed {seed}": {"seed": seed} for seed in range(3)}
FAILING = {
    "learning rate x 100": {"d_factor": 100, "g_factor": 100},
    "D far too strong": {"g_factor": 1e-5},
    "one latent": {"one_latent": True},
}


def main():
    parser = cli.parser(__doc__)
    parser.add_argument("data", metavar="DATA", help="a .npz that suits the preset")
    parser.add_argument("--preset", default="faces32", choices=presets.PRESETS, help="default %(default)s")
    parser.add_argument("--steps", type=cli.integer(1), default=1000, help="of each run, default %(default)s")
    parser.add_argument("--batch-size", type=cli.integer(2), help="default: the preset's")
    parser.add_argument("--only", choices=("healthy", "failing"), help="leave out the others")
    options = parser.parse_args()
    cli.import_keras()

    from facegan.common import datasets

    pixels, _ = datasets.load_images(options.data)
    cases = {**(HEALTHY if options.only != "failing" else {}), **(FAILING if options.only != "healthy" else {})}
    wrong = 0
    for name, case in cases.items():
        finding, lowest = run(presets.PRESETS[options.preset], pixels, options, **case)
        wrong += bool(finding) != (name in FAILING)
        seen = finding.sentence if finding else f"no failure; lowest averaged batch diversity {lowest:.2f}"
        print(f"{options.preset}, {name}: {seen}", flush=True)
    return int(wrong > 0)


def run(preset, pixels, options, seed=0, d_factor=1, g_factor=1, one_latent=False):
    """Train until a failure is found or the steps are over; (finding or None, lowest averaged batch diversity)."""
    from facegan.common import hardware
    from facegan.training import batches, collapse, gan

    import keras

    device = hardware.find_device()
    keras.utils.set_random_seed(seed)
    precision = hardware.resolve_precision("auto", device)
    shape = pixels.shape[1:]
    model = gan.GAN.from_preset(preset, shape, precision=precision, seed=seed)
    rates = preset.learning_rate * preset.d_rate * d_factor, preset.learning_rate * g_factor
    optimizers = [keras.optimizers.Adam(rate, beta_1=preset.beta_1) for rate in rates]
    model.compile(*optimizers, jit_compile=hardware.compiles_with_xla(device))
    stream = batches.Batches(pixels, range(len(pixels)), preset, batch_size=options.batch_size, seed=seed)
    if one_latent:
        stream.draw = lambda random, shape: 0.5 * _ones(shape)
    watch, found, diversities = collapse.Watch(), [], []

    def observe(batch, logs):
        finding = watch.observe(batch + 1, {name: float(value) for name, value in logs.items()})
        if batch + 1 > collapse.WARM_UP:
            diversities.append(watch.state.averages["batch_diversity"])
        if finding:
            found.append(finding)
            model.stop_training = True

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=observe)
    model.fit(stream.from_step(0), steps_per_epoch=options.steps, verbose=0, shuffle=False, callbacks=[callback])
    return (found[0] if found else None), min(diversities, default=0.0)


def _ones(shape):
    import numpy as np

    return np.ones(shape, np.float32)


if __name__ == "__main__":
    cli.run(main)
