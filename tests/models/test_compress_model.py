"""The compressing model, on pictures made here: what stays, what shrinks, what is refused."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageCms, ImageSequence, PngImagePlugin

from model_serving.model_conf import load_model_conf
from model_serving.models.compress_model import DEFAULT_MAX_PIXELS, CompressModel, Wish
from model_serving.models.picture_parts import is_bare
from model_serving.serving.model import InvalidInstance

NOISE = Image.effect_noise((320, 200), 80).convert("RGB")
RED, BLUE = (200, 30, 40), (20, 40, 210)


def halves(left: Any = RED, right: Any = BLUE, mode: str = "RGB") -> Image.Image:
    """Draw a picture of two colours, 120 x 80."""
    picture = Image.new(mode, (120, 80), left)
    picture.paste(right, (60, 0, 120, 80))
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def moving(kind: str = "GIF", **options: Any) -> bytes:
    frames = [halves(RED, BLUE), halves(BLUE, RED), halves(RED, RED)]
    return encoded(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        duration=[100, 200, 300],
        loop=3,
        **options,
    )


def ask(*pictures: bytes, max_pixels: int = DEFAULT_MAX_PIXELS, **wishes: Any) -> Any:
    wish: Any = {"pictures": list(pictures), **wishes}
    (prediction,) = CompressModel(max_pixels).predict([wish])
    return prediction


def compressed(picture: bytes, **wishes: Any) -> Image.Image:
    (result,) = ask(picture, **wishes)
    opened = Image.open(io.BytesIO(result["file"].data))
    assert opened.size == (result["width"], result["height"])
    assert Image.MIME[opened.format or ""] == result["file"].media_type
    assert result["size_after"] == len(result["file"].data)
    return opened


def near(pixel: Any, colour: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(one - other) <= tolerance for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_picture_keeps_its_format_and_grows_in_no_case(kind: str) -> None:
    options = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    data = encoded(NOISE, kind, **options)
    (result,) = ask(data)
    assert result["size_before"] == len(data) >= result["size_after"] > 0
    assert result["file"].media_type == Image.MIME[kind]
    assert (result["width"], result["height"]) == NOISE.size


def test_lower_quality_is_smaller() -> None:
    data = encoded(NOISE, "JPEG", quality=95)
    sizes = [ask(data, quality=quality)[0]["size_after"] for quality in (10, 50, 90)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 2


def test_several_pictures_come_in_their_order() -> None:
    results = ask(encoded(NOISE, "PNG"), encoded(halves(), "PNG"))
    assert [result["width"] for result in results] == [320, 120]


@pytest.mark.parametrize(("max_width", "size"), [(60, (60, 40)), (1, (1, 1)), (500, (120, 80))])
def test_width_is_bounded_and_the_shape_kept(max_width: int, size: tuple[int, int]) -> None:
    assert compressed(encoded(halves(), "PNG"), max_width=max_width).size == size


def test_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was held upright: 90 degrees clockwise to show.
    data = encoded(halves(), "JPEG", exif=exif, quality=95)
    picture = compressed(data)
    assert picture.size == (80, 120)
    assert near(picture.getpixel((40, 10)), RED)
    assert near(picture.getpixel((40, 110)), BLUE)
    assert picture.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_colour_profile_is_kept(kind: str) -> None:
    swapping = swapping_profile()
    picture = compressed(encoded(NOISE, "JPEG", icc_profile=swapping, quality=95), format=kind)
    assert picture.info["icc_profile"] == swapping


def test_printing_colours_become_those_of_screens() -> None:
    data = encoded(halves().convert("CMYK"), "JPEG", quality=95)
    picture = compressed(data, format="png")
    assert picture.mode == "RGB"
    assert near(picture.getpixel((10, 10)), RED, 25)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_printing_colours_are_converted_by_their_profile(kind: str) -> None:
    inks = halves((255, 0, 0, 0), (0, 255, 0, 0), "CMYK")
    data = encoded(inks, "JPEG", quality=95, icc_profile=odd_inks_profile())
    picture = compressed(data, format=kind, max_width=100)
    assert "icc_profile" not in picture.info
    picture = picture.convert("RGB")
    assert near(picture.getpixel((10, 10)), (255, 0, 0), 30)
    assert near(picture.getpixel((90, 10)), (0, 0, 255), 30)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_transparency_is_kept_where_the_format_holds_it(kind: str) -> None:
    data = encoded(halves((*RED, 255), (0, 0, 0, 0), "RGBA"), "PNG")
    picture = compressed(data, format=kind).convert("RGBA")
    clear: Any = picture.getpixel((100, 40))
    assert clear[3] == 0
    assert near(picture.getpixel((10, 40)), (*RED, 255))


def test_transparency_becomes_white_paper_elsewhere() -> None:
    data = encoded(halves((*RED, 255), (0, 0, 0, 0), "RGBA"), "PNG")
    picture = compressed(data, format="jpeg")
    assert near(picture.getpixel((100, 40)), (255, 255, 255))


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animation_keeps_its_frames_and_times(kind: str) -> None:
    picture = compressed(moving(), format=kind, max_width=60)
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    assert [frame.size for frame in frames] == [(60, 40)] * 3
    assert near(frames[1].getpixel((10, 10)), BLUE, 25)
    durations = []
    for number in range(3):
        picture.seek(number)
        picture.load()
        durations.append(round(picture.info["duration"]))
    assert durations == [100, 200, 300]
    assert picture.info["loop"] == 3


def test_animation_becomes_its_first_frame_elsewhere() -> None:
    picture = compressed(moving(), format="jpeg")
    assert getattr(picture, "n_frames", 1) == 1
    assert near(picture.getpixel((10, 10)), RED, 25)


def test_what_was_small_already_stays_as_it_is() -> None:
    data = encoded(NOISE, "JPEG", quality=5)
    (result,) = ask(data, quality=95)
    assert result["file"].data == data


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_every_mode_becomes_every_format(mode: str, kind: str) -> None:
    source = Image.new("I;16", (120, 80), 40_000) if mode == "I;16" else halves().convert(mode)
    assert compressed(encoded(source, "PNG"), format=kind).size == (120, 80)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it cannot be read"),
        (b"no picture", "it cannot be read"),
        (encoded(NOISE, "PNG")[:2000], "it cannot be read"),
        (encoded(NOISE, "BMP"), "it cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it cannot be read"),
    ],
    ids=["empty", "text", "truncated", "bmp", "svg"],
)
def test_what_is_no_picture_is_refused_by_its_number(data: bytes, reason: str) -> None:
    refused = ask(encoded(halves(), "PNG"), data)
    assert isinstance(refused, InvalidInstance)
    assert refused.reason.startswith(f"picture 2: {reason}")


@pytest.mark.parametrize("data", [encoded(halves(), "PNG"), moving()], ids=["one", "frames"])
def test_picture_of_too_many_pixels_is_refused(data: bytes) -> None:
    refused = ask(data, max_pixels=9_000)
    assert "more than the 9000 allowed" in refused.reason


def test_bad_picture_costs_its_neighbours_nothing() -> None:
    good: Wish = {"pictures": [encoded(halves(), "PNG")]}
    first, bad, last = CompressModel().predict([good, {"pictures": [b"x"]}, good])
    assert isinstance(bad, InvalidInstance)
    assert first == last == CompressModel().predict([good])[0]


def chunk(kind: bytes, content: bytes) -> bytes:
    """Write a part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def part(kind: bytes, content: bytes) -> bytes:
    """Write a part of a WebP."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def png_header(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def gif_of(screen: tuple[int, int], *frames: tuple[int, int]) -> bytes:
    """Write a GIF of white frames whose sizes may be larger than its screen."""
    file = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + b"\xff\xff\xff\0\0\0"
    for size in frames:
        pixels = encoded(Image.new("P", (8, 8)), "GIF").split(b",", 1)[1][9:-1]
        file += b"," + struct.pack("<HHHHB", 0, 0, *size, 0) + pixels
    return file + b";"


def s15(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def axes(*numbers: float) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(s15(number) for number in numbers)


def profile(device: bytes, space: bytes, lab_or_xyz: bytes, parts: dict[bytes, bytes]) -> bytes:
    """Write a colour profile of the parts that every one must have, and of these."""
    parts = parts | {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 2) + b"x\0" + bytes(78),
        b"cprt": b"text\0\0\0\0x\0\0\0",
        b"wtpt": axes(0.9642, 1, 0.8249),
    }
    table, body = struct.pack(">I", len(parts)), b""
    start = 128 + 4 + 12 * len(parts)
    for name, content in parts.items():
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    header = struct.pack(">I4sI", start + len(body), b"lcms", 0x02100000)
    header += device + space + lab_or_xyz + bytes(12) + b"acsp" + bytes(28)
    header += s15(0.9642) + s15(1) + s15(0.8249)
    return header.ljust(128, b"\0") + table + body


def swapping_profile() -> bytes:
    """Make a profile that calls red what is blue."""
    red, green, blue = (0.436, 0.222, 0.014), (0.385, 0.717, 0.097), (0.143, 0.061, 0.714)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563) + b"\0\0"  # A gamma of 2.2
    parts = {b"rXYZ": axes(*blue), b"gXYZ": axes(*green), b"bXYZ": axes(*red)}
    return profile(
        b"mntr", b"RGB ", b"XYZ ", parts | dict.fromkeys([b"rTRC", b"gTRC", b"bTRC"], curve)
    )


def odd_inks_profile() -> bytes:
    """Make a profile of a printer whose cyan is red, and whose magenta is blue."""
    white, black = bytes([255, 128, 128]), bytes([0, 128, 128])
    red, blue = bytes([136, 208, 195]), bytes([75, 196, 16])
    unit = b"".join(s15(number) for number in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    curves = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + 4 * curves
    for colour in (white, blue, red, black):  # Without cyan and magenta, with one, with both
        table += 2 * (colour + black)
    table += 3 * curves
    return profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def shown(picture: Image.Image) -> Image.Image:
    """Return what a viewer that knows profiles shows."""
    if "icc_profile" not in picture.info:
        return picture.convert("RGB")
    meaning = io.BytesIO(picture.info["icc_profile"])
    seen = ImageCms.profileToProfile(
        picture.convert("RGB"), meaning, ImageCms.createProfile("sRGB")
    )
    assert seen is not None
    return seen


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colour_profile_shows_the_same_colours_in_every_format(kind: str, mode: str) -> None:
    data = encoded(halves().convert(mode), "PNG", icc_profile=swapping_profile())
    before, after = shown(Image.open(io.BytesIO(data))), shown(compressed(data, format=kind))
    assert near(before.getpixel((10, 10)), RED[::-1], 20)
    assert near(after.getpixel((10, 10)), before.getpixel((10, 10)), 20)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif"])
def test_colour_profile_of_other_colours_is_left_out(kind: str, mode: str) -> None:
    source = Image.new("I;16", (8, 8), 999) if mode == "I;16" else halves().convert(mode)
    data = encoded(source, "PNG", icc_profile=swapping_profile())
    assert "icc_profile" not in compressed(data, format=kind, max_width=7).info


def test_colour_profile_that_is_none_is_left_out() -> None:
    data = encoded(NOISE, "PNG", icc_profile=b"no profile")
    assert "icc_profile" not in compressed(data, max_width=100).info


def test_sixteen_bits_are_scaled() -> None:
    source = Image.new("I;16", (120, 80), 65_535)
    source.paste(257 * 100, (60, 0, 120, 80))
    picture = compressed(encoded(source, "PNG"), format="jpeg")
    assert picture.mode == "L"
    assert abs(picture.getpixel((10, 10)) - 255) <= 2  # type: ignore[operator]
    assert abs(picture.getpixel((110, 10)) - 100) <= 2  # type: ignore[operator]


def test_clear_level_of_sixteen_bits_stays_clear() -> None:
    source = Image.new("I;16", (120, 80), 40_000)
    picture = compressed(encoded(source, "PNG", transparency=40_000), format="webp")
    assert picture.convert("RGBA").getpixel((10, 10))[3] == 0  # type: ignore[index]


def test_black_and_white_stays_grey() -> None:
    assert compressed(encoded(halves().convert("1"), "PNG"), format="jpeg").mode == "L"


def test_animation_of_webp_keeps_its_times() -> None:
    frames = [halves(RED, BLUE), halves(BLUE, RED), halves(RED, RED)]
    data = encoded(
        *(frames[0], "WEBP"), save_all=True, append_images=frames[1:], duration=[500, 1000, 1500]
    )
    picture = compressed(data, max_width=60)
    assert times(picture) == [500, 1000, 1500]


def times(picture: Image.Image) -> list[int]:
    durations = []
    for frame in ImageSequence.Iterator(picture):
        frame.load()
        durations.append(round(frame.info["duration"]))
    return durations


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_animation_shows_no_ghosts(kind: str) -> None:
    red, clear = (*RED, 255), (0, 0, 0, 0)
    frames = [halves(red, clear, "RGBA"), halves(clear, red, "RGBA")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], disposal=2)
    picture = compressed(data, format=kind, max_width=60)
    picture.seek(1)
    second = picture.convert("RGBA")
    assert second.getpixel((10, 10))[3] == 0  # type: ignore[index]
    assert near(second.getpixel((50, 10)), red, 25)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animation_that_plays_once_plays_once_after(kind: str) -> None:
    once: dict[str, Any] = {} if kind == "GIF" else {"loop": 1}
    frames = [halves(RED, BLUE), halves(BLUE, RED)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **once)
    assert "loop" not in compressed(data, format="gif", max_width=60).info
    assert compressed(data, format="webp", max_width=60).info["loop"] == 1


def with_location() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRET"  # Pillow takes it for empty with a place alone.
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "SECRET"
    return exif


def with_text() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "SECRET")
    return info


SMALL = Image.effect_noise((40, 40), 80).convert("RGB")
PNG, GIF = encoded(SMALL, "PNG", optimize=True), encoded(SMALL, "GIF")
JPEG = encoded(SMALL, "JPEG", quality=5, optimize=True, progressive=True)
WEBP, MOVING_WEBP = encoded(SMALL, "WEBP", quality=5), moving("WEBP", quality=5)
SMALL_FILES = {"jpeg": JPEG, "png": PNG, "gif": GIF, "webp": WEBP}
TELLING = {
    "jpeg-location": encoded(SMALL, "JPEG", quality=5, exif=with_location()),
    "jpeg-comment": encoded(SMALL, "JPEG", quality=5, comment=b"SECRET"),
    "jpeg-xmp": encoded(SMALL, "JPEG", quality=5, xmp=b"SECRET"),
    "jpeg-private": JPEG[:2] + b"\xff\xed\0\x08SECRET" + JPEG[2:],
    "jpeg-thumbnail": JPEG[:4] + b"\0\x16" + JPEG[6:20] + b"SECRET" + JPEG[20:],
    "jpeg-between": JPEG[:20] + b"SECRET" + JPEG[20:],
    "png-location": encoded(SMALL, "PNG", exif=with_location()),
    "png-text": encoded(SMALL, "PNG", pnginfo=with_text()),
    "png-private": PNG[:33] + chunk(b"abCd", b"SECRET") + PNG[33:],
    "webp-location": encoded(SMALL, "WEBP", quality=5, exif=with_location()),
    "webp-xmp": encoded(SMALL, "WEBP", quality=5, xmp=b"SECRET"),
    "webp-private": WEBP[:4]
    + struct.pack("<I", len(WEBP) + 6)
    + WEBP[8:]
    + part(b"abcd", b"SECRET"),
    "gif-comment": encoded(SMALL, "GIF", comment=b"SECRET"),
    "gif-xmp": GIF[:-1] + b"!\xff\x0bXMP DataXMP\x06SECRET\0;",
    **{f"{name}-behind": data + b"SECRET" for name, data in SMALL_FILES.items()},
}


@pytest.mark.parametrize("data", TELLING.values(), ids=TELLING)
@pytest.mark.parametrize("wishes", [{}, {"max_width": 30}, {"format": "gif"}, {"format": "jpeg"}])
def test_no_metadata_is_published(data: bytes, wishes: dict[str, Any]) -> None:
    assert b"SECRET" in data
    answer = ask(data, **{"quality": 95, **wishes})
    if isinstance(answer, InvalidInstance):
        assert "it cannot be read" in answer.reason
        return
    (result,) = answer
    assert b"SECRET" not in result["file"].data
    assert not Image.open(io.BytesIO(result["file"].data)).getexif()


@pytest.mark.parametrize("name", SMALL_FILES)
def test_what_is_bare_and_small_stays_as_it_is(name: str) -> None:
    data = SMALL_FILES[name]
    for wishes in ({}, {"format": name}, {"max_width": 500}):
        (result,) = ask(data, quality=95, **wishes)
        assert result["size_after"] <= len(data)
        assert is_bare(data, name)


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_what_is_written_is_bare(kind: str) -> None:
    assert is_bare(ask(moving(), format=kind)[0]["file"].data, kind)
    for name in SMALL_FILES:
        (result,) = ask(encoded(SMALL, "PNG", icc_profile=swapping_profile()), format=name)
        assert is_bare(result["file"].data, name)


def test_metadata_within_a_frame_is_seen() -> None:
    at = MOVING_WEBP.index(b"ANMF")
    (size,) = struct.unpack_from("<I", MOVING_WEBP, at + 4)
    frame = MOVING_WEBP[at + 8 : at + 8 + size] + part(b"EXIF", b"SECRET")
    told = MOVING_WEBP[:at] + part(b"ANMF", frame) + MOVING_WEBP[at + 8 + size :]
    assert is_bare(MOVING_WEBP, "webp")
    assert not is_bare(told, "webp")


TINY = Image.effect_noise((12, 9), 60).convert("RGB")
BROKEN_OFF = {
    "jpeg": encoded(TINY, "JPEG"),
    "png": encoded(TINY, "PNG"),
    "webp": encoded(TINY, "WEBP"),
    "gif": encoded(
        *(TINY, "GIF"), save_all=True, append_images=[TINY.rotate(180), TINY.convert("L")]
    ),
    "moving-webp": encoded(TINY, "WEBP", save_all=True, append_images=[TINY.rotate(180)]),
    "moving-png": encoded(TINY, "PNG", save_all=True, append_images=[TINY.rotate(180)]),
}


@pytest.mark.parametrize("data", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_picture_that_breaks_off_anywhere_ends_in_an_answer(data: bytes) -> None:
    for end in range(0, len(data), 3):
        for name in ("png", "webp", "gif"):
            assert isinstance(ask(data[:end], format=name), list | InvalidInstance)


def test_animation_whose_later_frame_is_spoilt_is_refused() -> None:
    frames = {"save_all": True, "append_images": [TINY.rotate(180)], "lossless": True}
    data = encoded(TINY, "WEBP", **frames)
    spoilt = data[: data.rindex(b"VP8L") + 13].ljust(len(data), b"\xff")
    assert ask(spoilt).reason.startswith("picture 1: it cannot be read: ")


@pytest.mark.parametrize("data", BROKEN_OFF.values(), ids=BROKEN_OFF)
def test_picture_with_a_wrong_byte_ends_in_an_answer(data: bytes) -> None:
    for at in range(0, min(len(data), 400), 3):
        wrong = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        assert isinstance(ask(wrong, max_pixels=1_000_000), list | InvalidInstance)


@pytest.mark.parametrize(
    "data",
    [png_header(20_000, 20_000), png_header(9_000, 9_000), gif_of((65_535, 65_535), (8, 8))],
    ids=["bomb", "large", "gif"],
)
def test_picture_of_huge_size_is_refused_by_default(data: bytes) -> None:
    refused = ask(data)
    assert isinstance(refused, InvalidInstance)
    assert "exceeds limit" in refused.reason or "50000000 allowed" in refused.reason


def test_frame_larger_than_its_screen_is_refused() -> None:
    assert compressed(gif_of((8, 8), (8, 8), (8, 8))).size == (8, 8)
    refused = ask(gif_of((8, 8), (8, 8), (2_000, 2_000)), max_pixels=1_000)
    assert refused.reason == "picture 1: its frames differ in size"


def test_pixels_of_all_pictures_count_together() -> None:
    data = encoded(halves(), "PNG")
    assert len(ask(data, data, max_pixels=2 * 9_600)) == 2
    refused = ask(data, data, data, max_pixels=2 * 9_600)
    assert refused.reason.startswith("picture 3: it is 120 x 80 pixels")
    assert "more than the 19200 allowed" in refused.reason


def test_time_that_the_format_cannot_hold_is_refused() -> None:
    data = encoded(
        *(halves(), "WEBP"), save_all=True, append_images=[halves(BLUE)], duration=[2_000_000, 1]
    )
    assert ask(data, format="gif").reason.startswith("picture 1: it cannot be written as gif: ")


@pytest.mark.parametrize("is_moving", [False, True], ids=["still", "moving"])
def test_width_that_the_format_cannot_hold_is_refused(is_moving: bool) -> None:
    line, other = Image.new("RGB", (16_400, 1), RED), Image.new("RGB", (16_400, 1), BLUE)
    frames: dict[str, Any] = {"save_all": True, "append_images": [other]} if is_moving else {}
    refused = ask(encoded(line, "PNG", **frames), format="webp")
    assert refused.reason.startswith("picture 1: it cannot be written as webp: ")


def test_one_slow_picture_delays_no_neighbours() -> None:
    assert load_model_conf("CompressModel").serving.max_batch_size == 1
