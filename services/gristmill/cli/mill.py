"""What `make up` left for other commands to find: addresses and settings of the local mill."""

import json
import os
from dataclasses import dataclass, field
from typing import Any

from gristmill.cli.route import route_of_files
from gristmill.cli.sections import settings_sections
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.settings import Settings, load_settings
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.routes import Route

DIRECTORY = ".local"
_STATE = "mill.json"


@dataclass(frozen=True, slots=True)
class LocalMill:
    """The mill of one directory; empty where none was started."""

    environment: dict[str, str] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    tls: dict[str, str] = field(default_factory=dict)
    """PEM files of a client where the services ask for one: ca, certificate, key."""


def find_mill(directory: str) -> LocalMill:
    """Return the mill that `make up` started there, or an empty one. Raises BadInput."""
    path = os.path.join(directory, _STATE)
    try:
        with open(path, encoding="utf-8") as stream:
            content = json.load(stream)
            return LocalMill(
                dict(content["environment"]),
                dict(content["services"]),
                dict(content.get("tls", {})),
            )
    except FileNotFoundError:
        return LocalMill()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(f"{path} cannot be read: {error}") from error


def mill_settings(mill: LocalMill, config: str | None = None) -> Settings:
    """Return the settings of everything: the environment, and below it the local mill's."""
    environment = {**mill.environment, **os.environ}
    return load_settings(settings_sections(load_plugins()), config, environment)


def route_of_mill(settings: Settings) -> Route:
    """Return the stages that a file passes in a mill of these settings, before the shards."""
    return route_of_files(load_plugins(), paper=settings.sections["serve"].paper_route)
