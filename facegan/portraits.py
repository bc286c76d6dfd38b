"""Portraits that no camera took: generated faces with a head and shoulders before backgrounds drawn by chance."""

import numpy
from PIL import Image, ImageDraw, ImageFilter

SHORT_SIDES = (150, 420)  # of a portrait, in pixels
PROPORTIONS = (1.0, 1.5)  # its longer side over its shorter one
FACE_HEIGHTS = (0.38, 0.62)  # of its shorter side
TALLER = (1.18, 1.32)  # a face's height over its width: data sets are cut to squares, heads are not square
LARGEST_TURN = 8  # degrees
HAIR = numpy.array([(28, 24, 22), (58, 40, 28), (92, 62, 38), (150, 112, 64), (130, 66, 34), (150, 148, 145)])
FEATHER = 0.25  # share of the face's half side over which it blends into its surroundings


def portrait(face, random):
    """Draw one portrait.

    Args:
        face: pixels (height, width, 1 or 3) uint8 that a face fills.
        random: a `numpy.random.Generator`, which decides about all else.

    Returns:
        A PIL image, mode "RGB", with sides of 150 to 630 pixels.
    """
    face = numpy.broadcast_to(face, (*face.shape[:2], 3))
    short = random.uniform(*SHORT_SIDES)
    sides = numpy.array([short, short * random.uniform(*PROPORTIONS)]).round().astype(int)
    size = tuple(sides.tolist() if random.random() < 0.75 else sides[::-1].tolist())
    height = short * random.uniform(*FACE_HEIGHTS)
    half = numpy.array([height / random.uniform(*TALLER), height]) / 2
    # Room for the hair above and at both sides; shoulders may leave the picture below.
    low, high = half * (1.3, 1.5), numpy.array(size) - half * (1.3, 1.2)
    middle = random.uniform(low, numpy.maximum(low, high))

    picture = background(size, random)
    _draw_bust(picture, face, middle, half, random)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(1, 3)))
    _paste_face(picture, face, middle, half, random)
    return _with_grain(picture, random)


def background(size, random):
    """Draw a background of (width, height): patches of colour that run into one another, shapes, more or less blur."""
    patches = random.integers(20, 236, (random.integers(1, 5), random.integers(1, 5), 3), numpy.uint8)
    picture = Image.fromarray(patches // 2 + patches.mean(axis=2, keepdims=True).astype(numpy.uint8) // 2)
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(random.integers(0, 9)):
        colour = _muted(random.integers(0, 256, 3), random)
        ends = (random.uniform(-0.2, 1.2, (2, 2)) * size).tolist()
        box = [*map(min, *ends), *map(max, *ends)]
        kind = random.integers(3)
        if kind == 0:
            draw.ellipse(box, fill=colour)
        elif kind == 1:
            draw.rectangle(box, fill=colour)
        else:
            draw.line([*map(tuple, ends)], fill=colour, width=int(random.integers(1, 12)))
    return picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 8)))


def _muted(colour, random):
    """A colour, moved towards grey by chance, as a tuple."""
    grey = colour.mean()
    return tuple((grey + random.uniform(0.2, 0.8) * (colour - grey)).astype(int).tolist())


def _draw_bust(picture, face, middle, half, random):
    """Draw hair, shoulders, neck and head behind the face, the skin in the colour that the face has at its sides."""
    draw = ImageDraw.Draw(picture)
    edge = max(1, face.shape[1] // 8)
    sides = numpy.concatenate([face[:, :edge], face[:, -edge:]], axis=1)
    skin = tuple(numpy.median(sides, axis=(0, 1)).astype(int).tolist())
    hair = tuple((random.choice(HAIR) * random.uniform(0.7, 1.2)).astype(int).tolist())
    cloth = _muted(random.integers(10, 246, 3), random)

    def ellipse(x, y, wide, high, colour):
        """An ellipse about (x, y) with the radii `wide` and `high`, all in halves of the face from its middle."""
        x, y = middle + half * (x, y)
        draw.ellipse((x - half[0] * wide, y - half[1] * high, x + half[0] * wide, y + half[1] * high), fill=colour)

    ellipse(0, random.uniform(-0.3, -0.1), *random.uniform((1.1, 1.15), (1.4, 1.4)), hair)
    ellipse(0, 2.9, random.uniform(2, 2.6), 1.6, cloth)
    ellipse(0, 1.15, 0.5, 0.55, tuple(int(0.85 * part) for part in skin))
    ellipse(0, 0.05, 1.02, 1.1, skin)


def _paste_face(picture, face, middle, half, random):
    """Paste the face, turned and lit a little by chance, with soft edges."""
    size = tuple(numpy.maximum(1, (2 * half).round()).astype(int).tolist())
    lit = numpy.clip(face * random.uniform(0.85, 1.15), 0, 255).astype(numpy.uint8)
    turned = {"angle": random.uniform(-LARGEST_TURN, LARGEST_TURN), "resample": Image.Resampling.BICUBIC}
    layer = Image.fromarray(lit).resize(size, Image.Resampling.BICUBIC).rotate(**turned)
    mask = Image.fromarray(_mask()).resize(size, Image.Resampling.BICUBIC).rotate(**turned)
    picture.paste(layer, tuple((middle - half).round().astype(int).tolist()), mask)


def _mask(side=64):
    """Opacity uint8 (side, side) of a face: a square with round corners that fades at its edges."""
    across = numpy.abs(numpy.linspace(-1, 1, side))
    radius = (across[:, None] ** 2.6 + across[None, :] ** 2.6) ** (1 / 2.6)
    return (255 * numpy.clip((1 - radius) / FEATHER, 0, 1)).astype(numpy.uint8)


def _with_grain(picture, random):
    pixels = numpy.asarray(picture, numpy.float32)
    grain = random.normal(0, random.uniform(0, 8), pixels.shape[:2]).astype(numpy.float32)
    return Image.fromarray(numpy.clip(numpy.rint(pixels + grain[..., None]), 0, 255).astype(numpy.uint8))
