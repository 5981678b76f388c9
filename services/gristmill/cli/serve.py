"""`gristmill serve`: one worker process of a stage, over the log."""

from typing import Annotated

import typer


def command(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="ingestion, syntax, dedup …")],
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings as TOML; see `config show`.")
    ] = None,
) -> None:
    """Serve one stage: read its topic, decide, answer in transactions, until SIGTERM.

    Settings come from the environment (GRISTMILL_KAFKA_BOOTSTRAP, GRISTMILL_SERVE_…,
    GRISTMILL_STREAM_…) and are printed at the start, secrets masked. Logs are JSON lines on
    stderr. Metrics are at /metrics, health at /livez and /readyz and over gRPC.

    Example: GRISTMILL_KAFKA_BOOTSTRAP=kafka:9092 gristmill serve syntax
    """
    from gristmill.cli.serving import Service

    Service.prepare(stage, config).run()
