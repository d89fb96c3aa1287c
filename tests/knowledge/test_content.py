"""Content: what a person reads when a file that people write is wrong."""

import pytest
from pydantic import Field

from knowledge.content import Content, read_content
from knowledge.errors import ContentError, SettingsError


class _Inner(Content):
    depth: int = Field(default=1, ge=1)
    width: int = 1


class _Outer(Content):
    name: str
    share: float = 0.5
    inner: _Inner = _Inner()
    parts: tuple[_Inner, ...] = ()
    maybe: _Inner | None = None


def _read(folder, text, **options):
    path = folder / "outer.yaml"
    path.write_text(text, encoding="utf-8")
    return read_content(path, _Outer, **options)


def test_values_are_read_with_their_types(tmp_path):
    assert _read(tmp_path, "name: a\nshare: 1\nparts: [{depth: 3}]") == _Outer(
        name="a", share=1.0, parts=(_Inner(depth=3),)
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nme: a", "outer.yaml: key 'name' is missing (1 more after it). Add it."),
        ("name: a\nsize: 3", "unknown key 'size'. Known there: inner, maybe, name, parts, share."),
        ("name: a\ninner: {wdth: 3}", "unknown key 'inner.wdth'. Known there: depth, width."),
        ("name: a\nparts: [{}, {wdth: 3}]", "unknown key 'parts.1.wdth'. Known there: depth, width."),
        ("name: a\nmaybe: {wdth: 3}", "unknown key 'maybe.wdth'. Known there: depth, width."),
        ("name: a\nx: 1\ny: 2", "unknown key 'x' (1 more after it)."),
        ("name: a\nshare: much", "'share' is 'much': Input should be a valid number"),
        ("name: [a]", "'name' is ['a']: Input should be a valid string"),
        ("name: a\ninner: {depth: 0}", "'inner.depth' is 0: Input should be greater than or equal to 1"),
        ("name: a\n1: b", "'1' is 1: Keys should be strings"),
        ("name: a\nshare: [", "outer.yaml:2: unreadable YAML"),
        ("name: a\nshare: 1\n  name: b\n", "outer.yaml:3: unreadable YAML"),
        ("name: !!python/object:os.x {}", "outer.yaml:1: unreadable YAML"),
        ("", "expected keys and values, found NoneType"),
        ("- name", "expected keys and values, found list"),
        ("name", "expected keys and values, found str"),
    ],
)
def test_an_error_names_the_file_and_what_is_wrong(tmp_path, text, told):
    with pytest.raises(ContentError) as error:
        _read(tmp_path, text)
    assert told in str(error.value)
    assert str(tmp_path / "outer.yaml") in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"gone\.yaml: no such file\. Create it"):
        read_content(tmp_path / "gone.yaml", _Outer)


def test_a_folder_is_no_content(tmp_path):
    with pytest.raises(ContentError, match="cannot be read"):
        read_content(tmp_path, _Outer)


def test_bytes_that_are_not_utf8_are_refused(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("name: Müller".encode("latin-1"))
    with pytest.raises(ContentError, match=r"latin\.yaml: cannot be read .* UTF-8 text file"):
        read_content(tmp_path / "latin.yaml", _Outer)


def test_settings_raise_their_own_error(tmp_path):
    with pytest.raises(SettingsError, match="unknown key 'size'"):
        _read(tmp_path, "name: a\nsize: 3", error=SettingsError)
