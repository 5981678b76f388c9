"""Bytes to text: byte order marks, UTF-8, guesses, and what is no text at all."""

import codecs

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.ingestion.decode import Text, decode
from gristmill.runtime.model import Reason

FRENCH = """\
# Ce module crée les étiquettes d'un fichier déjà relu par l'équipe de rédaction.
# Il n'écrit rien tant que les paramètres n'ont pas été vérifiés à la main, même l'été.
def etiqueter(numero, libelle):
    '''Renvoie l'étiquette « libellé » précédée de son numéro, s'il a été trouvé.'''
    message = "Numéro déjà utilisé : veuillez répéter l'opération après vérification."
    return f"{numero} - {libelle}" if libelle else message
"""

GERMAN = """\
/* Prüft, ob die Übergabe größer als die zulässige Höchstmenge ist, und läßt sie sonst durch. */
int pruefe(int groesse) {
    /* Für jede Öffnung gilt dieselbe Länge; außerhalb der Geschäftszeiten wird nichts gezählt. */
    return groesse > 100 ? fehler("zu groß für das Gefäß") : schlüssel_zurück(groesse);
}
"""

RUSSIAN = """\
# Этот модуль читает настройки из файла и проверяет каждую строку по очереди.
# Если строка пустая или начинается со знака комментария, она пропускается без ошибки.
def read_settings(path):
    '''Возвращает словарь настроек; порядок строк в файле при этом не имеет значения.'''
    message = "не удалось открыть файл настроек, проверьте права доступа и повторите попытку"
    raise ValueError(message)
"""

JAPANESE = """\
/* このプログラムは設定ファイルを読み込み、一行ずつ順番に検査して結果を表示します。 */
/* 空の行や、注釈の記号から始まる行は、エラーにせずに読み飛ばすことになっています。 */
int main(void) {
    /* ファイルが見つからない場合は、利用者に分かりやすい説明を表示してから終了する。 */
    puts("設定ファイルを開くことができませんでした。もう一度お試しください。");
    return 0;
}
"""

CHINESE = """\
/* 这个程序读取配置文件，逐行检查其中的内容，并且把检查的结果显示在屏幕上。 */
/* 如果某一行是空的，或者以注释符号开头，那么程序会直接跳过这一行而不报告错误。 */
int main(void) {
    /* 如果找不到文件，就先给用户显示一个容易理解的说明，然后再结束程序的运行。 */
    puts("无法打开配置文件，请检查文件的访问权限以后再试一次。");
    return 0;
}
"""


def decoded(content: bytes) -> Text:
    text = decode(content)
    assert isinstance(text, Text)
    return text


# --- byte order marks ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "codec", "recorded"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    ],
    ids=["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"],
)
@pytest.mark.parametrize("text", ["x = 1\r\n", RUSSIAN, "😀 = 'é'\n", ""], ids=len)
def test_a_byte_order_mark_decides_and_is_no_part_of_the_text(
    mark: bytes, codec: str, recorded: str, text: str
) -> None:
    assert decode(mark + text.encode(codec)) == Text(text, recorded)


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + b"caf\xe9",
        codecs.BOM_UTF16_LE + b"a\x00b",
        codecs.BOM_UTF16_LE + b"\x00\xd8a\x00",
        codecs.BOM_UTF32_BE + b"\xff\xff\xff\xff",
        codecs.BOM_UTF16_BE + b"\x00a\x00\x00",
        codecs.BOM_UTF8 + b"a\x00b",
    ],
    ids=["not UTF-8", "half a unit", "half a pair", "beyond Unicode", "NUL in 16", "NUL in 8"],
)
def test_undecodable_is_what_its_own_mark_belies(content: bytes) -> None:
    assert decode(content) is Reason.UNDECODABLE


# --- UTF-8 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "\n", "a\r\nb\rc\n", "\t\f\v", "naïve 😀", "\u2028"], ids=repr
)
def test_utf_8_is_returned_unchanged(text: str) -> None:
    assert decode(text.encode()) == Text(text, "utf-8")


_LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
_PLAIN = st.lists(st.text(_LETTERS) | st.sampled_from(("\r\n", "\n", "\r", "\t"))).map("".join)


