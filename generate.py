"""Draw faces from a trained generator, numbered, so that each can be asked for again by its number.

    python generate.py runs/faces80 --faces 1-25 --out grid.png
    python generate.py runs/faces80 --best 25 --of 500 --spread 0.8 --out best.png
    python generate.py runs/faces80 --faces 1-200 --html faces.html
    python generate.py runs/faces80 --faces 1-2500 --map map.html

MODEL is a run folder, meaning its best or else newest generator, or a generator file; left out, it is the generator
that comes with the scripts, pretrained/portraits.h5. Face 12 is the same face whatever else is drawn beside it.
Writes only what is asked for: the picture of --out, the single images of --each (face_0012.png for face 12, at the
generator's own size, its pixels as they are), the file of --save-latents, and two kinds of web page that open from the
disk: --html, where clicks collect faces into groups and show the commands to copy, and --map, where like stands beside
like. A photograph may stand wherever a face does: 1-9,me.jpg; beside the output (of --each alone: beside its folder)
stay me-KEY.latent.npz, its latent, found once, and me-KEY.photo.png, it and its reconstruction.

Needs: facegan/arrangement.py, commands.py, contact_page.py, crops.py, detector.py, face_features.py, faces.py,
files.py, images.py, inversion.py, latents.py, map_page.py, model_files.py, npz.py, old_files.py, page_parts.py,
photographs.py, photos.py, preparation.py, provenance.py, pyramid.py, runs.py, suppression.py
"""

import shlex
from pathlib import Path

import numpy

from facegan import arrangement, commands, contact_page, faces, files, images, latents, map_page, provenance, runs

DEFAULT_FACES = "1-25"


def main():
    options = parse_arguments()
    source = faces.Source(options.latents, options.spread)
    numbers = chosen_faces(options, source)
    check_outputs(options, numbers)
    generator = runs.load_generator(options.model)
    check_sizes(options, options.best or len(numbers), generator)
    points = chosen_latents(options, source, numbers, generator)
    pixels = generator.draw(points)
    if options.best:
        rows = best_rows(pixels, options.best)
        numbers, points, pixels = [numbers[k] for k in rows], points[rows], pixels[rows]
    made_by = provenance.record(generator, numbers)
    write_pictures(options, generator, numbers, pixels, made_by)
    write_pages(options, generator, numbers, pixels, made_by)
    if options.save_latents:
        with files.whole_file(options.save_latents) as file:
            numpy.savez(file, points)


def parse_arguments():
    parser = commands.parser(__doc__)
    faces.add_arguments(parser)
    what = parser.add_argument_group("which faces")
    what.add_argument(
        "--faces",
        type=commands.argument(faces.parse),
        metavar="LIST",
        help="numbers and ranges, such as 1-25,30 (default 1-25, or every row of --latents)",
    )
    what.add_argument(
        "--best", type=commands.integer(1), metavar="N", help="the N that the detector finds most face-like"
    )
    what.add_argument(
        "--of", type=commands.integer(1, latents.MOST_FACES), metavar="N", help="--best chooses from faces 1 to N"
    )
    what.add_argument(
        "--value", type=commands.number(-1000, 1000), metavar="X", help="the one face whose latent is all X"
    )
    to = parser.add_argument_group("what to write")
    to.add_argument("--out", metavar="PNG", help="the faces as one picture, each with its number")
    to.add_argument("--columns", type=commands.integer(1), metavar="N", help="faces in a row of it (default: a square)")
    to.add_argument("--each", metavar="FOLDER", help="every face as a file of its own; a new or empty folder")
    to.add_argument("--html", metavar="HTML", help="a page to choose faces on and copy commands from")
    to.add_argument("--map", metavar="HTML", help="a page with the faces laid out like beside like, to move and zoom")
    to.add_argument(
        "--like",
        choices=arrangement.KINDS,
        default="face",
        help="what makes faces alike on the map: what the face detector sees, colour, or shape (default face)",
    )
    to.add_argument("--save-latents", metavar="NPZ", help="the latents drawn, one row a face")
    return parser.parse_args()


