"""The named configurations, one row each, and changes of a row. Needs neither Keras nor numpy.

A row holds everything about a preset: `networks` builds what it describes, and `gan` trains by its rule. An option left
out on the command line takes the row's value.
"""

import argparse
import ast
import dataclasses
import difflib
import json
import typing
from typing import Literal

from facegan.common import cli

DESCRIPTIVE = ("about", "image_shape")


@dataclasses.dataclass(frozen=True)
class Preset:
    """One configuration. A layer is written (filters, kernel); layers are listed from input to output.

    Attributes:
        about: one line on what it draws, where it comes from and how long it takes.
        image_shape: (height, width, channels) that the row was written for; a data set may have another.
        output: activation of the generator's last layer; it sets the range of images, see `images.to_images`.
        inverted: whether pictures show grey images inverted, see `images.as_shown`.
        latent_dim, latent_prior: a latent's length, and its distribution: "normal", or "uniform" over (−1, 1).
        stem: channels of the smallest feature map, which a Dense layer makes from the latent.
        stem_layers: layers at that smallest size.
        modulation: units of a Dense layer by which the latent scales and shifts each map of every generator layer but
            the last (Chen et al. 2019, "On self modulation for generative adversarial networks"), or 0 for none.
        upsampling_blocks: layers that double both sides. upsampling: how they do that: "transposed", by a transposed
            convolution of stride 2, or "nearest" or "bilinear", by that interpolation and a convolution.
        head: kernel of the layer that outputs the image's channels: a convolution, or with `head_upsamples` the last
            layer that doubles both sides.
        blur: whether each pixel of that layer's image is averaged with those beside, below and diagonally below it, so
            that no pattern with a period of two pixels can be drawn, the mesh that transposed convolutions leave.
        colour_blur: whether the saved generator averages colours, but not brightness, over 3x3 pixels. Photographs are
            smooth in colour, since cameras and JPEG store less of it than of brightness, and a GAN's images have a
            noise of it that hardly shows. G learns without these layers: with them, it would draw the noise stronger.
        d_stem: the discriminator's convolution at full size before the first downsampling block, or None.
        downsampling_blocks: convolutions of stride 2.
        d_hidden: units of a Dense layer before the discriminator's logit, which sees the whole image, or 0 for none.
        bias: whether convolutions and Dense layers have a bias.
        batch_norm, d_batch_norm: on every generator layer but the last; on every discriminator layer but the first.
        activation: the generator's, "leaky_relu" or "relu"; the discriminator's is always leaky. slope: of leaky ReLU.
        dropout: rate in the generator, after every layer but the last.
        d_dropout, d_dropout_each: rate in the discriminator; after each block, or once before the logit.
        initializer: "glorot_uniform", or "normal" or "truncated_normal" with standard deviation 0.02.
        update: how a step updates the networks, see `gan.GAN`: "alternating", "concatenated" or "summed".
        shared_latents: whether D learns from the images of G's update, or from others drawn for it.
        label_noise: the share of D's labels that are flipped, others in each step; only for the loss "bce".
        loss: see `gan.GAN`. r1, r2: weights of D's gradient penalties for images of `image_shape`; they are scaled with
            the number of pixels. penalty_images: how many images of each kind they are computed on.
        mirror: whether half of the real images, chosen at random, are mirrored.
        learning_rate, beta_1, beta_2: Adam's. update_clip: the largest size of its updates, see
            `optimizers.ClippedAdam`, or 0 for any.
        d_rate: the discriminator's learning rate as a multiple of the generator's (Heusel et al. 2017).
        lr_decay: the last share of a run, over which both learning rates fall to 0, see `optimizers.LearningRateDecay`.
        ema_decay: decay of the exponential moving average of the generator's weights; with 0 there is no average.
        saved: which weights `generator_model_*.h5` and the pictures have: "average", or "trained", as in the tutorials;
            then the average is saved beside it as `generator_average_*.h5`.
        epochs or steps: length of a run; a row with steps counts `save_every` in steps too.
        plot_side: the pictures of generated images hold this many in a row and in a column.
        accuracy_images: how many fresh images of each kind D's accuracy is computed on at each save.
    """

    about: str
    image_shape: tuple
    stem: int
    upsampling_blocks: tuple
    head: int
    downsampling_blocks: tuple
    batch_size: int
    update: Literal["alternating", "concatenated", "summed"]
    epochs: int | None = None
    steps: int | None = None
    save_every: int = 10
    output: Literal["tanh", "sigmoid"] = "tanh"
    inverted: bool = False
    latent_dim: int = 100
    latent_prior: Literal["normal", "uniform"] = "normal"
    upsampling: Literal["transposed", "nearest", "bilinear"] = "transposed"
    stem_layers: tuple = ()
    modulation: int = 0
    head_upsamples: bool = False
    blur: bool = False
    colour_blur: bool = False
    d_stem: tuple | None = None
    d_hidden: int = 0
    bias: bool = True
    batch_norm: bool = False
    d_batch_norm: bool = False
    activation: Literal["leaky_relu", "relu"] = "leaky_relu"
    slope: float = 0.2
    dropout: float = 0.0
    d_dropout: float = 0.0
    d_dropout_each: bool = False
    initializer: Literal["glorot_uniform", "normal", "truncated_normal"] = "glorot_uniform"
    shared_latents: bool = False
    label_noise: float = 0.0
    loss: str = "bce"
    r1: float = 0.0
    r2: float = 0.0
    penalty_images: int = 8
    mirror: bool = False
    ema_decay: float = 0.995
    saved: Literal["trained", "average"] = "trained"
    learning_rate: float = 0.0002
    d_rate: float = 1.0
    lr_decay: float = 0.0
    beta_1: float = 0.5
    beta_2: float = 0.999
    update_clip: float = 0.0
    plot_side: int = 7
    accuracy_images: int = 100

    @property
    def d_updates(self):
        """How often a step updates the discriminator."""
        return 2 if self.update == "alternating" else 1

    @property
    def halves_batch(self):
        """Whether D's update takes half a batch of real images and half a batch of generated ones."""
        return self.update != "summed"

    def fields_without(self, names):
        """The fields as plain JSON, without those of these names and without the descriptive ones."""
        fields = json.loads(json.dumps(dataclasses.asdict(self)))
        return {name: value for name, value in fields.items() if name not in {*names, *DESCRIPTIVE}}


