"""A model that recognises the digit in a picture: decode, normalise, one run of an ONNX network.

The network (trained by `data/digits/train.py`) knows scikit-learn's digits: 8 x 8 grey levels, made
from a digit stretched to the height of a 32 x 32 bitmap, its ink counted in 4 x 4 blocks. So
`picture_features` finds the ink of any picture and lays it out the same way.
"""

import io
import os
import struct
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageFilter
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from model_serving.serving.model import InvalidInstance, Model

# Before the import: onnxruntime's telemetry, on by default, keeps a device id in the home folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

Features = NDArray[np.float32]

DEFAULT_WEIGHTS = Path("data/digits/digits.onnx")
DEFAULT_MAX_PIXELS = 25_000_000

# All that Pillow 13 raised for 300,000 mutated and truncated files; the last where a warning about
# corrupt EXIF data or APNG frames is an error, as in the tests.
DECODE_ERRORS = (OSError, SyntaxError, ValueError, struct.error, UserWarning)

FORMATS: dict[bytes, type[ImageFile]] = {
    b"\x89PNG\r\n\x1a\n": PngImageFile,
    b"\xff\xd8\xff": JpegImageFile,
}
TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

WORKING_SIDE = 512  # pixels; a longer side is reduced before any float is made of it
MIN_CONTRAST = 20  # of 255 grey levels; less is paper grain or JPEG artefacts, not ink
BOX_SIDE = 32  # pixels; the bitmap that scikit-learn's digits were counted from
BOX_INK_WIDTH = 22  # pixels; the width of its digits, except for narrow ones
WIDENING = 1.4  # how much a narrow digit (a 1) is widened, which NIST's preprocessing did too


class UnreadablePicture(Exception):
    """The bytes hold no digit to recognise; the message tells the user why."""


class DigitPrediction(TypedDict):
    """A recognised digit, and the probability of each of the digits 0 to 9."""

    label: int
    probabilities: list[float]


