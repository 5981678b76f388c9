"""The file of topics: what Kafka should hold, in words for people, checked before it is asked.

The packaged file is the base; a file of values and the command line change it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from gristmill.runtime.model import BadInput

_PACKAGED = "topics.yaml"
_TIMES = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_LARGEST = (1 << 63) - 1
_LARGEST_SEGMENT = (1 << 31) - 1
_SMALLEST_SEGMENT = 1 << 20  # brokers take none that is smaller
_MAJORITY = "majority"
_CLUSTER = "cluster"
_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_GROUPS = "groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it should be. `groups` are the consumer groups that read it.

    A `replication` of None is what the cluster gives, and `configs` leaves to it what goes with it.
    """

    name: str
    partitions: int
    replication: int | None
    configs: Mapping[str, str]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicFile:
    """What one file says, checked key by key; `groups` only where it names them."""

    origin: str
    defaults: Mapping[str, str]
    topics: Mapping[str, Mapping[str, str]]
    groups: Mapping[str, tuple[str, ...]]


def load_topics(
    file: str | None = None,
    values: str | None = None,
    flags: Mapping[str, int | None] | None = None,
) -> tuple[Topic, ...]:
    """Return the topics that should be there.

    `file` stands for the packaged file, `values` is laid over it, and `flags` are defaults from the
    command line; None is one that was not given. Raises BadInput naming the file and the key.
    """
    base = _read(file) if file is not None else parse_topics(packaged_topics(), _PACKAGED)
    over = _read(values) if values is not None else None
    return combine(base, over, flags or {})


def packaged_topics() -> str:
    """Return the text of the file that is part of this package."""
    return resources.files(__package__).joinpath(_PACKAGED).read_text(encoding="utf-8")


def _read(file: str) -> TopicFile:
    try:
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not valid UTF-8: {error}") from error
    return parse_topics(text, file)


def parse_topics(text: str, origin: str) -> TopicFile:
    """Return what a file says. Raises BadInput for whatever is not known or not a value."""
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise BadInput(f"{origin} is not valid YAML: {error}") from error
    sections = _mapping(content, origin)
    if unknown := sorted(set(sections) - {"defaults", "topics"}):
        raise BadInput(f"{origin}: unknown section {unknown[0]!r}; there are defaults and topics")
    defaults = _mapping(sections.get("defaults"), f"{origin}: defaults")
    topics: dict[str, Mapping[str, str]] = {}
    groups: dict[str, tuple[str, ...]] = {}
    for name, entry in _mapping(sections.get("topics"), f"{origin}: topics").items():
        where = f"{origin}: {name}"
        if not _NAME.fullmatch(name):
            raise BadInput(f"{where}: a topic's name has letters, digits and . _ - only")
        given = dict(_mapping(entry, where))
        if _GROUPS in given:
            groups[name] = _checked_groups(given.pop(_GROUPS), where)
        topics[name] = _checked(given, where)
    return TopicFile(origin, _checked(defaults, f"{origin}: defaults"), topics, groups)


def combine(
    base: TopicFile, over: TopicFile | None, flags: Mapping[str, int | None]
) -> tuple[Topic, ...]:
    """Return topics: what an entry says itself, then the command line, then the defaults."""
    given = {key: value for key, value in flags.items() if value is not None}
    over = over or TopicFile("", {}, {}, {})
    defaults = {**base.defaults, **over.defaults, **_checked(given, "the command line")}
    if missing := [key for key in _CHECKS if key not in defaults]:
        raise BadInput(f"{base.origin}: defaults: {missing[0]!r} is missing")
    groups = {**base.groups, **over.groups}
    topics = []
    for name in {**base.topics, **over.topics}:
        if name not in groups:  # a misspelt name would make a topic that nobody reads
            raise BadInput(
                f"{over.origin if name in over.topics else base.origin}: {name}: 'groups' is "
                "missing: the list of consumer groups that read it, [] for none"
            )
        entry = {**defaults, **base.topics.get(name, {}), **over.topics.get(name, {})}
        topics.append(_topic(name, entry, groups[name]))
    return tuple(topics)


