"""Corpus revisions in DVC: every night's documents are kept and can be brought back. The only module that knows DVC."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.params import Project
from knowledge.errors import CorpusError
from knowledge.record import Document
from knowledge.snapshot import Snapshot
from pipelines.ingestion.mirror import LeftOut, mirror_documents

REMOTE = "corpus"


@dataclass(frozen=True, slots=True)
class Kept:
    """The documents of a collection as DVC keeps them. text: the `.dvc` file that restores them.

    documents: how many are kept. copied: how many of those are new or changed. left_out: those that are not kept.
    """

    text: str
    documents: int
    copied: int
    left_out: tuple[LeftOut, ...]


def keep_documents(project: Project, collection: str, documents: Iterable[Document]) -> Kept:
    """Mirror the documents into the corpus repository and add their folder to DVC. Raises CorpusError.

    Only a folder that nobody writes to may be added: the caller holds the state folder.
    """
    corpus = _make_corpus(project)
    folder = corpus / "documents" / collection
    about = folder.with_name(f"{collection}.dvc")
    remedy = f"Delete {corpus / 'documents'} (not {corpus / '.dvc'}) and run again: it is made anew from the sources."
    with _repository(project, corpus, f"corpus {corpus}: documents cannot be kept", remedy) as repository:
        if not about.exists():
            # added once while empty: DVC then never takes a document named dvc.yaml or x.dvc for one of its own files
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            repository.add(str(folder))
        mirrored = mirror_documents(documents, folder, memory=project.state / "cache" / "corpus" / f"{collection}.json")
        repository.add(str(folder))
    return Kept(about.read_text(encoding="utf-8"), mirrored.documents, mirrored.copied, mirrored.left_out)


def push_documents(project: Project, texts: Sequence[str]) -> None:
    """Send what these `.dvc` texts name to the remote of the settings, but for what was sent before.

    Raises CorpusError; what was not sent is sent with the next call.
    """
    remote = _remote(project)
    sent_file = project.state / "corpus" / "sent.json"
    sent = json.loads(sent_file.read_text(encoding="utf-8")) if sent_file.exists() else {}
    before = set(sent.get(remote, ()))
    wanted = {revision(text): text for text in texts if revision(text) not in before}
    if remote is None or not wanted:
        return
    remedy = (
        "They are kept here and will be sent with the next night. Correct 'corpus.remote' in params.yaml, or mend it."
    )
    with _aside(project.state / "cache") as folder:
        for name, text in wanted.items():
            _write_pointer(folder, name, text)
        what = f"corpus remote {remote}: documents cannot be sent"
        with _repository(project, folder, what, remedy, remote=remote) as repository:
            repository.push()
    aside = sent_file.with_suffix(".part")
    aside.write_text(json.dumps({**sent, remote: sorted(before | wanted.keys())}), encoding="utf-8")
    aside.replace(sent_file)


def restore_documents(project: Project, snapshot: Snapshot, to: Path) -> int:
    """Bring a snapshot's documents back into the folder `to`, byte for byte; how many. Raises CorpusError."""
    what = f"night '{snapshot.night}' of collection '{snapshot.collection}'"
    if snapshot.corpus is None:
        raise CorpusError(
            f"{what}: it kept no documents, as no source of it was `versioned: true`. Name another night."
        )
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise CorpusError(f"{to}: is not an empty folder, and nothing is overwritten. Name another one with --to.")
    remedy = "Set 'corpus.remote' in params.yaml to where it was sent, or name another night."
    with _aside(to.parent) as folder:
        _write_pointer(folder, "documents", snapshot.corpus)
        remote = _remote(project)
        with _repository(project, folder, f"{what}: cannot be restored", remedy) as repository:
            lacking = next(iter(repository.index.outs)).changed_cache()
        if remote and lacking:
            with _repository(project, folder, f"{what}: cannot be fetched", remedy, remote=remote) as repository:
                repository.fetch()
        with _repository(project, folder, f"{what}: cannot be restored", remedy) as repository:
            repository.checkout()
            _verify(repository, folder / "documents", what)
        (folder / "documents").mkdir(exist_ok=True)  # DVC makes none for a night without documents
        (folder / "documents").replace(to)
    return sum(not path.is_dir() for path in to.rglob("*"))


