"""Settings from file and environment: who wins, what is refused, and in which words."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path

import pytest

from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.settings import (
    PREFIX,
    Setting,
    Settings,
    field_docs,
    load_settings,
)
from gristmill.runtime.engine.runner import RunnerSettings
from gristmill.runtime.model import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class MillSettings:
    """A section for these tests."""

    stones: int = 2
    """How many stones
    turn at once."""

    speed: float = 1.5
    """Turns a second."""

    wet: bool = False
    """Whether the grain is wet."""

    grain: str = "rye"
    """What is ground."""

    undocumented: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptySettings:
    """A section without knobs."""


SECTIONS = {"mill": MillSettings, "empty": EmptySettings}


class Writer:
    """Writes the configuration file of a test and returns its path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, text: str | bytes) -> str:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(self.path)


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "gristmill.toml")


def load(file: str | None = None, **environment: str) -> Settings:
    return load_settings(SECTIONS, file, environment)


def setting(settings: Settings, name: str) -> Setting:
    (found,) = (setting for setting in settings.listed if setting.name == name)
    return found


def test_without_file_and_environment_everything_has_its_default() -> None:
    settings = load()
    assert settings.sections == {"mill": MillSettings(), "empty": EmptySettings()}
    assert {setting.origin for setting in settings.listed} == {"default"}
    assert [setting.name for setting in settings.listed] == [f.name for f in fields(MillSettings)]


def test_the_file_wins_over_defaults_and_the_environment_over_the_file(write: Writer) -> None:
    file = write("[mill]\nstones = 3\nspeed = 2\n")
    settings = load(file, GRISTMILL_MILL_STONES="4", HOME="/nowhere")
    assert settings.sections["mill"] == MillSettings(stones=4, speed=2.0)
    origins = {setting.name: setting.origin for setting in settings.listed}
    assert origins == {
        "stones": "GRISTMILL_MILL_STONES",
        "speed": file,
        "wet": "default",
        "grain": "default",
        "undocumented": "default",
    }


def test_the_environment_speaks_text_and_every_type_is_read_from_it() -> None:
    settings = load(
        GRISTMILL_MILL_STONES="7",
        GRISTMILL_MILL_SPEED="0.5",
        GRISTMILL_MILL_WET="true",
        GRISTMILL_MILL_GRAIN="7",
    )
    assert settings.sections["mill"] == MillSettings(stones=7, speed=0.5, wet=True, grain="7")


def test_a_listed_setting_says_all_that_people_ask() -> None:
    found = setting(load(GRISTMILL_MILL_STONES="7"), "stones")
    assert found == Setting(
        "mill", "stones", 7, 2, "GRISTMILL_MILL_STONES", "How many stones turn at once."
    )
    assert found.variable == "GRISTMILL_MILL_STONES"


def test_every_listed_variable_is_one_that_can_be_set() -> None:
    for found in load().listed:
        assert setting(load(**{found.variable: str(found.value)}), found.name).origin == (
            found.variable
        )


def test_an_empty_file_is_fine(write: Writer) -> None:
    assert load(write("")).sections["mill"] == MillSettings()
    assert load(write("[mill]\n[empty]\n")).sections["mill"] == MillSettings()


# --- what is refused -----------------------------------------------------------------------------


def refused(file: str | None = None, **environment: str) -> str:
    with pytest.raises(BadInput) as caught:
        load(file, **environment)
    return str(caught.value)


def test_an_unknown_section_is_named_with_the_file_and_those_there_are(write: Writer) -> None:
    file = write("[miln]\nstones = 3\n")
    sentence = refused(file)
    for word in (file, "[miln]", "mill", "empty"):
        assert word in sentence


def test_a_value_outside_any_section_is_refused(write: Writer) -> None:
    assert "stones" in refused(write("stones = 3\n"))
    assert "mill" in refused(write("mill = 3\n"))


def test_an_unknown_name_is_named_with_its_file_and_section(write: Writer) -> None:
    file = write("[mill]\nstonse = 3\n")
    sentence = refused(file)
    for word in (file, "[mill]", "stonse"):
        assert word in sentence


@pytest.mark.parametrize(
    "variable",
    ["GRISTMILL_MILL_STONSE", "GRISTMILL_STONES", "GRISTMILL_", "GRISTMILL_mill_stones"],
)
def test_an_unknown_variable_with_our_prefix_is_named(variable: str) -> None:
    assert variable in refused(**{variable: "3"})


