"""Does an answer rest on documents that hold it?"""

from evals.case import Case
from evals.graders.score import Score
from knowledge.trace import Answer


def grade_citation(case: Case, answer: Answer) -> Score | None:
    """Share of the gold documents that are cited; one is enough to pass, a conflict needs all of them."""
    if answer.outcome != "answered" or not case.gold or case.outcome != "answered":
        return None
    cited = {citation.doc_id for citation in answer.citations}
    missing = [doc_id for doc_id in case.gold if doc_id not in cited]
    enough = not missing if case.kind == "conflicting" else len(missing) < len(case.gold)
    value = 1 - len(missing) / len(case.gold)
    return Score("citation", value, enough, f"not cited: {', '.join(missing)}" if missing else "cites its gold")
