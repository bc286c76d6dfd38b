"""Add and subtract faces, as in smiling woman − neutral woman + neutral man.

    python vector_arithmetic.py --plus smiling_woman=25,113,150 \\
        --minus neutral_woman=33,43,99 --plus neutral_man=49,66,112 --out man.png
    python vector_arithmetic.py --find-direction smile --save-direction smile.npz

A TERM is [NAME=][WEIGHT*]LIST, the average of faces such as 18,81-83,me.jpg, or
the name of a direction, saved or auto1, auto2, … Writes --out, --save-direction
and, for each photograph, its latent and a picture of its reconstruction.
docs/exploring.md explains terms, strengths and directions.
Copy with it: facegan/common and exploring; for --find-direction also metrics, for
photographs metrics and preparing.
"""

import functools
import sys
from pathlib import Path

from facegan.common import cli, faces, generators, images, latents, provenance
from facegan.exploring import directions, formula

import numpy as np

OPTIONS = {1: "--plus", -1: "--minus"}  # by the sign of their terms
AUTO = "auto"
AUTO_COUNT = 10
SEARCH_APPLY_TO = "1-5"  # what --find-direction draws by default
AUTO_APPLY_TO = "2"
SEARCH_STRENGTH = (-2.0, 2.0)
LONGEST_ROW = 12


def main():
    options = parse_arguments()
    check_options(options)
    source = faces.open_source(options, chosen_faces(options))
    terms = read_directions(options)
    labelled = read_labels(options)
    inputs = {"--latents": options.latents, "--labels": options.labels}
    outputs = {"--out": (options.out, ".png"), "--save-direction": (options.save_direction, ".npz")}
    cli.require_writable(outputs, inputs)
    generator = faces.load_generator(options, source)
    check_sizes(options, generator)
    if options.find_direction == AUTO:
        save_picture(drawn_unsupervised(options, source, generator), options, generator)
        return
    terms = [complete(formula.for_generator, term, generator) for term in terms]
    if options.find_direction:
        change, base = search_direction(options.find_direction, generator, labelled), None
    else:
        points = [formula.latents_of(term, source, generator, output_folder(options)) for term in terms]
        means = [latents.average(part) for part in points]
        change, base = formula.change_and_base(terms, means, whole=bool(options.apply_to))
    if options.save_direction:
        directions.save(directions.Direction(change, generator.fingerprint), options.save_direction)
    if options.out:
        if options.strength or options.apply_to:
            starts, captions = faces_to_change(options, source, generator, base)
            strengths = chosen_strengths(options)
            picture = drawn_change(generator, starts[:, None] + strengths[:, None] * change, captions, strengths)
        else:
            picture = drawn_formula(generator, terms, points, means)
        save_picture(picture, options, generator)


def parse_arguments():
    parser = cli.parser(__doc__)
    faces.add_arguments(parser)
    add = parser.add_argument_group("the formula (repeat either option as needed)").add_argument
    for sign, option in OPTIONS.items():
        verb = "add" if sign > 0 else "subtract"
        parse = cli.argument(functools.partial(formula.parse_term, sign=sign))
        add(option, dest="terms", action="append", default=[], type=parse, metavar="TERM", help=f"{verb} a term")
    add = parser.add_argument_group("the formula as a change").add_argument
    add("--apply-to", type=cli.argument(faces.parse), metavar="LIST", help="change each of these faces")
    parse = cli.argument(formula.parse_strengths)
    add("--strength", type=parse, metavar="A..B", help="draw the change at strengths A to B; 1 adds it once")
    add("--steps", type=cli.integer(2, 100), default=9, metavar="N", help="number of strengths")
    add = parser.add_argument_group("directions").add_argument
    names = ", ".join(directions.ATTRIBUTES)
    known = f"{names}, or a column of --labels; auto draws auto1 to auto{AUTO_COUNT}"
    add("--find-direction", metavar="NAME", help=f"find the direction of {known}")
    add("--labels", metavar="NPZ", help="a data set whose .csv has a numeric column NAME")
    add = parser.add_argument_group("output").add_argument
    add("--out", metavar="PNG", help="the picture")
    add("--save-direction", metavar="NPZ", help="save the change; smile.npz can then be used as the term smile")
    options = parser.parse_args(joined_strength(sys.argv[1:]))
    if options.find_direction:
        shown = AUTO_APPLY_TO if options.find_direction == AUTO else SEARCH_APPLY_TO
        options.apply_to = options.apply_to or faces.parse(shown)
        options.strength = options.strength or SEARCH_STRENGTH
    return options


def joined_strength(words):
    """Join "--strength" and "-2..2" with "=": argparse would take the second for an option."""
    joined = []
    for word in words:
        if joined and joined[-1] == "--strength":
            joined[-1] = f"--strength={word}"
        else:
            joined.append(word)
    return joined


def check_options(options):
    """Refuse options that do not go together."""
    name, names = options.find_direction, ", ".join(directions.ATTRIBUTES)
    if not (options.out or options.save_direction):
        raise cli.UserError("--out: nothing to write; add --out result.png or --save-direction name.npz")
    if options.labels and not name:
        raise cli.UserError("--labels: only --find-direction uses it")
    if not name and not any(term.sign > 0 for term in options.terms):
        raise cli.UserError("--plus: nothing to add; name faces, such as --plus smiling_woman=92,98,99")
    if name == AUTO and (options.labels or options.save_direction):
        raise cli.UserError(
            "--find-direction auto: only draws; leave out --labels and --save-direction, and save one direction with "
            "--plus auto3 --save-direction name.npz"
        )
    if name and options.terms:
        raise cli.UserError("--find-direction: does not go with a formula; leave out --plus and --minus")
    if name and not options.labels and name not in (AUTO, *directions.ATTRIBUTES):
        raise cli.UserError(f"--find-direction {name}: must be one of {names}, auto, or a column of --labels faces.npz")
    if name and name != AUTO:
        cli.require_rooms(("metrics",), "--find-direction")
        cli.require_packages(("mtcnn",), "--find-direction")


