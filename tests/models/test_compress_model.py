"""The compressing model, on pictures made here: what stays, what shrinks, what is refused."""

import io
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageSequence

from model_serving.models.compress_model import DEFAULT_MAX_PIXELS, CompressModel, Wish
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


def test_colour_profile_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = compressed(encoded(NOISE, "JPEG", icc_profile=profile, quality=95))
    assert picture.info["icc_profile"] == profile


def test_printing_colours_become_those_of_screens() -> None:
    data = encoded(halves().convert("CMYK"), "JPEG", quality=95)
    picture = compressed(data, format="png")
    assert picture.mode == "RGB"
    assert near(picture.getpixel((10, 10)), RED, 25)


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
