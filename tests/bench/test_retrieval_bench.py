"""`bench.retrieval` on folders and texts whose figures can be worked out by hand."""

import gzip
import json
import math

import pytest

from bench import retrieval, retrieval_synthetic
from bench.beir import read_beir
from bench.chunk_positions import locate
from bench.paired_bootstrap import interval
from bench.plain_splitters import Span, fixed, recursive
from bench.retrieval_chunking import Chunk, overlap
from bench.retrieval_quality import reciprocal_ranks, score
from bench.retrieval_synthetic import recall
from knowledge.errors import ContentError
from knowledge.record import Passage

DOCUMENTS = [
    {"_id": "pump", "title": "Pumps", "text": "How to prime a centrifugal pump before it starts."},
    {"_id": "valve", "title": "", "text": "A check valve lets water flow in one direction."},
    {"_id": "glossary", "title": "Glossary", "text": ""},
    {"_id": "blank", "title": " ", "text": None},
]
QUERIES = [{"_id": "1", "text": "prime centrifugal pump"}, {"_id": "2", "text": "nobody labelled this"}]
QRELS = "query-id\tcorpus-id\tscore\n1\tpump\t2\n1\tvalve\t0\n9\tpump\t1\n"


def written(folder, *, qrels=QRELS, documents=DOCUMENTS):
    (folder / "qrels").mkdir(parents=True)
    with gzip.open(folder / "corpus.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(each)}\n" for each in documents)
    (folder / "queries.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in QUERIES), encoding="utf-8")
    (folder / "qrels/test.tsv").write_text(qrels, encoding="utf-8")
    return folder


def test_what_cannot_be_used_of_a_folder_is_left_out_and_counted(tmp_path):
    found = read_beir(written(tmp_path / "tiny"))
    assert found.passages == {
        "pump": Passage(DOCUMENTS[0]["text"], ("Pumps",)),
        "valve": Passage(DOCUMENTS[1]["text"], ()),
        "glossary": Passage("Glossary", ()),  # a title is a text
    }
    assert found.queries == {"1": "prime centrifugal pump"}
    assert found.qrels == {"1": {"pump": 2, "valve": 0}}
    assert list(found.left_out.values()) == [1, 1, 1]


def test_a_labelled_folder_is_built_searched_and_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("bench.retrieval_quality.IN_BATCH", 10)
    monkeypatch.setattr("bench.retrieval_quality.SINGLY", 5)
    retrieval.main(["--beir", str(written(tmp_path / "tiny")), "--json"])
    found = json.loads(capsys.readouterr().out)
    tiny = found["collections"]["tiny"]
    for measure in ("nDCG@10", "recall@10", "MRR@10"):
        assert tiny[measure] == dict.fromkeys(("text", "vector", "rrf", "hybrid"), 1.0)
        assert found["average"][measure] == tiny[measure]
    assert (tiny["documents"], tiny["queries"]) == (3, 1)
    assert tiny["hybrid_minus_text"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert min(tiny[name] for name in ("queries_per_second", "p50_ms", "p95_ms")) > 0


def test_measures_are_those_of_a_hand_computation():
    qrels = {"1": {"a": 2, "b": 1, "gone": 1}, "2": {"a": 1}, "3": {"a": 1}}
    ranked = {"1": ["x", "b", "a"], "2": [*"bcdefghijk", "a"], "3": []}
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    found = score(qrels, ranked)
    assert found["nDCG@10"] == pytest.approx([(1 / math.log2(3) + 2 / 2) / ideal, 0, 0])
    assert found["recall@10"] == pytest.approx([2 / 3, 0, 0])
    assert found["MRR@10"] == pytest.approx([1 / 2, 0, 0])


def test_reciprocal_ranks_put_first_what_both_legs_found():
    # a: 1/61 + 1/63, b: 1/62 + 1/61, c: 1/62
    assert reciprocal_ranks(["a", "b"], ["b", "c", "a"]) == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("query-id\tcorpus-id\tscore\n1\tpump\n", "test.tsv:2: 2 fields between tabs, expected query-id"),
        ("query-id\tcorpus-id\tscore\n\n1 pump 1\n", "test.tsv:3: 1 fields between tabs"),
        ("1\tpump\t1\n1\tvalve\tgood\n", "test.tsv:2: score 'good' is no integer"),
    ],
)
def test_a_broken_line_of_labels_is_named_and_the_status_is_2(tmp_path, capsys, lines, said):
    with pytest.raises(SystemExit) as ended:
        retrieval.main(["--beir", str(written(tmp_path / "tiny", qrels=lines))])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ([{"_id": "a", "text": "one"}, {"_id": "a", "text": "two"}], "gz:2: _id 'a' stands in line 1 already"),
        ([{"text": "no name"}], "gz:1: expected an object with '_id'"),
        ([{"_id": "a", "text": ["one"]}], "gz:1: 'title' and 'text' must be strings"),
    ],
)
def test_a_broken_document_is_named(tmp_path, documents, said):
    with pytest.raises(ContentError) as problem:
        read_beir(written(tmp_path / "tiny", documents=documents))
    assert said in str(problem.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ContentError, match=r"test\.tsv: no such file, nor test\.tsv\.gz"):
        read_beir(tmp_path)


