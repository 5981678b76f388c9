"""The model as bytes: what travels between processes, in the protobuf messages of protos/.

`codec` and `submission` are the ways in and out; generated messages stay behind them.
"""

from gristmill.runtime.wire.codec import (
    blob_of_document,
    decode_crawl_item,
    decode_decision,
    decode_decisions,
    decode_document,
    decode_outcome,
    decode_position,
    decode_raw_file,
    encode_body,
    encode_crawl_item,
    encode_decision,
    encode_decisions,
    encode_document,
    encode_document_without_body,
    encode_outcome,
    encode_position,
    encode_raw_file,
)
from gristmill.runtime.wire.shapes import message_of, value_of
from gristmill.runtime.wire.submission import (
    decode_known_request,
    decode_receipts,
    decode_submissions,
    encode_known,
    encode_receipts,
    encode_submissions,
)

__all__ = [
    "blob_of_document",
    "decode_crawl_item",
    "decode_decision",
    "decode_decisions",
    "decode_document",
    "decode_known_request",
    "decode_outcome",
    "decode_position",
    "decode_raw_file",
    "decode_receipts",
    "decode_submissions",
    "encode_body",
    "encode_crawl_item",
    "encode_decision",
    "encode_decisions",
    "encode_document",
    "encode_document_without_body",
    "encode_known",
    "encode_outcome",
    "encode_position",
    "encode_raw_file",
    "encode_receipts",
    "encode_submissions",
    "message_of",
    "value_of",
]
