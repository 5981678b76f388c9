"""What pyarrow's client for S3 raises, told apart by its text, which has no other form.

"AWS Error <code> (HTTP status <n>) during <operation>": the contract suite of the blob store holds
this against a real server.
"""

import re

from gristmill.runtime.model import Fatal, GristmillError, Transient

_ERROR = re.compile(r"AWS Error ([A-Z_]+)(?: \(HTTP status (-?[0-9]+)\))? during (\w+)")
_SILENT = {
    "INTERNAL_FAILURE",
    "NETWORK_CONNECTION",
    "NO_SUCH_UPLOAD",
    "REQUEST_TIMEOUT",
    "SERVICE_UNAVAILABLE",
    "SLOW_DOWN",
    "THROTTLING",
}
# Removed while it was read: asked again, it is missing. The client puts an error's text where the
# blob would go, so that one longer than the blob loses its code.
_REMOVED = {("GetObject", "NO_SUCH_KEY"), ("GetObject", "RESOURCE_NOT_FOUND")}
_SILENT_STATUSES = {408, 409, 425, 429}  # and below 100 or from 500
_DENIED = {
    "ACCESS_DENIED",
    "INVALID_ACCESS_KEY_ID",
    "INVALID_CLIENT_TOKEN_ID",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "SIGNATURE_DOES_NOT_MATCH",
    "UNRECOGNIZED_CLIENT",
}


def s3_error(
    error: OSError, *, server: str, bucket: str, no_bucket: Fatal, needs: str
) -> GristmillError:
    """Return what an error of the client means: an outage, or what somebody has to put right.

    `server` is what it is called, `needs` the rights that the access key has to have.
    """
    text = (str(error).splitlines() or [""])[0]
    match = _ERROR.search(text)
    code, status, operation = match.groups() if match else ("", None, "")
    if code == "NO_SUCH_BUCKET":
        return no_bucket
    if code in _DENIED:
        return Fatal(
            f"{server} denies access to the bucket {bucket}: check the access key, "
            f"its secret and its rights to {needs} ({text})"
        )
    unnamed = code == "UNKNOWN" and _is_silent(int(status or 0))
    if code in _SILENT or unnamed or (operation, code) in _REMOVED:
        return Transient(f"{server} does not answer: {text}")
    return Fatal(f"{server} refuses: {text}")


def _is_silent(status: int) -> bool:
    return status < 100 or status >= 500 or status in _SILENT_STATUSES