def chosen_faces(options):
    return [face for term in options.terms for face in term.faces or []] + (options.apply_to or [])


def read_directions(options):
    """The terms, with saved directions read from their files."""
    with cli.naming("MODEL"):
        model_folder = generators.find_generator(options.model).parent
    folders = (".", Path(options.out or ".").parent, model_folder)
    return [complete(formula.with_direction, term, folders) for term in options.terms]


def complete(change, term, *arguments):
    """A term after a function of `formula`, whose errors are those of the term's option."""
    with cli.naming(OPTIONS[term.sign]):
        return change(term, *arguments)


def read_labels(options):
    """The images of --labels and their values, or None."""
    if not options.labels:
        return None
    from facegan.exploring import direction_search

    with cli.naming("--labels"):
        return direction_search.read_labels(options.labels, options.find_direction)


def check_sizes(options, generator):
    """Check that no part of the picture would be too large."""
    rows = {OPTIONS[term.sign]: len(term.faces) + 1 for term in options.terms if term.faces}
    if options.strength or options.apply_to:
        rows = {"--apply-to": len(options.apply_to or [None]) * len(chosen_strengths(options))}
    for option, count in rows.items() if options.out else ():
        with cli.naming(f"{option}:"):
            images.layout(count, generator.height, generator.width, LONGEST_ROW)


def search_direction(name, generator, labelled):
    """Search for a direction, print what it changes, and return its step."""
    from facegan.exploring import direction_search

    label = None
    if labelled:
        label = direction_search.Label(*labelled)
        print(f"{name}: its predictor's correlation with the labels of held-out images is {label.agreement:.2f}")
    try:
        finding = direction_search.search(generator, name, label)
    except direction_search.NoDirectionError as error:
        raise cli.UserError(f"--find-direction {error}") from None
    print("\n".join(finding.table()))
    return finding.step


def drawn_unsupervised(options, source, generator):
    """Print the shares of the first unsupervised directions, and draw each of them in a row for each face."""
    with cli.naming("--find-direction auto:"):
        steps, shares = directions.unsupervised(generator, min(AUTO_COUNT, generator.latent_dim))
    named = {f"auto{k}": share for k, share in enumerate(shares, start=1)}
    print("Share of the first layer's variance:", ", ".join(f"{name} {share:.1%}" for name, share in named.items()))
    starts, captions = faces_to_change(options, source, generator, None)
    strengths = chosen_strengths(options)
    changed = starts[:, None] + strengths[:, None] * steps[:, None, None]  # (directions, faces, strengths, latent_dim)
    rows = [f"{name}: {caption}" for name in named for caption in captions]
    return drawn_change(generator, changed.reshape(len(rows), -1, generator.latent_dim), rows, strengths)


def drawn_formula(generator, terms, points, means):
    """A row for each term with its faces and their average, then the formula and its result."""
    rows = [np.concatenate([part, mean[None]]) for part, mean in zip(points, means, strict=True)]
    drawn = generator.draw(np.concatenate([*rows, formula.total(terms, means)[None]]))
    *parts, result = np.split(images.as_shown(drawn, generator.inverted), np.cumsum([len(row) for row in rows]))
    pictures = []
    for term, part in zip(terms, parts, strict=True):
        labels = [*map(faces.label, term.faces), "average"] if term.faces else [term.name]
        pictures.append(images.grid(part[: len(labels)], min(len(labels), LONGEST_ROW), labels))
    averages = np.stack([*(part[-1] for part in parts), result[0]])
    captions = [term.caption for term in terms]
    pictures.append(images.grid(averages, min(len(averages), LONGEST_ROW), [*captions, "= result"]))
    return images.stack(pictures, [*captions, "the averages and the result"])


def faces_to_change(options, source, generator, base):
    """The latents (n, latent_dim) to which the change is applied, and the captions of their rows."""
    if options.apply_to:
        captions = [f"face {faces.label(face)}" for face in options.apply_to]
        return source.latents_of(options.apply_to, generator, output_folder(options)), captions
    return base[None], [options.terms[-1].caption if base.any() else "the average face"]


def chosen_strengths(options):
    """What the change is multiplied by in each column: (n,) float64; without --strength, 0 and 1."""
    first, last = options.strength or (0.0, 1.0)
    return np.linspace(first, last, 1 if first == last else options.steps if options.strength else 2)


def drawn_change(generator, changed, captions, strengths):
    """A row for each face and a column for each strength, from latents (faces, strengths, latent_dim)."""
    drawn = images.as_shown(generator.draw(changed.reshape(-1, generator.latent_dim)), generator.inverted)
    rows = drawn.reshape(*changed.shape[:2], *drawn.shape[1:])
    labels = [f"{strength:g}" for strength in np.round(strengths, 3)]
    return images.stack([images.grid(row, len(labels), labels) for row in rows], captions)


def save_picture(picture, options, generator):
    provenance.save_png(picture, options.out, provenance.record(generator, used_faces(options)))


def output_folder(options):
    """The folder in which the latents of photographs are kept: the output's."""
    return Path(options.out or options.save_direction).parent


def used_faces(options):
    """The faces and directions in the picture, for its provenance record."""
    return [face for term in options.terms for face in term.faces or [term.name]] + (options.apply_to or [])


if __name__ == "__main__":
    cli.run(main)
