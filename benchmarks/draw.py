"""How long it takes to draw faces, from the start of the process to its end, with numpy and with Keras.

    python benchmarks/draw.py
    python benchmarks/draw.py runs/faces80 --faces 25,500 --rounds 5

Ours is generate.py --faces 1-N --out PNG. The baseline draws the same picture in a
process that imports Keras and draws with the Keras model. Both are run in turn, and
the fastest of each counts. Writes nothing that stays.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from facegan.common import cli, faces, generators, images, provenance

GENERATE = Path(__file__).parent.parent / "generate.py"
ROW = "{:>6} {:>11} {:>11} {:>11} {:>11} {:>7}"


def main():
    options = parse_arguments()
    with cli.naming("MODEL"):
        model = str(generators.find_generator(options.model).resolve())
    if options.keras:
        draw_with_keras(model, options.faces[0], options.keras)
        return
    print(ROW.format("faces", "Keras, s", "Keras, CPU", "ours, s", "ours, CPU", "ratio"))
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/faces.png"
        for count in options.faces:
            baseline = [sys.executable, __file__, model, "--faces", str(count), "--keras", out]
            ours = [sys.executable, GENERATE, model, "--faces", f"1-{count}", "--out", out]
            runs = [(*measured(baseline), *measured(ours)) for _ in range(options.rounds)]
            theirs, their_cpu, own, own_cpu = (min(column) for column in zip(*runs, strict=True))
            seconds = [f"{value:.2f}" for value in (theirs, their_cpu, own, own_cpu, theirs / own)]
            print(ROW.format(count, *seconds), flush=True)


def parse_arguments():
    parser = cli.parser(__doc__)
    faces.add_model(parser)
    add = parser.add_argument
    add("--faces", type=counts, default=[25, 500, 2500], metavar="LIST", help="how many (default: 25,500,2500)")
    add("--rounds", type=cli.integer(1), default=3, metavar="N", help="how often each is run")
    add("--keras", metavar="PNG", help="draw the first number of faces with Keras in this process: the baseline")
    return parser.parse_args()


@cli.argument
def counts(text):
    return [cli.integer(1)(part) for part in text.split(",")]


def measured(command):
    """The seconds that a command takes, and the processor time of its threads."""
    before, start = children_seconds(), time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start, children_seconds() - before


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def draw_with_keras(model, count, out):
    numbers = range(1, count + 1)
    generator = generators.load_generator(model)
    pixels = generator.in_keras().draw(generator.latents_of(numbers))
    sheet = images.grid(images.as_shown(pixels, generator.inverted), None, numbers)
    provenance.save_png(sheet, out, provenance.record(generator, numbers))


if __name__ == "__main__":
    cli.run(main)
