"""The named configurations, one row each. Standard library only.

A row is all there is to know about a preset: `networks` builds what its shapes say, `gan` trains by its rule. An
option that is left unset on the command line falls back to the row.
"""

import dataclasses
import json


@dataclasses.dataclass(frozen=True)
class Preset:
    """One configuration. A layer is written (filters, kernel); lists of layers run in the order of the data.

    Attributes:
        about: one line for --help: what it draws, after whom, how long.
        image_shape: (height, width, channels) that the row was written for; a data set may bring another.
        output: activation of the generator's last layer; it fixes the range of images, see `images.to_images`.
        latent_dim, latents: length of a latent; how its numbers are drawn, "normal" or "uniform" over (−1, 1).
        stem: channels of the smallest feature map, which a Dense layer makes from the latent.
        stem_layers: layers at that smallest size.
        doublings: transposed convolutions of stride 2.
        head: kernel of the layer to the image's channels; a convolution, or a last doubling with `head_doubles`.
        d_stem: a convolution at full size before the first halving, or None.
        halvings: convolutions of stride 2.
        bias: whether convolutions and Dense layers have one.
        batch_norm, d_batch_norm: on every layer of the generator but the last, of the discriminator but the first.
        activation, slope: the generator's, "leaky_relu" or "relu"; the discriminator's is always leaky, of that slope.
        dropout: rate in the generator after every layer but the last.
        d_dropout, d_dropout_each: rate in the discriminator, after each halving or once before the decision.
        initializer: "glorot_uniform", or "normal" and "truncated_normal" of standard deviation 0.02.
        update: how a step moves the networks, see `gan.GAN`: "halves", "joined" or "summed".
        shared_latents: whether D learns from images that G's update draws too, or from others of its own.
        d_rate: the discriminator's learning rate as a multiple of the generator's (Heusel et al. 2017).
        cooling: the share of a run, its last part, in which both learning rates fall to 0, see `cooling.Cooling`.
        average: decay of the exponential moving average of the generator's weights; 0 keeps none.
        epochs or steps: how long; a row with steps counts `every` in steps too.
    """

    about: str
    image_shape: tuple
    stem: int
    doublings: tuple
    head: int
    halvings: tuple
    batch_size: int
    update: str
    epochs: int | None = None
    steps: int | None = None
    every: int = 10
    output: str = "tanh"
    latent_dim: int = 100
    latents: str = "normal"
    stem_layers: tuple = ()
    head_doubles: bool = False
    d_stem: tuple | None = None
    bias: bool = True
    batch_norm: bool = False
    d_batch_norm: bool = False
    activation: str = "leaky_relu"
    slope: float = 0.2
    dropout: float = 0.0
    d_dropout: float = 0.0
    d_dropout_each: bool = False
    initializer: str = "glorot_uniform"
    shared_latents: bool = False
    average: float = 0.995
    learning_rate: float = 0.0002
    d_rate: float = 1.0
    cooling: float = 0.0
    beta_1: float = 0.5

    @property
    def d_updates(self):
        """How often a step moves the discriminator."""
        return 2 if self.update == "halves" else 1

    def beyond(self, options):
        """The fields that no option changes, as plain JSON: the rest of what a run depends on."""
        fields = json.loads(json.dumps(dataclasses.asdict(self)))
        return {name: value for name, value in fields.items() if name not in {*options, "about", "image_shape"}}


_FACES32 = Preset(
    about="faces in minutes on a CPU, 32x32: networks that narrow as images grow",
    image_shape=(32, 32, 3),
    stem=256,
    doublings=((128, 4), (64, 4)),
    head=4,
    head_doubles=True,
    halvings=((64, 4), (128, 4), (256, 4)),
    batch_norm=True,
    d_dropout=0.4,
    batch_size=64,
    update="joined",
    shared_latents=True,
    epochs=16,
    every=2,
    average=0.999,
    learning_rate=0.0005,
    cooling=0.3,
)