_FACES32 = Preset(
    about="faces, 32x32, in half an hour on a CPU",
    image_shape=(32, 32, 3),
    stem=256,
    upsampling_blocks=((128, 4), (64, 4)),
    head=4,
    head_upsamples=True,
    downsampling_blocks=((64, 4), (128, 4), (256, 4)),
    d_hidden=256,
    modulation=64,
    batch_norm=True,
    batch_size=16,
    update="summed",
    shared_latents=True,
    loss="relativistic",
    r1=0.16,
    r2=0.16,
    penalty_images=4,
    mirror=True,
    epochs=10,
    save_every=1,
    ema_decay=0.999,
    saved="average",
    learning_rate=0.0005,
    lr_decay=0.3,
    beta_1=0.0,
    update_clip=2.0,
)

PRESETS = {
    "faces80": Preset(
        about="the tutorial's faces, 80x80, for a GPU",
        image_shape=(80, 80, 3),
        stem=128,
        upsampling_blocks=((128, 4), (128, 4), (128, 4), (128, 4)),
        head=5,
        d_stem=(128, 5),
        downsampling_blocks=((128, 5), (128, 5), (128, 5), (128, 5)),
        d_dropout=0.4,
        batch_size=128,
        update="alternating",
        epochs=100,
        plot_side=10,
    ),
    "faces32": _FACES32,
    "slim80": dataclasses.replace(
        _FACES32,
        about="faces, 80x80, in an hour or two on a CPU",
        image_shape=(80, 80, 3),
        upsampling_blocks=((192, 4), (96, 4), (48, 4)),
        blur=True,
        colour_blur=True,
        downsampling_blocks=((32, 4), (64, 4), (128, 4), (256, 4)),
        r1=1.0,
        r2=1.0,
        epochs=16,
        save_every=2,
    ),
    "detail80": dataclasses.replace(
        _FACES32,
        about="faces, 80x80, minutes on a GPU, a night on a CPU: layers at full size",
        image_shape=(80, 80, 3),
        upsampling_blocks=((192, 4), (128, 4), (64, 4), (32, 4)),
        head=5,
        head_upsamples=False,
        blur=True,
        d_stem=(32, 3),
        downsampling_blocks=((64, 4), (128, 4), (192, 4), (256, 4)),
        batch_size=64,
        r1=1.0,
        r2=1.0,
        epochs=40,
        save_every=4,
    ),
    "cifar32": Preset(
        about="the CIFAR-10 tutorial's images, 32x32",
        image_shape=(32, 32, 3),
        stem=256,
        upsampling_blocks=((128, 4), (128, 4), (128, 4)),
        head=3,
        d_stem=(64, 3),
        downsampling_blocks=((128, 3), (128, 3), (256, 3)),
        d_dropout=0.4,
        batch_size=128,
        update="alternating",
        epochs=200,
        accuracy_images=150,
    ),
    "mnist28": Preset(
        about="the MNIST tutorial's digits, 28x28 grey",
        image_shape=(28, 28, 1),
        output="sigmoid",
        inverted=True,
        stem=128,
        upsampling_blocks=((128, 4), (128, 4)),
        head=7,
        downsampling_blocks=((64, 3), (64, 3)),
        d_dropout=0.4,
        d_dropout_each=True,
        # With Keras's default weights, which are larger, D overpowered G within 500 steps in two runs of three.
        initializer="normal",
        batch_size=256,
        update="concatenated",
        epochs=100,
        plot_side=10,
    ),
    "dcgan64": Preset(
        about="Radford et al. 2015, 64x64",
        image_shape=(64, 64, 3),
        stem=1024,
        upsampling_blocks=((512, 4), (256, 4), (128, 4)),
        head=4,
        head_upsamples=True,
        downsampling_blocks=((64, 4), (128, 4), (256, 4), (512, 4)),
        bias=False,
        batch_norm=True,
        d_batch_norm=True,
        activation="relu",
        initializer="normal",
        batch_size=128,
        update="summed",
        shared_latents=True,
        epochs=25,
        save_every=1,
    ),
    "celeba28": Preset(
        about="CelebA, 28x28, dropout in G",
        image_shape=(28, 28, 3),
        stem=1024,
        stem_layers=((512, 5),),
        upsampling_blocks=((256, 5),),
        head=5,
        head_upsamples=True,
        downsampling_blocks=((64, 5), (128, 5), (256, 5), (512, 5)),
        batch_norm=True,
        d_batch_norm=True,
        dropout=0.5,
        batch_size=64,
        update="summed",
        shared_latents=True,
        epochs=6,
        save_every=1,
    ),
    "roses64": Preset(
        about="small data sets, 64x64; counted in steps",
        image_shape=(64, 64, 3),
        latent_prior="uniform",
        stem=512,
        upsampling_blocks=((256, 5), (128, 5), (64, 5)),
        head=5,
        head_upsamples=True,
        downsampling_blocks=((64, 5), (128, 5), (256, 5), (512, 5)),
        batch_norm=True,
        d_batch_norm=True,
        activation="relu",
        initializer="truncated_normal",
        batch_size=12,
        update="summed",
        shared_latents=True,
        steps=30_000,
        save_every=1_000,
    ),
}

