"""What a caller is told of a failure: a status, and details that a program can read.

Our errors carry their status. Anything else is a bug of ours: the caller learns that there was one
and nothing of its inside, which goes to the log.
"""

from typing import Any, NoReturn

from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from gristmill.runtime.model import GristmillError, Overloaded, Poison, Transient, Unfit

RETRY_SECONDS = {True: 0.25, False: 2.0}
"""After how long to try again: where there was no room, and where something does not answer."""

_DOMAIN = "gristmill"
_DETAIL_CHARS = 500
_INTERNAL = "an internal error; the server's log says more"

# gRPC carries no types.
Context = Any


def code_of(error: BaseException) -> str:
    """Return the name of the status that a failure ends a call with."""
    return error.grpc_status if isinstance(error, GristmillError) else "INTERNAL"


async def abort(context: Context, error: BaseException) -> NoReturn:
    """End a call with the status of a failure."""
    status = rpc_status.to_status(_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
    raise AssertionError("abort raises")


def _status(error: BaseException) -> status_pb2.Status:
    code = code_of(error)
    status = status_pb2.Status(
        code=code_pb2.Code.Value(code),
        message=_INTERNAL if code == "INTERNAL" else str(error)[:_DETAIL_CHARS],
    )
    ours = error if isinstance(error, GristmillError) else GristmillError()
    info = error_details_pb2.ErrorInfo(reason=ours.code.upper(), domain=_DOMAIN)
    if isinstance(error, Unfit) and error.batch is not None:
        info.metadata["batch"] = str(error.batch)
    status.details.add().Pack(info)
    if isinstance(error, Transient):
        delay = Duration()
        delay.FromNanoseconds(int(RETRY_SECONDS[isinstance(error, Overloaded)] * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    elif isinstance(error, Poison):
        field = error.field if isinstance(error, Unfit) else ""
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=field, description=str(error)[:_DETAIL_CHARS]
        )
        bad = error_details_pb2.BadRequest(field_violations=[violation])
        status.details.add().Pack(bad)
    return status
