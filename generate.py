"""Draw faces from a trained generator, numbered, so that each can be asked for again by its number.

    python generate.py runs/faces80 --faces 1-25 --out grid.png

MODEL is a run folder, meaning its best or else newest generator, or a generator file. Face 12 is the same face
whatever else is drawn beside it. Writes only what is asked for: the picture of --out, the single images of --each
(face_0012.png for face 12, at the generator's own size, its pixels as they are) and the file of --save-latents.

Needs: facegan/commands.py, faces.py, files.py, images.py, latents.py, model_files.py, old_files.py, provenance.py,
runs.py
"""

from pathlib import Path

import numpy

from facegan import commands, faces, files, images, latents, provenance, runs

DEFAULT_FACES = "1-25"


def main():
    options = parse_arguments()
    source = faces.Source(options.latents, options.spread)
    numbers = chosen_faces(options, source)
    check_outputs(options, numbers)
    generator = runs.load_generator(options.model)
    if options.out:
        check_size(options, len(numbers), generator)
    points = chosen_latents(options, source, numbers, generator)
    made_by = provenance.record(generator, numbers)
    pixels = generator.draw(points)
    if options.out:
        sheet = images.grid(images.shown(pixels, generator.pixel_range), options.columns, numbers)
        provenance.save_png(sheet, options.out, made_by)
    if options.each:
        for number, image in zip(numbers, pixels, strict=True):
            provenance.save_png(images.picture(image), Path(options.each) / file_name(number), made_by)
    if options.save_latents:
        with files.whole_file(options.save_latents) as file:
            numpy.savez(file, points)


def parse_arguments():
    parser = commands.parser(__doc__)
    faces.add_arguments(parser)
    parser.add_argument(
        "--faces",
        type=commands.argument(faces.parse),
        metavar="LIST",
        help="numbers and ranges, such as 1-25,30 (default 1-25, or every row of --latents)",
    )
    parser.add_argument("--out", metavar="PNG", help="write the faces as one picture, each with its number")
    parser.add_argument("--columns", type=commands.integer(1), metavar="N", help="faces in a row (default: a square)")
    parser.add_argument(
        "--value", type=commands.number(-1000, 1000), metavar="X", help="draw the one face whose latent is all X"
    )
    parser.add_argument("--each", metavar="FOLDER", help="write every face as a file of its own; a new or empty folder")
    parser.add_argument("--save-latents", metavar="NPZ", help="write the latents drawn, one row a face")
    return parser.parse_args()


def chosen_faces(options, source):
    """The faces to draw; for --value the one label that stands under it."""
    if options.value is not None:
        if options.faces or options.latents:
            raise commands.UserError("--value: is a face by itself; leave out --faces and --latents")
        return [f"{options.value:g}"]
    if options.faces is None and source.rows is not None:
        return list(range(1, len(source.rows) + 1))
    chosen = options.faces or faces.parse(DEFAULT_FACES)
    source.check(chosen)
    return chosen


def check_outputs(options, numbers):
    """Find out before the work whether everything asked for can be written and MODEL is there."""
    if not (options.out or options.each or options.save_latents):
        raise commands.UserError("--out: nothing to write; add --out grid.png, --each FOLDER or --save-latents FILE")
    runs.find_generator(options.model)
    if options.out:
        files.writable_path(options.out, "--out", (".png",))
    if options.save_latents:
        files.writable_path(options.save_latents, "--save-latents", (".npz",))
    if options.each:
        folder = files.writable_folder(options.each, "--each")
        names = {file_name(number) for number in numbers}
        others = sorted(path.name for path in folder.iterdir() if path.name not in names)
        if others:
            raise commands.UserError(f"--each {folder}: holds other files ({others[0]}); name a new or empty folder")


def check_size(options, count, generator):
    try:
        images.layout(count, generator.height, generator.width, options.columns)
    except ValueError as error:
        raise commands.UserError(f"--out {options.out}: {error}, or use --each") from None


def chosen_latents(options, source, numbers, generator):
    if options.value is not None:
        return latents.constant(options.value, generator.latent_dim)
    return source.latents_of(numbers, generator)


def file_name(number):
    return f"face_{number:04d}.png" if isinstance(number, int) else f"face_value_{number}.png"


if __name__ == "__main__":
    commands.run(main)
