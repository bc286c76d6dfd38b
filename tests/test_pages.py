"""The web pages: what is in them, and what a click does in a real browser."""

import re
import shlex

import browser
import drawing
import numpy
import pytest

import generate
import interpolate
import vector_arithmetic
from facegan import contact_page, map_page, provenance, runs

SCRIPTS = {"vector_arithmetic.py": vector_arithmetic, "interpolate.py": interpolate, "generate.py": generate}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("a model") / "generator_model_010.h5")


@pytest.fixture(scope="module")
def pages(tmp_path_factory, model):
    """A folder with contact.html and map.html of faces 1 to 30."""
    folder = tmp_path_factory.mktemp("pages")
    generator = runs.load_generator(model)
    made_by = provenance.record(generator, range(1, 31))
    pixels = generator.draw(numpy.random.RandomState(0).standard_normal((30, drawing.LATENT_DIM)))
    quoted = shlex.quote(model)
    contact = contact_page.contact_page(pixels, list(range(1, 31)), quoted, "--spread 0.7", made_by)
    (folder / "contact.html").write_text(contact, encoding="utf-8")
    laid_out = map_page.map_page(pixels, list(range(1, 31)), numpy.arange(36) % 31 - 1, quoted, "", made_by)
    (folder / "map.html").write_text(laid_out, encoding="utf-8")
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
    made_by = {"command": "</script><script>alert(1)</script>"}
    text = contact_page.contact_page(
        numpy.zeros((1, 4, 4, 3), numpy.uint8), ["</script><b>"], "</title><b>", "</script>", made_by
    )
    assert text.count("</script>") == 1 and "<b>" not in text


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
        "--spread 0.7"
    )
    assert interpolation == (
        f"python interpolate.py {quoted} --faces 2,7,3 --steps 10 --method both --out path.png --spread 0.7"
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
        page.script(
            "const box = document.querySelector('.group input'); box.value = \"it's $(x) = y\";"
            "box.dispatchEvent(new Event('input'))"
        )
        words = shlex.split(page.text("#arithmetic"))
    assert "it's $(x)  y=2" in words


@browser.needed
def test_faces_on_the_map_are_found_where_they_are_drawn(tmp_path, pages, model):
    with browser.opened(tmp_path / "profile") as page:
        page.open(pages / "map.html")
        where = page.script(
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
