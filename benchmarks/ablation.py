"""Train a preset with spectral normalization in D, which no setting of a preset offers: a row of docs/ablation.md.

    python benchmarks/ablation.py data/faces32.npz --preset faces32 --out runs/normalised

Takes every option of train_gan.py, --set NAME=VALUE among them, and writes what it writes. That D is normalised is not
recorded in config.json: give such a run a folder of its own.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train_gan
from facegan.common import cli


def main():
    build = train_gan.build

    def build_normalised(*arguments):
        normalise()
        return build(*arguments)

    train_gan.build = build_normalised
    return train_gan.main()


def normalise():
    """Wrap D's layers that have kernels in Keras's spectral normalization."""
    from facegan.training import networks

    import keras

    build = networks.build_discriminator

    def wrapped(layer):
        copy = layer.__class__.from_config(layer.get_config())
        has_kernel = isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
        return keras.layers.SpectralNormalization(copy, dtype=layer.dtype_policy) if has_kernel else copy

    def build_normalised(*arguments, to_train, **options):
        return keras.models.clone_model(build(*arguments, **options), clone_function=wrapped)

    networks.build_discriminator = build_normalised


if __name__ == "__main__":
    cli.run(main)
