"""The model as bytes: what travels between processes, in the protobuf messages of protos/.

`codec` is the only way in and out; the generated messages stay behind it.
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

__all__ = [
    "blob_of_document",
    "decode_crawl_item",
    "decode_decision",
    "decode_decisions",
    "decode_document",
    "decode_outcome",
    "decode_position",
    "decode_raw_file",
    "encode_body",
    "encode_crawl_item",
    "encode_decision",
    "encode_decisions",
    "encode_document",
    "encode_document_without_body",
    "encode_outcome",
    "encode_position",
    "encode_raw_file",
]