PRESETS = {
    "faces80": Preset(
        about="the tutorial's faces, 80x80: slow, for a GPU",
        image_shape=(80, 80, 3),
        stem=128,
        doublings=((128, 4), (128, 4), (128, 4), (128, 4)),
        head=5,
        d_stem=(128, 5),
        halvings=((128, 5), (128, 5), (128, 5), (128, 5)),
        d_dropout=0.4,
        batch_size=128,
        update="halves",
        epochs=100,
    ),
    "faces32": _FACES32,
    "slim80": dataclasses.replace(
        _FACES32,
        about="faces in half an hour on a CPU, 80x80: networks that narrow as images grow",
        image_shape=(80, 80, 3),
        doublings=((192, 4), (96, 4), (48, 4)),
        halvings=((32, 4), (64, 4), (128, 4), (256, 4)),
        epochs=24,
        every=4,
    ),
    "cifar32": Preset(
        about="the small colour images of the CIFAR-10 walk-through, 32x32",
        image_shape=(32, 32, 3),
        stem=256,
        doublings=((128, 4), (128, 4), (128, 4)),
        head=3,
        d_stem=(64, 3),
        halvings=((128, 3), (128, 3), (256, 3)),
        d_dropout=0.4,
        batch_size=128,
        update="halves",
        epochs=200,
    ),
    "mnist28": Preset(
        about="handwritten digits, 28x28 grey",
        image_shape=(28, 28, 1),
        output="sigmoid",
        stem=128,
        doublings=((128, 4), (128, 4)),
        head=7,
        halvings=((64, 3), (64, 3)),
        d_dropout=0.4,
        d_dropout_each=True,
        # Keras's own larger first weights let D win within 500 steps in two runs of three.
        initializer="normal",
        batch_size=256,
        update="joined",
        epochs=100,
    ),
    "dcgan64": Preset(
        about="the networks of Radford et al. 2015, 64x64",
        image_shape=(64, 64, 3),
        stem=1024,
        doublings=((512, 4), (256, 4), (128, 4)),
        head=4,
        head_doubles=True,
        halvings=((64, 4), (128, 4), (256, 4), (512, 4)),
        bias=False,
        batch_norm=True,
        d_batch_norm=True,
        activation="relu",
        initializer="normal",
        batch_size=128,
        update="summed",
        shared_latents=True,
        epochs=25,
        every=1,
    ),
    "celeba28": Preset(
        about="CelebA at 28x28 with dropout in the generator",
        image_shape=(28, 28, 3),
        stem=1024,
        stem_layers=((512, 5),),
        doublings=((256, 5),),
        head=5,
        head_doubles=True,
        halvings=((64, 5), (128, 5), (256, 5), (512, 5)),
        batch_norm=True,
        d_batch_norm=True,
        dropout=0.5,
        batch_size=64,
        update="summed",
        shared_latents=True,
        epochs=6,
        every=1,
    ),
    "roses64": Preset(
        about="a handful of pictures, 64x64: uniform latents, batches of 12, counted in steps",
        image_shape=(64, 64, 3),
        latents="uniform",
        stem=512,
        doublings=((256, 5), (128, 5), (64, 5)),
        head=5,
        head_doubles=True,
        halvings=((64, 5), (128, 5), (256, 5), (512, 5)),
        batch_norm=True,
        d_batch_norm=True,
        activation="relu",
        initializer="truncated_normal",
        batch_size=12,
        update="summed",
        shared_latents=True,
        steps=30_000,
        every=1_000,
    ),
}

SMALLEST_MAP = range(4, 8)


def halvings(height, width):
    """How often both sides halve to reach 4 to 7 pixels: 80x80 four times, to 5x5.

    Raises:
        ValueError: they do not, or not equally often; names the nearest sizes that do.
    """
    counts = {_halvings_of_side(side) for side in (height, width)}
    if len(counts) == 1 and None not in counts:
        return counts.pop()
    near = nearest_size(height, width)
    raise ValueError(
        f"images of {height}x{width} do not halve down to 4 to 7 pixels on both sides equally often; "
        f"the nearest size that does is {near[0]}x{near[1]}: prepare them with --size {near[0]}x{near[1]}"
    )


def nearest_size(height, width):
    """The (height, width) closest in pixels that `halvings` takes."""
    candidates = [
        (abs(h - height) + abs(w - width), h, w)
        for count in range(1, 9)
        for h in (side << count for side in SMALLEST_MAP)
        for w in (side << count for side in SMALLEST_MAP)
    ]
    return min(candidates)[1:]


def _halvings_of_side(side):
    for count in range(1, 9):
        if side % (1 << count) == 0 and side >> count in SMALLEST_MAP:
            return count
    return None
