"""The page that explores a generator, in a real browser: what it draws, copies and saves, and what it never does."""

import base64
import io
import shlex

import generate
import interpolate
import vector_arithmetic
from facegan.common import faces, generators, latents, provenance
from facegan.exploring import directions, formula, page_network, web_pages

import browser
import drawing
import numpy as np
import pytest
from PIL import Image

SCRIPTS = {"vector_arithmetic.py": vector_arithmetic, "interpolate.py": interpolate, "generate.py": generate}
MAPPED = 30
LEVELS = 2  # by which a page's pixels may differ from Python's


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return drawing.save_generator(tmp_path_factory.mktemp("a model") / "generator_model_010.h5")


@pytest.fixture(scope="module")
def generator(model):
    return generators.load_generator(model)


def write_page(path, generator, **changed):
    """Write a page of this generator with a map and with sliders for three directions."""
    steps, _ = directions.unsupervised(generator, 2)
    found = {"saved_by": "--find-direction smile --save-direction smile.npz"}
    labels = list(range(1, MAPPED + 1))
    arguments = {
        "faces": web_pages.Faces(labels=None, from_file=False, given={}, photographs=[]),
        "sliders": [
            web_pages.Slider("smile", steps[0] + steps[1], "named", "smile", **found),
            *(web_pages.Slider(f"auto{k}", steps[k - 1], "unsupervised", f"auto{k}") for k in (1, 2)),
        ],
        "map_": web_pages.Map(generator.draw(generator.latents_of(labels)), labels, np.arange(36) % 31 - 1),
        "truncation": 1.0,
        "model": shlex.quote(str(generator.path)),
        "options": "",
        "made_by": provenance.record(generator, ["every number"]),
        **changed,
    }
    network = page_network.describe(generator.network)
    path.write_text(web_pages.explore_page(generator, network, **arguments), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory, generator):
    return write_page(tmp_path_factory.mktemp("page") / "explore.html", generator)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser.opened(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture
def page(chromium, written):
    """The page, newly opened."""
    chromium.open(written)
    settled(chromium)
    return chromium


def settled(page):
    """Wait until the stage shows the state that the page is in."""
    page.wait_for("return seenCanvas.dataset.shown === JSON.stringify(state)")


def seen_pixels(page):
    """The pixels of the stage, (height, width, 3)."""
    settled(page)
    script = "return Array.from(seenCanvas.getContext('2d').getImageData(0, 0, WIDTH, HEIGHT).data)"
    height, width = page.execute_script("return [HEIGHT, WIDTH]")
    return np.array(page.execute_script(script)).reshape(height, width, 4)[..., :3]


def assert_shows(page, generator, latent):
    drawn = generator.draw(np.reshape(latent, (1, -1)))[0].astype(int)
    assert abs(seen_pixels(page) - drawn).max() <= LEVELS


def go_to(page, face):
    page.type("#number", str(face))


def pick(page, *chosen):
    """Click faces on the wall, as a person does."""
    for face in chosen:
        page.click(f".tile[data-face='{face}']")


def set_slider(page, name, value):
    page.execute_script(
        "const slider = document.querySelector(`[data-slider='${arguments[0]}'] input`);"
        "slider.value = arguments[1];"
        "for (const kind of ['input', 'change']) slider.dispatchEvent(new Event(kind))",
        name,
        value,
    )


def saved(page, button):
    """The bytes of what a button saves, and the file's name."""
    page.execute_script("download = (bytes, name) => (window.saved = [name, Array.from(bytes)])")
    page.click(button)
    page.wait_for("return Boolean(window.saved)")
    name, numbers = page.execute_script("return window.saved")
    return bytes(numbers), name


def run_commands(monkeypatch, page):
    """Run what the page would copy, in this process."""
    for line in page.text("#commands").splitlines():
        python, script, *arguments = shlex.split(line)
        assert python == "python"
        assert drawing.run(monkeypatch, SCRIPTS[script], *arguments) is None


@browser.needed
def test_the_page_opens_without_errors_and_asks_for_nothing(page):
    assert page.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    page.execute_script(
        "window.blocked = 0; fetch('http://localhost/').catch(() => window.blocked++);"
        "addEventListener('securitypolicyviolation', () => window.blocked++)"
    )
    page.wait_for("return window.blocked === 2")
    assert all("localhost" in message for message in page.errors())


@browser.needed
@pytest.mark.parametrize("face", [12, 5_000_000, latents.LARGEST_FACE])
def test_a_face_number_is_drawn_with_the_pixels_of_python(page, generator, face):
    go_to(page, face)
    assert_shows(page, generator, generator.latents_of([face]))
    assert page.text("#commands").endswith(f" --faces {face} --out face_{face}.png")
    assert page.text(".tile.current") == str(face)


@browser.needed
def test_a_number_that_is_no_face_is_refused(page):
    for text in ("0", "x", str(latents.LARGEST_FACE + 1)):
        go_to(page, text)
        assert "face numbers are 1 to 4294967295" in page.text("#notice")
    assert page.text("#caption") == "face 1"


@browser.needed
def test_scrolling_brings_more_faces(page):
    count = "return document.querySelectorAll('.tile').length"
    before = page.execute_script(count)
    page.execute_script("wall.scrollTop = wall.scrollHeight")
    page.wait_for(f"{count} > {before}")


@browser.needed
def test_sliders_and_truncation_change_the_picture_as_the_command_says(monkeypatch, tmp_path, page, generator):
    monkeypatch.chdir(tmp_path)
    pick(page, 7)
    before = seen_pixels(page)
    set_slider(page, "auto1", 1.5)
    set_slider(page, "auto2", -1)
    set_slider(page, "truncation", 0.7)
    steps, _ = directions.unsupervised(generator, 2)
    assert abs(seen_pixels(page) - before).max() > 20
    assert_shows(page, generator, 0.7 * generator.latents_of([7])[0] + 1.5 * steps[0] - steps[1])
    assert page.text("#commands") == (
        f"python vector_arithmetic.py {shlex.quote(str(generator.path))} --plus 7 --plus '1.5*auto1' --minus auto2 "
        "--out face_7.png --truncation 0.7"
    )
    run_commands(monkeypatch, page)
    assert (tmp_path / "face_7.png").is_file()


@browser.needed
def test_a_direction_that_was_found_is_saved_before_the_command_that_uses_it(page, generator):
    set_slider(page, "smile", 1)
    found, used = page.text("#commands").splitlines()
    model = shlex.quote(str(generator.path))
    assert found == f"python vector_arithmetic.py {model} --find-direction smile --save-direction smile.npz"
    assert used == f"python vector_arithmetic.py {model} --plus 1 --plus smile --out face_1.png"


@browser.needed
def test_the_sum_of_three_groups_has_the_pixels_of_vector_arithmetic(monkeypatch, tmp_path, page, generator):
    monkeypatch.chdir(tmp_path)
    page.click("#tabs [data-name='sum']")
    for group, chosen in enumerate([(2, 7, 9), (3, 4), (5, 8, 6)]):
        page.click(f"[data-group='{group}'] input")
        pick(page, *chosen)
    pick(page, 6)  # a second click takes a face out
    assert page.text("#caption") == "smiling_woman − neutral_woman + neutral_man"
    terms = [
        formula.parse_term(text, sign)
        for text, sign in (("2,7,9", 1), ("3,4", -1), ("5,8", 1))
    ]  # fmt: skip
    means = [latents.average(formula.latents_of(term, faces.Source(), generator, ".")) for term in terms]
    assert_shows(page, generator, formula.total(terms, means))
    run_commands(monkeypatch, page)
    with Image.open(tmp_path / "sum.png") as picture:
        assert picture.text["faces"] == "2,7,9,3,4,5,8"


@browser.needed
def test_faces_can_be_dropped_into_a_group(page):
    page.click("#tabs [data-name='sum']")
    page.execute_script(
        "const data = new DataTransfer();"
        "const send = (selector, kind) =>"
        "  document.querySelector(selector).dispatchEvent(new DragEvent(kind, {dataTransfer: data}));"
        "send('[data-face=\"3\"]', 'dragstart'); send('[data-group=\"1\"]', 'drop')"
    )
    assert page.execute_script("return state.groups.map((group) => group.faces)") == [[], ["3"], []]


@browser.needed
def test_keys_move_between_faces_add_them_and_undo(page):
    pick(page, 2)
    page.press("ArrowRight", "+", "ArrowRight", "-")
    assert page.execute_script("return state.groups.map((group) => group.faces)") == [["3"], ["4"], []]
    assert page.execute_script("return state.tab") == "sum"
    page.press("Control+z")
    assert page.execute_script("return state.groups.map((group) => group.faces)") == [["3"], [], []]
    page.click("#undo")
    page.click("#undo")
    page.click("#undo")
    assert page.execute_script("return [state.tab, state.face]") == ["face", "1"]
    page.click("#redo")
    assert page.execute_script("return state.face") == "2"


@browser.needed
def test_a_drag_of_a_slider_is_undone_at_once(page):
    page.execute_script(
        "const slider = document.querySelector(`[data-slider='auto1'] input`);"
        "for (const value of [0.5, 1, 1.5]) { slider.value = value; slider.dispatchEvent(new Event('input')) }"
    )
    page.click("#undo")
    assert page.execute_script("return usedStrengths().length") == 0


@browser.needed
@pytest.mark.parametrize("method", ["slerp", "lerp"])
def test_a_walk_passes_through_the_faces_of_interpolate(monkeypatch, tmp_path, page, generator, method):
    monkeypatch.chdir(tmp_path)
    page.click("#tabs [data-name='walk']")
    pick(page, 2, 9, 4)
    page.execute_script(f"edit(null, (chosen) => Object.assign(chosen, {{method: '{method}', position: 1 + 4 / 9}}))")
    path = latents.path(generator.latents_of([2, 9, 4]), 10, method)
    assert_shows(page, generator, path[9 + 4])
    rows, name = saved(page, "#save-latents")
    assert name == "walk.npz"
    (tmp_path / name).write_bytes(rows)
    np.testing.assert_allclose(latents.read_latents(name), path, atol=1e-6)
    run_commands(monkeypatch, page)


@browser.needed
def test_a_walk_plays(page):
    page.click("#tabs [data-name='walk']")
    pick(page, 2, 9)
    page.click("#play")
    page.wait_for("return state.position > 0")
    page.click("#play")


@browser.needed
def test_a_list_collects_faces_for_generate(monkeypatch, tmp_path, page, generator):
    monkeypatch.chdir(tmp_path)
    page.click("#tabs [data-name='list']")
    pick(page, 5, 2, 8)
    page.click(".chip:nth-child(2)")
    run_commands(monkeypatch, page)
    with Image.open(tmp_path / "faces.png") as picture:
        assert picture.text["faces"] == "5,8"
    rows, name = saved(page, "#save-latents")
    (tmp_path / name).write_bytes(rows)
    np.testing.assert_array_equal(latents.read_latents(name), generator.latents_of([5, 8]))


@browser.needed
def test_a_saved_picture_has_the_pixels_and_says_how_to_make_it_again(page, generator):
    go_to(page, 12)
    pixels = seen_pixels(page)
    content, name = saved(page, "#save-png")
    assert name == "face_12.png"
    with Image.open(io.BytesIO(content)) as picture:
        np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pixels)
        assert picture.text == {
            "Software": "facegan",
            "command": page.text("#commands"),
            "model": "generator_model_010.h5",
            "fingerprint": generator.fingerprint,
            "faces": "12",
        }


