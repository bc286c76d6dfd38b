"""The scripts that explore need numpy, Pillow and h5py, and import nothing else, least of all Keras."""

import subprocess
import sys
from pathlib import Path

import drawing
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
HELPER = ROOT / "tests" / "helpers" / "without_packages.py"
PACKAGES = {"numpy", "PIL", "h5py"}
COMMANDS = [
    "generate.py {model} --faces 1-3,12 --out faces.png --each each --save-latents points.npz",
    "interpolate.py {model} --faces 3,17 --method both --out path.png",
    "interpolate.py {model} --faces 3,17,42 --steps 3 --loop --out walk.gif",
    "vector_arithmetic.py {model} --plus smiling_woman=1,2 --minus 3 --plus 4 --out sum.png --save-direction sum.npz",
    "vector_arithmetic.py {model} --plus sum --apply-to 3,4 --strength -2..2 --out sums.png",
    "make_portraits.py {model} --out portraits --count 2",
    "explore.py {model} --no-detector --map 9 --out explore.html",
]
WITH_THE_DETECTOR = [
    "generate.py {model} --best 2 --of 4 --out best.png",
    "explore.py {model} --map 9 --out explore.html",
    "vector_arithmetic.py {model} --find-direction brightness --save-direction brightness.npz",
]
# Which packages are loaded once all commands have run in one process.
LISTING = """
import pathlib, sys
ours = {"facegan", "__main__", *sys.stdlib_module_names}
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}
pathlib.Path("loaded.txt").write_text(" ".join(sorted(loaded - ours)))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("model") / "generator.h5")


def run(commands, model, folder, packages):
    """Run commands in one process on a machine with these packages alone."""
    (folder / "listing.py").write_text(LISTING)
    words = [word for command in commands for word in [*command.format(model=model).split(), "+"]]
    words = [str(ROOT / word) if word.endswith(".py") else word for word in words]
    result = subprocess.run(
        [sys.executable, HELPER, packages, *words, "listing.py"], cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return set((folder / "loaded.txt").read_text().split())


def test_exploring_imports_numpy_pillow_and_h5py_only(tmp_path, model):
    loaded = run(COMMANDS, model, tmp_path, "")
    assert {name for name in loaded if not name.startswith("_")} == PACKAGES


def test_exploring_needs_no_other_package(tmp_path, model):
    run(COMMANDS, model, tmp_path, f"only:{','.join(PACKAGES)}")
    with Image.open(tmp_path / "each" / "face_0012.png") as picture:
        drawn = np.asarray(picture)
    import keras  # here, so that what is drawn above is compared with what Keras draws

    points = np.load(tmp_path / "points.npz")["arr_0"]
    images = keras.models.load_model(model, compile=False).predict_on_batch(points[3:])[0]
    assert np.abs(drawn - (images + 1) * 127.5).max() <= 1


def test_the_face_detector_needs_the_package_of_its_weights_and_no_keras(tmp_path, model):
    loaded = run(WITH_THE_DETECTOR, model, tmp_path, "only:numpy,PIL,h5py,mtcnn,joblib,cloudpickle,lz4")
    assert not {"keras", "tensorflow", "mtcnn", "cv2"} & loaded
