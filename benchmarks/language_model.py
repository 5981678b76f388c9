"""Train the classifier of languages and write its weights into the package.

It learns from the part of ``language_files.py`` that is not held out: each file whole, and a few
short pieces of it, so that short texts are not strange to it. The weights are those of a logistic
regression on the features of `gristmill.syntax.inference`. Only these numbers are kept of the
files, and the words and signs that they belong to. Seeded: the same files give the same weights.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

import gristmill.syntax.inference
from gristmill.runtime.model.languages import find_language
from gristmill.syntax.inference.classifier import WEIGHTS, Classifier, pack
from gristmill.syntax.inference.features import Feature, beginning, features

SEED = 1
FILES_PER_LANGUAGE = 400
LEAST_FILES, LEAST_OTHERS = 3, 20
"""One of the 89 languages with fewer files, or another one, is known by its names alone."""
FEATURES = 20_000
LEAST_PACKAGES = 2
"""A word of one project alone says nothing of a language."""
PIECES = (2, 5, 15)
"""Lines of the pieces that are learnt beside each file."""
PIECE_WEIGHT = 0.3
ROUNDS = 12
STEP = 0.5
DECAY = 1e-5
BATCH = 256
LIMIT, LEVELS = 8.0, 63
"""Weights are cut at LIMIT and rounded to so many levels on either side."""

# Languages that are another one with a few additions, which nobody writes without the ending, or
# data without words: their files would only take from the others.
NOT_LEARNT = frozenset(
    (
        "Blade", "CSV", "DTD", "Diff", "Embedded Template", "GN", "Git Attributes", "Go Checksums",
        "Ignore List", "JSON5", "Less", "Literate Agda", "Literate Haskell", "Luau", "MDX",
        "OCaml Interface", "Org", "Python Manifest", "RMarkdown", "Requirements", "SCSS", "Sass",
        "Svelte", "TSV", "TSX", "Terraform", "Twig", "Vue",
    )
)  # fmt: skip

Weights = NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """A file to learn from."""

    language: str
    package: str
    content: str
    features: frozenset[Feature]


def read_samples(path: Path, rng: random.Random) -> list[Sample]:
    """Return the files of the languages that are learnt, shuffled, not too many of any."""
    with gzip.open(path) as lines:
        records = [json.loads(line) for line in lines]
    count = Counter(record["language"] for record in records)
    learnt = {name for name, n in count.items() if n >= least_files(name)} - NOT_LEARNT
    rng.shuffle(records)
    taken: Counter[str] = Counter()
    samples = []
    for record in records:
        language = record["language"]
        taken[language] += 1
        if language in learnt and taken[language] <= FILES_PER_LANGUAGE:
            package = record["path"].partition("/")[0]
            content = record["content"]
            samples.append(
                Sample(language, package, content, frozenset(features(beginning(content))))
            )
    return samples


def least_files(name: str) -> int:
    """Return how many files of a language it takes to learn it."""
    language = find_language(name)
    return LEAST_FILES if language is not None and language.paper else LEAST_OTHERS


def choose_features(samples: Sequence[Sample]) -> list[Feature]:
    """Return the features that say most, every package of a language weighing the same."""
    files = Counter((sample.language, sample.package) for sample in samples)
    packages = Counter(language for language, _ in files)
    seen: dict[Feature, Counter[tuple[str, str]]] = defaultdict(Counter)
    for sample in samples:
        for feature in sample.features:
            seen[feature][sample.language, sample.package] += 1
    gains = []
    for feature, counts in seen.items():
        if len({package for _, package in counts}) >= LEAST_PACKAGES:
            shares: dict[str, float] = defaultdict(float)
            for group, n in counts.items():
                shares[group[0]] += n / files[group] / packages[group[0]]
            gains.append((information(list(shares.values()), len(packages)), feature))
    gains.sort(key=lambda pair: (-pair[0], str(pair[1])))
    return [feature for _, feature in gains[:FEATURES]]


def information(shares: Sequence[float], num_languages: int) -> float:
    """Return how much a feature says, found in such shares of the files of some languages."""
    mean = sum(shares) / num_languages
    found = np.array(shares)
    missing = np.append(1 - found, np.ones(num_languages - len(shares)))
    gain = float((found * np.log(found / mean)).sum())
    if mean < 1:
        left = missing[missing > 0]
        gain += float((left * np.log(left / (1 - mean))).sum())
    return gain


def pieces(content: str, rng: random.Random) -> Iterator[str]:
    """Yield a few short pieces of a text."""
    lines = content.splitlines(keepends=True)
    for length in PIECES:
        if len(lines) > 2 * length:
            start = rng.randrange(len(lines) - length)
            piece = "".join(lines[start : start + length])
            if len(piece.strip()) >= 8:
                yield piece


def matrix(rows: Iterable[frozenset[Feature]], number_of: Mapping[Feature, int]) -> sp.csr_matrix:
    """Return a row for each text, of length one."""
    ends, columns, values = [0], [], []
    for row in rows:
        found = sorted(number_of[feature] for feature in row if feature in number_of)
        columns += found
        values += [max(1, len(found)) ** -0.5] * len(found)
        ends.append(len(columns))
    shape = (len(ends) - 1, len(number_of))
    return sp.csr_matrix((np.array(values, np.float32), columns, ends), shape=shape)


def train(
    rows: sp.csr_matrix, labels: NDArray[np.int64], importance: Weights, num_languages: int
) -> tuple[Weights, Weights]:
    """Fit a logistic regression by Adagrad; return weights and bias."""
    rng = np.random.default_rng(SEED)
    weights = np.zeros((rows.shape[1], num_languages), np.float32)
    bias = np.zeros(num_languages, np.float32)
    squares, bias_squares = np.full_like(weights, 1e-6), np.full_like(bias, 1e-6)
    for round_ in range(ROUNDS):
        order, loss = rng.permutation(rows.shape[0]), 0.0
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch, truth = rows[chosen], (np.arange(len(chosen)), labels[chosen])
            scores = batch @ weights + bias
            likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
            likelihood /= likelihood.sum(axis=1, keepdims=True)
            loss -= float((importance[chosen] * np.log(likelihood[truth] + 1e-9)).sum())
            likelihood[truth] -= 1
            likelihood *= importance[chosen][:, None] / len(chosen)
            columns = np.unique(batch.indices)
            slope = batch[:, columns].T @ likelihood + DECAY * weights[columns]
            squares[columns] += slope * slope
            weights[columns] -= STEP * slope / np.sqrt(squares[columns])
            slope = likelihood.sum(axis=0)
            bias_squares += slope * slope
            bias -= STEP * slope / np.sqrt(bias_squares)
        print(f"round {round_ + 1}: {loss / len(order):.4f}", file=sys.stderr, flush=True)
    return weights, bias


def classifier_of(samples: Sequence[Sample], rng: random.Random) -> Classifier:
    """Train on files and pieces of them."""
    languages = sorted({sample.language for sample in samples})
    number_of = {feature: number for number, feature in enumerate(choose_features(samples))}
    count = Counter(sample.language for sample in samples)
    rows, labels, importance = [], [], []
    for sample in samples:
        texts = [sample.features]
        texts += [frozenset(features(beginning(piece))) for piece in pieces(sample.content, rng)]
        rare = min(4.0, (200 / count[sample.language]) ** 0.5)
        rows += texts
        labels += [languages.index(sample.language)] * len(texts)
        importance += [rare] + [rare * PIECE_WEIGHT] * (len(texts) - 1)
    weights, bias = train(
        matrix(rows, number_of),
        np.array(labels),
        np.array(importance, np.float32),
        len(languages),
    )
    scale = LIMIT / LEVELS
    rounded = np.clip(np.rint(weights / scale), -LEVELS, LEVELS).astype(np.int8)
    return Classifier(tuple(languages), number_of, rounded, scale, bias)


def main() -> int:
    """Train and write."""
    parser = argparse.ArgumentParser("language_model.py", description=__doc__)
    parser.add_argument("files", type=Path, metavar="FILES", help="the folder `learn`")
    package = Path(next(iter(gristmill.syntax.inference.__path__)))
    parser.add_argument("--out", type=Path, default=package / WEIGHTS)
    arguments = parser.parse_args()
    rng = random.Random(SEED)
    samples = read_samples(arguments.files / "files.jsonl.gz", rng)
    classifier = classifier_of(samples, rng)
    num_packages = len({sample.package for sample in samples})
    origin = (
        f"{len(samples)} files of {num_packages} packages listed in benchmarks/corpus.toml and "
        f"benchmarks/languages.toml, each under its own licence; no text of them is in here."
    )
    arguments.out.write_bytes(pack(classifier, origin))
    print(f"{arguments.out}: {len(classifier.languages)} languages, {origin}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
