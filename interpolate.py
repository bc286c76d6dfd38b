"""Walk from face to face through the latent space and draw what lies between.

    python interpolate.py runs/faces80 --faces 3,17,42 --steps 10 --method both --out path.png
    python interpolate.py runs/faces80 --faces 3,17,42 --steps 20 --loop --out walk.gif
    python interpolate.py runs/faces80 --pairs 10 --out pairs.png
    python interpolate.py runs/faces80 --faces 1,2,3,4 --square --steps 8 --out square.png

Each leg has --steps faces, both ends included; a stop that two legs share is drawn once. slerp follows the great
circle between two latents, lerp the straight line; "both" draws one above the other and the length of the latents
below. An --out that ends in .gif is a moving picture. MODEL left out is the generator that comes with the scripts. A
photograph may stand wherever a face does: 3,me.jpg. Writes --out, and for a photograph beside it me-KEY.latent.npz, its
latent, found once, and me-KEY.photo.png, it and its reconstruction.

Needs: facegan/commands.py, crops.py, curves.py, detector.py, face_features.py, faces.py, files.py, images.py,
inversion.py, latents.py, model_files.py, npz.py, old_files.py, photographs.py, photos.py, preparation.py,
provenance.py, pyramid.py, runs.py, suppression.py
"""

import numpy

from facegan import commands, curves, faces, files, images, latents, provenance, runs

CAPTIONS = {"lerp": "lerp: the straight line", "slerp": "slerp: the great circle"}


def main():
    options = parse_arguments()
    walks = chosen_walks(options)
    source = faces.Source(options.latents, options.spread)
    source.check([face for walk in walks for face in walk])
    options.out = files.writable_path(options.out, "--out", (".png", ".gif"))
    runs.find_generator(options.model)
    generator = runs.load_generator(options.model)
    stops = [source.latents_of(walk, generator, options.out.parent) for walk in walks]
    made_by = provenance.record(generator, [face for walk in walks for face in walk])
    if options.out.suffix.lower() == ".gif":
        frames = moving_picture(options, generator, walks, stops)
        provenance.save_gif(frames, options.out, made_by, options.milliseconds)
    elif options.square:
        provenance.save_png(square(options, generator, walks[0], stops[0]), options.out, made_by)
    else:
        provenance.save_png(strips(options, generator, walks, stops), options.out, made_by)


def parse_arguments():
    parser = commands.parser(__doc__)
    faces.add_arguments(parser)
    parser.add_argument(
        "--faces",
        type=commands.argument(faces.parse),
        metavar="LIST",
        help="the stops, two or more, such as 3,17,42 (default with --pairs N: 1 to 2N)",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the picture to write, .png or .gif")
    parser.add_argument(
        "--steps",
        type=commands.integer(2, 1000),
        default=10,
        metavar="N",
        help="faces of a leg, its ends included (default 10)",
    )
    parser.add_argument(
        "--method", choices=("slerp", "lerp", "both"), default="slerp", help="the way between two faces (default slerp)"
    )
    parser.add_argument("--loop", action="store_true", help="go back from the last face to the first")
    parser.add_argument(
        "--pairs",
        type=commands.integer(1, 1000),
        metavar="N",
        help="N walks of two faces each: the faces two by two, or two faces and those that follow each by number",
    )
    parser.add_argument("--square", action="store_true", help="the surface between four faces, its corners")
    parser.add_argument(
        "--milliseconds",
        type=commands.integer(20, 10_000),
        default=80,
        metavar="N",
        help="each picture of a .gif stays so long (default 80)",
    )
    return parser.parse_args()


def chosen_walks(options):
    """The walks to draw, each a list of two faces or more."""
    if options.square:
        if options.pairs or options.loop or options.out.endswith(".gif"):
            raise commands.UserError("--square: is one still picture; leave out --pairs, --loop and .gif")
        if len(options.faces or []) != 4:
            raise commands.UserError("--faces: --square needs four, the corners from top left to bottom right")
        return [options.faces]
    if options.pairs:
        return chosen_pairs(options.faces, options.pairs)
    if len(options.faces or []) < 2:
        raise commands.UserError("--faces: a walk needs two faces or more, such as --faces 3,17")
    return [options.faces]


def chosen_pairs(chosen, count):
    if chosen is None:
        chosen = list(range(1, 2 * count + 1))
    if len(chosen) == 2 and all(isinstance(face, int) for face in chosen):
        return [[chosen[0] + k, chosen[1] + k] for k in range(count)]
    if len(chosen) == 2 * count:
        return [chosen[k : k + 2] for k in range(0, len(chosen), 2)]
    raise commands.UserError(f"--pairs {count}: needs {2 * count} faces, or two to count on from, not {len(chosen)}")


def chosen_methods(options):
    return ("lerp", "slerp") if options.method == "both" else (options.method,)


def strips(options, generator, walks, stops):
    """A strip a walk and method, each leg on a row of its own; under both methods the length of the latents."""
    pictures, captions = [], []
    for walk, ends in zip(walks, stops, strict=True):
        paths = {m: latents.path(ends, options.steps, m, options.loop) for m in chosen_methods(options)}
        for method, path in paths.items():
            pixels = images.shown(generator.draw(path), generator.pixel_range)
            pictures.append(legs(pixels, walk, options.steps))
            captions.append(CAPTIONS[method] if len(paths) > 1 else "")
        if len(paths) > 1:
            pictures.append(curves.lengths(paths, pictures[-1].width))
            captions.append("")
    return images.stack(pictures, captions)


def legs(pixels, walk, steps):
    """The images of one walk in rows of `steps`; rows after the first start empty where the shared stop would stand."""
    labels = [
        faces.label(walk[k // (steps - 1) % len(walk)]) if k % (steps - 1) == 0 else "" for k in range(len(pixels))
    ]
    starts = list(range(steps, len(pixels), steps - 1))
    pixels = numpy.insert(pixels, starts, 255, axis=0)
    return images.grid(pixels, steps, numpy.insert(numpy.array(labels, object), starts, ""))


def square(options, generator, corners, ends):
    """The surface between four faces; with both methods one beside the other."""
    labels = [""] * options.steps**2
    for place, face in zip((0, options.steps - 1, -options.steps, -1), corners, strict=True):
        labels[place] = faces.label(face)
    sheets = []
    for method in chosen_methods(options):
        pixels = generator.draw(latents.plane(ends, options.steps, options.steps, method))
        sheet = images.grid(images.shown(pixels, generator.pixel_range), options.steps, labels)
        sheets.append(images.stack([sheet], [CAPTIONS[method]]))
    return images.beside(sheets)


def moving_picture(options, generator, walks, stops):
    """The frames of a GIF: in each a face of every walk and method."""
    methods = chosen_methods(options)
    paths = [latents.path(ends, options.steps, method, options.loop) for ends in stops for method in methods]
    pixels = images.shown(generator.draw(numpy.concatenate(paths)), generator.pixel_range)
    pixels = pixels.reshape(len(walks) * len(methods), -1, *pixels.shape[1:])
    labels = [method for _ in walks for method in methods] if len(methods) > 1 else None
    columns = len(methods) if len(methods) > 1 else None
    return [images.grid(pixels[:, k], columns, labels) for k in range(pixels.shape[1])]


if __name__ == "__main__":
    commands.run(main)
