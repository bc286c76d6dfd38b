"""Walk from face to face through the latent space and draw the faces in between.

    python interpolate.py runs/faces80 --faces 3,17,42 --steps 10 --method both --out path.png
    python interpolate.py runs/faces80 --faces 3,17,42 --steps 20 --loop --out walk.gif

Writes --out: a row of faces for each leg of the walk, or an animation. A list of
faces may include photographs, as in 3,me.jpg, each of which gets two files beside
the output: see docs/exploring.md.
Copy with it: facegan/common; for photographs exploring, preparing and metrics.
"""

import math

from facegan.common import cli, faces, files, images, latents, provenance

import numpy as np
from PIL import Image, ImageDraw

CAPTIONS = {"lerp": "lerp: the straight line", "slerp": "slerp: the great circle"}
CURVES_HEIGHT, NARROWEST_CURVES = 180, 320  # pixels
SMOOTHING = 4  # curves are drawn so many times larger and then reduced
COLOURS = ("#1f77b4", "#d95f02")
GRID = "#dddddd"


def main():
    options = parse_arguments()
    walks = chosen_walks(options)
    chosen = [face for walk in walks for face in walk]
    source = faces.open_source(options, chosen)
    with cli.naming("--out"):
        out = files.writable_path(options.out, (".png", *images.ANIMATIONS))
    if out.suffix.lower() == ".mp4":
        cli.require_packages(["imageio_ffmpeg"], f"--out {out}")
    generator = faces.load_generator(options, source)
    check_size(options, walks, generator)
    stops = [source.latents_of(walk, generator, out.parent) for walk in walks]
    made_by = provenance.record(generator, chosen)
    if is_animation(options):
        frames = moving_picture(options, generator, walks, stops)
        provenance.save_animation(frames, out, made_by, options.milliseconds)
    elif options.square:
        provenance.save_png(square(options, generator, walks[0], stops[0]), out, made_by)
    else:
        provenance.save_png(strips(options, generator, walks, stops), out, made_by)


def parse_arguments():
    parser = cli.parser(__doc__)
    which = parser.add_argument_group("which faces")
    add = which.add_argument
    add("--faces", type=cli.argument(faces.parse), metavar="LIST", help="the stops of the walk, such as 3,17,42")
    add("--pairs", type=cli.integer(1, 1000), metavar="N", help="N walks of two faces, such as 1 and 2, 3 and 4, …")
    faces.add_arguments(parser, which)
    add = parser.add_argument_group("the walk").add_argument
    add("--steps", type=cli.integer(2, 1000), default=10, metavar="N", help="faces per leg, both ends included")
    add("--method", choices=("slerp", "lerp", "both"), default="slerp", help="great circle, straight line, or both")
    add("--loop", action="store_true", help="return from the last face to the first")
    add("--square", action="store_true", help="fill a square between four faces")
    add = parser.add_argument_group("what to write").add_argument
    add("--out", required=True, metavar="FILE", help="a .png, or an animation: .gif, .webp or .mp4")
    add("--milliseconds", type=cli.integer(20, 10_000), default=80, metavar="N", help="duration of each frame")
    return parser.parse_args()


def is_animation(options):
    return options.out.lower().endswith(images.ANIMATIONS)


def chosen_walks(options):
    """The walks to draw, each a list of two faces or more."""
    if options.square:
        if options.pairs or options.loop or is_animation(options):
            raise cli.UserError("--square: draws one still picture; leave out --pairs and --loop, and write a .png")
        if len(options.faces or []) != 4:
            raise cli.UserError("--faces: --square needs four, the corners from top left to bottom right")
        return [options.faces]
    if options.pairs:
        return chosen_pairs(options.faces, options.pairs)
    if len(options.faces or []) < 2:
        raise cli.UserError("--faces: a walk needs two faces or more, such as --faces 3,17")
    return [options.faces]


def chosen_pairs(chosen, count):
    """Pairs of faces: consecutive ones of a list, or for two numbers a and b: a and b, a + 1 and b + 1, …"""
    if chosen is None:
        chosen = list(range(1, 2 * count + 1))
    if len(chosen) == 2 and all(isinstance(face, int) for face in chosen):
        if max(chosen) + count - 1 > latents.LARGEST_FACE:
            raise cli.UserError(f"--pairs {count}: counts up beyond face {latents.LARGEST_FACE}")
        return [[chosen[0] + k, chosen[1] + k] for k in range(count)]
    if len(chosen) == 2 * count:
        return [chosen[k : k + 2] for k in range(0, len(chosen), 2)]
    raise cli.UserError(f"--pairs {count}: needs {2 * count} faces, or two to count up from, not {len(chosen)}")


def chosen_methods(options):
    return ("lerp", "slerp") if options.method == "both" else (options.method,)


def check_size(options, walks, generator):
    """Check that a still picture would not be too large."""
    rows = options.steps if options.square else sum(len(walk) - 1 + options.loop for walk in walks)
    if not is_animation(options):
        with cli.naming("--steps:"):
            count = rows * options.steps * len(chosen_methods(options))
            images.layout(count, generator.height, generator.width, options.steps)


