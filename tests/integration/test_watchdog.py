"""The watchdog in a real process that stands still."""

import json
import subprocess
import sys

_STANDS_STILL = """
import threading, time
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.json_log import JsonLog
from gristmill.runtime.adapters.watchdog import Watchdog

clock = SystemClock()
health = Health(clock=clock, stall_seconds=60)
watchdog = Watchdog(
    clock=clock, log=JsonLog("syntax", ordinal=0), last_beat=health.last_beat,
    progress=lambda: 0, lag=lambda: 0,
    stall_seconds=0.5, no_progress_seconds=60, check_seconds=0.05,
)
watchdog.start()

def stand_still():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

try:
    stand_still()
finally:
    print("nothing is cleaned up: whatever stands still may hold it up")
"""


def test_a_process_that_stands_still_is_ended_and_says_where() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STANDS_STILL],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (70, "")
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["level"], line["event"], line["service"]) == ("error", "worker stalled", "syntax")
    assert line["loop_at"][0].endswith(" stand_still")
