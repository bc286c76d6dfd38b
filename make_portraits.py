"""Draw synthetic portraits to prepare and train on when you have no photographs.

    python make_portraits.py --out demo/photographs --count 1000
    python make_portraits.py runs/faces80 --out portraits --seed 1

A generator draws the faces; backgrounds, clothes and hair are random. Writes
portrait_0001.jpg, portrait_0002.jpg, … into --out when all are drawn.
Copy with it: facegan/common.
"""

import io
import shutil
import sys
from pathlib import Path

from facegan.common import cli, faces, files, generators, inference, latents

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

BATCH = 64
JPEG_QUALITY = 92
SHORT_SIDES = (150, 420)  # range of a portrait's shorter side, in pixels
PROPORTIONS = (1.0, 1.5)  # longer side divided by the shorter
FACE_HEIGHTS = (0.38, 0.62)  # as a share of the shorter side
TALLER = (1.18, 1.32)  # a face's height over its width: data sets crop faces to squares, but heads are not square
LARGEST_TURN = 8  # degrees
HAIR = np.array([(28, 24, 22), (58, 40, 28), (92, 62, 38), (150, 112, 64), (130, 66, 34), (150, 148, 145)])
FEATHER = 0.25  # share of the face's half side over which it blends into its surroundings


def main():
    options = parse_arguments()
    with cli.naming("MODEL"):
        generators.find_generator(options.model)
    with cli.naming("--out"):
        out = new_folder(options.out)
    with cli.naming("MODEL"):
        generator = generators.load_generator(options.model)
    unfinished = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with files.explained(out):
            unfinished.mkdir()
            draw(generator, options, unfinished)
            if out.exists():
                out.rmdir()
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    print(f"{options.count:,} synthetic portraits in {out}")


def parse_arguments():
    parser = cli.parser(__doc__)
    faces.add_model(parser)
    add = parser.add_argument
    add("--out", required=True, metavar="FOLDER", help="a new or empty folder for the portraits")
    add("--count", type=cli.integer(1, latents.MOST_FACES), default=1000, metavar="N", help="number of portraits")
    add("--seed", type=cli.integer(0), default=0, metavar="N", help="random seed of everything but the faces")
    faces.add_truncation(parser, 0.9)
    return parser.parse_args()


def new_folder(path):
    """The absolute path of a folder to create later; ValueError if something is in it or it cannot be created."""
    out = Path(path)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: exists and is not empty; name a new folder, or remove it")
    files.writable_folder(out.absolute().parent)
    return out.absolute()


def draw(generator, options, folder):
    """Draw and save the portraits, each with its own random state, so that it does not depend on the others."""
    for first in range(1, options.count + 1, BATCH):
        if sys.stderr.isatty():
            print(f"\rdrawing {first - 1:,} of {options.count:,}", end="", file=sys.stderr, flush=True)
        numbers = range(first, min(first + BATCH, options.count + 1))
        pixels = generator.draw(latents.truncate(generator.latents_of(numbers), options.truncation))

        def draw_one(row, numbers=numbers, pixels=pixels):
            number = numbers[row]
            picture = portrait(pixels[row], np.random.default_rng([options.seed, number]))
            comment = f"synthetic, no photograph: face {number} of {generator.path.name} {generator.fingerprint}"
            memory = io.BytesIO()  # see `images._save_frames`
            picture.save(memory, "JPEG", quality=JPEG_QUALITY, comment=comment)
            (folder / f"portrait_{number:04d}.jpg").write_bytes(memory.getbuffer())

        inference.on_every_core(draw_one, len(numbers))
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)


