"""The demo: synthetic portraits, the commands of its stages, and the page of their results."""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import demo
import explore
import generate
import interpolate
import make_portraits
import prepare_faces
import train_gan
import vector_arithmetic
from facegan.common import cli
from facegan.preparing import detector, photos
from facegan.training import presets

import drawing
import numpy as np
import pytest
import tiny
from matplotlib import cbook
from PIL import Image

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    Path(script.__file__).name: script
    for script in (explore, generate, interpolate, make_portraits, prepare_faces, train_gan, vector_arithmetic)
}


def real_face():
    """The face of matplotlib's sample photograph as a data set would have it: (80, 80, 3) uint8."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB").crop((178, 110, 351, 330)).resize((80, 80)))


def drawn(face, seed):
    return np.asarray(make_portraits.portrait(face, np.random.default_rng(seed)))


def test_portraits_vary_in_size_and_the_same_seed_gives_the_same():
    face = real_face()
    pictures = [drawn(face, seed) for seed in range(30)]
    sides = {picture.shape for picture in pictures}
    assert len(sides) > 25 and all(150 <= side <= 630 for shape in sides for side in shape[:2])
    assert any(height > width for height, width, _ in sides) and any(height < width for height, width, _ in sides)
    np.testing.assert_array_equal(drawn(face, 3), pictures[3])


@pytest.mark.parametrize("shape", [(16, 16, 1), (28, 20, 3)])
def test_grey_faces_and_faces_of_any_size_make_portraits(shape):
    assert drawn(np.full(shape, 128, np.uint8), 0).shape[2] == 3


def test_the_detector_finds_faces_where_they_were_pasted(monkeypatch):
    places = []
    paste = make_portraits._paste_face

    def noting_paste(picture, face, place, random):
        places.append(place)
        paste(picture, face, place, random)

    monkeypatch.setattr(make_portraits, "_paste_face", noting_paste)
    face = real_face()
    pictures = [drawn(face, seed) for seed in range(20)]
    found = detector.Detector().detect(pictures)
    hits = [
        bool(faces) and np.abs((faces[0].box[:2] + faces[0].box[2:]) / 2 - middle).max() < half.min() / 2
        for faces, (middle, half) in zip(found, places, strict=True)
    ]
    assert sum(hits) >= 19


def test_portraits_are_readable_photographs_marked_as_synthetic(monkeypatch, capsys, bundled):
    assert drawing.run(monkeypatch, make_portraits, "--out", "some/photographs", "--count", 5) is None
    assert drawing.files_in(".") == [f"some/photographs/portrait_000{number}.jpg" for number in range(1, 6)]
    assert "5 synthetic portraits" in capsys.readouterr().out
    for path in Path("some/photographs").iterdir():
        pixels, size = photos.decode(path.read_bytes())
        assert pixels.shape == (*size, 3)
        with Image.open(path) as picture:
            assert picture.info["comment"].startswith(b"synthetic, no photograph: face")


def test_a_portrait_depends_on_its_number_and_the_seed_alone(monkeypatch, bundled):
    for folder, options in {"two": ["--count", 2], "five": ["--count", 5], "seed": ["--count", 2, "--seed", 1]}.items():
        assert drawing.run(monkeypatch, make_portraits, "--out", folder, *options) is None
    for name in ("portrait_0001.jpg", "portrait_0002.jpg"):
        first, again, other = (Path(folder, name).read_bytes() for folder in ("two", "five", "seed"))
        assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "full"], "--out full: exists and is not empty"),
        (["--out", "file"], "--out file: exists and is not empty"),
        (["--out", "file/photographs"], "--out"),
        (["--out", "new", "--count", "0"], "--count: 0 is not from 1"),
        (["--out", "new", "--truncation", "0"], "--truncation"),
        (["--out", "new", "none.h5"], "MODEL none.h5: no such file"),
        ([], "--out"),
    ],
)
def test_a_mistake_about_portraits_is_one_line(monkeypatch, capsys, bundled, arguments, said):
    Path("full").mkdir()
    Path("full/mine.jpg").write_text("mine")
    Path("file").write_text("mine")
    assert said in drawing.refusal(monkeypatch, capsys, make_portraits, *arguments)
    assert drawing.files_in(".") == ["file", "full/mine.jpg"]


@pytest.mark.parametrize("script", [make_portraits, demo], ids=["make_portraits", "demo"])
def test_without_the_bundled_generator_one_line_says_so(monkeypatch, capsys, bundled, script):
    bundled.unlink()
    arguments = ["--out", "new"]
    assert "copy the folder pretrained" in drawing.refusal(monkeypatch, capsys, script, *arguments)
    assert drawing.files_in(".") == []


def test_portraits_appear_only_when_all_are_drawn(monkeypatch, bundled):
    kept = make_portraits.portrait

    def stop_at_the_third(face, random):
        if len(list(Path().rglob("*.jpg"))) == 2:
            raise KeyboardInterrupt
        return kept(face, random)

    monkeypatch.setattr(make_portraits, "portrait", stop_at_the_third)
    Path("photographs").mkdir()
    assert drawing.run(monkeypatch, make_portraits, "--out", "photographs") == cli.EXIT_INTERRUPTED
    assert [path.name for path in Path().iterdir()] == ["photographs"] and drawing.files_in(".") == []
    Path(".photographs.unfinished").mkdir()
    Path(".photographs.unfinished/portrait_0009.jpg").write_text("left by a killed run")
    monkeypatch.setattr(make_portraits, "portrait", kept)
    assert drawing.run(monkeypatch, make_portraits, "--out", "photographs", "--count", 1) is None
    assert drawing.files_in(".") == ["photographs/portrait_0001.jpg"]


def stages(folder, *arguments, rows=1000):
    """All stages of a demo whose photographs have this number of faces."""
    np.savez(folder / "faces32.npz", np.zeros((rows, 32, 32, 3), np.uint8))
    options = demo.parse_arguments([*arguments, "--out", str(folder)])
    parts = (demo.bundled_stages, demo.preparing_stages, demo.training_stages, demo.drawing_stages)
    return [stage for part in parts for stage in part(folder, options)]


@pytest.mark.parametrize("photographs", [[], ["."]])
def test_every_command_of_the_demo_is_one_that_its_script_accepts(monkeypatch, tmp_path, photographs):
    listed = stages(tmp_path, *photographs, "--train=--steps 7 --augment")
    drawing_with = ["generate.py", "interpolate.py", "vector_arithmetic.py", "explore.py"]
    making = [] if photographs else ["make_portraits.py"]
    expected = [*drawing_with, *making, "prepare_faces.py", "train_gan.py", *drawing_with]
    assert [stage.command[0] for stage in listed] == expected
    for stage in listed:
        python, name, *arguments = shlex.split(stage.text)
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        script = SCRIPTS[name]
        if script is prepare_faces:
            assert script.parse_arguments(arguments).photos == (photographs or [str(tmp_path / "photographs")])[0]
        elif script is train_gan:
            assert script.parse_arguments().steps == 7
        else:
            assert script.parse_arguments().out.startswith(str(tmp_path))
        assert python == "python"


@pytest.mark.parametrize(
    ("rows", "batch", "saves", "augment"),
    [(5000, 16, 5, False), (1000, 16, 5, False), (25, 16, 5, True), (2, 2, 5, True)],
)
def test_training_fits_the_number_of_faces(monkeypatch, tmp_path, rows, batch, saves, augment):
    command = next(stage.command for stage in stages(tmp_path, rows=rows) if stage.command[0] == "train_gan.py")
    monkeypatch.setattr(sys, "argv", command)
    options = train_gan.parse_arguments()
    assert (options.batch_size, options.augment) == (batch, augment)
    assert options.steps / (options.save_every * (rows // batch)) == pytest.approx(saves, rel=0.2)


def test_photographs_without_faces_are_one_line_that_names_the_csv(tmp_path):
    with pytest.raises(cli.UserError, match=r"PHOTOS: only 0 faces were found in them; .*faces32\.csv says why"):
        stages(tmp_path, rows=0)


def test_photographs_that_are_not_there_are_one_line(monkeypatch, capsys, bundled):
    Path("empty").mkdir()
    assert "PHOTOS none" in drawing.refusal(monkeypatch, capsys, demo, "none")
    assert "has no pictures" in drawing.refusal(monkeypatch, capsys, demo, "empty")
    Path("empty").rmdir()
    assert drawing.files_in(".") == []


@pytest.mark.parametrize("words", [["here", "--out", "here"], ["here", "--out", "here/demo"], ["."]])
def test_pictures_of_the_demo_never_count_as_photographs(monkeypatch, capsys, bundled, words):
    Path("here").mkdir()
    Image.new("RGB", (64, 64)).save("here/photograph.png")
    assert "is in PHOTOS" in drawing.refusal(monkeypatch, capsys, demo, *words)
    assert [path.name for path in Path("here").iterdir()] == ["photograph.png"]


def test_options_that_train_nothing_are_one_line(monkeypatch, capsys, bundled):
    said = drawing.refusal(monkeypatch, capsys, demo, "--train=--help")
    assert "--train: trains nothing" in said
    assert drawing.files_in(".") == []


def run_here(stage, number):
    """Run a stage in this process, where the bundled generator is the tiny one."""
    sys.argv = [str(ROOT / stage.command[0]), *stage.command[1:]]
    assert SCRIPTS[stage.command[0]].main() in (None, 0), stage.text
    return float(number)


def test_the_demo_runs_to_the_end_on_photographs(monkeypatch, capsys, bundled):
    Path("my photos").mkdir()
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        photograph = Image.open(file).convert("RGB")
    for number in range(6):
        photograph.crop((5 * number, 3 * number, *photograph.size)).save(f"my photos/{number}.jpg")
    monkeypatch.setattr(demo, "run", run_here)
    monkeypatch.setitem(presets.PRESETS, "faces32", tiny.TINY)
    assert drawing.run(monkeypatch, demo, "my photos", "--train=--steps 2 --no-quality") is None
    out = Path("demo/of_my photos")
    assert f"{out / 'index.html'}" in capsys.readouterr().out
    text = (out / "index.html").read_text(encoding="utf-8")
    shown = re.findall('(?:src|href)="([^"]+)"', text)
    assert {"bundled_faces.png", "faces32.png", "run/progress.gif", "faces.png", "explore.html"} <= set(shown)
    assert all((out / link).is_file() for link in shown)
    assert text.count("<pre>python ") == 10 and "prepare_faces.py &#x27;my photos&#x27; --out" in text


def test_the_page_names_every_command_and_shows_only_what_is_there(tmp_path):
    (tmp_path / "made & shown.png").touch()
    shows = [tmp_path / "made & shown.png", tmp_path / "missing.png", tmp_path / "missing.html"]
    stage = demo.Stage("Faces", "Two < three.", ["generate.py", "--out", "made & shown.png"], shows)
    text = demo.page([(stage, 3.2), (stage, None)], tmp_path)
    assert text.count("python generate.py --out &#x27;made &amp; shown.png&#x27;") == 2
    assert text.count('src="made &amp; shown.png"') == 2 and "missing" not in text
    assert "took 3 s" in text and "was there already" in text


def test_portraits_that_exist_are_not_drawn_again(monkeypatch, bundled):
    monkeypatch.setattr(demo, "PORTRAITS", 3)
    ran = []

    def run_or_stop(stage, number):
        ran.append(stage.command[0])
        if stage.command[0] == "prepare_faces.py":
            raise KeyboardInterrupt
        return run_here(stage, number)

    monkeypatch.setattr(demo, "run", run_or_stop)
    for _ in range(2):
        assert drawing.run(monkeypatch, demo) == cli.EXIT_INTERRUPTED
    assert ran.count("make_portraits.py") == 1 and ran.count("prepare_faces.py") == 2
    text = Path("demo/index.html").read_text(encoding="utf-8")
    assert "was there already" in text and text.count("photographs/portrait_000") == 6


def test_a_stage_that_fails_ends_the_demo_with_its_exit_code(capfd):
    with pytest.raises(SystemExit) as stop:
        demo.run(demo.Stage("A mistake", "", ["generate.py", "--nonsense"], []), 1)
    assert stop.value.code == 2
    assert "generate.py: error:" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_stage_that_is_terminated_may_finish_what_it_saves(monkeypatch, tmp_path):
    (tmp_path / "slow.py").write_text(
        "import pathlib, signal, sys, time\n"
        "def save(*_): time.sleep(0.5); pathlib.Path(sys.argv[1], 'saved').touch(); sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "pathlib.Path(sys.argv[1], 'ready').touch()\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(demo, "__file__", str(tmp_path / "demo.py"))

    def terminate_when_ready():
        while not (tmp_path / "ready").exists():
            threading.Event().wait(0.05)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, cli._raise_terminated)
    try:
        threading.Thread(target=terminate_when_ready).start()
        with pytest.raises(cli.Terminated, match="run the same command to resume"):
            demo.run(demo.Stage("Slow", "", ["slow.py", str(tmp_path)], []), 1)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "saved").exists()


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_demo_runs_the_demo_with_what_make_was_given(tmp_path):
    def demo_of(*variables):
        printed = subprocess.run(["make", "-n", "demo", *variables], cwd=ROOT, capture_output=True, text=True).stdout
        line = next(line for line in printed.splitlines() if " demo.py" in line)
        return demo.parse_arguments(shlex.split(line)[2:])

    photographs = tmp_path / "my photos"
    photographs.mkdir()
    (photographs / "me.jpg").touch()
    plain = demo_of()
    assert (plain.photos, plain.out, plain.train) == (None, None, [])
    given = demo_of(f"PHOTOS={photographs}", "DEMO=else where", "TRAIN=--steps 9 --augment")
    assert (given.photos, given.out) == (str(photographs), "else where")
    assert given.train == ["--steps", "9", "--augment"]
