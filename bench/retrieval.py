"""How good and how fast is search? Labelled collections, where documents are cut, and many chunks.

    python -m bench.retrieval [--beir DIR [DIR ...]] [--chunking DIR] [--synthetic CHUNKS] [--json]

--beir: folders in BEIR's layout (corpus.jsonl, queries.jsonl, qrels/test.tsv, each plain or .gz). A document is one
passage. `rrf` joins the two legs by equal-weight reciprocal ranks (k = 60), for comparison; nothing serves it.
queries_per_second: 1,000 hybrid queries in one call; p50_ms, p95_ms: 200 one by one; embedding included, medians of
three runs. `average`: collections weigh the same.
--chunking: the folder of chunking_evaluation. Our splitter beside fixed-size and recursive splitting at equal mean size
of all chunks, in words; IoU, recall and precision of the words that the best five chunks hold.
--synthetic: so many made chunks, written in parts, indexed, and asked 200 hybrid questions one by one, embedding not
included; recall@10: of the vector leg against exact search. build_seconds: the indices of words and vectors.
Intervals: 95 %, paired bootstrap over the questions (nDCG@10; IoU). Exit 2 where a file cannot be used.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import paired_bootstrap, retrieval_chunking, retrieval_synthetic
from bench.beir import read_beir
from bench.retrieval_quality import MEASURES, SEARCHES, average, measure
from knowledge.errors import ContentError
from pipelines.embedder import WordLlamaEmbedder


def measure_beir(folders: list[Path]) -> dict[str, Any]:
    read = {_name(folder, folders): read_beir(folder) for folder in folders}  # what is wrong is told at once
    embedder = WordLlamaEmbedder()
    found = {name: measure(beir, embedder) for name, beir in read.items()}
    return {
        "collections": {name: figures for name, (_, figures) in found.items()},
        "average": average([quality for quality, _ in found.values()]),
    }


def _name(folder: Path, folders: list[Path]) -> str:
    """The folder's own name, or the whole path where two have the same."""
    name = folder.resolve().name
    return name if [each.resolve().name for each in folders].count(name) == 1 else str(folder)


def print_beir(found: dict[str, Any]) -> None:
    print(f"{'collection':<24}{'measure':<11}" + "".join(f"{search:>9}" for search in SEARCHES))
    for name, figures in [*found["collections"].items(), ("average", found["average"])]:
        for measured in MEASURES:
            values = "".join(f"{figures[measured][search]:>9.4f}" for search in SEARCHES)
            print(f"{name if measured == 'nDCG@10' else '':<24}{measured:<11}{values}")
        for other in ("text", "better_leg"):
            each = figures[f"hybrid_minus_{other}"]
            name_of = f" ({each['leg']})" if "leg" in each else ""
            print(f"  hybrid - {other}{name_of}: {each['mean']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}]")
        if name in found["collections"]:
            print(f"  {figures['documents']} documents, {figures['queries']} queries, left out: {figures['left_out']}")
            print(
                f"  {figures['queries_per_second']:.0f} queries/s, p50 {figures['p50_ms']:.1f} ms, "
                f"p95 {figures['p95_ms']:.1f} ms, built in {figures['build_seconds']:.1f} s"
            )


def print_chunking(found: dict[str, Any]) -> None:
    heads = ("chunks", "words", "chars", "lost", "mode", "IoU", "recall", "precision", "words held")
    print(f"{'splitter':<34}" + "".join(f"{head:>11}" for head in heads))
    for name, figures in found["splitters"].items():
        sizes = [figures[key] for key in ("chunks", "mean_words", "mean_characters", "not_aligned_share")]
        for mode in retrieval_chunking.MODES:
            scores = [figures[mode][key] for key in ("IoU", "recall", "precision", "mean_words_retrieved")]
            print(f"{name:<34}" + "".join(f"{value:>11}" for value in (*sizes, mode, *scores)))
        print(f"  IoU by corpus, hybrid: {figures['hybrid']['IoU_by_corpus']}")
    for name, by_mode in found["ours_minus"].items():
        for mode, each in by_mode.items():
            print(f"  IoU, ours - {name}, {mode}: {each['mean']:+.4f} [{each['low']:+.4f}, {each['high']:+.4f}]")
    print(f"  {found['questions']} questions, k = {found['k']}")


def about() -> dict[str, Any]:
    packages = ("pylance", "wordllama", "ir-measures", "unstructured", "numpy")
    return {
        "seeds": {"bootstrap": paired_bootstrap.SEED, "synthetic": retrieval_synthetic.SEED},
        "versions": {name: version(name) for name in packages},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
    }


def measure_asked(given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if given.beir:
        found |= measure_beir(given.beir)
    if given.chunking:
        found["chunking"] = retrieval_chunking.measure(given.chunking, WordLlamaEmbedder())
    if given.synthetic:
        found["synthetic"] = retrieval_synthetic.measure(given.synthetic)
    return found


def print_tables(found: dict[str, Any]) -> None:
    if "collections" in found:
        print_beir(found)
    if "chunking" in found:
        print_chunking(found["chunking"])
    if "synthetic" in found:
        print("\n".join(f"{name:<16}{value:>10}" for name, value in found["synthetic"].items()))
    print("  ".join(f"{name}: {found[name]}" for name in about()))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beir", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--chunking", type=Path, metavar="DIR")
    parser.add_argument("--synthetic", type=int, metavar="CHUNKS")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    if not (given.beir or given.chunking or given.synthetic):
        parser.error("nothing to measure. Give --beir, --chunking or --synthetic.")
    if given.synthetic is not None and given.synthetic < 1:
        parser.error(f"--synthetic {given.synthetic}: there must be a chunk to find. Give 1 or more.")
    try:
        found = measure_asked(given) | about()
    except ContentError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
    print(json.dumps(found)) if given.json else print_tables(found)


if __name__ == "__main__":
    main()
