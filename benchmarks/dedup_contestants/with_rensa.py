"""Deduplicate the pack with rensa's RMinHashDeduplicator, the way its documentation shows."""

from packed import Report, arguments, batches
from rensa import RMinHashDeduplicator  # type: ignore[import-not-found]  # an environment of its own
from shingles import shingles


def main() -> None:
    """Feed every document, a batch a call; what is not kept is removed."""
    report = Report()
    path, out, most = arguments()
    index = RMinHashDeduplicator(threshold=0.7, num_perm=128, use_lsh=True)
    removed: list[str] = []
    documents = 0
    for batch in batches(path, ["id", "content"], most):
        ids = batch["id"].to_pylist()
        texts = batch["content"].to_pylist()
        report.lap("read")
        # A list is faster than a set here: rensa hashes repeated shingles cheaply.
        kept = index.add_pairs((i, shingles(text)) for i, text in zip(ids, texts, strict=True))
        report.lap("shingles and add_pairs")
        removed += [i for i, keep in zip(ids, kept, strict=True) if not keep]
        documents += len(ids)
    setting = "RMinHashDeduplicator, threshold 0.7, 128 permutations, LSH 16 x 8 (its default)"
    report.finish(out, removed, documents=documents, setting=setting)


if __name__ == "__main__":
    main()
