"""Time the page that explore.py writes, in headless Chromium: faces a second, and seconds until it is ready.

    python benchmarks/page.py
    python benchmarks/page.py runs/faces80 --plain

Prints a line for one worker and one for the workers that the page uses, and how far the pixels are from Python's.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(1, str(Path(__file__).parent.parent / "tests" / "helpers"))

from facegan.common import cli, faces, generators

import browser
import numpy as np

ROOT = Path(__file__).parent.parent
FACES = 40
FIRST = 100_001  # faces that are not on the wall
ROUNDS = 3
# Draws faces with the first workers only; returns milliseconds and the pixels of the faces.
DRAW = """
const [first, count, workers, done] = arguments;
const waiting = artist.idle.splice(workers);
const pixels = [];
const started = performance.now();
for (let k = 0; k < count; k++) {
  const face = String(first + k);
  artist.draw(null, () => latentOf(face, 1), URGENCY.stage, ({ data }) => {
    pixels[k] = Array.from(data);
    if (Object.keys(pixels).length < count) return;
    artist.idle.push(...waiting);
    done([performance.now() - started, pixels]);
  });
}
"""


def main():
    options = parse_arguments()
    with cli.naming("MODEL"):
        generator = generators.load_generator(options.model)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "explore.html"
        command = [sys.executable, ROOT / "explore.py", *([options.model] if options.model else []), "--out", page]
        subprocess.run([*map(str, command), "--no-detector", "--map", "0"], check=True)
        if options.plain:
            without = page.read_text(encoding="utf-8").replace("'wasm-unsafe-eval'", "")
            page.write_text(without, encoding="utf-8")
        print(f"{generator.path}: a page of {page.stat().st_size / 1e6:.1f} MB")
        with browser.opened(Path(folder) / "profile") as chromium:
            measure(chromium, page, generator)


def parse_arguments():
    parser = cli.parser(__doc__)
    faces.add_model(parser)
    parser.add_argument("--plain", action="store_true", help="forbid WebAssembly: plain JavaScript")
    return parser.parse_args()


def measure(chromium, page, generator):
    chromium.open(page)
    chromium.wait_for("return Boolean(seenCanvas.dataset.shown)", seconds=120)
    loaded = chromium.execute_script("return performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    print(f"loaded in {loaded / 1000:.2f} s")
    every = chromium.execute_script("return artist.workers")
    chromium.wait_for("return artist.idle.length === artist.workers", seconds=300)
    chromium.set_script_timeout(600)
    for workers in sorted({1, every}):
        times = [chromium.execute_async_script(DRAW, FIRST, FACES, workers)[0] for _ in range(ROUNDS)]
        rate = 1000 * FACES / statistics.median(times)
        print(f"{workers} worker{'s' * (workers > 1)}: {rate:.1f} faces/s (median of {ROUNDS} rounds of {FACES})")
    _, pixels = chromium.execute_async_script(DRAW, FIRST, FACES, every)
    drawn = generator.draw(generator.latents_of(range(FIRST, FIRST + FACES))).astype(int)
    found = np.reshape(pixels, (FACES, generator.height, generator.width, 4))[..., : generator.channels]
    print(f"pixels differ from Python's by {abs(found - drawn).max()} levels at most")


if __name__ == "__main__":
    cli.run(main)
