"""The 1,797 handwritten digits that scikit-learn ships, as PNG images of 8 x 8 pixels."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aistorch.errors import MissingExtraError

try:
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
except ImportError as error:
    raise MissingExtraError("demo", "the demonstration") from error

TRAIN_PREFIX, TEST_PREFIX = "digits/train/", "digits/test/"
_TEST_PART = 0.2
_BRIGHTEST = 16  # scikit-learn's pixels go from 0 to 16


@dataclass(frozen=True, slots=True)
class Digit:
    """An image to store.

    Attributes:
        name: Its object name, `digits/train/LABEL/NUMBER.png` or `digits/test/...`.
        content: The PNG file.
    """

    name: str
    content: bytes


def digits() -> list[Digit]:
    """All images; a fifth of each label, the same one every time, is held out under `TEST_PREFIX`."""
    data = load_digits()
    numbers = np.arange(len(data.target))
    train, test = train_test_split(numbers, test_size=_TEST_PART, stratify=data.target, random_state=0)
    return [
        Digit(f"{prefix}{data.target[number]}/{number:05}.png", _png(data.images[number]))
        for prefix, part in ((TRAIN_PREFIX, train), (TEST_PREFIX, test))
        for number in sorted(part)
    ]


def label_of(name: str) -> int:
    """The label in an object's name, the folder that it lies in."""
    return int(name.rsplit("/", 2)[-2])


def pixels_of(content: bytes) -> npt.NDArray[np.float32]:
    """A PNG file's pixels, from 0 (black) to 1 (white)."""
    with Image.open(io.BytesIO(content)) as image:
        pixels: npt.NDArray[np.float32] = np.asarray(image, dtype=np.float32) / np.float32(255)
    return pixels


def _png(pixels: npt.NDArray[np.float64]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.round(pixels * (255 / _BRIGHTEST)).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