def chosen_faces(options, source):
    """The faces to draw, for --best those to choose from; for --value the one label that stands under it."""
    if options.value is not None:
        if options.faces or options.latents or options.best or options.html or options.map:
            raise commands.UserError(
                "--value: is one face without a number; only --out, --each and --columns go with it"
            )
        return [f"{options.value:g}"]
    if options.of and (options.faces or options.latents or not options.best):
        raise commands.UserError(
            "--of: goes with --best and numbered faces; leave out --faces and --latents, add --best"
        )
    if options.of:
        chosen = list(range(1, options.of + 1))
    elif options.faces is None and source.rows is not None:
        chosen = list(range(1, len(source.rows) + 1))
    else:
        chosen = options.faces or faces.parse(DEFAULT_FACES)
    if options.best and options.best > len(chosen):
        raise commands.UserError(f"--best {options.best}: there are {len(chosen)} to choose from; add --of 500")
    source.check(chosen)
    return chosen


def check_outputs(options, numbers):
    """Find out before the work whether everything asked for can be written and MODEL is there."""
    named = {"--out": ".png", "--save-latents": ".npz", "--html": ".html", "--map": ".html"}
    paths = {option: getattr(options, option[2:].replace("-", "_")) for option in named}
    if not (options.each or any(paths.values())):
        raise commands.UserError("--out: nothing to write; add --out grid.png, --each, --html, --map or --save-latents")
    runs.find_generator(options.model)
    for option, path in paths.items():
        if path:
            files.writable_path(path, option, (named[option],))
    if options.each:
        folder = files.writable_folder(options.each, "--each")
        names = {file_name(number) for number in numbers}
        others = sorted(path.name for path in folder.iterdir() if path.name not in names)
        if others:
            raise commands.UserError(f"--each {folder}: holds other files ({others[0]}); name a new or empty folder")


def check_sizes(options, count, generator):
    try:
        if options.out:
            images.layout(count, generator.height, generator.width, options.columns)
        if options.map:
            map_page.check_size(count, generator.height, generator.width)
    except ValueError as error:
        raise commands.UserError(f"{'--map' if options.map else '--out'}: {error}") from None


def chosen_latents(options, source, numbers, generator):
    if options.value is not None:
        return latents.spread(latents.constant(options.value, generator.latent_dim), options.spread)
    return source.latents_of(numbers, generator, output_folder(options))


def best_rows(pixels, count):
    """The rows of the `count` images that the detector holds most surely for faces, surest first."""
    from facegan import face_features

    return numpy.argsort(-face_features.face_log_odds(pixels), kind="stable")[:count]


def write_pictures(options, generator, numbers, pixels, made_by):
    if options.out:
        labels = [faces.label(number) for number in numbers]
        sheet = images.grid(images.shown(pixels, generator.pixel_range), options.columns, labels)
        provenance.save_png(sheet, options.out, made_by)
    if options.each:
        for number, image in zip(numbers, pixels, strict=True):
            provenance.save_png(images.picture(image), Path(options.each) / file_name(number), made_by)


def write_pages(options, generator, numbers, pixels, made_by):
    shown = images.shown(pixels, generator.pixel_range)
    model = shlex.quote(str(options.model)) if options.model else ""
    labels = [str(number) for number in numbers]
    repeated = ["--latents", str(options.latents)] if options.latents else []
    repeated += ["--spread", f"{options.spread:g}"] if options.spread != 1 else []
    if options.html:
        text = contact_page.contact_page(shown, labels, model, shlex.join(repeated), made_by)
        with files.whole_file(options.html, "w", encoding="utf-8") as file:
            file.write(text)
    if options.map:
        order = arrangement.arrange(arrangement.describe(pixels, options.like))
        text = map_page.map_page(shown, labels, order, model, shlex.join(repeated), made_by)
        with files.whole_file(options.map, "w", encoding="utf-8") as file:
            file.write(text)


def file_name(number):
    if isinstance(number, int):
        return f"face_{number:04d}.png"
    return f"face_{number.stem}.png" if isinstance(number, Path) else f"face_value_{number}.png"


def output_folder(options):
    """Where the latents of photographs are kept: beside the first output, but never among the files of --each."""
    outputs = (options.out, options.html, options.map, options.save_latents)
    beside = [Path(path).parent for path in outputs if path]
    return beside[0] if beside else Path(options.each).absolute().parent


if __name__ == "__main__":
    commands.run(main)