def revision(text: str) -> str:
    """The name of a set of documents: the digest that DVC gives their folder."""
    return str(yaml.safe_load(text)["outs"][0]["md5"]).removesuffix(".dir")


def _make_corpus(project: Project) -> Path:
    """The corpus repository, made whole or not at all."""
    corpus = project.state / "corpus"
    if not (corpus / ".dvc").exists():
        with _aside(project.state / "cache") as folder:
            corpus.mkdir(exist_ok=True)
            (folder / ".dvc").replace(corpus / ".dvc")
    # a run that was killed may have left it half written; the state folder is held, so it is nobody's
    (corpus / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)
    return corpus


@contextmanager
def _aside(place: Path) -> Iterator[Path]:
    """An empty DVC repository for one errand inside `place`, removed afterwards. Raises CorpusError."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=place, prefix=".corpus-")
    except OSError as problem:
        raise CorpusError(f"{place}: cannot be written ({problem.strerror}). Name a folder that can.") from None
    with folder as name:
        _repo().init(name, no_scm=True).close()
        yield Path(name)


@contextmanager
def _repository(project: Project, folder: Path, what: str, remedy: str, *, remote: str | None = None) -> Iterator[Any]:
    """A DVC repository over the corpus' one cache. What goes wrong in DVC is raised as CorpusError."""
    from dvc.exceptions import DvcException
    from dvc_data.hashfile.tree import TreeError
    from dvc_data.index.index import DataIndexError
    from dvc_objects.errors import ObjectDBError, ObjectFormatError
    from dvc_objects.fs.errors import AuthError, ConfigError, RemoteMissingDepsError

    local = (DvcException, TreeError, DataIndexError, ObjectDBError, ObjectFormatError)
    far = (AuthError, ConfigError, RemoteMissingDepsError, ImportError, OSError)
    problems = local + far if remote else local
    settings = {
        "core": {
            "no_scm": True,
            "analytics": False,
            "site_cache_dir": str(project.state / "cache" / "dvc"),
            **({"remote": REMOTE} if remote else {}),
        },
        # never hard links: an edit of the mirror would change what is kept
        "cache": {"dir": str(project.state / "corpus" / ".dvc" / "cache"), "type": ["reflink", "copy"]},
        "remote": {REMOTE: {"url": remote}} if remote else {},
    }
    try:
        repository = _repo()(str(folder), config=settings)
        try:
            yield repository
        finally:
            repository.close()
    except problems as problem:
        why = str(problem).splitlines()[0].rstrip(":") if str(problem) else type(problem).__name__
        raise CorpusError(f"{what} ({why[:200]}). {remedy}") from problem


def _repo() -> Any:
    """DVC's door, quiet: its words and bars are for its command line. Importing it sets up its logging."""
    from dvc.repo import Repo

    for name in ("dvc", "dvc_data", "dvc_objects"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return Repo


def _remote(project: Project) -> str | None:
    """The remote of the settings; a path is one inside the project."""
    remote = project.settings.corpus.remote
    if remote is None or "://" in remote:
        return remote
    return str(project.folder / os.path.expanduser(remote))


def _write_pointer(folder: Path, name: str, text: str) -> None:
    """A `.dvc` file that puts a kept folder under another name."""
    pointer = yaml.safe_load(text)
    pointer["outs"][0]["path"] = name
    (folder / f"{name}.dvc").write_text(yaml.safe_dump(pointer), encoding="utf-8")


def _verify(repository: Any, folder: Path, what: str) -> None:
    """Hold every restored file against its MD5: DVC trusts its cache. Raises CorpusError."""
    for key, _, about in next(iter(repository.index.outs)).get_obj():
        with folder.joinpath(*key).open("rb") as file:
            if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() != about.value:
                raise CorpusError(
                    f"{what}: {'/'.join(key)} is damaged in the corpus cache. Delete "
                    f"files/md5/{about.value[:2]}/{about.value[2:]} there; with a remote it is fetched again."
                )
