"""The readers of the environment: what each accepts, and how loudly it refuses."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.env import Environment


def test_text_is_the_variable_else_the_default():
    env = Environment({"SET": "a value", "EMPTY": ""})

    assert env.text("SET", "default") == "a value"
    assert env.text("EMPTY", "default") == ""
    assert env.text("UNSET", "default") == "default"


def test_text_without_a_value_or_a_default_names_both_ways_to_set_it():
    with pytest.raises(ImproperlyConfigured, match=r"^SECRET must be set in the environment \(or SECRET_FILE\)\.$"):
        Environment({}).text("SECRET")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_text_may_be_kept_in_a_file_whose_last_line_break_does_not_count(tmp_path: Path, ending: str):
    path = tmp_path / "secret"
    path.write_bytes(f" two\nlines {ending}".encode())

    assert Environment({"SECRET_FILE": str(path)}).text("SECRET", "default") == " two\nlines "


def test_a_variable_and_its_file_are_refused_together(tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text("from the file", encoding="utf-8")
    env = Environment({"SECRET": "", "SECRET_FILE": str(path)})

    with pytest.raises(ImproperlyConfigured, match=r"^Set SECRET or SECRET_FILE, not both\.$"):
        env.text("SECRET", "default")


@pytest.mark.parametrize("content", [None, b"\xff"], ids=["a folder", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None):
    path = tmp_path / "secret"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with pytest.raises(ImproperlyConfigured, match=r"^SECRET_FILE cannot be read: ") as refused:
        Environment({"SECRET_FILE": str(path)}).text("SECRET", "default")
    assert isinstance(refused.value.__cause__, OSError | UnicodeDecodeError)


def test_a_file_that_is_missing_is_refused_even_with_a_default(tmp_path: Path):
    with pytest.raises(ImproperlyConfigured, match="SECRET_FILE cannot be read"):
        Environment({"SECRET_FILE": str(tmp_path / "missing")}).text("SECRET", "default")


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("True", True), ("false", False), ("FALSE", False)])
def test_a_boolean_is_true_or_false_in_any_case(value: str, expected: bool):
    assert Environment({"FLAG": value}).boolean("FLAG", default=not expected) is expected


@pytest.mark.parametrize("default", [True, False])
def test_a_boolean_that_is_not_set_is_its_default(default: bool):
    assert Environment({}).boolean("FLAG", default=default) is default


@pytest.mark.parametrize("value", ["", "1", "0", "yes", "no", "on", " true"])
def test_a_boolean_of_another_word_is_refused(value: str):
    with pytest.raises(ImproperlyConfigured, match=f"^FLAG must be true or false, not '{value}'"):
        Environment({"FLAG": value}).boolean("FLAG", default=True)


@pytest.mark.parametrize(("value", "expected"), [("5", 5), ("9", 9), (" 7 ", 7)])
def test_an_integer_may_be_at_its_bounds(value: str, expected: int):
    assert Environment({"COUNT": value}).integer("COUNT", 6, minimum=5, maximum=9) == expected


def test_an_integer_that_is_not_set_is_its_default():
    assert Environment({}).integer("COUNT", 6) == 6


@pytest.mark.parametrize("value", ["4", "10", "-5"])
def test_an_integer_outside_its_bounds_is_refused(value: str):
    with pytest.raises(ImproperlyConfigured, match=f"^COUNT must be between 5 and 9, not {value}"):
        Environment({"COUNT": value}).integer("COUNT", 6, minimum=5, maximum=9)


def test_an_integer_is_neither_negative_nor_wider_than_a_column_unless_said():
    for value in (-1, 2**63):
        with pytest.raises(ImproperlyConfigured, match=f"not {value}"):
            Environment({"COUNT": str(value)}).integer("COUNT", 6)


@pytest.mark.parametrize("value", ["", "five", "5.0", "5e3", "0x5"])
def test_an_integer_that_is_none_is_refused(value: str):
    with pytest.raises(ImproperlyConfigured, match=f"^COUNT must be an integer, not '{value}'"):
        Environment({"COUNT": value}).integer("COUNT", 6)


@pytest.mark.parametrize(
    ("value", "expected"), [("", []), ("one", ["one"]), ("one,two", ["one", "two"]), (" one , , two ,", ["one", "two"])]
)
def test_words_are_split_at_commas(value: str, expected: list[str]):
    assert Environment({"WORDS": value}).words("WORDS", "default") == expected


def test_words_that_are_not_set_are_the_default():
    assert Environment({}).words("WORDS", "a, b") == ["a", "b"]


def test_the_environment_of_the_process_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CADASTRE_ONLY_IN_THIS_TEST", "here")

    assert Environment().text("CADASTRE_ONLY_IN_THIS_TEST") == "here"