@browser.needed
def test_copying_puts_the_command_on_the_clipboard(page):
    page.click("#copy")
    assert page.text("#notice") == "Copied"


@browser.needed
def test_faces_on_the_map_are_found_where_they_are_drawn(page):
    page.click("#views [data-name='map']")
    page.wait_for("return mapPlace.scale > 0")
    page.execute_script(
        "const box = mapCanvas.getBoundingClientRect();"
        "const at = (column, row) => ({"
        "  clientX: box.left + (mapPlace.left + (column + .5) * page.map.width * mapPlace.scale) / devicePixelRatio,"
        "  clientY: box.top + (mapPlace.top + (row + .5) * page.map.height * mapPlace.scale) / devicePixelRatio,"
        "  pointerId: 1, bubbles: true});"
        "mapCanvas.setPointerCapture = () => {};"
        "for (const place of [at(0, 0), at(3, 1)]) for (const kind of ['move', 'down', 'up'])"
        "  mapCanvas.dispatchEvent(new PointerEvent('pointer' + kind, place))"
    )
    # Places count from 0 with an empty one first: column 3 of row 1 is place 9, which is face 9.
    assert page.text("#map output") == "face 9" and page.text("#caption") == "face 9"


@browser.needed
@pytest.mark.parametrize("tab", ["face", "walk", "sum", "list"])
def test_on_a_phone_nothing_sticks_out(page, tab):
    page.resize(360, 640)
    page.click(f"#tabs [data-name='{tab}']")
    pick(page, 1, 2)
    wider = (
        "return [...document.querySelectorAll('body *')].filter((one) => one.offsetParent &&"
        " one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.id || one.className)"
    )
    assert page.execute_script(wider) == []


