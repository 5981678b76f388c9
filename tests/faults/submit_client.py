"""A crawler that is killed and begun again: submits a case's documents, writes each receipt down.

    python submit_client.py ADDRESS CASE COUNT RATE RECEIPTS

What has a line in RECEIPTS is not sent again; everything else is, under the same key.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from fault_documents import documents

from gristmill.client import Accepted, Client, Retries, Submission

_STEP = 20


def main() -> None:
    """Submit what has no receipt yet, at so many documents a second."""
    address, case, count, rate, receipts = sys.argv[1:]
    path = Path(receipts)
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    known = {line.split()[0] for line in lines if line.endswith("\n")}

    def items() -> Iterator[Submission]:
        due = time.monotonic()
        unknown = (one for one in documents(case, int(count)) if one.document_id not in known)
        for number, one in enumerate(unknown):
            if number % _STEP == 0:
                due = max(due, time.monotonic() - 1) + _STEP / float(rate)
                time.sleep(max(0.0, due - time.monotonic()))
            yield Submission(one.document_id, one.item)

    retries = Retries(attempts=100, longest_seconds=1.0)
    with (
        Client(address, name="crawler", retries=retries) as client,
        open(path, "a", buffering=1, encoding="ascii") as written,
    ):
        if lines and not lines[-1].endswith("\n"):
            written.write("\n")
        for receipt in client.submit(items()):
            assert isinstance(receipt.result, Accepted), receipt
            told = "known" if receipt.result.known_before else "new"
            written.write(f"{receipt.key} {told}\n")


if __name__ == "__main__":
    main()