def test_a_truncated_archive_is_named(tmp_path):
    whole = written(tmp_path / "tiny") / "corpus.jsonl.gz"
    whole.write_bytes(whole.read_bytes()[:-12])
    with pytest.raises(ContentError, match=r"corpus\.jsonl\.gz:\d+: cannot be read"):
        read_beir(whole.parent)


def words(*numbers):
    return [("text", number) for number in numbers]


def test_overlap_counts_a_word_that_is_retrieved_twice_twice():
    gold = frozenset(words(3, 4, 5, 6))
    chunks = [Chunk(Passage("", ()), words(1, 2, 3, 4)), Chunk(Passage("", ()), words(4, 5))]
    found = overlap(gold, [*chunks, Chunk(Passage("", ()), [], unplaced=2)])
    # retrieved 4 + 2 + 2 unplaced, of which 3, 4 and 5 answer
    assert found.iou == pytest.approx(3 / (4 + 8 - 3))
    assert found.recall == pytest.approx(3 / 4)
    assert found.precision == pytest.approx(3 / 8)


def test_a_passage_is_found_where_white_space_and_markup_differ():
    held = (
        "The **first**  part",
        "The first part",
        "Two ends that are twenty letters long <unk> stand around what is gone",
    )
    source = "# One\n\n" + ".\n\n".join(held)
    passages = ["The first part.", "The first part.", held[2].replace("<unk> ", ""), "nowhere"]
    spans = locate(source, passages)
    assert [span and source[span.start : span.end] for span in spans] == [*held, None]


def test_plain_splitters_cut_by_words_and_at_the_largest_separators():
    text = "One two three. Four five.\n\nSix.\n\nSeven eight nine ten eleven"
    assert [text[span.start : span.end] for span in fixed(text, 5)] == [
        "One two three. Four five.\n\n",
        "Six.\n\nSeven eight nine ten ",
        "eleven",
    ]
    assert [text[span.start : span.end].strip() for span in recursive(text, 20)] == [
        "One two three.",
        "Four five.",
        "Six.",
        "Seven eight nine",  # the space behind "ten" would be the 21st character
        "ten eleven",
    ]
    assert recursive(text, 100) == [Span(0, len(text))]


def test_an_interval_holds_the_mean_and_is_the_same_again():
    both = ([0.1, -0.1, 0.3, 0.1], [0.0, 0.0])
    found = interval(both)
    assert found["mean"] == 0.05
    assert found["low"] < found["mean"] < found["high"]
    assert found == interval(both)


def test_recall_against_exact_search_is_the_share_found():
    assert recall([["a", "b"], ["c", "d"]], [["b", "a"], ["c", "x"]]) == 0.75


def test_made_chunks_are_written_and_found():
    figures = retrieval_synthetic.measure(600)
    assert figures["chunks"] == 600
    assert figures["recall@10"] == 1.0