def strips(options, generator, walks, stops):
    """A strip for each walk and method, one row per leg; with both methods, also a plot of the latents' lengths."""
    pictures, captions = [], []
    for walk, ends in zip(walks, stops, strict=True):
        paths = {m: latents.path(ends, options.steps, m, options.loop) for m in chosen_methods(options)}
        for method, path in paths.items():
            pixels = images.as_shown(generator.draw(path), generator.inverted)
            pictures.append(legs(pixels, walk, options.steps))
            captions.append(CAPTIONS[method] if len(paths) > 1 else "")
        if len(paths) > 1:
            pictures.append(length_curves(paths, pictures[-1].width))
            captions.append("")
    return images.stack(pictures, captions)


def legs(pixels, walk, steps):
    """The images of a walk in rows of `steps`; rows after the first begin with a blank for the stop they share."""
    labels = [
        faces.label(walk[k // (steps - 1) % len(walk)]) if k % (steps - 1) == 0 else "" for k in range(len(pixels))
    ]
    starts = list(range(steps, len(pixels), steps - 1))
    pixels = np.insert(pixels, starts, 255, axis=0)
    return images.grid(pixels, steps, np.insert(np.array(labels, object), starts, ""))


def square(options, generator, corners, ends):
    """A square of faces between the four in its corners; with both methods, two squares side by side."""
    labels = [""] * options.steps**2
    for place, face in zip((0, options.steps - 1, -options.steps, -1), corners, strict=True):
        labels[place] = faces.label(face)
    sheets = []
    for method in chosen_methods(options):
        pixels = generator.draw(latents.plane(ends, options.steps, options.steps, method))
        sheet = images.grid(images.as_shown(pixels, generator.inverted), options.steps, labels)
        sheets.append(images.stack([sheet], [CAPTIONS[method]]))
    return images.beside(sheets)


def moving_picture(options, generator, walks, stops):
    """The frames of an animation, each with a face of every walk and method."""
    methods = chosen_methods(options)
    paths = [latents.path(ends, options.steps, method, options.loop) for ends in stops for method in methods]
    pixels = images.as_shown(generator.draw(np.concatenate(paths)), generator.inverted)
    pixels = pixels.reshape(len(walks) * len(methods), -1, *pixels.shape[1:])
    labels = [method for _ in walks for method in methods] if len(methods) > 1 else None
    columns = len(methods) if len(methods) > 1 else None
    return [images.grid(pixels[:, k], columns, labels) for k in range(pixels.shape[1])]


def length_curves(paths, width):
    """Plot the length of the latents of each path, step by step.

    On a straight line between two latents it drops in the middle to lengths that the generator never saw in training;
    on a great circle it does not.

    Args:
        paths: a dictionary from names to latents (n, latent_dim). width: the picture's, in pixels.

    Returns:
        A PIL image, mode "RGB".
    """
    lengths = {name: np.linalg.norm(path, axis=1) for name, path in paths.items()}
    steps, longest = len(next(iter(lengths.values()))), 1.1 * max(map(np.max, lengths.values())) or 1.0
    size = (max(width, NARROWEST_CURVES), CURVES_HEIGHT)
    left, top, right, bottom = 34, 24, size[0] - 12, size[1] - 22  # the plot's edges

    def place(step, length):
        return left + (right - left) * step / (steps - 1), bottom - (bottom - top) * length / longest

    marks = {f"{length:g}": place(0, length) for length in ticks(longest)}
    numbers = {str(step + 1): place(step, 0) for step in range(0, steps, math.ceil(steps / 20))}
    sheet = Image.new("RGB", (size[0] * SMOOTHING, size[1] * SMOOTHING), "white")
    draw = ImageDraw.Draw(sheet)

    def line(points, colour, thickness):
        points = [(x * SMOOTHING, y * SMOOTHING) for x, y in points]
        draw.line(points, colour, round(thickness * SMOOTHING), "curve")

    for _, y in marks.values():
        line([(left, y), (right, y)], GRID, 1)
    for x, _ in numbers.values():
        line([(x, top), (x, bottom)], GRID, 1)
    for colour, path in zip(COLOURS, lengths.values(), strict=False):
        line([place(*point) for point in enumerate(path)], colour, 2)
    sheet = sheet.resize(size, Image.Resampling.BOX)
    draw, font = ImageDraw.Draw(sheet), images.font(11)
    draw.text((left, top - 6), "length of the latent at each step", "black", font, "ls")
    for text, (_, y) in marks.items():
        draw.text((left - 5, y), text, "black", font, "rm")
    for text, (x, _) in numbers.items():
        draw.text((x, bottom + 5), text, "black", font, "ma")
    for row, (colour, name) in enumerate(zip(COLOURS, lengths, strict=False)):
        draw.text((right - 6, bottom - 8 - 16 * row), name, colour, font, "rs")
    return sheet


def ticks(highest):
    """Round numbers from 0 to `highest`, three to seven of them."""
    unit = 10.0 ** math.floor(math.log10(highest))
    step = next(unit * part for part in (0.2, 0.5, 1, 2) if highest / (unit * part) < 7)
    return np.arange(0, highest, step)


if __name__ == "__main__":
    cli.run(main)
