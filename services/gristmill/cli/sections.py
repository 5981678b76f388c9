"""Every section of the configuration: that of each stage, and those of the machinery."""

from collections.abc import Mapping
from dataclasses import dataclass

from gristmill.runtime.adapters.blobs import BlobSettings
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.engine.runner import RunnerSettings
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.ports import StagePlugin

RUN_SECTION = "run"
LIMITS_SECTION = "limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where one worker of a stage runs, and where it keeps what it keeps."""

    ordinal: int = 0
    """This worker's number among those of its stage; its membership and transactions go by it."""

    host: str = "127.0.0.1"
    """The address that health and metrics are served on; 0.0.0.0 in a pod."""

    http_port: int = 0
    """The port of /metrics, /livez and /readyz; 0 takes any free one."""

    grpc_port: int = 0
    """The port of gRPC health; 0 takes any free one."""

    directory: str = ".local/tables"
    """Where the tables and the dedup index lie; `why` and `tables` read it."""

    memo: str = ""
    """Where workers of a machine remember what they found in texts; empty: each for itself."""

    paper_route: bool = False
    """Whether documents go the paper's way, dedup before the gates. The same for all stages."""


def settings_sections(plugins: Mapping[str, StagePlugin]) -> dict[str, type]:
    """Return every section by its name. All commands know all, so that none refuses another's."""
    return {
        RUN_SECTION: RunnerSettings,
        LIMITS_SECTION: Limits,
        "kafka": KafkaSettings,
        "stream": StreamSettings,
        "serve": ServeSettings,
        "blobs": BlobSettings,
        **{name: plugin.settings for name, plugin in plugins.items()},
    }
