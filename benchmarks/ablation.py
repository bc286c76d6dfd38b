"""Train a preset with one thing changed, to see what it is worth: the rows of docs/ablation.md.

    python benchmarks/ablation.py data/faces32.npz --preset faces32 --change batch_norm=False --out runs/plain

Takes every option of train_gan.py, and writes what it writes. --change NAME=VALUE sets a field of the preset's row in
facegan/training/presets.py, the value as Python writes it; it may be given several times, and config.json records the
row. --spectral-norm, which no preset uses, is not recorded: give it a folder of its own.
"""

import ast
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train_gan
from facegan.common import cli
from facegan.training import presets

FIELDS = {field.name for field in dataclasses.fields(presets.Preset)}


def main():
    parser = cli.parser(__doc__)
    add = parser.add_argument
    add("--preset", required=True, choices=presets.PRESETS, help="the row to change")
    change = cli.argument(parse_change)
    add("--change", action="append", default=[], type=change, metavar="NAME=VALUE", help="a field of the row")
    add("--spectral-norm", action="store_true", help="keep D's kernels at spectral norm 1 (Miyato et al. 2018)")
    options, rest = parser.parse_known_args()
    presets.PRESETS[options.preset] = dataclasses.replace(presets.PRESETS[options.preset], **dict(options.change))
    sys.argv[1:] = ["--preset", options.preset, *rest]
    if options.spectral_norm:
        cli.import_keras()
        normalise()
    return train_gan.main()


def parse_change(text):
    """Parse "batch_norm=True" into ("batch_norm", True)."""
    name, _, value = text.partition("=")
    if name not in FIELDS:
        raise ValueError(f"{text!r}: a preset has no {name!r}; it has {', '.join(sorted(FIELDS))}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise ValueError(f"{text!r}: {value!r} is not a Python value; text needs quotation marks") from None


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
