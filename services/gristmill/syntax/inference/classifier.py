"""A linear classifier of languages by content.

Its weights are in `weights.npz`, made by `benchmarks/language_model.py`. They are read with the
first text that needs them: most files are decided by their names, and never come here.
"""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gristmill.syntax.inference.features import Feature, features
from gristmill.syntax.inference.guess import Guess

WEIGHTS: Final = "weights.npz"


@dataclass(frozen=True, slots=True)
class Classifier:
    """Languages, features, and for each feature a small number for and against each language."""

    languages: tuple[str, ...]
    number_of: Mapping[Feature, int]
    weights: NDArray[np.int8]
    scale: float
    bias: NDArray[np.float32]

    def rank(self, text: str, among: Collection[str] | None = None) -> Sequence[Guess]:
        """Return the languages, or those among the given, the likeliest for a beginning first."""
        number_of = self.number_of
        found = [number_of[feature] for feature in features(text) if feature in number_of]
        scores = self.bias
        if found:
            summed = self.weights[found].sum(axis=0, dtype=np.int32)
            scores = scores + summed * np.float32(self.scale / len(found) ** 0.5)
        chosen = [
            number for number, name in enumerate(self.languages) if among is None or name in among
        ]
        if not chosen:
            return []
        likelihood = np.exp(scores[chosen] - scores[chosen].max())
        shares = (likelihood / likelihood.sum()).tolist()
        ranked = sorted(zip(shares, chosen, strict=True), key=lambda pair: (-pair[0], pair[1]))
        return [Guess(self.languages[number], share) for share, number in ranked]


def pack(classifier: Classifier, origin: str) -> bytes:
    """Return a classifier as a file, with a word on what it was made of."""
    words = ["\0".join((key,) if isinstance(key, str) else key) for key in classifier.number_of]
    stored = io.BytesIO()
    np.savez_compressed(
        stored,
        languages=np.frombuffer("\1".join(classifier.languages).encode(), np.uint8),
        features=np.frombuffer("\1".join(words).encode(), np.uint8),
        weights=np.ascontiguousarray(classifier.weights.T),
        scale=np.float64(classifier.scale),
        bias=classifier.bias,
        origin=np.frombuffer(origin.encode(), np.uint8),
    )
    return stored.getvalue()


def unpack(stored: bytes) -> Classifier:
    """Return the classifier of a file."""
    with np.load(io.BytesIO(stored), allow_pickle=False) as arrays:
        words = arrays["features"].tobytes().decode().split("\1")
        return Classifier(
            languages=tuple(arrays["languages"].tobytes().decode().split("\1")),
            number_of={_feature(word): number for number, word in enumerate(words)},
            weights=np.ascontiguousarray(arrays["weights"].T),
            scale=float(arrays["scale"]),
            bias=arrays["bias"],
        )


def _feature(word: str) -> Feature:
    first, parted, second = word.partition("\0")
    return (first, second) if parted else first


@cache
def shipped() -> Classifier:
    """Return the classifier that comes with the package, read once in a process."""
    return unpack(files("gristmill.syntax.inference").joinpath(WEIGHTS).read_bytes())
