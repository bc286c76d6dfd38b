"""Draw faces from a trained generator, each with its number.

    python generate.py runs/faces80 --faces 1-25 --out grid.png
    python generate.py runs/faces80 --best 25 --of 500 --out best.png

Writes the files that the options name. Face 12 is always the same face. A list of
faces may include photographs, as in 1-9,me.jpg, each of which gets two files beside
the output: see docs/exploring.md.
explore.py makes a page on which to choose faces.
Copy with it: facegan/common; for --best metrics, for photographs exploring,
preparing and metrics.
"""

from pathlib import Path

from facegan.common import cli, datasets, faces, files, images, latents, provenance

import numpy as np

DEFAULT_FACES = "1-25"


def main():
    options = parse_arguments()
    check_options(options)
    source = faces.open_source(options, options.faces or [])
    numbers = candidates(options, source)
    check_outputs(options, numbers)
    generator = faces.load_generator(options, source)
    check_sizes(options, options.best or len(numbers), generator)
    points = latents_to_draw(options, source, numbers, generator)
    pixels = generator.draw(points)
    if options.best:
        rows = best_rows(pixels, options.best)
        numbers, points, pixels = [numbers[k] for k in rows], points[rows], pixels[rows]
    write_pictures(options, generator, numbers, pixels)
    if options.save_latents:
        with files.atomic_write(options.save_latents) as file:
            datasets.save_arrays(file, arr_0=points)


def parse_arguments():
    parser = cli.parser(__doc__)
    which = parser.add_argument_group("which faces")
    add = which.add_argument
    help_faces = f"such as 1-25,30 (default: {DEFAULT_FACES}, or all rows of --latents)"
    add("--faces", type=cli.argument(faces.parse), metavar="LIST", help=help_faces)
    add("--best", type=cli.integer(1), metavar="N", help="the N that the detector is surest are faces")
    add("--of", type=cli.integer(1, latents.MOST_FACES), metavar="N", help="with --best: choose from faces 1 to N")
    add("--value", type=cli.number(-1000, 1000), metavar="X", help="the one face whose latent is X everywhere")
    faces.add_arguments(parser, which)
    add = parser.add_argument_group("what to write").add_argument
    add("--out", metavar="PNG", help="one picture of all faces, numbered")
    add("--columns", type=cli.integer(1), metavar="N", help="with --out: faces per row (default: a square)")
    add("--each", metavar="FOLDER", help="every face in its own file, in a new or empty folder")
    add("--save-latents", metavar="NPZ", help="the latents, one row per face")
    return parser.parse_args()


def check_options(options):
    """Check that the options go together and that the rooms they need were copied."""
    if options.value is not None and (options.faces or options.latents or options.best):
        raise cli.UserError("--value: draws one face without a number; leave out --faces, --best and --latents")
    if options.of and (options.faces or options.latents or not options.best):
        raise cli.UserError("--of: goes with --best and numbered faces; add --best, leave out --faces and --latents")
    if not (options.out or options.each or options.save_latents):
        raise cli.UserError("--out: nothing to write; add --out grid.png, --each or --save-latents")
    if options.best:
        cli.require_rooms(("metrics",), "--best")
        cli.require_packages(("mtcnn",), "--best")


def candidates(options, source):
    """The faces to draw; with --best, those to choose from; with --value, the label of the one face."""
    if options.value is not None:
        return [f"{options.value:g}"]
    if options.of:
        chosen = list(range(1, options.of + 1))
    elif options.faces is None and source.rows is not None:
        chosen = list(range(1, len(source.rows) + 1))
    else:
        chosen = options.faces or faces.parse(DEFAULT_FACES)
    if options.best and options.best > len(chosen):
        raise cli.UserError(f"--best {options.best}: there are {len(chosen)} to choose from; add --of 500")
    return chosen


def check_outputs(options, numbers):
    """Check, before any work, that every output can be written."""
    outputs = {"--out": (options.out, ".png"), "--save-latents": (options.save_latents, ".npz")}
    cli.require_writable(outputs, {"--latents": options.latents})
    if options.each:
        with cli.naming("--each"):
            folder = files.writable_folder(options.each)
        names = set(file_names(numbers))
        if options.out and Path(options.out).name in names:
            cli.require_distinct({"--each": folder / Path(options.out).name, "--out": options.out})
        others = sorted(path.name for path in folder.iterdir() if path.name not in names)
        if others:
            raise cli.UserError(f"--each {folder}: has other files in it ({others[0]}); name a new or empty folder")


def check_sizes(options, count, generator):
    """Check that the picture would not be too large."""
    if options.out:
        with cli.naming("--out:"):
            images.layout(count, generator.height, generator.width, options.columns)


def latents_to_draw(options, source, numbers, generator):
    if options.value is not None:
        return latents.truncate(latents.constant(options.value, generator.latent_dim), options.truncation)
    return source.latents_of(numbers, generator, output_folder(options))


def best_rows(pixels, count):
    """The rows of the `count` images that the detector is surest are faces, surest first."""
    from facegan.metrics import face_features

    return np.argsort(-face_features.face_log_odds(pixels), kind="stable")[:count]


def write_pictures(options, generator, numbers, pixels):
    made_by = provenance.record(generator, numbers)
    if options.out:
        labels = [faces.label(number) for number in numbers]
        sheet = images.grid(images.as_shown(pixels, generator.inverted), options.columns, labels)
        provenance.save_png(sheet, options.out, made_by)
    if options.each:
        for name, image in zip(file_names(numbers), pixels, strict=True):
            provenance.save_png(images.picture(image), Path(options.each) / name, made_by)


def file_names(numbers):
    """The names of faces' files in the folder of --each; photographs of one name in several folders get numbers."""
    names, taken = {}, set()
    for number in numbers:
        if isinstance(number, int):
            stem = f"{number:04d}"
        else:
            stem = number.stem if isinstance(number, Path) else f"value_{number}"
        name, count = f"face_{stem}.png", 1
        while name in taken and number not in names:
            count += 1
            name = f"face_{stem}_{count}.png"
        names.setdefault(number, name)
        taken.add(name)
    return [names[number] for number in numbers]


def output_folder(options):
    """The folder for the files of photographs: that of the first output, and for --each alone, the folder beside it."""
    beside = [Path(path).parent for path in (options.out, options.save_latents) if path]
    return beside[0] if beside else Path(options.each).absolute().parent


if __name__ == "__main__":
    cli.run(main)
