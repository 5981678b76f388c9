"""How many files a process may have open, and so how many connections."""

import resource

from gristmill.runtime.ports import EventLog

_OTHERS = 256  # what a worker has open besides: log, tables, index, workers, archives that wait


def connections_within(wanted: int, most_calls: int, log: EventLog) -> int:
    """Return how many connections there may be, `wanted` at most; have as many files allowed.

    A call may hold one file besides: an archive that is not complete. Without room for more files
    a server does not refuse: it cannot start a worker process.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = _OTHERS + most_calls
    needed = wanted + others
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    connections = max(1, allowed - others)
    if connections < wanted:
        log.warning(
            "fewer connections than wanted: the limit of open files is low",
            connections=connections,
            open_files=allowed,
        )
    return connections