def _topic(name: str, entry: Mapping[str, str], groups: tuple[str, ...]) -> Topic:
    configs = {config: entry[key] for key, config in _CONFIGS.items()}
    replication = None if entry["replication"] == _CLUSTER else int(entry["replication"])
    in_sync = configs.pop(_IN_SYNC)
    if replication is None:
        if in_sync != _MAJORITY:
            raise BadInput(f"{name}: min_in_sync is {in_sync}, and that needs a replication beside")
    else:
        configs[_IN_SYNC] = str(replication // 2 + 1) if in_sync == _MAJORITY else in_sync
        if int(configs[_IN_SYNC]) > replication:
            raise BadInput(
                f"{name}: min_in_sync is {in_sync} and replication {replication}: "
                "no record could be written"
            )
    return Topic(
        name=name,
        partitions=int(entry["partitions"]),
        replication=replication,
        configs=configs,
        groups=groups,
    )


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if value is None:  # a key with nothing behind it
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise BadInput(f"{where} is not a mapping of names to values")
    return value


def _checked_groups(value: object, where: str) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [None]
    if not all(isinstance(name, str) and name for name in names):
        raise BadInput(f"{where}: groups: is not a list of consumer groups")
    return tuple(dict.fromkeys(names))


def _checked(given: Mapping[str, Any], where: str) -> dict[str, str]:
    checked = {}
    for key, value in given.items():
        if key not in _CHECKS:
            raise BadInput(f"{where}: unknown key {key!r}; there are {', '.join(_CHECKS)}")
        try:
            checked[key] = _CHECKS[key](value)
        except ValueError as error:
            raise BadInput(f"{where}: {key}: {value!r} is not {error}") from error
    return checked


_Check = Callable[[object], str]
"""Makes a value what Kafka calls it, or raises ValueError: "is not" what."""


def _count(most: int, word: str | None = None) -> _Check:
    def check(value: object) -> str:
        if word is not None and value == word:
            return word
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            other = f' or "{word}"' if word is not None else ""
            raise ValueError(f"a whole number from 1 to {most}{other}")
        return str(value)

    return check


def _time(value: object) -> str:
    if value == "forever":
        return "-1"
    match = re.fullmatch(r"(\d{1,18}) ?(ms|s|m|h|d)", value) if isinstance(value, str) else None
    if match is None or (total := int(match[1]) * _TIMES[match[2]]) > _LARGEST:
        raise ValueError('a time like 90s, 12h or 7d, or "forever"')
    return str(total)


def _size(least: int, most: int, word: str | None = None) -> _Check:
    def check(value: object) -> str:
        if word is not None and value == word:
            return "-1"
        shown = "" if isinstance(value, bool) else str(value)
        match = re.fullmatch(r"(\d{1,18}) ?([KMGT]iB|)", shown)
        if match is None or not least <= int(match[1]) * _SIZES[match[2]] <= most:
            other = f', or "{word}"' if word is not None else ""
            raise ValueError(f"bytes, or a size like 256MiB, from {least} to {most}{other}")
        return str(int(match[1]) * _SIZES[match[2]])

    return check


def _choice(*words: str) -> _Check:
    def check(value: object) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return str(value)

    return check


_CHECKS: Mapping[str, _Check] = {
    "partitions": _count(100_000),
    "replication": _count(1000, _CLUSTER),
    "min_in_sync": _count(1000, _MAJORITY),
    "retention": _time,
    "retention_size": _size(1, _LARGEST, "unlimited"),
    "segment": _size(_SMALLEST_SEGMENT, _LARGEST_SEGMENT),
    "max_message": _size(1, _LARGEST_SEGMENT),
    "compression": _choice("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"),
    "timestamps": _choice("CreateTime", "LogAppendTime"),
    "cleanup": _choice("delete", "compact"),
}

_IN_SYNC = "min.insync.replicas"
_CONFIGS = {
    "min_in_sync": _IN_SYNC,
    "retention": "retention.ms",
    "retention_size": "retention.bytes",
    "segment": "segment.bytes",
    "max_message": "max.message.bytes",
    "compression": "compression.type",
    "timestamps": "message.timestamp.type",
    "cleanup": "cleanup.policy",
}


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: the first would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # as in yaml
        """Return a mapping of which every key stood once."""
        keys = [key.value for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands here twice", node.start_mark
                )
        return super().construct_mapping(node, deep=deep)
