"""Policies: which questions a topic takes, and which files are refused."""

import pytest

from knowledge.errors import ContentError
from knowledge.policy import Topic, read_policy

_GOOD = """\
name: support
topics:
  - name: legal
    outcome: escalated
    patterns: ['\\b(sue|lawyer)\\b', 'court$']
    reply: A person will answer.
orders: ['^ignore']
private: ['\\d{16}']
"""


def _read(folder, text):
    (folder / "support.yaml").write_text(text, encoding="utf-8")
    return read_policy(folder, "support")


def test_a_policy_is_read_as_written(tmp_path):
    policy = _read(tmp_path, _GOOD)
    assert [topic.name for topic in policy.topics] == ["legal"]
    assert (policy.orders, policy.private) == (("^ignore",), (r"\d{16}",))


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("I will sue you", True),
        ("I WILL SUE YOU", True),
        ("My lawyer says", True),
        ("See you in court", True),
        ("The court of appeal", False),
        ("Which issues are known?", False),
        ("", False),
    ],
)
def test_a_topic_takes_what_one_of_its_patterns_finds(text, taken):
    topic = Topic(name="legal", outcome="escalated", patterns=(r"\b(sue|lawyer)\b", "court$"), reply="A person.")
    assert topic.matches(text) is taken


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("court$", "court(", "pattern 'court(' is no regular expression (missing )"),
        ("^ignore", "[", "pattern '[' is no regular expression (unterminated character set"),
        ("\\d{16}", "*", "pattern '*' is no regular expression (nothing to repeat"),
        ("escalated", "ignored", "'topics.0.outcome' is 'ignored': Input should be 'refused' or 'escalated'"),
        ("A person will answer.", "''", "'topics.0.reply' is ''"),
        ("reply:", "replies:", "key 'topics.0.reply' is missing"),
        ("private:", "privat:", "unknown key 'privat'. Known there: name, orders, private, topics."),
    ],
)
def test_a_wrong_policy_is_refused_with_its_file(tmp_path, old, new, told):
    assert old in _GOOD
    with pytest.raises(ContentError) as error:
        _read(tmp_path, _GOOD.replace(old, new))
    assert told in str(error.value)
    assert "support.yaml" in str(error.value)


def test_a_missing_policy_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"strict\.yaml: no such file"):
        read_policy(tmp_path, "strict")
