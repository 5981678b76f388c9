"""The model as bytes: what travels between processes, in the protobuf messages of protos/.

`codec` is the only way in and out; the generated messages stay behind it.
"""

from gristmill.runtime.wire.codec import (
    decode_decision,
    decode_document,
    decode_outcome,
    decode_position,
    decode_raw_file,
    encode_decision,
    encode_document,
    encode_outcome,
    encode_position,
    encode_raw_file,
)

__all__ = [
    "decode_decision",
    "decode_document",
    "decode_outcome",
    "decode_position",
    "decode_raw_file",
    "encode_decision",
    "encode_document",
    "encode_outcome",
    "encode_position",
    "encode_raw_file",
]