@browser.needed
def test_dark_and_light_differ(page):
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = page.execute_script(paper)
    page.click("#theme")
    assert page.execute_script(paper) != before


@browser.needed
def test_rows_of_a_file_and_photographs_are_drawn_from_their_own_latents(chromium, tmp_path, generator):
    points = np.random.RandomState(3).standard_normal((3, generator.latent_dim)).astype(np.float32)
    given = {"1": points[0], "2": points[1], "me.jpg": points[2]}
    shown = web_pages.Faces(labels=list(given), from_file=True, given=given, photographs=["me.jpg"])
    options = {"truncation": 0.5, "map_": None, "options": "--latents 'my points.npz'", "sliders": []}
    chromium.open(write_page(tmp_path / "rows.html", generator, faces=shown, **options))
    assert chromium.execute_script(
        "return [...document.querySelectorAll('.tile')].map((tile) => tile.dataset.face)"
    ) == list(given)
    assert_shows(chromium, generator, 0.5 * points[0])
    assert chromium.text("#commands").endswith(" --faces 1 --out face_1.png --latents 'my points.npz' --truncation 0.5")
    pick(chromium, "me.jpg")
    assert_shows(chromium, generator, points[2])
    go_to(chromium, 7)
    assert chromium.text("#notice") == "there is no face 7"


