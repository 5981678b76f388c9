"""A client of Gristmill's gRPC services, for crawlers and for people who ask a stage something.

    from gristmill.client import Client, Tls, file_item

    with Client("127.0.0.1:50051", name="my-crawler") as client:
        for receipt in client.submit(file_item(data, origin) for origin, data in found):
            ...

It needs the generated messages and the model, and nothing of what runs the services.
"""

from gristmill.client.channel import CallError, Retries, Tls
from gristmill.client.client import Client, raw_file, source_file
from gristmill.client.items import Archive, archive_item, file_item, item_key
from gristmill.runtime.model import Accepted, Origin, Receipt, RefusalReason, Refused, Submission

__all__ = [
    "Accepted",
    "Archive",
    "CallError",
    "Client",
    "Origin",
    "Receipt",
    "RefusalReason",
    "Refused",
    "Retries",
    "Submission",
    "Tls",
    "archive_item",
    "file_item",
    "item_key",
    "raw_file",
    "source_file",
]
