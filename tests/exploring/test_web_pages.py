"""The web pages: what is in them, and what a click does in a real browser."""

import re
import shlex

import generate
import interpolate
import vector_arithmetic
from facegan.common import generators, provenance
from facegan.exploring import web_pages

import browser
import drawing
import numpy as np
import pytest

SCRIPTS = {"vector_arithmetic.py": vector_arithmetic, "interpolate.py": interpolate, "generate.py": generate}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("a model") / "generator_model_010.h5")


@pytest.fixture(scope="module")
def pages(tmp_path_factory, model):
    """A folder with contact.html and map.html of faces 1 to 30."""
    folder = tmp_path_factory.mktemp("pages")
    generator = generators.load_generator(model)
    made_by = provenance.record(generator, range(1, 31))
    pixels = generator.draw(np.random.RandomState(0).standard_normal((30, drawing.LATENT_DIM)))
    labels = list(range(1, 31))
    order = np.arange(36) % 31 - 1
    shared = {"model": shlex.quote(model), "made_by": made_by}
    contact_page = web_pages.contact_page(pixels, labels, options="--truncation 0.7", **shared)
    (folder / "contact.html").write_text(contact_page, encoding="utf-8")
    map_page = web_pages.map_page(pixels, labels, order, options="", **shared)
    (folder / "map.html").write_text(map_page, encoding="utf-8")
    return folder


def test_generate_writes_the_pages_and_nothing_else(monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    outputs = ["--html", "faces.html", "--map", "map.html", "--like", "colour"]
    assert drawing.run(monkeypatch, generate, model, "--faces", "1-30", *outputs) is None
    assert drawing.files_in(tmp_path) == ["faces.html", "map.html"]


@pytest.mark.parametrize("name", ["contact.html", "map.html"])
def test_a_page_asks_for_nothing_outside_itself(pages, name):
    text = (pages / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|src=\"(?!data:)|@import|url\(", text)
    assert "$" not in re.sub(r"\+\$/", "", text)  # nothing of the template was left unfilled


def test_a_label_cannot_end_the_script(pages):
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    harmless = web_pages.contact_page(pixels, ["1"], model="runs/faces80", options="", made_by={})
    text = web_pages.contact_page(
        pixels,
        ["</script><b>"],
        model="</title><b>",
        options="</script>",
        made_by={"command": "</script><script>alert(1)</script>"},
    )
    assert text.count("</script>") == harmless.count("</script>") and "<b>" not in text


@browser.needed
def test_clicks_collect_faces_into_groups_and_the_commands_run(monkeypatch, tmp_path, pages, model):
    monkeypatch.chdir(tmp_path)
    with browser.opened(tmp_path / "profile") as page:
        page.open(pages / "contact.html")
        page.click("[data-face='2']")
        page.click("[data-face='7']")
        page.click(".group:nth-child(2) button:last-child")
        page.click("[data-face='3']")
        page.click("[data-face='4']")
        page.click("[data-face='4']")
        page.click(".copy[data-of='arithmetic']")
        assert page.text(".copy[data-of='arithmetic']") == "Copied"
        arithmetic, interpolation = page.text("#arithmetic"), page.text("#interpolation")
    quoted = shlex.quote(model)
    assert arithmetic == (
        f"python vector_arithmetic.py {quoted} --plus smiling_woman=2,7 --minus neutral_woman=3 --out result.png "
        "--truncation 0.7"
    )
    assert interpolation == (
        f"python interpolate.py {quoted} --faces 2,7,3 --steps 10 --method both --out path.png --truncation 0.7"
    )
    for command, written in ((arithmetic, "result.png"), (interpolation, "path.png")):
        _, script, *arguments = shlex.split(command)
        assert drawing.run(monkeypatch, SCRIPTS[script], *arguments) is None
        assert (tmp_path / written).is_file()


@browser.needed
def test_a_group_may_have_any_name(tmp_path, pages):
    with browser.opened(tmp_path / "profile") as page:
        page.open(pages / "contact.html")
        page.click("[data-face='2']")
        page.execute_script(
            "const box = document.querySelector('.group input'); box.value = \"it's $(x) = y\";"
            "box.dispatchEvent(new Event('input'))"
        )
        words = shlex.split(page.text("#arithmetic"))
    assert "it's $(x)  y=2" in words


@browser.needed
def test_faces_on_the_map_are_found_where_they_are_drawn(tmp_path, pages, model):
    with browser.opened(tmp_path / "profile") as page:
        page.open(pages / "map.html")
        where = page.execute_script(
            "const ratio = devicePixelRatio || 1, at = (column, row) => ({"
            "  clientX: (left + (column + .5) * page.width * scale) / ratio,"
            "  clientY: (top_ + (row + .5) * page.height * scale) / ratio, pointerId: 1, bubbles: true});"
            "canvas.setPointerCapture = () => {};"
            "for (const place of [at(2, 0), at(0, 0), at(3, 1)]) for (const kind of ['move', 'down', 'up'])"
            "  canvas.dispatchEvent(new PointerEvent('pointer' + kind, place));"
            "return document.getElementById('number').textContent"
        )
        # Places count from 0 with an empty one first: column 3 of row 1 is place 9, which is face 9.
        assert where == "9"
        assert page.text("#chosen") == f"python generate.py {shlex.quote(model)} --faces 2,9 --out chosen.png"
