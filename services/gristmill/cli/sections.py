"""Every section of the configuration: that of each stage, and those of the machinery."""

from collections.abc import Mapping
from dataclasses import dataclass

from gristmill.runtime.adapters.blobs import BlobSettings
from gristmill.runtime.adapters.grpc_tls import TlsSettings
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.engine.runner import RunnerSettings
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.engine.submit_settings import SubmitSettings
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.ports import StagePlugin

RUN_SECTION = "run"
LIMITS_SECTION = "limits"
SOURCES_SECTION = "sources"
_MOST_PORT = 65_535
_MOST_OF_GRPC = (1 << 31) - 1  # its options are numbers of 32 bits
_MOST_CALLS = 1_000_000  # each connection may have as many streams, and some more


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where one worker of a stage runs, and where it keeps what it keeps."""

    ordinal: int = 0
    """This worker's number among those of its stage; its membership and transactions go by it."""

    host: str = "127.0.0.1"
    """The address that health, metrics and calls are served on; 0.0.0.0 in a pod."""

    http_port: int = 0
    """The port of /metrics, /livez and /readyz; 0 takes any free one."""

    grpc_port: int = 0
    """The port of gRPC: health, reflection, the stage's service; 0 takes any free one."""

    worker: bool = True
    """Whether to read the stage's topic; without it only calls are served."""

    api: bool = True
    """Whether to serve the stage's calls; health is served in any case."""

    max_message_bytes: int = 16 << 20
    """Bytes of a request at most; up to 2^31 - 1."""

    max_calls: int = 256
    """Calls and streams that may be open at once; more are refused, to try again soon."""

    max_client_calls: int = 128
    """Of these, calls and streams of one client: of one certificate's name, or of one address."""

    max_batches: int = 32
    """Batches of callers that may be in work or waiting; calls beyond are refused, streams wait."""

    max_client_batches: int = 24
    """Of these, batches of one client."""

    max_connections: int = 2048
    """Connections at once to the gRPC port; more are closed at once."""

    directory: str = ".local/tables"
    """Where the tables and the dedup index lie; `why` and `tables` read it."""

    memo: str = ""
    """Where workers of a machine remember what they found in texts; empty: each for itself."""

    paper_route: bool = False
    """Whether documents go the paper's way, dedup before the gates. The same for all stages."""

    def __post_init__(self) -> None:
        if not (self.worker or self.api):
            raise ValueError("worker and api are both off: nothing would be served")
        for name in ("http_port", "grpc_port"):
            if not 0 <= getattr(self, name) <= _MOST_PORT:
                raise ValueError(f"{name} must be between 0 and {_MOST_PORT}")
        for name in (
            "max_message_bytes",
            "max_calls",
            "max_client_calls",
            "max_client_batches",
            "max_batches",
            "max_connections",
        ):
            most = _MOST_CALLS if name.endswith("_calls") else _MOST_OF_GRPC
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between 1 and {most:,}")


def settings_sections(plugins: Mapping[str, StagePlugin]) -> dict[str, type]:
    """Return every section by its name. All commands know all, so that none refuses another's."""
    return {
        RUN_SECTION: RunnerSettings,
        LIMITS_SECTION: Limits,
        SOURCES_SECTION: SourceSettings,
        "kafka": KafkaSettings,
        "stream": StreamSettings,
        "serve": ServeSettings,
        "tls": TlsSettings,
        "blobs": BlobSettings,
        "submit": SubmitSettings,
        **{name: plugin.settings for name, plugin in plugins.items()},
    }