# The smallest values of whole numbers that may be 0, and the largest of fields that are not shares of something.
SMALLEST = {"modulation": 0, "d_hidden": 0}
LARGEST = {"d_rate": 100.0, "update_clip": 1000.0, "label_noise": 0.5, "beta_1": 0.9999, "beta_2": 0.9999}
FLOAT_LIMIT = 0.99


def parse_setting(text):
    """Parse a change of a row, such as "batch_norm=True", into (name, value).

    Raises:
        ValueError: there is no such field, or the value is not of its type; the message begins with the name.
    """
    name, _, value = text.partition("=")
    types = {field.name: field.type for field in dataclasses.fields(Preset) if field.name not in DESCRIPTIVE}
    if name not in types:
        nearest = difflib.get_close_matches(name, types, n=1, cutoff=0.0)[0]
        raise ValueError(f"{name}: a preset has no such setting; the nearest is {nearest}")
    try:
        return name, _parse(types[name], value, SMALLEST.get(name, 1), LARGEST.get(name, FLOAT_LIMIT))
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"{name}: {error}") from None


def _parse(kind, text, smallest, largest):
    choices = ("True", "False") if kind is bool else typing.get_args(kind)
    if kind is bool or typing.get_origin(kind) is Literal:
        if text not in choices:
            raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
        return text == "True" if kind is bool else text
    if kind is int:
        return cli.integer(smallest)(text)
    if kind is float:
        return cli.number(0, largest)(text)
    return _parse_layers(text, single=kind is not tuple)


def _parse_layers(text, single):
    """One layer as Python writes it, or None; or a tuple of layers."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = ""
    if single and (value is None or _is_layer(value)):
        return value
    if not single and isinstance(value, tuple) and value and all(map(_is_layer, value)):
        return value
    form = "(filters, kernel) or None" if single else "((filters, kernel), …) with a comma after each pair"
    raise ValueError(f"{text!r} is not {form}")


def _is_layer(value):
    return isinstance(value, tuple) and len(value) == 2 and all(type(number) is int and number > 0 for number in value)


SMALLEST_MAP = range(4, 8)


def count_downsamplings(height, width):
    """How often both sides can be halved to reach 4 to 7 pixels: 80x80 four times, to 5x5.

    Raises:
        ValueError: they cannot, or not equally often; `nearest_size` gives a size that can.
    """
    counts = {_downsamplings_of_side(side) for side in (height, width)}
    if len(counts) == 1 and None not in counts:
        return counts.pop()
    raise ValueError(f"the sides of {height}x{width} images cannot be halved equally often to 4 to 7 pixels")


def nearest_size(height, width):
    """The closest (height, width) in pixels that `count_downsamplings` accepts."""
    candidates = [
        (abs(h - height) + abs(w - width), h, w)
        for count in range(1, 9)
        for h in (side << count for side in SMALLEST_MAP)
        for w in (side << count for side in SMALLEST_MAP)
    ]
    return min(candidates)[1:]


def _downsamplings_of_side(side):
    for count in range(1, 9):
        if side % (1 << count) == 0 and side >> count in SMALLEST_MAP:
            return count
    return None
