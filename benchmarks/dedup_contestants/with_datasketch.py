"""Deduplicate the pack with datasketch's MinHash and MinHashLSH: the first of similar ones stays.

Nothing is verified: what LSH proposes is removed, as its documentation's first example does.
"""

import xxhash
from datasketch import MinHash, MinHashLSH
from packed import Report, arguments, batches
from shingles import shingles

_BANDS, _ROWS = 16, 7


def main() -> None:
    """Query, then insert what is new, one document after the other."""
    report = Report()
    path, out, most = arguments()
    permutations = _BANDS * _ROWS
    index = MinHashLSH(num_perm=permutations, params=(_BANDS, _ROWS))
    removed: list[str] = []
    documents = 0
    for batch in batches(path, ["id", "content"], most):
        ids = batch["id"].to_pylist()
        texts = batch["content"].to_pylist()
        report.lap("read")
        # A set is faster than a list here: every shingle is hashed and permuted in numpy.
        signed = MinHash.generator(
            map(set, map(shingles, texts)),
            num_perm=permutations,
            hashfunc=xxhash.xxh32_intdigest,
        )
        for identity, signature in zip(ids, signed, strict=True):
            if index.query(signature):
                removed.append(identity)
            else:
                index.insert(identity, signature, check_duplication=False)
        report.lap("shingles, sign, query, insert")
        documents += len(ids)
    setting = f"MinHash xxh32, {permutations} permutations, MinHashLSH {_BANDS} x {_ROWS}"
    report.finish(out, removed, documents=documents, setting=setting)


if __name__ == "__main__":
    main()
