"""Photos are read from folders, archives and lists, whatever their format, and damage affects no other photo."""

import contextlib
import io
import os
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from facegan.preparing import photos

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture():
    """A smooth colour picture, 40 high and 30 wide, whose corners differ."""
    rows, columns = np.mgrid[:40, :30]
    return Image.fromarray(np.stack([rows * 6, columns * 8, 200 - rows * 2], -1).astype(np.uint8))


def encoded(image, form="PNG", **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def bomb_png(width, height):
    """The smallest PNG that claims to be large: header and a few bytes of pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def test_a_photo_comes_out_as_it_went_in(picture):
    pixels, size = photos.decode(encoded(picture))
    np.testing.assert_array_equal(pixels, np.asarray(picture))
    assert size == (40, 30)


def test_every_mode_is_converted_to_rgb(picture):
    grey = np.asarray(picture.convert("L"))
    sixteen_bits = Image.fromarray(grey.astype(np.uint16) * 257)
    for data in (encoded(picture.convert("L")), encoded(sixteen_bits), encoded(sixteen_bits, "TIFF")):
        pixels, _ = photos.decode(data)
        np.testing.assert_array_equal(pixels, np.repeat(grey[..., None], 3, axis=2))
    cmyk, _ = photos.decode(encoded(picture.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(cmyk.astype(int) - np.asarray(picture)).mean() < 6
    for data in (encoded(picture.convert("P")), encoded(picture.convert("1")), encoded(picture.convert("F"), "TIFF")):
        assert photos.decode(data)[0].shape == (40, 30, 3)


def test_transparent_parts_turn_white(picture):
    clear = picture.copy()
    clear.putalpha(0)
    assert (photos.decode(encoded(clear))[0] == 255).all()
    assert (photos.decode(encoded(clear.convert("LA")))[0] == 255).all()
    palette = picture.convert("P")
    assert (photos.decode(encoded(palette, transparency=bytes(256)))[0] == 255).all()


def test_the_first_frame_of_an_animation_is_taken(picture):
    first, second = Image.new("RGB", (30, 40), "red"), Image.new("RGB", (30, 40), "blue")
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert (photos.decode(data)[0] == [255, 0, 0]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(picture, orientation):
    stored = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # what undoes the turn, as Pillow counts
    turned = picture if stored is None else picture.transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels, size = photos.decode(encoded(turned, exif=exif))
    np.testing.assert_array_equal(pixels, np.asarray(picture))
    assert size == (40, 30)


def test_a_large_photo_is_decoded_smaller_but_not_below_what_is_enough(picture):
    data = encoded(picture.resize((1500, 2000)), "JPEG")
    for enough, side in ((None, 1500), (751, 1500), (750, 750), (300, 375), (150, 188)):
        pixels, size = photos.decode(data, enough)
        assert (pixels.shape[1], size) == (side, (2000, 1500))
    exif = Image.Exif()
    exif[0x0112] = 6
    large = picture.resize((300, 403), Image.Resampling.NEAREST).quantize(200)
    np.testing.assert_array_equal(photos.decode(encoded(large), 60)[0], np.asarray(large.convert("RGB").reduce(5)))
    turned = encoded(picture.resize((2000, 1500)), "JPEG", exif=exif)
    assert photos.decode(turned, 750)[0].shape == (1000, 750, 3)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_damage_is_one_line_that_says_why(picture):
    jpeg = encoded(picture, "JPEG")
    cases = {
        "empty": b"",
        "not a picture": b"this is text named .jpg\n" * 20,
        "damaged": jpeg[: len(jpeg) // 2],
        "bomb": bomb_png(30_000, 30_000),
        "bomb: ": bomb_png(10_000, 9_000),
        "not a picture ": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    }
    cases["damaged: "] = encoded(picture)[:-60]
    for reason, data in cases.items():
        with pytest.raises(photos.UnreadableError, match=reason.strip()) as error:
            photos.decode(data)
        assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_anywhere_give_a_picture_or_unreadable_and_nothing_else(picture):
    random = np.random.default_rng(4)
    exif = Image.Exif()
    exif[0x0112] = 6
    for form in ("JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"):
        data = np.frombuffer(encoded(picture, form, exif=exif), np.uint8)
        for _ in range(60):
            broken = data.copy()
            broken[random.integers(0, len(data), 6)] = random.integers(0, 256, 6)
            try:
                pixels, _ = photos.decode(broken.tobytes(), 8)
                assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
            except photos.UnreadableError:
                pass


def test_one_pixel_is_a_photo():
    assert photos.decode(encoded(Image.new("RGB", (1, 1))))[0].shape == (1, 1, 3)


def test_folders_are_searched_for_pictures_in_order_of_name(tmp_path, picture):
    names = ["b.JPG", "a/z.png", "a/deep/er/x.webp", "Лица/母 (1).jpeg", "notes.txt", "._b.jpg", "__MACOSX/b.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encoded(picture))
    source = photos.open_source(tmp_path)
    assert source.names == sorted(names[:4])
    assert source.read("Лица/母 (1).jpeg") == encoded(picture)


@pytest.mark.skipif(os.name != "posix", reason="symbolic links and named pipes")
def test_circular_links_and_pipes_do_not_hang(tmp_path, picture):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(picture))
    (tmp_path / "in" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    source = photos.open_source(tmp_path)
    assert source.names == ["gone.png", "in/a.png", "pipe.png", "self.png"]
    for name in ("gone.png", "pipe.png", "self.png"):
        with pytest.raises(photos.UnreadableError):
            source.read(name)


@contextlib.contextmanager
def unprivileged():
    """Within, this process may read only what anyone may, even where root runs the tests."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.skipif(os.name != "posix", reason="file permissions of other systems differ")
def test_a_photo_without_permission_affects_no_other(picture):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # unlike tmp_path, which only its owner may enter
        (folder / "shut").mkdir()
        for photo in ("a.png", "shut/b.png"):
            (folder / photo).write_bytes(encoded(picture))
        (folder / "a.png").chmod(0)
        (folder / "shut").chmod(0)
        with unprivileged():
            source = photos.open_source(folder)
            assert source.names == ["a.png", "shut/"]
            for photo in source.names:
                with pytest.raises(photos.UnreadableError, match=r"[Pp]ermission|cannot be listed"):
                    source.read(photo)
        (folder / "shut").chmod(0o700)


def test_archives_are_read_without_unpacking(tmp_path, picture, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["/etc/absolute.png", "../../outside.png", "in/side.png"]
    with zipfile.ZipFile("photos.zip", "w") as archive:
        for name in [*names, "readme.txt", "__MACOSX/._side.png"]:
            archive.writestr(name, encoded(picture))
    source = photos.open_source("photos.zip")
    assert source.names == sorted(names)
    assert all(source.read(name) == encoded(picture) for name in names)
    assert [path.name for path in Path().iterdir()] == ["photos.zip"]


def test_a_damaged_member_affects_no_other(tmp_path, picture):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture))
        archive.writestr("b.png", encoded(picture))
    data = bytearray((tmp_path / "photos.zip").read_bytes())
    data[100] ^= 255
    (tmp_path / "photos.zip").write_bytes(data)
    source = photos.open_source(tmp_path / "photos.zip")
    with pytest.raises(photos.UnreadableError, match="damaged in the archive"):
        source.read("a.png")
    assert source.read("b.png") == encoded(picture)


