"""Add and subtract faces: smiling woman − neutral woman + neutral man gives a smiling man.

    python vector_arithmetic.py runs/faces80 --plus smiling_woman=92,98,99 --minus neutral_woman=9,21,79 \\
        --plus neutral_man=10,30,45 --out smiling_man.png
    python vector_arithmetic.py runs/faces80 --find-direction smile --save-direction smile.npz --out smile.png
    python vector_arithmetic.py runs/faces80 --plus smile --apply-to 1-10 --strength -2..2 --out smiles.png

Each term is the average of the latents of its faces, or a saved direction by its name, and may have a weight, as in
0.5*smile. What stands before "=" is its name in the picture and may be left out. The picture has a row a term, its
faces and their average, and below them the formula with its result. MODEL left out is the generator that comes with
the scripts.

With --strength or --apply-to the formula is a change, and the picture has a row a face and a column a strength. A
formula that ends in --plus is applied to that last term, one that ends in --minus to the average face; with --apply-to
all of it is the change. --save-direction keeps the change for later formulas. --find-direction looks for one, on
generated faces, and prints how far the attribute rises on fresh faces and what else moves.

A photograph may stand wherever a face does: 0.5*me.jpg. Writes --out and --save-direction, and for a photograph beside
them me-KEY.latent.npz, its latent, found once, and me-KEY.photo.png, it and its reconstruction.

Needs: facegan/attributes.py, commands.py, crops.py, detector.py, directions.py, face_features.py, faces.py, files.py,
formula.py, images.py, inversion.py, latents.py, model_files.py, npz.py, old_files.py, photographs.py, photos.py,
preparation.py, provenance.py, pyramid.py, runs.py, search.py, suppression.py
"""

import sys
from pathlib import Path

import numpy

from facegan import commands, directions, faces, files, formula, images, latents, provenance, runs

ATTRIBUTES = ("smile", "turn", "nod", "tilt", "brightness")
SHOWN_CHANGED = "1-5"
SHOWN_STRENGTHS = (-2.0, 2.0)
LONGEST_ROW = 12


def main():
    options = parse_arguments()
    source = faces.Source(options.latents, options.spread)
    check(options, source)
    generator = runs.load_generator(options.model)
    if options.find_direction:
        change, base = found_direction(options, generator), None
    else:
        formula.check_directions(options.terms, generator)
        chosen = [formula.latents_of(term, source, generator, output_folder(options)) for term in options.terms]
        means = [latents.average(points) for points in chosen]
        change, base = formula.change_and_base(options.terms, means, whole=bool(options.apply_to))
    if options.save_direction:
        directions.save(directions.Direction(change, generator.fingerprint), options.save_direction)
    if options.out:
        if options.strength or options.apply_to:
            starts, captions = changed_faces(options, source, generator, base)
            picture = drawn_change(options, generator, starts, captions, change)
        else:
            picture = drawn_formula(generator, options.terms, chosen, means)
        provenance.save_png(picture, options.out, provenance.record(generator, used_faces(options)))


def parse_arguments():
    parser = commands.parser(__doc__)
    faces.add_arguments(parser)
    for option, sign, verb in (("--plus", 1, "add"), ("--minus", -1, "subtract")):
        parser.add_argument(
            option,
            dest="terms",
            action="append",
            default=[],
            type=commands.argument(lambda text, sign=sign: formula.parse_term(text, sign)),
            metavar="[NAME=][WEIGHT*]LIST",
            help=f"{verb} the average of these faces, or a saved direction; may be given again",
        )
    parser.add_argument("--out", metavar="PNG", help="the picture to write")
    parser.add_argument("--apply-to", type=commands.argument(faces.parse), metavar="LIST", help="change these faces")
    parser.add_argument(
        "--strength",
        type=commands.argument(formula.parse_strengths),
        metavar="A..B",
        help="draw the change at strengths from A to B (1 is the formula as it stands)",
    )
    parser.add_argument(
        "--steps", type=commands.integer(2, 100), default=9, metavar="N", help="strengths drawn (default 9)"
    )
    parser.add_argument("--save-direction", metavar="NPZ", help="keep the change, to be used by its name")
    parser.add_argument(
        "--find-direction",
        metavar="ATTRIBUTE",
        help=f"find the change that makes more of it: {', '.join(ATTRIBUTES)}; or a column of --labels",
    )
    parser.add_argument(
        "--labels", metavar="NPZ", help="a data set whose csv, beside it, has the attribute as a column"
    )
    return parser.parse_args(with_strength_joined(sys.argv[1:]))


def with_strength_joined(words):
    """Join "--strength" and "-2..2" by "=": argparse takes a word that begins with "-" for an option."""
    joined = []
    for word in words:
        if joined and joined[-1] == "--strength":
            joined[-1] = f"--strength={word}"
        else:
            joined.append(word)
    return joined


