"""`gristmill upgrade`: bring a directory of an older schema to this one's."""

import json
import os
from typing import Annotated

import typer

from gristmill.cli.console import OUT, print_json
from gristmill.runtime.adapters.run_directory import SCHEMA_VERSION
from gristmill.runtime.model import BadInput


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Bring a directory to this version's schema; there is one schema so far.

    Example: gristmill upgrade corpus
    """
    try:
        with open(os.path.join(directory, "gristmill.json"), encoding="utf-8") as stream:
            version = json.load(stream)["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{directory} is not the output of a gristmill run") from error
    if version == SCHEMA_VERSION:
        if as_json:
            print_json({"directory": directory, "before": version, "schema": version})
        else:
            OUT.print(f"{directory} has schema version {version} already: nothing to do")
        return
    raise BadInput(
        f"{directory} has schema version {version}; this gristmill knows no way from it to "
        f"{SCHEMA_VERSION}: use the gristmill that wrote it, or run its sources anew"
    )
