"""What was freed is there for the next batch, without the system's help."""

import subprocess
import sys

SCRIPT = """
import resource, sys
from gristmill.runtime.engine.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def batch():
    return bytearray(8 << 20)
batch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    batch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    return int(subprocess.check_output([sys.executable, "-c", SCRIPT, how]))


def test_a_batch_is_put_where_the_last_one_was() -> None:
    assert page_faults("keep") < page_faults("give back") / 5
