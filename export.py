"""Convert a generator for other tools: ONNX, TensorFlow Lite, Keras or safetensors.

    python export.py --out generator.onnx
    python export.py runs/faces80 --out generator.tflite

Writes only --out, in the format of its suffix: .onnx, .tflite, .keras (all three
run as they are) or .safetensors (the weights, with the network as JSON). In each,
latents go in and images come out; the file itself says from which distribution
and in which range. docs/exporting.md shows how to run each of them.
Copy with it: facegan/common.
"""

import json
import os
import tempfile
import warnings
import zipfile
from pathlib import Path

from facegan.common import cli, faces, files, generators, provenance

# What each format needs that may not be installed; Keras writes the first two under TensorFlow only.
PACKAGES = {
    ".onnx": ("tensorflow", "tf2onnx", "onnx"),
    ".tflite": ("tensorflow",),
    ".keras": (),
    ".safetensors": ("safetensors",),
}
PRIORS = {"normal": "normal, mean 0 and standard deviation 1", "uniform": "uniform from -1 to 1"}
DRAWS = {"normal": "standard_normal({})", "uniform": "uniform(-1, 1, {})"}
RANGES = {"tanh": "-1 to 1; pixels are 127.5 * (images + 1)", "sigmoid": "0 to 1; pixels are 255 * images"}


def main():
    options = parse_arguments()
    with cli.naming("MODEL"):
        generators.find_generator(options.model)
    with cli.naming("--out"):
        out = files.writable_path(options.out, tuple(PACKAGES))
    cli.require_distinct({"MODEL": options.model, "--out": out})
    suffix = out.suffix.lower()
    cli.require_packages(PACKAGES[suffix], f"--out {out}")
    if "tensorflow" in PACKAGES[suffix]:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    with cli.naming("MODEL"):
        generator = generators.load_generator(options.model)
    about = description(generator)
    write = {".onnx": onnx_file, ".tflite": tflite_file, ".keras": keras_file, ".safetensors": safetensors_file}
    content = write[suffix](generator.model, about)
    with files.atomic_write(out) as file:
        file.write(content)
    print(f"{out}: {len(content) / 1e6:.1f} MB")
    print(f"latents: {about['latents']}\nimages: {about['images']}")


def parse_arguments():
    parser = cli.parser(__doc__)
    faces.add_model(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help=f"the file to write: {', '.join(PACKAGES)}")
    return parser.parse_args()


def description(generator):
    """What goes in and what comes out, and where the file is from, as JSON data."""
    size, prior = generator.latent_dim, generator.latent_prior
    shape = f"(n, {generator.height}, {generator.width}, {generator.channels})"
    made_by = provenance.record(generator, ())
    return {
        **generators.read_notes(generator.path),
        "latents": f"float32 (n, {size}), {PRIORS[prior]}",
        "images": f"float32 {shape} from {RANGES[generator.pixel_range]}",
        "face_12": f"numpy.random.RandomState(12).{DRAWS[prior].format(size)}",
        "latent_prior": prior,
        **{name: text for name, text in made_by.items() if text},
    }


def texts(about):
    """The same as strings, for formats that hold nothing else."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in about.items()}


def exported(model, name, format):
    """The bytes of the file that one of Keras's exporters writes; what they print is discarded."""
    import keras

    latents = keras.InputSpec(shape=model.input_shape, dtype="float32", name="latents")
    with tempfile.TemporaryDirectory() as folder, cli.without_messages(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / name
        model.export(path, verbose=False, input_signature=[latents], format=format)
        return path.read_bytes()


def onnx_file(model, about):
    import onnx

    graph_file = onnx.load_from_string(exported(model, "model.onnx", "onnx"))
    graph = graph_file.graph
    # The exporter names the result after a TensorFlow operation and the number of images at random.
    (result,), (source,) = graph.output, graph.input
    (last,) = (node for node in graph.node if result.name in node.output)
    last.output[list(last.output).index(result.name)] = result.name = "images"
    for value in (source, result):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
        value.doc_string = about[value.name]
    onnx.helper.set_model_props(graph_file, texts(about))
    onnx.checker.check_model(graph_file)
    return graph_file.SerializeToString()


def tflite_file(model, about):
    content = exported(model, "model.tflite", "litert")
    from tensorflow.lite.tools import flatbuffer_utils

    graph = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph.description = json.dumps(about)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(graph))


def keras_file(model, about):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(generators.NOTES_MEMBER, json.dumps(about))
        return path.read_bytes()


def safetensors_file(model, about):
    import safetensors.numpy

    arrays = {weight.path: array for weight, array in zip(model.weights, model.get_weights(), strict=True)}
    return safetensors.numpy.save(arrays, {**texts(about), "architecture": model.to_json()})


if __name__ == "__main__":
    cli.run(main)
