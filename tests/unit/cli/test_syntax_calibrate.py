"""`gristmill syntax calibrate` on labelled files that are not as they should be."""

import json
from pathlib import Path

import pytest

from gristmill.cli.syntax_calibrate import calibrate_on
from gristmill.runtime.model import BadInput


def test_a_label_that_is_no_object_is_bad_input_with_its_place(tmp_path: Path) -> None:
    good = {"language": "Go", "path": "a.go", "content": "package a\n", "syntax": {"status": "ok"}}
    lines = [json.dumps(good), json.dumps({**good, "syntax": "ok"})]
    (tmp_path / "files.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(BadInput, match=r"files\.jsonl:2: `syntax` is no JSON object"):
        calibrate_on([str(tmp_path)], most=10)
