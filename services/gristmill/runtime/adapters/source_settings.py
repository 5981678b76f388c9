"""How sources on servers are reached."""

from dataclasses import dataclass

from pydantic import SecretStr

_NO_SECRET = SecretStr("")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How `s3://` and `https://` sources are reached. None of it is part of their identity."""

    s3_endpoint: str = ""
    """The server, as `https://host:port`; empty takes AWS_ENDPOINT_URL, or Amazon's own."""

    s3_region: str = ""
    """The region of the buckets; empty takes what the environment gives, or us-east-1."""

    s3_access_key: str = ""
    """Empty takes what the environment gives: AWS_ACCESS_KEY_ID, a profile, the machine's role."""

    s3_secret_key: SecretStr = _NO_SECRET
    """The secret that belongs to the access key."""

    s3_anonymous: bool = False
    """Whether to ask without any key, as public buckets allow."""

    timeout_seconds: float = 10.0
    """Seconds of silence after which a server is asked again; 1 at least."""

    attempts: int = 5
    """How often a server is asked before the run stops; the pauses between grow to 8 seconds."""

    readers: int = 16
    """Small files that are fetched at a time."""

    def __post_init__(self) -> None:
        if not 1 <= self.timeout_seconds < float("inf"):
            raise ValueError("timeout_seconds must be at least 1")
        if self.attempts < 1 or self.readers < 1:
            raise ValueError("attempts and readers must be at least 1")
        if bool(self.s3_access_key) != bool(self.s3_secret_key.get_secret_value()):
            raise ValueError("s3_access_key and s3_secret_key go together")
        if self.s3_endpoint and not self.s3_endpoint.startswith(("http://", "https://")):
            raise ValueError("s3_endpoint must be like https://host:port, without a path")
