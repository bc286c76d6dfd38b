"""Train a preset with one thing changed, to see what it is worth: the rows of docs/ablation.md.

    python benchmarks/ablation.py data/faces32.npz --preset faces32 --change batch_norm=False --out runs/plain

Takes every option of train_gan.py, and writes what it writes. --change NAME=VALUE sets a field of the preset's row in
facegan/presets.py, the value as Python writes it; it may come several times; config.json records the row. What no row
can say because no preset wants it is here, under TensorFlow only: --r1, for presets that move D on both halves joined,
and --spectral-norm. config.json does not record these two: give each a folder of its own.

Needs: train_gan.py and what it needs
"""

import ast
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train_gan
from facegan import commands, presets

FIELDS = {field.name for field in dataclasses.fields(presets.Preset)}


def main():
    parser = commands.parser(__doc__)
    parser.add_argument("--preset", required=True, choices=presets.PRESETS, help="the row to change")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        type=commands.argument(parse_change),
        metavar="NAME=VALUE",
        help="a field of the row",
    )
    parser.add_argument(
        "--r1",
        type=commands.number(0, above=True),
        metavar="GAMMA",
        help="weight of a penalty on D's gradient at real images (Mescheder et al. 2018); StyleGAN2 takes 10",
    )
    parser.add_argument(
        "--spectral-norm", action="store_true", help="keep D's kernels at spectral norm 1 (Miyato et al. 2018)"
    )
    options, rest = parser.parse_known_args()
    presets.PRESETS[options.preset] = dataclasses.replace(presets.PRESETS[options.preset], **dict(options.change))
    sys.argv[1:] = ["--preset", options.preset, *rest]
    if options.r1 and presets.PRESETS[options.preset].update != "joined":
        raise commands.UserError(f"--r1: {options.preset} does not move D once; add --change \"update='joined'\"")
    if options.r1 or options.spectral_norm:
        commands.import_keras()
    if options.r1:
        penalise(options.r1)
    if options.spectral_norm:
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
        raise ValueError(f"{text!r}: {value!r} is no Python value; text needs quotation marks") from None


def penalise(gamma):
    """Add gamma / 2 times the mean squared norm of D's gradient at real images to the loss of each update of D."""
    import tensorflow as tf
    from keras import ops

    from facegan import gan

    class PenalisedGAN(gan.GAN):
        def _joined(self, real_images, generated_images):
            self.penalised_images = real_images
            return super()._joined(real_images, generated_images)

        def update(self, network, optimizer, loss_of):
            return super().update(
                network, optimizer, self.penalised(loss_of) if network is self.discriminator else loss_of
            )

        def penalised(self, loss_of):
            def loss():
                plain, logs = loss_of()
                with tf.GradientTape() as tape:
                    tape.watch(self.penalised_images)
                    logits = ops.sum(self._judge(self.penalised_images))
                slopes = tape.gradient(logits, self.penalised_images)
                return plain + gamma / 2 * ops.mean(ops.sum(slopes**2, axis=(1, 2, 3))), logs

            return loss

    gan.GAN = PenalisedGAN


def normalise():
    """Wrap D's layers that have kernels in Keras's spectral normalization."""
    import keras

    from facegan import networks

    build = networks.build_discriminator

    def wrapped(layer):
        copy = layer.__class__.from_config(layer.get_config())
        has_kernel = isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
        return keras.layers.SpectralNormalization(copy, dtype=layer.dtype_policy) if has_kernel else copy

    def build_normalised(*arguments, to_train, **options):
        return keras.models.clone_model(build(*arguments, **options), clone_function=wrapped)

    networks.build_discriminator = build_normalised


if __name__ == "__main__":
    commands.run(main)
