"""Add and subtract faces: smiling woman − neutral woman + neutral man gives a smiling man.

    python vector_arithmetic.py runs/faces80 --plus smiling_woman=92,98,99 --minus neutral_woman=9,21,79 \\
        --plus neutral_man=10,30,45 --out smiling_man.png

Each term is the average of the latents of its faces; what stands before "=" is its name in the picture and may be left
out. The picture has a row a term, its faces and their average, and below them the formula with its result. Writes that
one file.

Needs: facegan/commands.py, faces.py, files.py, images.py, latents.py, model_files.py, old_files.py, provenance.py,
runs.py
"""

import dataclasses

import numpy

from facegan import commands, faces, files, images, latents, provenance, runs


@dataclasses.dataclass(frozen=True)
class Term:
    """A term of the formula: `sign` is 1 or −1, `faces` are averaged, `name` may be empty."""

    sign: int
    name: str
    faces: list

    @property
    def symbol(self):
        return "+" if self.sign > 0 else "−"


def main():
    options = parse_arguments()
    source = faces.Source(options.latents, options.spread)
    check(options, source)
    generator = runs.load_generator(options.model)
    chosen = [source.latents_of(term.faces, generator) for term in options.terms]
    means = [latents.average(rows) for rows in chosen]
    result = sum_of(options.terms, means)
    picture = drawn_formula(generator, options.terms, chosen, means, result)
    made_by = provenance.record(generator, [face for term in options.terms for face in term.faces])
    provenance.save_png(picture, options.out, made_by)


def parse_arguments():
    parser = commands.parser(__doc__)
    faces.add_arguments(parser)
    for option, sign, verb in (("--plus", 1, "add"), ("--minus", -1, "subtract")):
        parser.add_argument(
            option,
            dest="terms",
            action="append",
            type=commands.argument(lambda text, sign=sign: parse_term(text, sign)),
            metavar="[NAME=]LIST",
            help=f"{verb} the average of these faces; may be given again",
        )
    parser.add_argument("--out", required=True, metavar="PNG", help="the picture to write")
    return parser.parse_args()


def parse_term(text, sign):
    name, equals, listed = text.rpartition("=")
    if equals and not name.strip():
        raise ValueError(f"{text!r} has no name before '='; write name=92,98,99 or 92,98,99")
    return Term(sign, name.strip(), faces.parse(listed))


def check(options, source):
    if not any(term.sign > 0 for term in options.terms or []):
        raise commands.UserError("--plus: nothing to add; name faces, such as --plus smiling_woman=92,98,99")
    for term in options.terms:
        source.check(term.faces, "--plus" if term.sign > 0 else "--minus")
    files.writable_path(options.out, "--out", (".png",))
    runs.find_generator(options.model)


def sum_of(terms, means):
    plus = [mean for term, mean in zip(terms, means, strict=True) if term.sign > 0]
    minus = [mean for term, mean in zip(terms, means, strict=True) if term.sign < 0]
    return latents.combine(plus, minus)


def drawn_formula(generator, terms, chosen, means, result):
    """A row a term, its faces and their average, then the formula with its result."""
    rows = [numpy.concatenate([points, mean[None]]) for points, mean in zip(chosen, means, strict=True)]
    drawn = generator.draw(numpy.concatenate([*rows, result[None]]))
    pixels = iter(numpy.split(images.shown(drawn, generator.pixel_range), numpy.cumsum([len(row) for row in rows])))
    pictures, averages = [], []
    for term, part in zip(terms, pixels, strict=False):
        pictures.append(images.grid(part, min(len(part), 12), [*term.faces, "average"]))
        averages.append(part[-1])
    formula = numpy.stack([*averages, next(pixels)[0]])
    signs = [f"{term.symbol} {term.name}" for term in terms]
    pictures.append(images.grid(formula, min(len(formula), 12), [*signs, "= result"]))
    return images.stack(pictures, [*signs, "the averages and the result"])


if __name__ == "__main__":
    commands.run(main)
