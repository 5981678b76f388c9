"""Putting the front door together: the log, the keys, the blobs and where archives wait."""

import os
from collections.abc import Mapping
from typing import Any

from gristmill.cli.local import archive_limits
from gristmill.runtime.adapters.archive_spool import ArchiveSpool
from gristmill.runtime.adapters.blobs import blob_reference, open_blob_store
from gristmill.runtime.adapters.kafka_admin import topic_sources
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.lmdb_keys import LmdbKeys
from gristmill.runtime.engine.envelope import CRAWL_TOPIC
from gristmill.runtime.engine.front_door import FrontDoor
from gristmill.runtime.engine.group_writer import GroupWriter
from gristmill.runtime.engine.submit_settings import SubmitSettings
from gristmill.runtime.model import BadInput, Fatal, Transient
from gristmill.runtime.ports import Clock, Metrics


def open_front_door(
    sections: Mapping[str, Any],  # each section is a dataclass of its own
    *,
    clock: Clock,
    metrics: Metrics,
) -> FrontDoor:
    """Return the door that the settings describe; the log is asked for with the first item.

    Raises Fatal when keys cannot be kept.
    """
    settings: SubmitSettings = sections["submit"]
    keys = LmdbKeys(
        os.path.join(settings.directory, "keys"),
        most=settings.most_keys,
        days=settings.key_days,
        clock=clock,
    )
    return FrontDoor(
        settings=settings,
        max_file_bytes=sections["ingestion"].max_file_bytes,
        log=GroupWriter(lambda: KafkaWriter(sections["kafka"]), keys),
        log_identity=lambda: _log_identity(sections["kafka"]),
        keys=keys,
        blobs=open_blob_store(sections["blobs"]),
        new_blob=blob_reference,
        spool=ArchiveSpool(
            os.path.join(settings.directory, "archives"),
            most_bytes=settings.spool_bytes,
            most_of_owner=settings.client_spool_bytes,
            limits=archive_limits(sections["ingestion"]),
        ),
        clock=clock,
        metrics=metrics,
    )


def _log_identity(kafka: KafkaSettings) -> str:
    """Return the cluster and the topic as it was made. Raises Transient, BadInput."""
    try:
        return topic_sources(kafka, [CRAWL_TOPIC])[CRAWL_TOPIC]
    except BadInput:
        raise
    except Fatal as error:  # a topic that is yet to be made, a right to be given: clients may wait
        raise Transient(str(error)) from error
