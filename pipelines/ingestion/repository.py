"""repository: the files of one revision of a git repository, by dulwich. The only module that knows it."""

import re
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from knowledge.errors import SourceError
from pipelines.ingestion.remote import FetchError, RemoteFile, in_words

TIMEOUT_SECONDS = 60
MAX_PACKS = 50  # every changed night adds one; then the repository is fetched anew
LARGE_FILE_POINTER = b"version https://git-lfs"


class Repository:
    """The files of `git+https://host/repository.git@revision#folder`; both `@revision` and `#folder` may be left out.

    Its history is not fetched. Links and submodules are not followed.
    """

    side_by_side = False

    def __init__(self, url: str, folder: Path, *, what: str):
        self._url, self._what, self._folder = url, what, folder
        parts = urlsplit(url.removeprefix("git+"))
        path, at, revision = parts.path.rpartition("@")
        self._address = parts._replace(path=path if at else parts.path, fragment="").geturl()
        self._revision, self._inside = revision if at else "", parts.fragment.strip("/")
        self._objects: Any = None
        self._closing = ExitStack()

    def files(self) -> Iterable[RemoteFile]:
        """The files of the revision as it is now. Raises SourceError."""
        from dulwich.object_store import iter_tree_contents, peel_sha
        from dulwich.repo import Repo

        if len(list(self._folder.glob("objects/pack/*.pack"))) > MAX_PACKS:
            shutil.rmtree(self._folder)
        made = (self._folder / "HEAD").is_file()

        def read() -> list[RemoteFile]:
            opened = Repo(str(self._folder)) if made else Repo.init_bare(str(self._folder), mkdir=True)
            self._closing.enter_context(opened)
            self._objects = opened.object_store
            commit = peel_sha(self._objects, self._fetch_revision(opened))[1]
            tree = commit.tree
            if self._inside:
                tree = self._folder_inside(tree)
            return [
                RemoteFile(
                    name=entry.path.decode("utf-8", "surrogateescape"),
                    address=entry.sha.decode(),
                    size_bytes=None,
                    validator=entry.sha.decode(),
                    modified=float(commit.commit_time),
                )
                for entry in iter_tree_contents(self._objects, tree)
                if stat.S_ISREG(entry.mode)
            ]

        found: list[RemoteFile] = self._told(read)
        return found

    def fetch(self, file: RemoteFile, to: Path) -> None:
        """Write one file out of the repository. Raises FetchError."""
        blob = file.address.encode()
        content = self._told(lambda: self._objects.get_raw(blob)[1])
        if content.startswith(LARGE_FILE_POINTER):
            raise FetchError("it is a Git LFS pointer, and LFS is not fetched", transient=False)
        to.write_bytes(content)

    def close(self) -> None:
        """Let go of the repository's files."""
        self._closing.close()

    def _fetch_revision(self, opened: Any) -> bytes:
        from dulwich.client import default_urllib3_manager, get_transport_and_path
        from dulwich.config import StackedConfig

        found: list[bytes] = []

        def wants(refs: dict[bytes, bytes], depth: int | None = None) -> list[bytes]:
            found.append(self._wanted(refs))
            return found

        config = StackedConfig.default()
        options: dict[str, Any] = {}
        if self._address.startswith("http"):
            # its own default waits for ever
            pool = default_urllib3_manager(config, base_url=self._address, timeout=TIMEOUT_SECONDS)
            options = {"pool_manager": pool, **self._login()}
        client, path = get_transport_and_path(self._address, config=config, quiet=True, **options)
        client.fetch(path, opened, determine_wants=wants, depth=1)
        return found[0]

    def _folder_inside(self, tree: bytes) -> bytes:
        from dulwich.object_store import tree_lookup_path

        try:
            mode, inside = tree_lookup_path(self._objects.__getitem__, tree, self._inside.encode())
        except KeyError:
            mode, inside = 0, b""
        if not stat.S_ISDIR(mode):
            raise LookupError(f"it has no folder {self._inside}")
        return bytes(inside)

    def _wanted(self, refs: dict[bytes, bytes]) -> bytes:
        revision = self._revision.encode()
        names = (b"refs/heads/" + revision, b"refs/tags/" + revision) if revision else (b"HEAD",)
        for name in names:
            if name in refs:
                return refs[name]
        if re.fullmatch(rb"[0-9a-f]{40}", revision):
            return revision
        raise LookupError(f"it has no branch and no tag {self._revision}" if revision else "it is empty")

    def _login(self) -> dict[str, str]:
        """The user name and token that git's own store (`git credential-store`) holds for the host."""
        from dulwich.client import get_credentials_from_store

        parts = urlsplit(self._address)
        found: Sequence[tuple[str, str]] = list(get_credentials_from_store(parts.scheme, parts.netloc))
        return {"username": found[0][0], "password": found[0][1]} if found else {}

    def _told(self, read: Callable[[], Any]) -> Any:
        import urllib3
        from dulwich.errors import GitProtocolError, MissingCommitError, NotGitRepository, ObjectMissing
        from dulwich.file import FileLocked

        vendor = (NotGitRepository, GitProtocolError, MissingCommitError, ObjectMissing, FileLocked)
        try:
            return read()
        except (*vendor, urllib3.exceptions.HTTPError, LookupError, ValueError, OSError) as problem:
            raise SourceError(
                f"{self._what}: {self._url} cannot be read ({in_words(problem)}). Nothing was changed. "
                "Correct 'url' or the login of git's credential store, or run again when the host answers."
            ) from None