def test_encrypted_and_broken_archives_are_refused_in_one_line(tmp_path, picture):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture))
        archive.writestr("b.png", encoded(picture))
    good = (tmp_path / "photos.zip").read_bytes()
    encrypted = bytearray(good)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = -1
        while (at := encrypted.find(signature, at + 1)) >= 0:
            encrypted[at + offset] |= 1
    cases = {"encrypted": bytes(encrypted), "not a complete .zip": good[: len(good) // 2]}
    for reason, data in cases.items():
        (tmp_path / "bad.zip").write_bytes(data)
        with pytest.raises(ValueError, match=reason):
            photos.open_source(tmp_path / "bad.zip")
    one = bytearray(good)
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        one[one.find(signature) + offset] |= 1
    (tmp_path / "one.zip").write_bytes(one)
    with pytest.raises(photos.UnreadableError, match="encrypted"):
        photos.open_source(tmp_path / "one.zip").read("a.png")


def test_paths_in_a_list_are_absolute_or_start_from_its_folder(tmp_path, picture):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(encoded(picture))
    listing = tmp_path / "list.txt"
    listing.write_text(f"sub/a.png\n\nmissing.png\n{tmp_path}/sub/a.png\r\n", "utf-8")
    source = photos.open_source(listing)
    assert source.names == ["sub/a.png", "missing.png", f"{tmp_path}/sub/a.png"]
    assert source.read(source.names[0]) == source.read(source.names[2]) == encoded(picture)
    with pytest.raises(photos.UnreadableError, match="No such file"):
        source.read("missing.png")


@pytest.mark.skipif(not Path(os.devnull).is_char_device(), reason="has no devices among its files")
def test_a_device_is_refused_as_a_source_before_it_is_read(monkeypatch):
    monkeypatch.setattr(photos.zipfile, "is_zipfile", None)
    with pytest.raises(ValueError, match=f"{os.devnull}: is a device; name a folder"):
        photos.open_source(os.devnull)


def test_a_source_without_photos_is_refused_in_one_line(tmp_path, picture):
    (tmp_path / "empty").mkdir()
    (tmp_path / "photo.png").write_bytes(encoded(picture))
    (tmp_path / "binary.txt").write_bytes(b"a\0b\n")
    (tmp_path / "blank.txt").write_text("\n\n")
    for name, reason in (
        ("empty", "no pictures"),
        ("blank.txt", "no pictures"),
        ("nowhere", "cannot be read"),
        ("photo.png", "is not a folder"),
        ("binary.txt", "is not a folder"),
    ):
        with pytest.raises(ValueError, match=reason) as error:
            photos.open_source(tmp_path / name)
        assert "\n" not in str(error.value)


def test_the_preview_of_a_data_set_among_the_photographs_is_not_one_of_them(tmp_path, picture):
    for name in ("faces.png", "other.png", "faces.jpg"):
        picture.save(tmp_path / name)
    (tmp_path / "faces.npz").touch()
    assert photos.open_source(tmp_path).names == ["faces.jpg", "other.png"]