def portrait(face, random):
    """Draw one portrait.

    Args:
        face: pixels (height, width, 1 or 3) uint8, a tight crop of a face.
        random: a `np.random.Generator` for everything else.

    Returns:
        A PIL image, mode "RGB", with sides of 150 to 630 pixels.
    """
    face = np.broadcast_to(face, (*face.shape[:2], 3))
    short = random.uniform(*SHORT_SIDES)
    sides = np.array([short, short * random.uniform(*PROPORTIONS)]).round().astype(int)
    size = tuple(sides.tolist() if random.random() < 0.75 else sides[::-1].tolist())
    height = short * random.uniform(*FACE_HEIGHTS)
    half = np.array([height / random.uniform(*TALLER), height]) / 2
    # This leaves room for hair above and on both sides; shoulders may be cut off below.
    low, high = half * (1.3, 1.5), np.array(size) - half * (1.3, 1.2)
    middle = random.uniform(low, np.maximum(low, high))

    picture = background(size, random)
    _draw_bust(picture, face, (middle, half), random)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(1, 3)))
    _paste_face(picture, face, (middle, half), random)
    return _with_grain(picture, random)


def background(size, random):
    """Draw a background of (width, height): blended patches of colour, some shapes, more or less blur."""
    patches = random.integers(20, 236, (random.integers(1, 5), random.integers(1, 5), 3), np.uint8)
    picture = Image.fromarray(patches // 2 + patches.mean(axis=2, keepdims=True).astype(np.uint8) // 2)
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
    """A colour moved by a random amount towards grey, as a tuple."""
    grey = colour.mean()
    return tuple((grey + random.uniform(0.2, 0.8) * (colour - grey)).astype(int).tolist())


def _draw_bust(picture, face, place, random):
    """Draw hair, shoulders, neck and head behind the face, with skin in the colour at the sides of the face.

    `place` is the face's middle and half its size, (x, y) each.
    """
    middle, half = place
    draw = ImageDraw.Draw(picture)
    edge = max(1, face.shape[1] // 8)
    sides = np.concatenate([face[:, :edge], face[:, -edge:]], axis=1)
    skin = tuple(np.median(sides, axis=(0, 1)).astype(int).tolist())
    hair = tuple((random.choice(HAIR) * random.uniform(0.7, 1.2)).astype(int).tolist())
    cloth = _muted(random.integers(10, 246, 3), random)

    def ellipse(centre, radii, colour):
        """Draw an ellipse; coordinates are from the middle of the face, in units of half the face."""
        centre, radii = middle + half * centre, half * radii
        draw.ellipse((*(centre - radii), *(centre + radii)), fill=colour)

    ellipse((0, random.uniform(-0.3, -0.1)), random.uniform((1.1, 1.15), (1.4, 1.4)), hair)
    ellipse((0, 2.9), (random.uniform(2, 2.6), 1.6), cloth)
    ellipse((0, 1.15), (0.5, 0.55), tuple(int(0.85 * part) for part in skin))
    ellipse((0, 0.05), (1.02, 1.1), skin)


def _paste_face(picture, face, place, random):
    """Paste the face with soft edges, turned a little and lit a little differently; `place` as for `_draw_bust`."""
    middle, half = place
    size = tuple(np.maximum(1, (2 * half).round()).astype(int).tolist())
    lit = np.clip(face * random.uniform(0.85, 1.15), 0, 255).astype(np.uint8)
    turned = {"angle": random.uniform(-LARGEST_TURN, LARGEST_TURN), "resample": Image.Resampling.BICUBIC}
    layer = Image.fromarray(lit).resize(size, Image.Resampling.BICUBIC).rotate(**turned)
    mask = Image.fromarray(_mask()).resize(size, Image.Resampling.BICUBIC).rotate(**turned)
    picture.paste(layer, tuple((middle - half).round().astype(int).tolist()), mask)


def _mask():
    """Opacity uint8 (64, 64) of a face: a square with rounded corners and soft edges."""
    across = np.abs(np.linspace(-1, 1, 64))
    radius = (across[:, None] ** 2.6 + across[None, :] ** 2.6) ** (1 / 2.6)
    return (255 * np.clip((1 - radius) / FEATHER, 0, 1)).astype(np.uint8)


def _with_grain(picture, random):
    pixels = np.asarray(picture, np.float32)
    grain = random.normal(0, random.uniform(0, 8), pixels.shape[:2]).astype(np.float32)
    return Image.fromarray(np.clip(np.rint(pixels + grain[..., None]), 0, 255).astype(np.uint8))


if __name__ == "__main__":
    cli.run(main)