@given(_PLAIN.filter(lambda text: not text.startswith("\ufeff")))
def test_any_utf_8_without_controls_is_returned_unchanged(text: str) -> None:
    assert decode(text.encode()) == Text(text, "utf-8")


@settings(max_examples=60)
@given(st.binary(max_size=300))
@example(b"+2AA-")  # UTF-7 for half of a surrogate pair
@example(b"\xff\xfe")
@example(b"\x1b$B!!\x1b(B")
@example(b"\xff" * 200)
@example("é".encode()[:1])
def test_decoding_never_raises_and_never_returns_what_no_table_holds(content: bytes) -> None:
    text = decode(content)
    if isinstance(text, Text):
        text.content.encode("utf-8")
        assert "\0" not in text.content
        assert content.decode(text.encoding) == text.content
    else:
        assert text in {Reason.BINARY, Reason.UNDECODABLE}


def test_text_cut_within_the_last_character_is_still_some_text_or_undecodable() -> None:
    content = (JAPANESE * 3).encode()
    for short in range(1, 4):
        assert isinstance(decode(content[:-short]), Text | Reason)


# --- guesses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "latin-1"),
        (FRENCH, "cp1252"),
        (GERMAN, "latin-1"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "koi8-r"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        (CHINESE, "big5"),
    ],
    ids=lambda value: value if len(value) < 12 else value[3:14],
)
def test_a_text_of_real_length_comes_out_right_in_an_older_encoding(
    text: str, encoding: str
) -> None:
    if encoding == "big5":
        text = text.translate(str.maketrans("这个", "這個"))
        text = text.encode("big5", "ignore").decode("big5")
    found = decoded(text.encode(encoding))
    assert found.content == text
    assert text.encode(encoding).decode(found.encoding) == text


@pytest.mark.parametrize(
    "line",
    ["# café", "// Copyright (C) André Müller", "t = '20 °C'  # ±5 µs, © 2010", "-- Señor Muñoz"],
)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_few_accents_in_much_code_are_taken_for_the_common_encoding(
    line: str, encoding: str
) -> None:
    text = "total = first + second\n" * 40 + f"{line}\n"
    assert decode(text.encode(encoding)) == Text(text, "cp1252")


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030"])
@pytest.mark.parametrize("shift", range(3))
def test_a_long_text_is_right_wherever_the_sample_ends(encoding: str, shift: int) -> None:
    text = "/" * shift + ((JAPANESE if encoding == "shift_jis" else CHINESE) * 400)
    content = text.encode(encoding)
    assert len(content) > 2 * (64 << 10)
    assert decoded(content).content == text


def test_a_file_whose_first_64_kib_are_ascii_may_be_in_an_older_encoding_behind() -> None:
    text = "x = 1\n" * 12_000 + FRENCH
    found = decode(text.encode("cp1252"))
    assert isinstance(found, Text) or found is Reason.UNDECODABLE


# --- binary --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\x00",
        b"\x7fELF\x02\x01\x01" + bytes(9),
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        b"text and then\x00" + b"more text" * 100,
        b"x = 1\n" * 20_000 + b"\x00",
        bytes(range(1, 32)) * 4,
        b"\x01" + b"a" * 48,
    ],
    ids=["NUL", "ELF", "PNG", "NUL inside", "NUL far behind", "controls", "just too many"],
)
def test_binary_is_a_nul_byte_or_many_control_characters(content: bytes) -> None:
    assert decode(content) is Reason.BINARY


@pytest.mark.parametrize(
    "content",
    [
        b"\x01" + b"a" * 49,
        b"\f\n" * 50,
        b"\x1b[31mred\x1b[0m\n" * 20,
        b"\tif x:\r\n" * 20,
        b"\v",
    ],
    ids=["just few enough", "form feeds", "escape sequences", "tabs and returns", "vertical tab"],
)
def test_text_may_hold_the_controls_that_people_write(content: bytes) -> None:
    assert decoded(content).content == content.decode()


def test_undecodable_is_what_no_encoding_explains() -> None:
    # Bytes of every value that is no control: no language looks like that.
    content = bytes(range(128, 256)) * 40
    found = decode(content)
    assert found is Reason.UNDECODABLE or isinstance(found, Text)
