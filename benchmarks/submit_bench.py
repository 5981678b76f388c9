"""How fast the front door takes files, every one acknowledged by Kafka, beside a bare writer.

A real Kafka, the ingestion service without its worker, and the client, each a process of its own on
this machine. The bare writer puts the same records onto the same topic by the same Kafka client, in
batches of a thousand: what the door costs is the difference. Keys are new, then all known. Last, a
log that takes 4 MiB a second, and three clients that send without end: the memory of the server.

    python benchmarks/submit_bench.py [--files 20000] [--bytes 5000]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "deploy" / "local"), str(ROOT / "tests" / "faults")]

from fault_flood import Door, flood  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402
from kafka_broker import KafkaCluster  # noqa: E402
from process_tree import cpu_seconds, tree_of  # noqa: E402

from gristmill.client import Accepted, Client, Origin, Submission, file_item  # noqa: E402
from gristmill.runtime.adapters.blobs import MemoryBlobStore, blob_reference  # noqa: E402
from gristmill.runtime.adapters.clock import SystemClock  # noqa: E402
from gristmill.runtime.adapters.kafka_settings import KafkaSettings  # noqa: E402
from gristmill.runtime.adapters.kafka_topics import apply  # noqa: E402
from gristmill.runtime.adapters.kafka_writer import KafkaWriter  # noqa: E402
from gristmill.runtime.adapters.topic_file import load_topics  # noqa: E402
from gristmill.runtime.engine.crawl import crawl_message  # noqa: E402
from gristmill.runtime.model import CrawlItem  # noqa: E402

_BATCH = 1000
_SLOW_LOG = 4 << 20  # bytes a second
_FLOODERS = 3
_FLOOD_BYTES = 160 << 20


def files(count: int, size: int, name: str) -> Iterator[Submission]:
    """Yield files of which no two are equal."""
    line = "    total = total + weights[index] * values[index]  # {}\n"
    for number in range(count):
        content = "".join(line.format(number * 1000 + row) for row in range(size // 60 + 1))
        origin = Origin(source="bench", repository=f"bench/{name}", path=f"m{number}.py")
        yield file_item(content.encode()[:size], origin)


def bare(bootstrap: str, count: int, size: int) -> float:
    """Return how many files a second a writer puts onto the topic."""
    writer = KafkaWriter(KafkaSettings(bootstrap=bootstrap))
    store, clock = MemoryBlobStore(), SystemClock()
    items = [one.body for one in files(count, size, "bare") if isinstance(one.body, CrawlItem)]
    began = time.monotonic()
    for begin in range(0, count, _BATCH):
        writer.write(
            [
                crawl_message(item, blobs=store, new_blob=blob_reference, now=clock.now())
                for item in items[begin : begin + _BATCH]
            ]
        )
    seconds = time.monotonic() - began
    writer.close()
    return count / seconds


def submitted(client: Client, items: list[Submission], *, known: bool) -> float:
    """Return how many files a second are acknowledged."""
    began = time.monotonic()
    for receipt in client.submit(items):
        assert receipt.result == Accepted(num_items=1, known_before=known), receipt
    return len(items) / (time.monotonic() - began)


def measure_speed(cluster: KafkaCluster, folder: Path, count: int, size: int) -> None:
    """Print how many files the door takes."""
    folder.mkdir()
    with Door(cluster.bootstrap, folder) as door, Client(door.address, name="bench") as client:
        submitted(client, list(files(_BATCH, size, "warm")), known=False)
        items = list(files(count, size, "door"))
        for name, known in (("new keys", False), ("known keys", True)):
            before = cpu_seconds(tree_of(door.process.pid))
            speed = submitted(client, items, known=known)
            spent = (cpu_seconds(tree_of(door.process.pid)) - before) / count * 1e6
            print(
                f"Submit, {name:<12} {speed:>8,.0f} files/s  {speed * size / 1e6:6.1f} MB/s  "
                f"{spent:6.0f} us of the server's CPU a file"
            )


def measure_memory(cluster: KafkaCluster, folder: Path) -> None:
    """Print what the server holds at its peak while clients send faster than the log takes."""
    folder.mkdir()
    with (
        FaultProxy(cluster.proxy_routes) as proxy,
        Door(cluster.proxied_bootstrap, folder) as door,
    ):
        proxy.pace(_SLOW_LOG)
        told = flood(door, num_clients=_FLOODERS, num_bytes=_FLOOD_BYTES)
        proxy.heal()
    print(
        f"{_FLOODERS} clients without end, a log of {_SLOW_LOG >> 20} MiB/s: peak memory of the "
        f"server {told.peak_bytes >> 20} MiB, {told.before_bytes >> 20} before; "
        f"{told.most_held_bytes >> 20} MiB not safe at most, {told.acknowledged_bytes >> 20} sent"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--bytes", type=int, default=5000)
    options = parser.parse_args()
    count, size = options.files, options.bytes
    with (
        tempfile.TemporaryDirectory() as scratch,
        KafkaCluster(Path(scratch) / "kafka", proxied=True, die_with_parent=True) as cluster,
    ):
        apply(KafkaSettings(bootstrap=cluster.bootstrap), load_topics(None, None, {}))
        measure_speed(cluster, Path(scratch) / "door", count, size)
        speed = bare(cluster.bootstrap, count, size)
        print(f"a bare Kafka writer  {speed:>8,.0f} files/s  {speed * size / 1e6:6.1f} MB/s")
        measure_memory(cluster, Path(scratch) / "flooded")
    print(f"{count:,} files of {size} bytes, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
