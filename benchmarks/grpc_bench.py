"""The throughput of a stage's batched stream beside a bare echo of the same messages.

Both are grpc.aio servers in processes of their own on loopback, called by the same client with the
same messages: streams of batches of files. The stage keeps everything (quality, of files without
features), in worker processes, as it is served. There are two echoes: one sends each request back
as it came, which is what the bar is about; one answers with a canned response of the stage's size,
which costs it less. All run in turn, several times; the ratio is that of the medians.

    python benchmarks/grpc_bench.py [--seconds 3] [--rounds 5]
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
from process_tree import cpu_seconds, tree_of

from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2, outcome_pb2, verdict_pb2

BAR = 0.6
FLOOR = 0.4  # what a machine has to give on which the bar is out of reach (ADR 20)
BATCH = 64
CONTENT_BYTES = 5000
STREAMS = 2
IN_FLIGHT = 4  # batches of one stream that are on their way
METHOD = "/gristmill.quality.v1.QualityService/ScoreStream"
STAGE, ECHO, CANNED = "stage", "echo", "canned echo"
_START_SECONDS = 60
_Message = Any  # gRPC carries no types
_Method = Any


def batch() -> quality_pb2.ScoreStreamRequest:
    """Return one batch; no two of its files are equal."""
    line = "    total = total + weights[index] * values[index]  # {}\n"
    files = []
    for number in range(BATCH):
        content = "".join(line.format(number * 1000 + row) for row in range(100))[:CONTENT_BYTES]
        origin = document_pb2.Origin(repository="host/owner/name", path=f"src/module_{number}.py")
        files.append(verdict_pb2.SourceFile(origin=origin, content=content))
    return quality_pb2.ScoreStreamRequest(files=files)


def canned() -> quality_pb2.ScoreStreamResponse:
    """Return a response as the stage gives it."""
    keep = verdict_pb2.Verdict(
        outcome=outcome_pb2.OUTCOME_KIND_KEEP,
        evidence=outcome_pb2.Evidence(),
        annotations=document_pb2.Annotations(),
    )
    return quality_pb2.ScoreStreamResponse(verdicts=[keep] * BATCH, version="canned")


# --- servers --------------------------------------------------------------------------------------


async def serve_echo(name: str) -> None:
    """Serve an echo, print the port, and serve on."""
    answer = canned()

    async def stream(requests: AsyncIterator[_Message], context: object) -> AsyncIterator[_Message]:
        del context
        async for request in requests:
            yield request if name == ECHO else answer

    response = quality_pb2.ScoreStreamRequest if name == ECHO else quality_pb2.ScoreStreamResponse
    handler = grpc.stream_stream_rpc_method_handler(
        stream,
        request_deserializer=quality_pb2.ScoreStreamRequest.FromString,
        response_serializer=response.SerializeToString,
    )
    service, method = METHOD[1:].split("/")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


def start_echo(name: str) -> tuple["subprocess.Popen[bytes]", int]:
    """Start an echo; return it and its port."""
    command = [sys.executable, __file__, "--serve", name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert process.stdout is not None, "it was asked for"
    return process, int(process.stdout.readline())


def start_stage(scratch: str, workers: int) -> tuple["subprocess.Popen[bytes]", int]:
    """Start the stage's service without its Kafka worker; return it and its port."""
    log = Path(scratch) / "serve.log"
    environment = {
        **os.environ,
        "GRISTMILL_SERVE_WORKER": "false",
        "GRISTMILL_STREAM_WORKERS": str(workers),
        "GRPC_VERBOSITY": "NONE",
    }
    with open(log, "wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gristmill.cli.main", "serve", "quality"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=stderr,
            cwd=scratch,
        )
    deadline = time.monotonic() + _START_SECONDS
    while '"event": "serving"' not in (text := log.read_text()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the stage does not start:\n{text}")
        time.sleep(0.1)
    told = [json.loads(line) for line in text.splitlines()]
    (began,) = (one for one in told if one["event"] == "starting")
    return process, int(began["grpc_port"])


# --- the client -----------------------------------------------------------------------------------


async def documents_per_second(port: int, name: str, seconds: float) -> float:
    """Stream batches for so long; return how many files were answered in a second."""
    request = batch()
    kind = quality_pb2.ScoreStreamRequest if name == ECHO else quality_pb2.ScoreStreamResponse
    field = "files" if name == ECHO else "verdicts"
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        method = channel.stream_stream(
            METHOD,
            request_serializer=quality_pb2.ScoreStreamRequest.SerializeToString,
            response_deserializer=kind.FromString,
        )
        began = time.monotonic()
        streams = [_stream(method, request, field, began + seconds) for _ in range(STREAMS)]
        answered = sum(await asyncio.gather(*streams))
        return answered / (time.monotonic() - began)


async def _stream(method: _Method, request: _Message, field: str, until: float) -> int:
    call, sent, answered = method(), 0, 0
    while answered < sent or time.monotonic() < until:
        while sent < answered + IN_FLIGHT * BATCH and time.monotonic() < until:
            await call.write(request)
            sent += BATCH
        if answered < sent:
            answered += len(getattr(await call.read(), field))
    await call.done_writing()
    return answered


def measure(
    servers: dict[str, tuple["subprocess.Popen[bytes]", int]],
    seconds: float,
    rounds: int,
    say: Callable[[str], None],
) -> dict[str, tuple[float, float]]:
    """Return, for each server, the median of files a second, and its CPU microseconds a file."""
    wall: dict[str, list[float]] = {name: [] for name in servers}
    cpu: dict[str, list[float]] = {name: [] for name in servers}
    for number in range(rounds + 1):
        for name, (process, port) in servers.items():
            before = cpu_seconds(tree_of(process.pid))
            speed = asyncio.run(documents_per_second(port, name, seconds))
            spent = (cpu_seconds(tree_of(process.pid)) - before) / (speed * seconds) * 1e6
            if number:  # the first round warms up
                wall[name].append(speed)
                cpu[name].append(spent)
                say(f"round {number}  {name:<12} {speed:>9,.0f} files/s  {spent:6.1f} us")
    return {name: (statistics.median(wall[name]), statistics.median(cpu[name])) for name in servers}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--workers", type=int, default=0, help="worker processes of the stage; 0: as it is served"
    )
    parser.add_argument("--serve", choices=(ECHO, CANNED), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve_echo(options.serve))
        return
    with tempfile.TemporaryDirectory() as scratch:
        servers = {
            STAGE: start_stage(scratch, options.workers),
            ECHO: start_echo(ECHO),
            CANNED: start_echo(CANNED),
        }
        try:
            told = measure(servers, options.seconds, options.rounds, print)
        finally:
            for process, _ in servers.values():
                process.terminate()
                process.wait()
    print(
        f"\n{STREAMS} streams, batches of {BATCH} files of {CONTENT_BYTES} bytes, "
        f"worker processes: {options.workers or 'one a CPU'}, {os.cpu_count()} CPUs, "
        f"grpcio {grpc.__version__}, Python {platform.python_version()}"
    )
    for name, (speed, spent) in told.items():
        print(f"{name:<12} {speed:>9,.0f} files/s  {spent:6.1f} us of the server's CPU a file")
    stage = told[STAGE][0]
    ratio = stage / told[ECHO][0]
    print(
        f"stage / echo        {ratio:.0%}  (bar {BAR:.0%}: {'met' if ratio >= BAR else 'missed'})"
    )
    print(f"stage / canned echo {stage / told[CANNED][0]:.0%}")
    if ratio < FLOOR:
        print(f"below {FLOOR:.0%}, which every machine has given so far")
        sys.exit(1)


if __name__ == "__main__":
    main()
