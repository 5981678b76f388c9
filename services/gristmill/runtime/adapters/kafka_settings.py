"""The settings of Kafka, apart from its client: whoever lists settings needs no Kafka for that."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr

_ADDRESS = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_NO_SECRET = SecretStr("")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """Where Kafka is and how long to wait for it."""

    bootstrap: str = "127.0.0.1:9092"
    """Addresses of brokers, host:port, separated by commas."""

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are secured."""

    sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = ""
    """How the user proves who it is; empty without SASL."""

    sasl_username: str = ""
    """The user; empty without SASL."""

    sasl_password: SecretStr = _NO_SECRET
    """The user's password; empty without SASL."""

    ssl_cafile: str = ""
    """A PEM file of the authorities that may have signed a broker's certificate."""

    ssl_certfile: str = ""
    """A PEM file of the client's own certificate, where brokers ask for one."""

    ssl_keyfile: str = ""
    """A PEM file of the key to the client's certificate."""

    compression: Literal["none", "gzip", "lz4", "zstd"] = "lz4"
    """How batches of records are packed; lz4 costs the least CPU for source code."""

    session_seconds: float = 10.0
    """Seconds without a heartbeat after which a worker's partitions go to others."""

    transaction_seconds: float = 60.0
    """Seconds after which a broker aborts a transaction that its worker left open."""

    commit_seconds: float = 20.0
    """Seconds that a transaction may take; beyond, it is begun again with a new producer."""

    def __post_init__(self) -> None:
        if not all(part.strip() for part in self.bootstrap.split(",")):
            raise ValueError("bootstrap must be host:port, several separated by commas")
        if not all(_ADDRESS.fullmatch(part.strip()) for part in self.bootstrap.split(",")):
            raise ValueError(f"bootstrap must be host:port, and {self.bootstrap!r} is not")
        seconds = (self.session_seconds, self.transaction_seconds, self.commit_seconds)
        if not all(map(math.isfinite, seconds)):
            raise ValueError("seconds must be finite")
        if not self.commit_seconds > 0:
            raise ValueError("commit_seconds must be above 0")
        if self.session_seconds < 1:
            raise ValueError("session_seconds must be at least 1")
        if bool(self.sasl_mechanism) != self.security_protocol.startswith("SASL_"):
            raise ValueError("sasl_mechanism goes with a security_protocol of SASL, and only there")
        if self.transaction_seconds <= self.commit_seconds:
            raise ValueError("transaction_seconds must be more than commit_seconds")
