"""Write a page on which to explore a generator, one file that opens in any browser.

    python explore.py --out explore.html
    python explore.py runs/faces80 --truncation 0.8 --out explore.html

The generator runs in the page, with all its faces, sliders, walks, sums and a map of
similar faces; it copies the command for what it shows. Writes --out and, for each
photograph, two files beside it.
docs/exploring.md says what the page can do.
Copy with it: facegan/common, exploring and metrics; for photographs preparing.
"""

import shlex
from pathlib import Path

from facegan.common import cli, faces, files, generators, provenance
from facegan.exploring import directions, formula, map_layout, page_network, web_pages

UNSUPERVISED = 10  # sliders for auto1, auto2, …
MAPPED = 1_024
MOST_MAPPED = 40_000  # of 80x80 pixels or wider: phones and some browsers show no picture of more than 16,000 a side
MOST_GIVEN = 20_000  # rows of --latents in the page; more would make it slow to open


def main():
    options = parse_arguments()
    check_options(options)
    source = faces.open_source(options, options.faces or [])
    shown = chosen_faces(options, source)
    terms = read_directions(options)
    with cli.naming("--out"):
        out = files.writable_path(options.out, (".html",))
    generator = faces.load_generator(options, source)
    with cli.naming("--direction"):
        saved = [formula.for_generator(term, generator) for term in terms]
    studied = None if options.no_detector else draw_studied(generator)
    text = web_pages.explore_page(
        generator,
        page_network.describe(generator.network),
        faces=faces_of_page(source, shown, generator, out.parent),
        sliders=sliders_of_page(saved, studied, generator),
        map_=draw_map(options, source, shown, studied, generator, out.parent),
        truncation=options.truncation,
        model=shlex.quote(str(options.model)) if options.model else "",
        options=shlex.join(["--latents", str(options.latents)]) if options.latents else "",
        made_by=provenance.record(generator, shown or ["every number"]),
    )
    with files.atomic_write(out, "w", encoding="utf-8") as file:
        file.write(files.printable(text))


def parse_arguments():
    parser = cli.parser(__doc__)
    which = parser.add_argument_group("which faces")
    help_faces = "only these on wall and map (default: every number, or all rows of --latents)"
    which.add_argument("--faces", type=cli.argument(faces.parse), metavar="LIST", help=help_faces)
    faces.add_arguments(parser, which)
    add = parser.add_argument_group("what is on the page").add_argument
    help_map = "faces on the map; 0 for no map"
    add("--map", type=cli.integer(0, MOST_MAPPED), default=MAPPED, metavar="N", help=help_map)
    help_like = "what makes faces neighbours on the map (default: face, or shape if these are no faces)"
    add("--like", choices=map_layout.KINDS, help=help_like)
    help_direction = "a slider for a direction that was saved, such as glasses (repeat as needed)"
    add("--direction", action="append", default=[], metavar="NAME", help=help_direction)
    help_detector = f"no sliders for {', '.join(directions.ATTRIBUTES)}; a map by shape"
    add("--no-detector", action="store_true", help=help_detector)
    add = parser.add_argument_group("what to write").add_argument
    add("--out", required=True, metavar="HTML", help="the page")
    return parser.parse_args()


def check_options(options):
    """Check that the options go together and that the rooms they need were copied."""
    if options.no_detector and options.like == "face":
        raise cli.UserError("--like face: compares by the detector's features; leave out --no-detector, or say shape")
    if not options.no_detector:
        cli.require_rooms(("metrics",), "without --no-detector")
        cli.require_packages(("mtcnn",), "without --no-detector")


def chosen_faces(options, source):
    """The faces that the page is for, or None for every number."""
    if source.rows is None or options.faces:
        return options.faces and list(dict.fromkeys(options.faces))
    if len(source.rows) > MOST_GIVEN:
        raise cli.UserError(f"--latents: has {len(source.rows):,} rows; choose some, as in --faces 1-{MOST_GIVEN}")
    return list(range(1, len(source.rows) + 1))


def read_directions(options):
    """The directions of --direction, as terms of a formula."""
    folders = (".", Path(options.out).parent, generators.find_generator(options.model).parent)
    with cli.naming("--direction"):
        terms = [formula.parse_term(name, sign=1) for name in options.direction]
        for term in terms:
            if term.faces:
                raise ValueError(f"{term.faces[0]}: is a face; name a direction that vector_arithmetic.py saved")
            if term.weight != 1:
                raise ValueError(f"{term.written}: has a weight, which a slider sets; leave out {term.weight:g}*")
        return [formula.with_direction(term, folders) for term in terms]


def faces_of_page(source, shown, generator, folder):
    """The faces as the page needs them: latents only of those that have no number."""
    photographs = [face for face in shown or [] if isinstance(face, Path)]
    given = dict(zip(map(str, photographs), source.latents_of(photographs, generator, folder), strict=True))
    if source.rows is not None:
        given |= {str(face): source.rows[face - 1] for face in shown if not isinstance(face, Path)}
    return web_pages.Faces(
        labels=shown and [str(face) for face in shown],
        from_file=source.rows is not None,
        given=given,
        photographs=[str(face) for face in photographs],
    )


def draw_studied(generator):
    """The pixels of the numbered faces that directions are fitted to, some of which the map needs too."""
    from facegan.exploring import direction_search

    return generator.draw(generator.latents_of(range(1, direction_search.STUDIED + 1)))


def sliders_of_page(saved, studied, generator):
    """Sliders for the saved directions, for those found on faces, and for unsupervised ones."""
    sliders = {term.name: web_pages.Slider(term.name, term.direction.step, "named", term.written) for term in saved}
    if studied is not None:
        from facegan.exploring import direction_search

        for name, step in direction_search.search_all(generator, studied).items():
            found = f"--find-direction {name} --save-direction {name}.npz"
            sliders.setdefault(name, web_pages.Slider(name, step, "named", name, saved_by=found))
    for number, step in enumerate(unsupervised_steps(generator), start=1):
        sliders[f"auto{number}"] = web_pages.Slider(f"auto{number}", step, "unsupervised", f"auto{number}")
    return list(sliders.values())


def unsupervised_steps(generator):
    """The steps of auto1, auto2, …, or none if the generator's first layer has none."""
    try:
        return directions.unsupervised(generator, min(UNSUPERVISED, generator.latent_dim))[0]
    except ValueError:
        return []


def draw_map(options, source, shown, studied, generator, folder):
    """Draw the faces of the map and lay them out, or None without --map."""
    labels = shown[: options.map] if shown else list(range(1, options.map + 1))
    if not options.map:
        return None
    if studied is not None and not shown and options.truncation == 1 and len(labels) <= len(studied):
        pixels = studied[: len(labels)]
    else:
        pixels = generator.draw(source.latents_of(labels, generator, folder))
    order = map_layout.arrange(map_layout.describe(pixels, likeness(options, pixels)))
    return web_pages.Map(pixels, labels, order)


def likeness(options, pixels):
    if options.like or options.no_detector:
        return options.like or "shape"
    from facegan.metrics import quality

    return "face" if quality.are_faces(pixels) else "shape"


if __name__ == "__main__":
    cli.run(main)