EVIL = "</script><img src=x onerror=alert(1)>.jpg"


@browser.needed
def test_no_label_option_or_file_name_adds_anything_to_the_page(chromium, tmp_path, generator):
    given = {EVIL: np.zeros(generator.latent_dim, np.float32)}
    shown = web_pages.Faces(labels=[EVIL], from_file=False, given=given, photographs=[EVIL])
    slider = web_pages.Slider(EVIL, np.ones(generator.latent_dim), "named", EVIL)
    evil = {
        "model": EVIL,
        "options": EVIL,
        "made_by": {"Software": "x", "command": EVIL, "model": EVIL, "fingerprint": EVIL},
    }
    chromium.open(write_page(tmp_path / "evil.html", generator, faces=shown, sliders=[slider], **evil))
    for tab in ("face", "walk", "sum", "list"):
        chromium.click(f"#tabs [data-name='{tab}']")
        chromium.click(".tile")
    settled(chromium)
    assert chromium.execute_script("return document.querySelectorAll('img, iframe').length") == 0
    assert chromium.text(".tile").startswith(EVIL) and EVIL in chromium.title
    assert chromium.errors() == []


@browser.needed
def test_a_group_may_have_any_name(page):
    page.click("#tabs [data-name='sum']")
    pick(page, 2)
    page.execute_script(
        "const box = document.querySelector('.slot input'); box.value = \"it's $(x) = y\";"
        "box.dispatchEvent(new Event('input'))"
    )
    assert "it's $(x)  y=2" in shlex.split(page.text("#commands"))


def test_the_page_names_nothing_outside_itself(written):
    text = written.read_text(encoding="utf-8")
    assert "http:" not in text and "https:" not in text
    assert text.index("default-src 'none'") < text.index("<style")


def test_the_record_of_the_page_is_in_it(written, generator):
    assert f"&quot;fingerprint&quot;: &quot;{generator.fingerprint}&quot;" in written.read_text(encoding="utf-8")


@browser.needed
def test_grey_digits_are_shown_dark_on_light_on_the_wall_and_the_map(chromium, tmp_path):
    digits = generators.load_generator(drawing.save_generator(tmp_path / "digits.h5", (16, 24, 1), output="sigmoid"))
    labels = [1, 2, 3, 4]
    pixels = digits.draw(digits.latents_of(labels))
    shown = web_pages.Map(pixels, labels, np.arange(4))
    page = write_page(tmp_path / "digits.html", digits, map_=shown)
    chromium.open(page)
    assert abs(seen_pixels(chromium) - (255 - pixels[0].astype(int))).max() <= LEVELS
    picture = chromium.execute_script("return page.map.picture")
    with Image.open(io.BytesIO(base64.b64decode(picture.partition(",")[2]))) as picture:
        assert picture.size == (48, 32)
        assert abs(np.asarray(picture, int)[:16, :24] - (255 - pixels[0, ..., 0].astype(int))).mean() < 4
