"""Files on web servers as an fsspec file system, over urllib3. A web server lists nothing.

Redirects are followed, a few, and never from https to http. Proxies are those of the environment.
"""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from fsspec.spec import AbstractFileSystem
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.model import Fatal, GristmillError, Transient

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_GONE = {404, 410}
_DENIED = {401, 403, 407}
_SILENT = {408, 425, 429}  # and from 500
_STEP_BYTES = 256 << 10


class ChangedError(OSError):
    """The file is not the one any more that was listed."""

    def __init__(self) -> None:
        super().__init__("it changed since it was listed")


# Any: fsspec carries no types.
class HttpFiles(AbstractFileSystem):  # type: ignore[misc]
    """What URLs name, in whole or in part."""

    protocol = ("http", "https")
    cachable = False

    def __init__(self, settings: SourceSettings) -> None:
        """Take how long to wait; nothing is sent yet."""
        super().__init__()
        self._timeout = urllib3.Timeout(settings.timeout_seconds)
        self._readers = settings.readers
        self._pools: dict[str, urllib3.PoolManager] = {}

    def info(self, path: str, **_: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return size (None where the server does not say), time, entity tag and `ranges`.

        `ranges` tells whether a part of the file can be asked for. Raises FileNotFoundError,
        Transient and Fatal.
        """
        with self._asked("GET", path, {"Range": "bytes=0-0"}) as response:
            return _told(response, path)

    def cat_file(
        self,
        path: str,
        start: int | None = None,
        end: int | None = None,
        **options: Any,  # noqa: ANN401
    ) -> bytes:
        """Return a file's bytes, or a part of them; never more than `end` says.

        `etag` in the options is the tag of the file that is meant: where it is another one by
        now, ChangedError is raised. `check` is given what `info` would say of what is read.
        """
        headers, begin = {}, start or 0
        if start is not None and end is not None:
            headers["Range"] = f"bytes={start}-{end - 1}"
        etag = options.get("etag", "")
        if etag and not etag.startswith("W/"):
            headers["If-Match"] = etag
        with self._asked("GET", path, headers) as response:
            if (check := options.get("check")) is not None:
                check(_told(response, path))
            if response.status == 416:  # nothing is there, from its beginning or from here on
                return b""
            if begin and response.status != 206:
                raise Fatal(f"{shown(path)}: the server gave all of it where a part was asked for")
            return self._read(response, path, None if end is None else end - begin)

    def stream(
        self, path: str, check: Callable[[dict[str, Any]], None]
    ) -> "urllib3.response.BaseHTTPResponse":
        """Return an open answer with the whole file, once it is checked; see `cat_file`.

        Whoever takes it closes it.
        """
        response = self._asked("GET", path, {})
        try:
            check(_told(response, path))
        except BaseException:
            response.close()
            raise
        return response

    def _read(self, response: BaseHTTPResponse, path: str, most: int | None) -> bytes:
        parts, left = [], most
        try:
            while left is None or left > 0:
                part = response.read(_STEP_BYTES if left is None else min(left, _STEP_BYTES))
                if not part:
                    break
                parts.append(part)
                left = None if left is None else left - len(part)
        except (HTTPError, OSError) as error:
            raise _outage(path, error) from error
        return b"".join(parts)

    def _asked(self, method: str, url: str, headers: dict[str, str]) -> BaseHTTPResponse:
        at = url
        for _ in range(_MAX_REDIRECTS + 1):
            try:
                response = self._pool(at).request(
                    method,
                    at,
                    headers={"Accept-Encoding": "identity", "User-Agent": "gristmill", **headers},
                    preload_content=False,
                    redirect=False,
                    retries=False,
                    timeout=self._timeout,
                    decode_content=False,
                )
            except (HTTPError, OSError) as error:
                raise _outage(url, error) from error
            if response.status not in _REDIRECTS:
                return _checked(response, url)
            response.close()
            following = urljoin(at, response.headers.get("Location", ""))
            if urlsplit(following).scheme not in {"https", urlsplit(at).scheme}:
                raise Fatal(f"{shown(url)}: leads away from https")
            at = following
        raise Fatal(f"{shown(url)}: redirects without end")

    def _pool(self, url: str) -> urllib3.PoolManager:
        parts = urlsplit(url)
        proxy = getproxies().get(parts.scheme, "")
        if proxy and proxy_bypass(parts.hostname or ""):
            proxy = ""
        if proxy not in self._pools:
            options: dict[str, Any] = {
                "maxsize": self._readers,
                "ssl_context": ssl.create_default_context(),
            }
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
            )
        return self._pools[proxy]


def shown(url: str) -> str:
    """Return a URL without what may be secret in it."""
    return url.partition("?")[0]


def _told(response: BaseHTTPResponse, path: str) -> dict[str, Any]:
    """Return what an answer says of the whole file, as `info` does."""
    headers, is_part = response.headers, response.status == 206
    total = headers.get("Content-Range", "").rpartition("/")[2]
    length = total if is_part else headers.get("Content-Length", "")
    size = int(length) if length.isdigit() else None
    if response.status == 416:  # nothing is there, at its beginning or from some place on
        size = int(total) if total.isdigit() else 0
    return {
        "name": path,
        "type": "file",
        "size": size,
        "mtime": _moment(headers.get("Last-Modified", "")),
        "ETag": headers.get("ETag", ""),
        "ranges": is_part and size is not None,
    }


def _checked(response: BaseHTTPResponse, url: str) -> BaseHTTPResponse:
    status = response.status
    if status in {200, 206, 416}:
        return response
    response.close()
    raise _error(status, url)


def _error(status: int, url: str) -> GristmillError | OSError:
    if status in _GONE:
        return FileNotFoundError(f"{shown(url)} is not there")
    if status == 412:
        return ChangedError()
    if status in _DENIED:
        return Fatal(f"{shown(url)}: the server denies access (HTTP status {status})")
    if status in _SILENT or status >= 500:
        return Transient(f"{shown(url)}: the server does not answer (HTTP status {status})")
    return Fatal(f"{shown(url)}: the server refuses (HTTP status {status})")


def _outage(url: str, error: Exception) -> GristmillError:
    cause = error
    while isinstance(cause.__cause__ or cause.__context__, Exception):
        following = cause.__cause__ or cause.__context__
        assert isinstance(following, Exception), "just looked at"
        cause = following
    text = (str(cause).splitlines() or [""])[0]
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Fatal(f"{shown(url)}: the server's certificate is not trusted: {text}")
    return Transient(f"{shown(url)}: the server does not answer: {text or type(cause).__name__}")


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
