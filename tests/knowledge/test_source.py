"""Sources: names that are safe in a filter, and files that cannot contradict each other."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.errors import ContentError
from knowledge.glob import glob_matches
from knowledge.source import Source, check_group, read_sources, secret_in, unmatched_rules, unused_rules

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
        (_GOOD + "freshness_target_hour: 3", "unknown key 'freshness_target_hour'. Known there: access, collection, "),
        (_GOOD + "freshness_target_hours: 0", "'freshness_target_hours' is 0: Input should be greater than 0"),
        (_GOOD + "groups: []", "'groups' is []: Tuple should have at least 1 item"),
        (_GOOD + "groups: [\"x' or 'x\"]", "must be lower-case letters, digits, '-' or '_'"),
        (_GOOD + "groups: staff", "'groups' is 'staff'"),
        (_GOOD.replace("name: help", "name: Help Centre"), "'name' is 'Help Centre'"),
        (_GOOD.replace("name: help", "name: ../up"), "'name' is '../up'"),
        (_GOOD.replace("url: docs\n", ""), "key 'url' is missing"),
        (_GOOD.replace("docs team", "''"), "'owner' is ''"),
        (_GOOD + "access: [{glob: 'hr/**', groups: [hr], owner: x}]", "unknown key 'access.0.owner'"),
        (_GOOD + "access: [{glob: 'hr/**'}]", "key 'access.0.groups' is missing"),
        (_GOOD + "access: [{glob: 'hr/**', groups: []}]", "Tuple should have at least 1 item"),
        (_GOOD + "access: [{glob: 'hr/**', groups: [HR]}]", "group 'HR' must be lower-case"),
        (_GOOD + "access: [{glob: '/hr/**', groups: [hr]}]", "no document has such a name"),
        (_GOOD + "access: [{glob: './hr/**', groups: [hr]}]", "no document has such a name"),
        (_GOOD + "tags: [Hand book]", "tag 'Hand book' must be lower-case"),
        (_GOOD + "tagged: [{glob: 'a/**', tags: []}]", "at least 1 item"),
        (_GOOD + "tagged: [{glob: 'a/**', tags: [\"x' or 'x\"]}]", "must be lower-case"),
        (_GOOD + "tagged: [{glob: '/a/**', tags: [x]}]", "no document has such a name"),
        (_GOOD + "superseded: [{glob: 'a.md'}]", "key 'superseded.0.by' is missing"),
        (_GOOD + "superseded: [{glob: 'a.md', by: '/b.md'}]", "no document has such a name"),
        (_GOOD + "superseded: [{glob: 'a.md', by: b.md, source: Other!}]", "'superseded.0.source' is 'Other!'"),
        (
            _GOOD + "access: [{glob: '**', groups: [a]}, {glob: 'hr/*', groups: [hr]}]",
            "'hr/*' can never decide, as '**'",
        ),
        (_GOOD + "access: [{glob: 'hr/**/*', groups: [a]}, {glob: 'hr/x.md', groups: [hr]}]", "can never decide"),
        (_GOOD + "access: [{glob: 'a', groups: [a]}, {glob: 'a', groups: [hr]}]", "can never decide"),
        (_GOOD.replace("url: docs", "url: 's3://key:hush@bucket'"), "'url' holds a password. Take it out"),
        (_GOOD.replace("url: docs", "url: 'https://hush@host/docs'"), "'url' holds a user name, which may be a token"),
        (_GOOD.replace("url: docs", "url: 'git+https://hush@host/r.git'"), "'url' holds a user name"),
        (_GOOD.replace("url: docs", "url: 'https://host/docs.zip?sig=hush'"), "'url' holds a query"),
    ],
)
def test_a_wrong_source_is_refused_with_its_file(tmp_path, text, told):
    _write(tmp_path, text)
    with pytest.raises(ContentError) as error:
        read_sources(tmp_path)
    assert told in str(error.value)
    assert "help.yaml" in str(error.value)
    assert "hush" not in str(error.value)


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


_RULES = [("hr/**", ["hr"]), ("**/board/*.md", ["board", "hr"]), ("?.md", ["staff"])]


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("guide.md", ("public",)),
        ("hr/pay.md", ("hr",)),
        ("hr/board/plan.md", ("hr",)),  # the first rule that matches decides
        ("x/board/plan.md", ("board", "hr")),
        ("board/plan.md", ("board", "hr")),
        ("x/board/deep/plan.md", ("public",)),
        ("HR/pay.md", ("public",)),  # names are compared as they are written
        ("a.md", ("staff",)),
        ("x/a.md", ("public",)),
        ("hr", ("public",)),
    ],
)
def test_the_first_access_rule_that_matches_decides(name, groups):
    assert _source(*_RULES).readers(name) == groups


def _source(*rules, **values):
    access = [{"glob": glob, "groups": groups} for glob, groups in rules]
    return Source(name="help", collection="c", url="docs", owner="o", access=access, **values)


def test_a_rule_that_decides_for_no_document_is_named():
    source = _source(*_RULES)
    assert unused_rules(source, ["hr/pay.md", "hr/board/x.md", "a.md"]) == ("**/board/*.md",)
    assert unused_rules(source, []) == ("hr/**", "**/board/*.md", "?.md")


_SAID = Source(
    **{"name": "help", "collection": "c", "url": "docs", "owner": "o", "tags": ["terms", "legal"]},
    tagged=[{"glob": "2024/**", "tags": ["old", "legal"]}, {"glob": "**/*.pdf", "tags": ["printed"]}],
    superseded=[
        {"glob": "2024/terms.md", "by": "terms.md", "source": "contracts"},
        {"glob": "2024/**", "by": "2025/all.md"},
        {"glob": "**/all.md", "by": "2025/all.md"},
    ],
)


@pytest.mark.parametrize(
    ("name", "tags", "by"),
    [
        ("a.md", ("legal", "terms"), None),
        ("2024/a.md", ("legal", "old", "terms"), "help/2025/all.md"),
        ("2024/a.pdf", ("legal", "old", "printed", "terms"), "help/2025/all.md"),  # every rule that matches adds
        ("2024/terms.md", ("legal", "old", "terms"), "contracts/terms.md"),  # the first rule that matches decides
        ("2023/all.md", ("legal", "terms"), "help/2025/all.md"),
        ("2025/all.md", ("legal", "terms"), None),  # a document does not replace itself
    ],
)
def test_a_source_says_of_a_document_its_tags_and_what_replaces_it(name, tags, by):
    assert (_SAID.tags_of(name), _SAID.superseded_by(name)) == (tags, by)


def test_documents_with_the_same_tags_share_one_tuple():
    assert _SAID.tags_of("2024/a.md") is _SAID.tags_of("2024/b.md")


def test_a_rule_that_matches_no_document_is_named():
    assert unmatched_rules(_SAID, ["2024/a.md", "a.pdf"]) == ("2024/terms.md", "**/all.md")
    assert unmatched_rules(_SAID, []) == ("2024/**", "**/*.pdf", "2024/terms.md", "**/all.md")


_PARTS = st.sampled_from(["a", "b", "*", "**", "?", "a*"])
_GLOBS = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_NAMES = st.lists(st.sampled_from(["a", "b", "ab", "a.md"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(_GLOBS, st.sampled_from([["x"], ["y"], ["x", "y"]])), max_size=4), _NAMES)
def test_a_document_is_read_by_the_groups_of_one_rule_or_of_the_source_and_by_nobody_else(rules, name):
    try:
        source = _source(*rules, groups=("staff",))
    except ValueError as error:
        assert "can never decide" in str(error)  # noqa: PT017
        return
    matching = [tuple(groups) for glob, groups in rules if _plainly_matches(glob.split("/"), name.split("/"))]
    assert source.readers(name) == (matching or [("staff",)])[0]


@given(_GLOBS, _GLOBS, _NAMES)
def test_a_rule_is_refused_only_when_the_one_above_it_takes_every_name(above, below, name):
    try:
        _source((above, ["x"]), (below, ["y"]))
    except ValueError:
        assert glob_matches(above, name) or not glob_matches(below, name)


def _plainly_matches(glob, name):
    """The same, part by part. A last `**` stands for one part or more, another for any number of them."""
    if not glob:
        return not name
    if glob[0] == "**":
        skips = range(1 if len(glob) == 1 else 0, len(name) + 1)
        return any(_plainly_matches(glob[1:], name[skip:]) for skip in skips)
    return bool(name) and fnmatchcase(name[0], glob[0]) and _plainly_matches(glob[1:], name[1:])


@pytest.mark.parametrize(
    "url",
    ["docs", "a@b/c?d", "s3://bucket/docs", "abfs://container@account.dfs.core.windows.net/docs",
     "git+ssh://git@host/r.git@main#docs", "https://host/a@b", "git+file:///r@v1"],
)  # fmt: skip
def test_an_address_without_a_secret_is_let_through(url):
    assert secret_in(url) is None


def test_an_access_rule_knows_a_letter_however_a_name_writes_it():
    """An `ö` is one letter on most systems, and an o with two dots on macOS."""
    rule = {"glob": "L\u00f6hne/**", "groups": ["hr"]}
    source = Source(name="people", collection="c", url="x", owner="o", access=[rule])
    assert source.readers("L\u00f6hne/a.md") == source.readers("Lo\u0308hne/a.md") == ("hr",)
