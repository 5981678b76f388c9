"""The blob store: bytes too large for a message, found again by a key and checked by their hash."""

from typing import Protocol

from gristmill.runtime.model import BlobReference


class BlobStore(Protocol):
    """Keeps bytes under dated keys. What lies there is never changed."""

    def put(self, reference: BlobReference, data: bytes) -> None:
        """Store the bytes that the reference describes; again is harmless.

        Raises Transient when the store does not answer within its deadline, Fatal when it refuses.
        """
        ...

    def get(self, reference: BlobReference) -> bytes:
        """Return the bytes, checked against the reference.

        Raises Transient when the store does not answer, Poison (`unreadable`) when the bytes are
        gone or are not those that the reference describes, NoStore when there is no store yet.
        """
        ...
