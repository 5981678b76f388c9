"""The error tree: what went wrong says what the engine does next.

GristmillError
├── Transient   retry at the port, then pause            (gRPC UNAVAILABLE)
│   └── Overloaded  more calls than there is room for     (gRPC RESOURCE_EXHAUSTED)
├── Poison      this one record can never pass: set aside (gRPC INVALID_ARGUMENT)
│   └── Unfit       a field of a call cannot be taken     (gRPC INVALID_ARGUMENT)
├── TooLate     the caller will be gone before the answer (gRPC DEADLINE_EXCEEDED)
└── Fatal       stop the process, commit nothing more    (gRPC INTERNAL)
    ├── BadInput  a person's argument, file or directory  (gRPC FAILED_PRECONDITION)
    ├── NoStore   there is no blob store where one should be
    ├── TooMuchAside  more is to be set aside than bad data explains
    └── Stale     another writer was there first           (gRPC ABORTED)

Anything else that is raised is a bug, and the engine treats it as one.
"""

from typing import ClassVar

from gristmill.runtime.model.reason import Reason


class GristmillError(Exception):
    """The root of every error that Gristmill raises on purpose."""

    code: ClassVar[str] = "internal"
    grpc_status: ClassVar[str] = "INTERNAL"
    exit_code: ClassVar[int] = 1


class Transient(GristmillError):
    """Something outside did not answer; the same call may succeed later."""

    code = "unavailable"
    grpc_status = "UNAVAILABLE"


class Poison(GristmillError):
    """One record that no retry can help; it is set aside with its reason."""

    code = "poison"
    grpc_status = "INVALID_ARGUMENT"

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Overloaded(Transient):
    """A call for which there is no room now; the same call fits again later."""

    code = "overloaded"
    grpc_status = "RESOURCE_EXHAUSTED"


class Unfit(Poison):
    """A field of a call cannot be taken; `field` is its path in the request, empty for all.

    `batch` is the number of the request in its stream, from 0; None outside streams.
    """

    code = "unfit"

    def __init__(self, field: str, message: str, batch: int | None = None) -> None:
        super().__init__(Reason.UNREADABLE, message)
        self.field = field
        self.batch = batch

    def in_batch(self, batch: int) -> "Unfit":
        """Return the same, with the batch of a stream named."""
        return Unfit(self.field, f"batch {batch}: {self}", batch)


class TooLate(GristmillError):
    """A call whose deadline will have passed before it can be answered."""

    code = "too_late"
    grpc_status = "DEADLINE_EXCEEDED"


class Fatal(GristmillError):
    """The process cannot go on: disk full, a foreign index, a broken worker."""

    code = "fatal"


class BadInput(Fatal):
    """A person's argument, settings or directory is not usable; the message says what to do."""

    code = "bad_input"
    grpc_status = "FAILED_PRECONDITION"
    exit_code = 2


class NoStore(Fatal):
    """There is no blob store where it should be: none yet, or the wrong place."""

    code = "no_store"


class TooMuchAside(Fatal):
    """More of the records were to be set aside than bad data explains: somebody must look first.

    Its exit code (EX_DATAERR) says that a new start would only set more aside.
    """

    code = "too_much_aside"
    exit_code = 65


class Stale(Fatal):
    """The tables moved on without this writer: its batch is discarded, nothing was written."""

    code = "stale"
    grpc_status = "ABORTED"
