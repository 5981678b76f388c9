"""What a session of the fault suite says at its end: one line for each case that was played."""

import json
import logging
import time
from collections.abc import Iterator

import pytest
from fault_conductor import RESULTS, line_of

_BEGAN = time.time()


@pytest.fixture(autouse=True)
def _quiet_clients() -> Iterator[None]:
    """What a client says of brokers that are gone on purpose is no news."""
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    results = sorted(RESULTS.glob("*.json")) if RESULTS.is_dir() else []
    lines = [
        line_of(json.loads(path.read_text())) for path in results if path.stat().st_mtime >= _BEGAN
    ]
    if lines:
        terminalreporter.section("faults")
        terminalreporter.write("\n".join(lines) + "\n")
