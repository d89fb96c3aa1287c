"""Of the words that answer a question, how many do the best five chunks hold, and how many others beside them?

After Smith and Troynikov, "Evaluating Chunking Strategies for Retrieval", Chroma technical report, 2024.
"""

import csv
import json
import statistics
import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.chunk_positions import locate
from bench.made_collection import make_collection, named
from bench.paired_bootstrap import interval
from bench.plain_splitters import WORD, Span, fixed, recursive
from knowledge.errors import ContentError
from knowledge.fusion import SearchMode
from knowledge.record import Passage
from pipelines.answering.retrieve import Asked, retrieve_many
from pipelines.ingestion.hygiene.examine import examine
from pipelines.ingestion.parsing import ParseSettings, parse_content
from pipelines.ingestion.split import SplitSettings, split
from pipelines.ingestion.vectors import Embedder

K = 5
OURS = "plumbline"
SIZE_TOLERANCE = 0.1
MODES: tuple[SearchMode, ...] = ("hybrid", "vector")


@dataclass(frozen=True, slots=True)
class Corpus:
    """A text and the places of its words."""

    name: str
    text: str
    starts: list[int]
    ends: list[int]

    def words(self, span: Span) -> list[tuple[str, int]]:
        """The words that a span touches, each by corpus and number."""
        first, last = bisect_right(self.ends, span.start), bisect_left(self.starts, span.end)
        return [(self.name, number) for number in range(first, last)]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage; the words of the source that it holds, or how many it holds where its place is not known."""

    passage: Passage
    words: list[tuple[str, int]]
    unplaced: int = 0

    @property
    def size(self) -> int:
        return len(self.words) + self.unplaced


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the words that answer it."""

    question: str
    corpus: str
    words: frozenset[tuple[str, int]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Of one question. A word that is retrieved twice counts twice among those retrieved."""

    iou: float
    recall: float
    precision: float
    retrieved: int


def overlap(gold: frozenset[tuple[str, int]], chunks: Iterable[Chunk]) -> Found:
    """The words of the chunks against those that answer."""
    held: Counter[tuple[str, int]] = Counter()
    unplaced = 0
    for chunk in chunks:
        held.update(chunk.words)
        unplaced += chunk.unplaced
    both, retrieved = len(gold & held.keys()), held.total() + unplaced
    return Found(both / (len(gold) + retrieved - both), both / len(gold), both / max(retrieved, 1), retrieved)


def read_cases(folder: Path) -> tuple[dict[str, Corpus], list[Case]]:
    """The corpora by name, and the questions. Raises ContentError."""
    path = next(iter(sorted(folder.rglob("questions_df.csv"))), None)
    if path is None:
        raise ContentError(f"{folder}: no questions_df.csv in it. Give the folder of chunking_evaluation.")
    corpora = {each.stem: _corpus(each) for each in sorted((path.parent / "corpora").glob("*.md"))}
    cases = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            try:
                corpus = corpora[row["corpus_id"]]
                spans = [Span(each["start_index"], each["end_index"]) for each in json.loads(row["references"])]
                gold = frozenset(word for span in spans for word in corpus.words(span))
                cases.append(Case(row["question"], corpus.name, gold))
            except (KeyError, TypeError, ValueError) as problem:
                raise ContentError(
                    f"{path}:{rows.line_num}: no question with references into a corpus beside it "
                    f"({type(problem).__name__}: {problem}). Correct that line."
                ) from None
    if not all(case.words for case in cases) or not cases:
        raise ContentError(f"{path}: no question, or one whose references hold no word. Nothing to measure.")
    return corpora, cases


def _corpus(path: Path) -> Corpus:
    with path.open(encoding="utf-8", newline="") as file:  # references count characters as they are in the file
        text = file.read()
    words = list(WORD.finditer(text))
    return Corpus(path.stem, text, [word.start() for word in words], [word.end() for word in words])


def our_chunks(corpus: Corpus) -> list[Chunk]:
    """As an ingest cuts a Markdown file, with default settings."""
    elements = parse_content(corpus.text.encode(), f"{corpus.name}.md", ("en",), ParseSettings())
    passages = examine(split(elements, SplitSettings()))
    spans = locate(corpus.text, [passage.text for passage in passages])
    return [
        Chunk(passage, corpus.words(span)) if span else Chunk(passage, [], len(WORD.findall(passage.text)))
        for passage, span in zip(passages, spans, strict=True)
    ]


def plain_chunks(corpus: Corpus, spans: Iterable[Span]) -> list[Chunk]:
    return [Chunk(Passage(corpus.text[span.start : span.end].strip(), ()), corpus.words(span)) for span in spans]


def mean_size(chunks: Sequence[Chunk]) -> float:
    """In words."""
    return statistics.fmean(chunk.size for chunk in chunks)


def tuned(corpora: Iterable[Corpus], cut: Callable[[str, int], list[Span]], size: float, most: int) -> list[Chunk]:
    """The chunks at the setting whose mean size comes nearest to `size`, by bisection up to `most`."""
    corpora, low, high = list(corpora), 1, most
    tried: dict[int, list[Chunk]] = {}
    while low <= high:
        setting = (low + high) // 2
        tried[setting] = [chunk for corpus in corpora for chunk in plain_chunks(corpus, cut(corpus.text, setting))]
        low, high = (setting + 1, high) if mean_size(tried[setting]) < size else (low, setting - 1)
    return min(tried.values(), key=lambda chunks: abs(mean_size(chunks) - size))


def measure(folder: Path, embedder: Embedder) -> dict[str, Any]:
    """All splitters at equal mean size; one collection each of all corpora."""
    corpora, cases = read_cases(folder)
    ours = [chunk for corpus in corpora.values() for chunk in our_chunks(corpus)]
    size = mean_size(ours)
    splitters = {
        OURS: ours,
        f"{OURS}, no headings": [Chunk(Passage(each.passage.text, ()), each.words, each.unplaced) for each in ours],
        "fixed-size": tuned(corpora.values(), fixed, size, most=round(4 * size)),
        "recursive": tuned(corpora.values(), recursive, size, most=round(40 * size)),
    }
    found = {name: retrieved(chunks, cases, embedder) for name, chunks in splitters.items()}
    return {
        "k": K,
        "questions": len(cases),
        "splitters": {
            name: sizes_of(chunks, size) | {mode: means(cases, found[name][mode]) for mode in MODES}
            for name, chunks in splitters.items()
        },
        "ours_minus": {
            name: {mode: interval([differences(found[OURS][mode], found[name][mode])]) for mode in MODES}
            for name in splitters
            if name != OURS
        },
    }


def retrieved(chunks: Sequence[Chunk], cases: Sequence[Case], embedder: Embedder) -> dict[str, list[Found]]:
    """By mode what the best chunks hold for each question."""
    asked = [Asked(case.question) for case in cases]
    found: dict[str, list[Found]] = {}
    with tempfile.TemporaryDirectory() as place:
        passages = {str(number): chunk.passage for number, chunk in enumerate(chunks)}
        collection = make_collection(passages, embedder, Path(place))
        for mode in MODES:
            hits = retrieve_many(asked, collection, embedder, limit=K, mode=mode)
            best = ([chunks[int(named(hit.doc_id))] for hit in each] for each in hits)
            found[mode] = [overlap(case.words, each) for case, each in zip(cases, best, strict=True)]
    return found


def sizes_of(chunks: Sequence[Chunk], size: float) -> dict[str, Any]:
    unplaced = sum(chunk.unplaced > 0 for chunk in chunks)
    return {
        "chunks": len(chunks),
        "mean_words": round(mean_size(chunks), 1),
        "mean_characters": round(statistics.fmean(len(chunk.passage.text) for chunk in chunks), 1),
        "equal_size": abs(mean_size(chunks) / size - 1) <= SIZE_TOLERANCE,
        "not_aligned_share": round(unplaced / len(chunks), 4),
    }


def means(cases: Sequence[Case], found: Sequence[Found]) -> dict[str, Any]:
    by_corpus: Mapping[str, list[float]] = defaultdict(list)
    for case, each in zip(cases, found, strict=True):
        by_corpus[case.corpus].append(each.iou)
    return {
        "IoU": round(statistics.fmean(each.iou for each in found), 4),
        "recall": round(statistics.fmean(each.recall for each in found), 4),
        "precision": round(statistics.fmean(each.precision for each in found), 4),
        "mean_words_retrieved": round(statistics.fmean(each.retrieved for each in found), 1),
        "IoU_by_corpus": {name: round(statistics.fmean(values), 4) for name, values in sorted(by_corpus.items())},
    }


def differences(ours: Sequence[Found], theirs: Sequence[Found]) -> list[float]:
    """Of each question the difference in IoU."""
    return [one.iou - other.iou for one, other in zip(ours, theirs, strict=True)]
