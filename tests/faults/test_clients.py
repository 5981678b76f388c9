"""Where clients of Kafka are made, and how: held against the source, so that none slips in."""

import ast
from collections.abc import Iterator
from pathlib import Path

import gristmill

_SOURCE = Path(gristmill.__file__).parent
_HOME = _SOURCE / "runtime" / "adapters" / "kafka_client.py"
_CLIENTS = {"KafkaConsumer", "KafkaProducer", "KafkaAdminClient"}


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            if name in _CLIENTS:
                yield name, node


def _constants(call: ast.Call) -> dict[str | None, object]:
    return {
        one.arg: one.value.value for one in call.keywords if isinstance(one.value, ast.Constant)
    }


def test_clients_are_made_in_one_place_alone() -> None:
    places = {path for path in _SOURCE.rglob("*.py") if any(_calls(path))}
    assert places == {_HOME}


def test_no_client_is_passed_on_under_another_name() -> None:
    for path in _SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("kafka"):
                renamed = [one for one in node.names if one.name in _CLIENTS and one.asname]
                assert not renamed, path


def test_every_consumer_reads_what_is_committed_and_commits_nothing_by_itself() -> None:
    consumers = [_constants(call) for name, call in _calls(_HOME) if name == "KafkaConsumer"]
    assert len(consumers) == 2
    for options in consumers:
        assert options["isolation_level"] == "read_committed"
        assert options["enable_auto_commit"] is False
        assert options["auto_offset_reset"] == "none"


def test_every_producer_waits_for_all_and_keeps_its_pending_request() -> None:
    (producer,) = (call for name, call in _calls(_HOME) if name == "KafkaProducer")
    assert _constants(producer)["acks"] == "all"
    given = {one.arg: ast.unparse(one.value) for one in producer.keywords}
    assert given["kafka_client"] == "SteadyClient"
