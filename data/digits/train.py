"""Train digits.onnx, the network of `model_serving.models.digits_model`, on scikit-learn's digits.

Run at the project's root: PYTHONPATH=. python data/digits/train.py [output]

A stratified test split of scikit-learn's data is held out. The training set is the rest of it, as
is and distorted, and digits drawn here with a pen and printed in Pillow's font; distorted and
drawn digits go through the served model's own `picture_features`. Writes `output` (by default
digits.onnx beside this script) only if the test accuracy is at least 97 %.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import gaussian_filter1d
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from model_serving.models.digits_model import Features, picture_features

Labels = NDArray[np.int64]

SEED = 20240601
MIN_ACCURACY = 0.97
DISTORTED_PER_DIGIT = 16  # of each scikit-learn training digit
DRAWN_PER_SHAPE = 500
PRINTED_PER_LABEL = 300
SIDE = 96  # pixels; pictures are drawn in the middle half of a square of this side

# fmt: off
# Pen strokes, as points on a grid: "60" is column 6 (of 0 to 6), row 0 (of 0 to 9, downwards).
SHAPES = {
    0: [
        "30 11 04 06 18 39 58 66 63 51 30", "30 10 02 07 19 49 67 62 50 30",
        "30 11 04 06 18 39 58 66 62 50 30, 51 18", "30 11 04 06 18 39 58 66 62 50 30, 34 35"],
    1: ["30 39", "13 30 39", "12 30 39, 19 59"],
    2: ["02 10 40 62 64 09 69", "02 20 50 63 45 27 09 69", "02 10 40 62 35 18 08 17 38 69"],
    3: ["01 20 50 62 44 24 44 66 68 49 19 08", "00 60 24 54 67 49 09", "00 50 62 34 65 68 49 09"],
    4: [
        "30 06 66, 50 59", "59 50 06 66", "00 05 65, 60 69", "20 05 65, 53 49",
        "50 06 66, 50 59, 39 69"],
    5: ["60 00 04 44 66 68 49 09", "10 04 34 65 68 39 08, 10 60", "60 10 04 24 54 66 68 49 19 08"],
    6: [
        "50 12 05 08 29 59 67 55 25 07", "40 05 08 39 68 65 34 06",
        "62 50 20 02 07 29 49 67 55 25 06"],
    7: ["00 60 29", "00 60 29, 15 55", "02 00 60 34 29"],
    8: [
        "30 01 03 34 66 68 39 08 06 34 63 61 30", "61 30 01 03 65 68 39 08 06 63 61",
        "30 10 03 24 44 63 50 30, 24 06 19 39 59 66 44"],
    9: [
        "62 30 02 04 35 63 61 68 49 19", "61 30 02 04 35 62, 61 59",
        "62 50 20 02 04 25 45 63 61 67 49 29 08"],
}
# fmt: on


def distort(picture: Image.Image, rng: Generator) -> Image.Image:
    """Turn, slant, stretch and thicken or thin a white digit on black, at random."""
    turn, slant = rng.normal(0, 0.1), rng.normal(0, 0.15)
    x_scale, y_scale = rng.uniform(0.8, 1.25, 2)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ [[x_scale, slant], [0, y_scale]]
    middle = np.array([SIDE / 2, SIDE / 2])
    x_offset, y_offset = middle - matrix @ middle
    (xx, xy), (yx, yy) = matrix
    picture = picture.transform(
        picture.size,
        Image.Transform.AFFINE,
        (xx, xy, x_offset, yx, yy, y_offset),
        Image.Resampling.BILINEAR,
    )
    thickness = int(rng.integers(-1, 3))
    if thickness < 0:
        return picture.filter(ImageFilter.MinFilter(3))
    return picture.filter(ImageFilter.MaxFilter(2 * thickness + 1))


def scanned(digit: Features) -> Image.Image:
    """Enlarge one of scikit-learn's digits [64] to a picture."""
    small = Image.fromarray((digit.reshape(8, 8) * 255).astype(np.uint8))
    picture = Image.new("L", (SIDE, SIDE))
    picture.paste(small.resize((SIDE // 2, SIDE // 2), Image.Resampling.BICUBIC), (SIDE // 4,) * 2)
    return picture


def drawn(shape: str, rng: Generator) -> Image.Image:
    """Draw a digit with a shaky pen of any width, its corners sharp or round."""
    picture = Image.new("L", (SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    pen = int(rng.integers(2, 12))
    width, smoothing = rng.uniform(0.2, 0.55) * SIDE, rng.uniform(0, 5)
    for stroke in shape.split(", "):
        points = np.array([[int(point[0]) / 6, int(point[1]) / 9] for point in stroke.split()])
        points += rng.normal(0, 0.045, points.shape)
        at = np.linspace(0, len(points) - 1, 12 * len(points))
        path = np.stack([np.interp(at, range(len(points)), points[:, i]) for i in (0, 1)])
        path = gaussian_filter1d(path, smoothing, mode="nearest")
        xs, ys = (SIDE - width) / 2 + path[0] * width, SIDE / 4 + path[1] * SIDE / 2
        for x, y in zip(xs, ys, strict=True):
            draw.circle((x, y), pen / 2, "white")
        draw.line(list(zip(xs, ys, strict=True)), "white", pen)
    return picture


def printed(label: int, rng: Generator) -> Image.Image:
    """Print a digit in Pillow's own font, thin or bold."""
    picture = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(picture).text(
        (SIDE / 2, SIDE / 2),
        str(label),
        "white",
        ImageFont.load_default(SIDE * 0.6),
        anchor="mm",
        stroke_width=float(rng.uniform(0, 3)),
    )
    return picture


def training_set(digits: Features, labels: Labels, rng: Generator) -> tuple[Features, Labels]:
    """Add distorted, drawn and printed digits to the training split [N, 64]."""
    pictures = [
        (scanned(digit), int(label))
        for digit, label in zip(digits, labels, strict=True)
        for _ in range(DISTORTED_PER_DIGIT)
    ]
    pictures += [
        (drawn(shape, rng), label)
        for label, shapes in SHAPES.items()
        for shape in shapes
        for _ in range(DRAWN_PER_SHAPE)
    ]
    pictures += [(printed(k, rng), k) for k in range(10) for _ in range(PRINTED_PER_LABEL)]
    features = [picture_features(distort(picture, rng)) for picture, _ in pictures]
    # As they are, too, and as often: what the test measures is these, not their distortions.
    digits, labels = np.tile(digits, (DISTORTED_PER_DIGIT, 1)), np.tile(labels, DISTORTED_PER_DIGIT)
    return (
        np.concatenate([digits, np.stack(features)]),
        np.concatenate([labels, np.array([label for _, label in pictures])]),
    )


def export(network: MLPClassifier, digits: Features, output: Path) -> None:
    """Write the network as ONNX, once onnxruntime answers the same for all `digits` [N, 64]."""
    graph = to_onnx(
        network,
        initial_types=[("pictures", FloatTensorType([None, 64]))],
        options={"zipmap": False},
    ).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    labels, probabilities = session.run(None, {"pictures": digits})
    np.testing.assert_array_equal(labels, network.predict(digits))
    np.testing.assert_allclose(probabilities, network.predict_proba(digits), atol=1e-5)
    output.write_bytes(graph)


def main(output: Path) -> None:
    """Train, measure and export; exit with a message if the network is not accurate enough."""
    rng = np.random.default_rng(SEED)
    data = load_digits()
    digits, labels = (data.data / 16).astype(np.float32), data.target.astype(np.int64)
    train_x, test_x, train_y, test_y = train_test_split(
        digits, labels, test_size=0.2, stratify=labels, random_state=SEED
    )
    network = MLPClassifier(
        (256, 128), alpha=0.003, batch_size=128, max_iter=15, warm_start=True, random_state=SEED
    )
    warnings.simplefilter("ignore", ConvergenceWarning)  # it trains for a fixed number of epochs
    train_x, train_y = training_set(train_x, train_y, rng)
    network.fit(train_x, train_y)
    network.set_params(learning_rate_init=1e-4, max_iter=6).fit(train_x, train_y)
    accuracy = network.score(test_x, test_y)
    print(f"test accuracy {accuracy:.2%} on {len(test_y)} digits")
    if accuracy < MIN_ACCURACY:
        sys.exit(f"less than {MIN_ACCURACY:.0%}: nothing is written")
    export(network, test_x, output)
    print(f"{output}: {output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("digits.onnx"))
