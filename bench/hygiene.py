"""What does hygiene cost a document, what does it find, and what does it miss?

    python -m bench.hygiene --documents DIR [--personal FILE] [--sizes 1000,10000,100000] [--json]

--documents: text files; they are cut into passages of 800 characters, as long as the longest of the default settings.
--personal: texts with exact spans of personal data, JSON, plain or gzipped (presidio-research's). A text counts once
for each kind. The near-duplicates are of synthetic documents of 300 words, a tenth of them another one with one word
changed; `template`: all are pages of one template, similar by .85: what is found at .9 is what `confirmed` takes back.
"""

import argparse
import gzip
import json
import platform
import resource
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from knowledge.record import Passage
from pipelines.ingestion.hygiene.characters import normalise
from pipelines.ingestion.hygiene.examine import HygieneSettings, examine
from pipelines.ingestion.hygiene.findings import find
from pipelines.ingestion.hygiene.near_duplicates import Sketch, near_duplicates, signature

PASSAGE_CHARACTERS = 800
SEED = 20261121
WORDS = 300  # of a synthetic document
KINDS = {
    "CREDIT_CARD": "personal:card",
    "EMAIL_ADDRESS": "personal:email",
    "IBAN_CODE": "personal:iban",
    "IP_ADDRESS": "personal:ip",
    "PHONE_NUMBER": "personal:phone",
    "US_SSN": "personal:ssn",
}


def cpu_seconds(step: Callable[[], object]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


def of_documents(folder: Path) -> dict[str, object]:
    texts = {
        str(path): path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".md", ".mdx", ".txt", ".rst")
    }
    if not texts:
        raise SystemExit(f"{folder}: no .md, .mdx, .txt or .rst file in it. Give --documents a folder with some.")
    passages = [
        [Passage(text[at : at + PASSAGE_CHARACTERS], ()) for at in range(0, len(text), PASSAGE_CHARACTERS)]
        for text in texts.values()
    ]
    find("+41 44 668 18 00")  # phonenumbers is imported at the first number
    signature("warm")
    examined: list[tuple[Passage, ...]] = []
    sketches: list[Sketch] = []
    seconds = {
        "normalise": cpu_seconds(lambda: [normalise(each.text) for part in passages for each in part]),
        "find": cpu_seconds(lambda: [find(each.text) for part in passages for each in part]),
        "examine": cpu_seconds(lambda: examined.extend(map(examine, passages))),
        "signature": cpu_seconds(
            lambda: sketches.extend(Sketch(name, (), signature(text)) for name, text in texts.items())
        ),
    }
    started = time.perf_counter()
    near = near_duplicates(sketches, threshold=HygieneSettings().similarity)
    return {
        "documents": len(texts),
        "passages": sum(map(len, passages)),
        "us_per_document": {name: round(1e6 * spent / len(texts), 1) for name, spent in seconds.items()},
        "near_duplicates_seconds": round(time.perf_counter() - started, 3),
        "near_duplicates": len(near),
        "findings": dict(Counter(kind for part in examined for each in part for kind in each.findings).most_common()),
    }


def of_personal(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    cases = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    right, false, missed = Counter[str](), Counter[str](), Counter[str]()
    find("+41 44 668 18 00")
    told: list[set[str]] = []
    spent = cpu_seconds(lambda: told.extend(set(find(case["full_text"])) for case in cases))
    for case, found in zip(cases, told, strict=True):
        held = {KINDS[span["entity_type"]] for span in case["spans"] if span["entity_type"] in KINDS}
        right.update(found & held)
        false.update(found - held)
        missed.update(held - found)
    figures: dict[str, object] = {"texts": len(cases), "us_per_text": round(1e6 * spent / len(cases), 1)}
    for kind in sorted({*right, *false, *missed}):
        figures[kind] = {
            "precision": round(right[kind] / max(right[kind] + false[kind], 1), 3),
            "recall": round(right[kind] / max(right[kind] + missed[kind], 1), 3),
            "texts": right[kind] + missed[kind],
        }
    return figures


def of_size(size: int, *, template: bool) -> dict[str, float]:
    random = np.random.default_rng(SEED)
    page = random.integers(0, 5000, WORDS)
    signatures: list[bytes] = []
    words = random.integers(0, 5000, (size, WORDS), dtype=np.int16)
    if template:  # 22 words of their own in 300: three shingles to a word make that a similarity of .85
        words[:, :-22] = page[:-22]
    planted = 0 if template else size // 10
    words[size - planted :] = words[:planted]
    words[size - planted :, WORDS // 2] = 5000
    texts = (" ".join(map(str, row)) for row in words)
    spent = cpu_seconds(lambda: signatures.extend(map(signature, texts)))
    sketches = [Sketch(f"{row:08}", (), each) for row, each in enumerate(signatures)]
    started = time.perf_counter()
    found = near_duplicates(sketches, threshold=HygieneSettings().similarity)
    return {
        "documents": size,
        "signature_seconds": round(spent, 2),
        "seconds": round(time.perf_counter() - started, 2),
        "planted": planted,
        "found": len(found),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--personal", type=Path)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    figures: dict[str, object] = {
        "documents": of_documents(given.documents),
        "personal": of_personal(given.personal) if given.personal else None,
        "near_duplicates": [of_size(size, template=False) for size in sizes],
        "template": [of_size(size, template=True) for size in sizes],
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
    }
    if given.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        rows = figure.items() if isinstance(figure, dict) else [("", each) for each in figure or []]
        print(name if isinstance(figure, (dict, list)) else f"{name} {figure}")
        for label, value in rows if isinstance(figure, (dict, list)) else []:
            print(f"  {label:26}{value}")


if __name__ == "__main__":
    main()
