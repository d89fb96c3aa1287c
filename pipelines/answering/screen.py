"""screen: what must not be answered from documents is turned away before anything is retrieved."""

from knowledge.policy import Policy, Topic


def screen(question: str, policy: Policy) -> Topic | None:
    """The first topic of the policy that the question falls under, or None."""
    return next((topic for topic in policy.topics if topic.matches(question)), None)