def test_other_programs_variables_are_not_ours() -> None:
    load(GRISTMILLER_STONES="3", MILL_STONES="x", GRISTMILL="x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stones", '"many"'),
        ("stones", "1.5"),
        ("stones", "true"),
        ("stones", "[1]"),
        ("speed", '"fast"'),
        ("speed", "true"),
        ("wet", '"rather"'),
        ("wet", "7"),
        ("grain", "7"),
        ("grain", "true"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_place(
    write: Writer, name: str, value: str
) -> None:
    file = write(f"[mill]\n{name} = {value}\n")
    sentence = refused(file)
    assert sentence.startswith(f"{file}: mill.{name}")


@pytest.mark.parametrize(
    ("name", "value"), [("STONES", "many"), ("STONES", ""), ("SPEED", "x"), ("WET", "perhaps")]
)
def test_a_wrong_value_in_the_environment_is_named_with_its_variable(name: str, value: str) -> None:
    variable = f"GRISTMILL_MILL_{name}"
    assert refused(**{variable: value}).startswith(f"{variable}: mill.{name.lower()}")


@pytest.mark.parametrize(
    ("name", "value"), [("stones", "-1"), ("speed", "-0.5"), ("speed", "-inf"), ("speed", "nan")]
)
def test_a_negative_value_or_none_at_all_is_refused_wherever_it_stands(
    write: Writer, name: str, value: str
) -> None:
    file = write(f"[mill]\n{name} = {value}\n")
    assert refused(file).startswith(f"{file}: mill.{name} is negative")
    variable = f"GRISTMILL_MILL_{name.upper()}"
    assert refused(**{variable: value}).startswith(f"{variable}: mill.{name} is negative")


def test_nought_is_not_negative(write: Writer) -> None:
    file = write("[mill]\nstones = 0\nspeed = 0.0\n")
    assert load(file).sections["mill"] == MillSettings(stones=0, speed=0.0)


@pytest.mark.parametrize("text", [b"[mill", b"\xff\xfe", b"[mill]\nstones = \n", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_named(write: Writer, text: bytes) -> None:
    file = write(text)
    assert file in refused(file)


def test_a_file_that_is_not_there_or_no_file_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.toml")
    assert missing in refused(missing)
    assert str(tmp_path) in refused(str(tmp_path))


# --- sections of a user's own --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSettings:
    """A section as users may write one: a field that must be given, a check, an odd default."""

    required: int
    """It has no default."""

    offset: int = -1
    """Below nought by default."""

    def __post_init__(self) -> None:
        if self.required == 13:
            raise ValueError("thirteen brings bad luck")


def test_a_field_that_must_be_given_is_named_when_it_is_not() -> None:
    with pytest.raises(BadInput, match=r"own\.required"):
        load_settings({"own": OwnSettings}, None, {})


def test_a_section_s_own_check_speaks_in_its_own_words() -> None:
    with pytest.raises(BadInput, match="thirteen brings bad luck"):
        load_settings({"own": OwnSettings}, None, {"GRISTMILL_OWN_REQUIRED": "13"})


def test_a_default_below_nought_is_its_author_s_business() -> None:
    settings = load_settings({"own": OwnSettings}, None, {"GRISTMILL_OWN_REQUIRED": "1"})
    assert settings.sections["own"] == OwnSettings(required=1)


# --- documentation -------------------------------------------------------------------------------


def test_field_docs_are_the_docstrings_under_fields_on_one_line() -> None:
    assert field_docs(MillSettings) == {
        "stones": "How many stones turn at once.",
        "speed": "Turns a second.",
        "wet": "Whether the grain is wet.",
        "grain": "What is ground.",
    }


def test_a_section_without_fields_has_no_docs() -> None:
    assert field_docs(EmptySettings) == {}


REAL_SECTIONS = {
    "run": RunnerSettings,
    **{name: plugin.settings for name, plugin in load_plugins().items()},
}


@pytest.mark.parametrize("section", REAL_SECTIONS)
def test_every_field_of_every_section_has_a_sentence_and_a_default(section: str) -> None:
    kind = REAL_SECTIONS[section]
    docs = field_docs(kind)
    for field in fields(kind):
        assert docs.get(field.name, "").endswith("."), field.name
        assert field.default is not MISSING, field.name


def test_the_real_sections_load_from_their_own_defaults(write: Writer) -> None:
    settings = load_settings(REAL_SECTIONS, None, {})
    environment = {setting.variable: str(setting.value) for setting in settings.listed}
    assert all(variable.startswith(PREFIX) for variable in environment)
    again = load_settings(REAL_SECTIONS, None, environment)
    assert again.sections == settings.sections