class DigitsModel(Model):
    """Recognise a handwritten digit in a picture.

    An instance is a PNG or JPEG file with one digit, dark on light or light on dark.
    """

    version = "1"

    def __init__(
        self, weights: Path = DEFAULT_WEIGHTS, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> None:
        """Load the ONNX network; a picture of more than `max_pixels` is refused undecoded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            weights, options, providers=["CPUExecutionProvider"]
        )
        self._max_pixels = max_pixels

    def predict(self, instances: list[bytes]) -> list[DigitPrediction | InvalidInstance]:
        """Return each picture's digit, or why that picture cannot be read."""
        features: list[Features | InvalidInstance] = []
        for instance in instances:
            try:
                features.append(picture_features(decode_picture(instance, self._max_pixels)))
            except UnreadablePicture as error:
                features.append(InvalidInstance(str(error)))
        readable = [item for item in features if not isinstance(item, InvalidInstance)]
        predictions = iter(self._recognise(readable))
        return [
            item if isinstance(item, InvalidInstance) else next(predictions) for item in features
        ]

    def _recognise(self, features: list[Features]) -> list[DigitPrediction]:
        """Run the network once on all pictures' features."""
        if not features:
            return []
        labels, probabilities = self._session.run(None, {"pictures": np.stack(features)})
        return [
            DigitPrediction(label=label, probabilities=[round(p, 6) for p in row])
            for label, row in zip(labels.tolist(), probabilities.tolist(), strict=True)
        ]


def decode_picture(data: bytes, max_pixels: int) -> Image.Image:
    """Return the upright picture in a PNG or JPEG file, reduced to about `WORKING_SIDE`.

    Raises `UnreadablePicture` if it is neither, is damaged, or has more than `max_pixels`.
    """
    picture_file = next((cls for magic, cls in FORMATS.items() if data.startswith(magic)), None)
    if picture_file is None:
        raise UnreadablePicture("not a PNG or JPEG picture")
    try:
        # Not Image.open: it raises or warns about a big picture before its size can be read.
        picture = picture_file(io.BytesIO(data))
        width, height = picture.size
        if width * height > max_pixels:
            raise UnreadablePicture(
                f"the picture is {width} x {height} pixels, more than the {max_pixels} allowed"
            )
        return _upright(_reduced(picture))
    except DECODE_ERRORS as error:
        raise UnreadablePicture(f"the picture is damaged: {error}") from error


def picture_features(picture: Image.Image) -> Features:
    """Return a picture's digit as the network takes it: [64], from 0 (paper) to 1 (ink).

    Raises `UnreadablePicture` if the picture is blank.
    """
    for paper in ("white", "black"):  # black shows white ink on a transparent background
        ink = _ink(_opaque(picture, paper))
        smooth = Image.fromarray(ink).filter(ImageFilter.BoxBlur(1))  # paper grain averages out
        if np.asarray(smooth).max() >= MIN_CONTRAST:
            return _block_counts(ink)
    raise UnreadablePicture("the picture is blank: it has one colour, and no ink")


def _reduced(picture: ImageFile) -> Image.Image:
    """Decode the picture in a mode with 8 bits a channel, its longer side at most about 1,000."""
    factor = max(1, max(picture.size) // WORKING_SIDE)
    picture.draft(None, (max(1, picture.width // factor), max(1, picture.height // factor)))
    decoded: Image.Image = picture
    if picture.mode.startswith("I"):  # 16 bits; convert() would clip instead of scaling
        decoded = picture.point(lambda level: level * (1 / 257) + 0.0).convert("L")
    elif picture.mode == "1":
        decoded = picture.convert("L")
    elif picture.mode == "P":
        decoded = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif picture.mode == "CMYK":
        decoded = picture.convert("RGB")
    return decoded.reduce(max(1, max(decoded.size) // WORKING_SIDE))


def _upright(picture: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF orientation says, if that can be read."""
    try:
        turn = TRANSPOSITIONS.get(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODE_ERRORS:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _opaque(picture: Image.Image, paper: str) -> Image.Image:
    """Lay the picture on coloured paper, if it is transparent anywhere."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, paper), layer).convert("RGB")


def _ink(picture: Image.Image) -> NDArray[np.uint8]:
    """Return how far each pixel is from the background: [height, width], 0 to 255."""
    pixels = np.asarray(picture, dtype=np.int16)
    border = np.concatenate((pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]))
    background = np.median(border, axis=0).astype(np.int16)
    distance: NDArray[np.int16] = np.abs(pixels - background).max(axis=2)
    return distance.astype(np.uint8)


def _block_counts(ink: NDArray[np.uint8]) -> Features:
    """Lay the inked part out in the 32 x 32 box, and average its 4 x 4 blocks: [64]."""
    # Faint marks (JPEG artefacts, shadows) become paper, and edges keep their grey levels.
    level = np.clip((ink / ink.max() - 0.25) / 0.5, 0, 1)
    left, top, right, bottom = _bounds(level >= 0.5)
    width = round(BOX_SIDE * WIDENING * (right - left) / (bottom - top))
    width = max(2, min(BOX_INK_WIDTH, width))
    digit = Image.fromarray((level * 255).astype(np.uint8)).resize(
        (width, BOX_SIDE), Image.Resampling.BOX, (left, top, right, bottom)
    )
    box = Image.new("L", (BOX_SIDE, BOX_SIDE))
    box.paste(digit, ((BOX_SIDE - width) // 2, 0))
    return np.asarray(box.reduce(4), dtype=np.float32).ravel() / np.float32(255)


def _bounds(inked: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of the ink, lone specks of dust left out."""
    share = np.asarray(Image.fromarray(inked.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(2)))
    # A 5 x 5 square around a pixel of any pen's line holds 3 or more of them, 3 at the line's end.
    crowded = inked & (share >= 2.5 * 255 / 25)
    rows, columns = np.nonzero(crowded if crowded.any() else inked)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