def check(options, source):
    """Find out before the work whether the options fit together and everything can be written."""
    if not (options.out or options.save_direction):
        raise commands.UserError("--out: nothing to write; add --out result.png or --save-direction name.npz")
    if options.find_direction:
        check_search(options)
    elif options.labels:
        raise commands.UserError("--labels: goes with --find-direction")
    elif not any(term.sign > 0 for term in options.terms):
        raise commands.UserError("--plus: nothing to add; name faces, such as --plus smiling_woman=92,98,99")
    for term in options.terms:
        source.check(term.faces or [], term.option)
    source.check(options.apply_to or [], "--apply-to")
    model_folder = runs.find_generator(options.model).parent
    folders = [".", Path(options.out).parent if options.out else ".", model_folder]
    options.terms = formula.with_directions(options.terms, folders)
    if options.out:
        files.writable_path(options.out, "--out", (".png",))
    if options.save_direction:
        files.writable_path(options.save_direction, "--save-direction", (".npz",))


def check_search(options):
    if options.terms:
        raise commands.UserError("--find-direction: is found without a formula; leave out --plus and --minus")
    if not options.labels and options.find_direction not in ATTRIBUTES:
        raise commands.UserError(
            f"--find-direction {options.find_direction}: must be one of {', '.join(ATTRIBUTES)}, "
            "or a column of --labels faces.npz"
        )
    if options.labels and not Path(options.labels).is_file():
        raise commands.UserError(f"--labels {options.labels}: no such file")
    options.apply_to = options.apply_to or faces.parse(SHOWN_CHANGED)
    options.strength = options.strength or SHOWN_STRENGTHS


def found_direction(options, generator):
    """Search for the direction and print what it moves."""
    from facegan import attributes, search

    label = None
    if options.labels:
        try:
            label = attributes.Label(options.labels, options.find_direction)
        except (ValueError, OSError) as error:
            raise commands.UserError(f"--labels {error}") from None
        print(f"{options.find_direction} read off faces agrees with the labels to {label.agreement:.2f} (correlation)")
    try:
        finding = search.Finding(generator, options.find_direction, label)
    except ValueError as error:
        raise commands.UserError(f"--find-direction {options.find_direction}: {error}") from None
    print("\n".join(finding.table()))
    return finding.step


def changed_faces(options, source, generator, base):
    """The latents (n, latent_dim) that the change is applied to, and what stands above their rows."""
    if options.apply_to:
        captions = [f"face {faces.label(face)}" for face in options.apply_to]
        return source.latents_of(options.apply_to, generator, output_folder(options)), captions
    return base[None], [options.terms[-1].caption if base.any() else "the average face"]


def output_folder(options):
    """Where the latents of photographs are kept: beside the output."""
    return Path(options.out or options.save_direction).parent


def used_faces(options):
    return [face for term in options.terms for face in term.faces or [term.name]] + (options.apply_to or [])


def drawn_formula(generator, terms, chosen, means):
    """A row a term, its faces and their average, then the formula with its result."""
    rows = [numpy.concatenate([points, mean[None]]) for points, mean in zip(chosen, means, strict=True)]
    drawn = generator.draw(numpy.concatenate([*rows, formula.total(terms, means)[None]]))
    *parts, result = numpy.split(images.shown(drawn, generator.pixel_range), numpy.cumsum([len(row) for row in rows]))
    pictures = []
    for term, part in zip(terms, parts, strict=True):
        labels = [*map(faces.label, term.faces), "average"] if term.faces else [term.name]
        pictures.append(images.grid(part[: len(labels)], min(len(labels), LONGEST_ROW), labels))
    averages = numpy.stack([*(part[-1] for part in parts), result[0]])
    captions = [term.caption for term in terms]
    pictures.append(images.grid(averages, min(len(averages), LONGEST_ROW), [*captions, "= result"]))
    return images.stack(pictures, [*captions, "the averages and the result"])


def drawn_change(options, generator, starts, captions, change):
    """A row a face that is changed, a column a strength."""
    first, last = options.strength or (0.0, 1.0)
    count = 1 if first == last else options.steps if options.strength else 2
    strengths = numpy.linspace(first, last, count)
    changed = starts[:, None] + strengths[None, :, None] * change
    drawn = images.shown(generator.draw(changed.reshape(-1, generator.latent_dim)), generator.pixel_range)
    rows = drawn.reshape(len(starts), count, *drawn.shape[1:])
    labels = [f"{strength:g}" for strength in numpy.round(strengths, 3)]
    return images.stack([images.grid(row, count, labels) for row in rows], captions)


if __name__ == "__main__":
    commands.run(main)
