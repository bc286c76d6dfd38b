"""Time prepare_faces.py, with and without --fast, against the tutorials' loop on the same photos; compare the boxes.

    python benchmarks/prepare.py celeba.zip --photos 1000 --double

All three read the same JPEG files from a temporary folder. The tutorials' loop opens a photo with Pillow, calls
`detect_faces` of the mtcnn package, crops the first face and resizes it; ours also writes its data set, csv and
journal. Each runs in a new process and prepares a few photos before its clock starts, so that the start of TensorFlow
and compilation count for none. Leaves no files behind.
"""

import concurrent.futures
import csv
import io
import multiprocessing
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from facegan.common import cli
from facegan.preparing import photos, preparer

SIZE = 80
WARM = 512
OURS = {"ours": [], "ours --fast": ["--fast"]}


def main():
    options = parse_arguments()
    with cli.naming("PHOTOS"):
        source = photos.open_source(options.source)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names = write_photos(source, folder / "photos", options)
        print(f"{len(names)} photos, {len(shapes(folder / 'photos'))} sizes")
        ours = {name: in_new_process(run_ours, folder, mode) for name, mode in OURS.items()}
        report(None if options.ours_only else in_new_process(run_tutorial, folder / "photos", names), ours)


def in_new_process(function, *arguments):
    """Call a function in a new process: how it sets TensorFlow does not affect the next one."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def parse_arguments():
    parser = cli.parser(__doc__)
    parser.add_argument("source", metavar="PHOTOS", help="a folder, .zip or list of photos")
    parser.add_argument("--photos", type=cli.integer(1), default=1000, metavar="N", help="how many to take")
    parser.add_argument(
        "--double", action="store_true", help="enlarge each photo twice: CelebA kept at half size is 178x218 again"
    )
    parser.add_argument("--shapes", type=cli.integer(1), metavar="N", help="cut and scale to N random sizes")
    parser.add_argument("--ours-only", action="store_true", help="leave out the tutorials' loop")
    return parser.parse_args()


def write_photos(source, folder, options):
    folder.mkdir()
    random = np.random.default_rng(1)
    sizes = [
        (random.uniform(0.7, 1), random.uniform(0.7, 1), random.uniform(0.8, 2.5)) for _ in range(options.shapes or 0)
    ]
    names = []
    for number, name in enumerate(source.names[: options.photos]):
        with Image.open(io.BytesIO(source.read(name))) as image:
            photo = image.convert("RGB")
        if options.double:
            photo = photo.resize((photo.width * 2, photo.height * 2), Image.Resampling.LANCZOS)
        if sizes:
            across, down, scale = sizes[number % len(sizes)]
            width, height = round(photo.width * across), round(photo.height * down)
            left, top = (photo.width - width) // 2, (photo.height - height) // 2
            photo = photo.crop((left, top, left + width, top + height)).resize(
                (round(width * scale), round(height * scale))
            )
        names.append(f"{number:06}.jpg")
        photo.save(folder / names[-1], quality=95)
    return names


def shapes(folder):
    return {Image.open(path).size for path in folder.iterdir()}


def clocks():
    """Seconds of wall-clock time and of this process's CPU time; the second depends less on other work."""
    return np.array([time.perf_counter(), time.process_time()])


def run_tutorial(folder, names):
    """Run the tutorials' loop; returns (seconds by both clocks, {name: box or None})."""
    import mtcnn

    detector = mtcnn.MTCNN()
    detector.detect_faces(np.asarray(Image.open(folder / names[0])))
    boxes, faces = {}, []
    start = clocks()
    for name in names:
        pixels = np.asarray(Image.open(folder / name).convert("RGB"))
        found = detector.detect_faces(pixels)
        boxes[name] = None
        if found:
            left, top, width, height = boxes[name] = found[0]["box"]
            left, top = abs(left), abs(top)
            face = Image.fromarray(pixels[top : top + height, left : left + width])
            faces.append(np.asarray(face.resize((SIZE, SIZE))))
    np.savez(folder.parent / "tutorial.npz", np.asarray(faces))
    return clocks() - start, boxes


def run_ours(folder, mode):
    """Run prepare_faces.py after a warm-up; returns (seconds by both clocks, {name: box or None})."""
    import prepare_faces

    out = folder / "ours.npz"
    written = ["--out", str(out), "--size", str(SIZE), "--overwrite"]
    sys.argv = ["prepare_faces.py", str(folder / "photos"), *written, *mode]
    faces = preparer.Preparer(prepare_faces.chosen_settings(prepare_faces.parse_arguments()))
    source = photos.open_source(folder / "photos")
    faces.finish([faces.read(name, lambda name=name: source.read(name)) for name in source.names[:WARM]])
    start = clocks()
    prepare_faces.main()
    seconds = clocks() - start
    with out.with_suffix(".csv").open(encoding="utf-8") as file:
        boxes = {
            line["source"]: [int(line[side]) for side in ("left", "top", "width", "height")] if line["row"] else None
            for line in csv.DictReader(file)
        }
    return seconds, boxes


def report(theirs, ours):
    table = {"tutorials' loop": theirs, **ours} if theirs else ours
    print(f"\n{'':18}photos/s  ms of a core  ratio  faces  mean IoU  above 0.8")
    for name, ((seconds, busy), boxes) in table.items():
        found = sum(box is not None for box in boxes.values())
        text = f"{name:18}{len(boxes) / seconds:8.1f}{busy / len(boxes) * 1000:14.1f}"
        text += f"{theirs[0][0] / seconds:7.1f}{found:7}" if theirs else f"{'':7}{found:7}"
        if theirs and boxes is not theirs[1]:
            overlaps = np.array([overlap(theirs[1][key], box) for key, box in boxes.items() if box and theirs[1][key]])
            text += f"{overlaps.mean():10.3f}{(overlaps > 0.8).mean():11.3f}"
        print(text)


def overlap(first, second):
    """Intersection over union of two boxes (left, top, width, height)."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(np.add(first[:2], first[2:]), np.add(second[:2], second[2:]))
    shared = np.prod(np.maximum(high - low, 0))
    return shared / (np.prod(first[2:]) + np.prod(second[2:]) - shared)


if __name__ == "__main__":
    cli.run(main)
