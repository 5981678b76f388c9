"""A small JSON bookmark service as a plain WSGI application.

Routes::

    GET    /bookmarks          list, optionally ?tag=...
    POST   /bookmarks          create from {"url": ..., "tags": [...]}
    GET    /bookmarks/<id>     fetch one
    DELETE /bookmarks/<id>     remove one
"""

import itertools
import json
import re
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

MAX_BODY_BYTES = 16 * 1024


class HttpError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status
        self.message = message


class BookmarkStore:
    """In-memory storage; swap for anything with the same four methods."""

    def __init__(self):
        self._items = {}
        self._ids = itertools.count(1)

    def add(self, url, tags):
        bookmark = {"id": next(self._ids), "url": url, "tags": sorted(set(tags))}
        self._items[bookmark["id"]] = bookmark
        return bookmark

    def get(self, bookmark_id):
        return self._items.get(bookmark_id)

    def remove(self, bookmark_id):
        return self._items.pop(bookmark_id, None) is not None

    def search(self, tag=None):
        return [b for b in self._items.values() if tag is None or tag in b["tags"]]


class BookmarkApp:
    def __init__(self, store):
        self._store = store
        self._routes = [
            ("GET", re.compile(r"/bookmarks"), self.list_bookmarks),
            ("POST", re.compile(r"/bookmarks"), self.create),
            ("GET", re.compile(r"/bookmarks/(\d+)"), self.show),
            ("DELETE", re.compile(r"/bookmarks/(\d+)"), self.delete),
        ]

    def __call__(self, environ, start_response):
        try:
            status, payload = self._dispatch(environ)
        except HttpError as error:
            status, payload = error.status, {"error": error.message}

        body = b"" if payload is None else json.dumps(payload).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _dispatch(self, environ):
        path_known = False
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(environ["PATH_INFO"])
            if match is None:
                continue
            path_known = True
            if method == environ["REQUEST_METHOD"]:
                return handler(environ, *map(int, match.groups()))
        if path_known:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "method not allowed")
        raise HttpError(HTTPStatus.NOT_FOUND, "no such resource")

    def list_bookmarks(self, environ):
        query = parse_qs(environ.get("QUERY_STRING", ""))
        tag = query.get("tag", [None])[0]
        return HTTPStatus.OK, self._store.search(tag)

    def create(self, environ):
        data = read_json(environ)
        if not isinstance(data, dict) or not is_web_url(data.get("url")):
            raise HttpError(HTTPStatus.BAD_REQUEST, "an http(s) url is required")
        tags = data.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(t, str) for t in tags):
            raise HttpError(HTTPStatus.BAD_REQUEST, "tags must be a list of strings")
        return HTTPStatus.CREATED, self._store.add(data["url"], tags)

    def show(self, environ, bookmark_id):
        bookmark = self._store.get(bookmark_id)
        if bookmark is None:
            raise HttpError(HTTPStatus.NOT_FOUND, "no such bookmark")
        return HTTPStatus.OK, bookmark

    def delete(self, environ, bookmark_id):
        if not self._store.remove(bookmark_id):
            raise HttpError(HTTPStatus.NOT_FOUND, "no such bookmark")
        return HTTPStatus.NO_CONTENT, None


def read_json(environ):
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > MAX_BODY_BYTES:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body too large")
    try:
        return json.loads(environ["wsgi.input"].read(length))
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST, "body is not valid JSON") from None


def is_web_url(value):
    if not isinstance(value, str):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("http", "https") and bool(parts.netloc)


if __name__ == "__main__":
    from wsgiref.simple_server import make_server

    with make_server("127.0.0.1", 8080, BookmarkApp(BookmarkStore())) as server:
        server.serve_forever()
