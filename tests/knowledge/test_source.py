"""Sources: names that are safe in a filter, and files that cannot contradict each other."""

import pytest

from knowledge.errors import ContentError
from knowledge.source import check_group, read_sources

_GOOD = "name: help\ncollection: support\nurl: docs\nowner: docs team\n"


def _write(folder, text, name="help.yaml"):
    (folder / name).write_text(text, encoding="utf-8")


def test_a_short_source_is_public_whole_and_fresh_within_a_day(tmp_path):
    _write(tmp_path, _GOOD)
    (source,) = read_sources(tmp_path)
    assert (source.groups, source.include, source.exclude) == (("public",), ("**/*",), ())
    assert source.freshness_target_hours == 24.0


def test_groups_are_sorted_and_stand_once(tmp_path):
    _write(tmp_path, _GOOD + "groups: [staff, hr, staff]")
    assert read_sources(tmp_path)[0].groups == ("hr", "staff")


def test_sources_come_in_the_order_of_their_files(tmp_path):
    _write(tmp_path, _GOOD.replace("help", "zebra"), "a.yaml")
    _write(tmp_path, _GOOD.replace("help", "ant"), "b.yaml")
    assert [source.name for source in read_sources(tmp_path)] == ["zebra", "ant"]


def test_a_folder_without_files_has_no_sources(tmp_path):
    assert read_sources(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_GOOD + "freshness_target_hour: 3", "unknown key 'freshness_target_hour'. Known there: collection, "),
        (_GOOD + "freshness_target_hours: 0", "'freshness_target_hours' is 0: Input should be greater than 0"),
        (_GOOD + "groups: []", "'groups' is []: Tuple should have at least 1 item"),
        (_GOOD + "groups: [\"x' or 'x\"]", "must be lower-case letters, digits, '-' or '_'"),
        (_GOOD + "groups: staff", "'groups' is 'staff'"),
        (_GOOD.replace("name: help", "name: Help Centre"), "'name' is 'Help Centre'"),
        (_GOOD.replace("name: help", "name: ../up"), "'name' is '../up'"),
        (_GOOD.replace("url: docs\n", ""), "key 'url' is missing"),
        (_GOOD.replace("docs team", "''"), "'owner' is ''"),
    ],
)
def test_a_wrong_source_is_refused_with_its_file(tmp_path, text, told):
    _write(tmp_path, text)
    with pytest.raises(ContentError) as error:
        read_sources(tmp_path)
    assert told in str(error.value)
    assert "help.yaml" in str(error.value)


def test_a_name_that_stands_twice_is_refused(tmp_path):
    _write(tmp_path, _GOOD, "a.yaml")
    _write(tmp_path, _GOOD, "b.yaml")
    with pytest.raises(ContentError, match=r"b\.yaml: source 'help' is declared twice"):
        read_sources(tmp_path)


@pytest.mark.parametrize("group", ["public", "hr", "tier-2", "team_7", "0"])
def test_a_plain_name_is_a_group(group):
    assert check_group(group) == group


@pytest.mark.parametrize("group", ["", "HR", "a b", "a'b", 'a"b', "a,b", "-a", "é", "a" * 64, "a;--"])
def test_anything_else_is_no_group(group):
    with pytest.raises(ValueError, match="must be lower-case"):
        check_group(group)
