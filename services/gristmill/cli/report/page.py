"""The page itself: one file, with its style, its scripts and its figures inside.

A strict content security policy names the sums of the two scripts and of the style that are ours:
nothing else runs, nothing is fetched, and no text becomes markup, even if escaping failed.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from gristmill import __version__
from gristmill.cli.console import human_bytes, safe
from gristmill.cli.report.charts import figures
from gristmill.cli.report.contents import Report
from gristmill.cli.tokens import human_tokens
from gristmill.runtime.model import BadInput

LIBRARY = "vendor/echarts/echarts.min.js"
_NAME_CHARS = 160


def write_report(report: Report, path: str) -> int:
    """Write the page to `path` in one step, in place of what was there; return its bytes.

    Raises BadInput where it cannot be written; what was there stays then.
    """
    page = render(report).encode("utf-8", "backslashreplace")
    temporary = f"{path}.{os.getpid()}.new"
    try:
        with open(temporary, "wb") as stream:
            stream.write(page)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(temporary)
        raise BadInput(f"{path} cannot be written: {(error.strerror or '').lower()}") from error
    return len(page)


def render(report: Report) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FunctionLoader(_file),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": _shown,
        "number": _number,
        "percent": _percent,
        "bytes": _bytes,
        "tokens": human_tokens,
        "seconds": _seconds,
        "moment": _moment,
    }
    style, script, library = (_file(name) for name in ("page.css", "page.js", LIBRARY))
    charts = figures(report)
    return environment.get_template("page.html").render(
        report=report,
        charts=charts,
        policy=_policy(scripts=(library, script), style=style),
        style=Markup(style),  # noqa: S704  # our own file
        script=_inside_script(script),
        library=_inside_script(library),
        figures=embedded(charts),
        version=__version__,
    )


def embedded(value: Mapping[str, Any]) -> Markup:
    r"""Return a value as JSON that no tag can end.

    >>> str(embedded({"a": "</script>"}))
    '{"a": "\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704  # nothing is left in it that HTML reads


def _file(name: str) -> str:
    return files("gristmill.cli.report").joinpath(name).read_text(encoding="utf-8")


def _inside_script(code: str) -> Markup:
    # What HTML reads inside a script: its end, and comments that may hide the end.
    assert not re.search(r"</script|<!--|\r", code, re.IGNORECASE), "a script that would end early"
    return Markup(code)  # noqa: S704  # our own file, or the library's


def _policy(*, scripts: tuple[str, ...], style: str) -> str:
    allowed = " ".join(_sum(script) for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {allowed}",
            f"style-src {_sum(style)}",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _sum(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _shown(name: object) -> str:
    """Return a name as one visible line."""
    return safe(str(name), _NAME_CHARS)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.1f}"


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _bytes(value: float) -> str:
    return human_bytes(value)


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.2f} s" if value < 10 else f"{value:,.1f} s"


def _moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if value else "-"
