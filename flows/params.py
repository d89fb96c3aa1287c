"""Every setting, typed: the only reader of `params.yaml`, and with `providers` of the environment."""

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from flows.providers import find_provider
from flows.running import read_servers
from knowledge.content import Content, read_content
from knowledge.errors import SettingsError
from knowledge.manifest import MODEL
from knowledge.record import Recipe
from knowledge.upkeep import DEFAULT_UPKEEP, UpkeepSettings
from pipelines.calling.budget import Budgets
from pipelines.calling.settings import ModelSettings, Provider, ProviderSettings
from pipelines.ingestion.hygiene.examine import HygieneSettings
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import DeleteLimits
from pipelines.ingestion.split import SplitSettings
from pipelines.ingestion.sync import SyncSettings

LOCAL_EMBEDDER = "local/wordllama"
OWN_SERVER = "PLUMBLINE_OWN_SERVER"  # the Prefect API that this very run has started for itself


class ServerSettings(Content):
    """Where `plumbline up` puts its servers, all on 127.0.0.1."""

    prefect_port: int = Field(default=4200, ge=1, le=65535)
    mlflow_port: int = Field(default=5000, ge=1, le=65535)
    startup_timeout_seconds: float = Field(default=120.0, gt=0)

    @model_validator(mode="after")
    def _ports_differ(self) -> "ServerSettings":
        if self.prefect_port == self.mlflow_port:
            raise ValueError(f"prefect_port and mlflow_port are both {self.prefect_port}; give them different ones")
        return self


class AlarmSettings(Content):
    """When an event is worth a person's attention.

    quarantine_share: documents newly in quarantine, of all listed; a version that lacks more is not served either.
    """

    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    cost_usd: float = Field(default=10.0, ge=0)
    missed_after_minutes: float = Field(default=60.0, ge=0.2)


class CorpusSettings(Content):
    """Where every night's documents are sent as well: a DVC remote, as an URL or a path. None: they stay here."""

    remote: str | None = Field(default=None, min_length=1)


class EmbeddingSettings(Content):
    """Which model embeds. shorten: the endpoint is asked to cut its vectors to `dimensions`.

    batch_texts: texts in one call.
    """

    model: str = Field(default=LOCAL_EMBEDDER, pattern=MODEL)
    dimensions: int = Field(default=256, ge=1, le=16_384)
    shorten: bool = False
    batch_texts: int = Field(default=128, ge=1, le=2048)

    @model_validator(mode="after")
    def _embedded_one_is_known(self) -> "EmbeddingSettings":
        if self.model.startswith("local/") and (self.model, self.dimensions) != (LOCAL_EMBEDDER, 256):
            raise ValueError(
                f"'{self.model}' with {self.dimensions} dimensions is not embedded here; {LOCAL_EMBEDDER} with 256 is"
            )
        return self


class AdaptiveSettings(Content):
    """Nights on which a canary is asked first, and all cases only where it has changed, or every so many nights."""

    canary_cases: int = Field(default=55, ge=10, le=10_000)
    pilot_nights: int = Field(default=10, ge=3, le=100)
    whole_every: int = Field(default=28, ge=2, le=366)


class LedgerSettings(Content):
    """How long the ledger keeps what was asked and answered; then digests, counts and costs alone."""

    raw_text_days: int = Field(default=30, ge=1, le=36500)


class RaySettings(Content):
    """Ingestion on Ray. address: of a cluster; None: one on this machine, for the run.

    shard_documents: planned documents in one Ray task; a run that fits in one stays in its own process.
    """

    address: str | None = Field(default=None, min_length=1)
    shard_documents: int = Field(default=2000, ge=1)


class Settings(Content):
    """`params.yaml`: each step's settings stand beside that step and are composed here."""

    timezone: str = "UTC"
    sources: SyncSettings = SyncSettings()
    parsing: ParseSettings = ParseSettings()
    splitting: SplitSettings = SplitSettings()
    hygiene: HygieneSettings = HygieneSettings()
    ray: RaySettings | None = None
    mass_delete: DeleteLimits = DeleteLimits()
    index: UpkeepSettings = DEFAULT_UPKEEP
    servers: ServerSettings = ServerSettings()
    alarms: AlarmSettings = AlarmSettings()
    corpus: CorpusSettings = CorpusSettings()
    models: ModelSettings = ModelSettings()
    budgets: Budgets = Budgets()
    embedding: EmbeddingSettings = EmbeddingSettings()
    ledger: LedgerSettings = LedgerSettings()
    baseline_nights: int = Field(default=10, ge=3, le=100)
    adaptive_nights: AdaptiveSettings | None = None
    min_free_mb: float = Field(default=300.0, ge=0)
    busy_wait_minutes: float = Field(default=0.0, ge=0, le=1440)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no such time zone; use a name such as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        """The zone that nights are dated in."""
        return ZoneInfo(self.timezone)

    def recipe(self, embed_id: str) -> Recipe:
        """The recipe of chunk rows made under these settings."""
        return Recipe(self.parsing.parse_id, self.splitting.split_id, embed_id)


@dataclass(frozen=True)
class Notify:
    """Where notifications go besides the file in the state folder. The addresses hold secrets, so none is shown."""

    webhook_url: str | None = field(default=None, repr=False)
    slack_url: str | None = field(default=None, repr=False)
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str = ""
    mail_to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Project:
    """The folder of the project, where its state is, and the secrets and addresses of the environment."""

    folder: Path
    state: Path
    database_url: str = field(repr=False)
    given_tracking_uri: str | None = field(repr=False)
    given_prefect_url: str | None = None
    tracking_login: tuple[str, str] | None = field(default=None, repr=False)
    notify: Notify = Notify()

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises SettingsError."""
        path = self.folder / "params.yaml"
        settings = read_content(path, Settings, error=SettingsError)
        if urlsplit(settings.corpus.remote or "").password:
            # told here, as an error of the field itself would show its value
            raise SettingsError(f"{path}: 'corpus.remote' holds a password. Take it out; DVC's own config can hold it.")
        return settings

    @cached_property
    def providers(self) -> tuple[Provider, ...]:
        """The endpoints that can be asked: with an address, or with the key of OpenAI itself. Raises SettingsError."""
        written = {"openai": ProviderSettings(), **self.settings.models.providers}
        return tuple(each for name, settings in written.items() if (each := find_provider(name, settings)))

    @cached_property
    def tracking_uri(self) -> str | None:
        """The MLflow of the environment, or the server that `plumbline up` started; None: the SQLite file."""
        server = read_servers(self.state).get("mlflow")
        return self.given_tracking_uri or (server.url if server else None)

    @cached_property
    def prefect_url(self) -> str | None:
        """The Prefect API of the environment, or of the server that `plumbline up` started; None: one for each run."""
        server = read_servers(self.state).get("prefect")
        return self.given_prefect_url or (f"{server.url}/api" if server else None)

    @property
    def knowledge(self) -> Path:
        """Where sources, manifests, policies and contracts are written."""
        return self.folder / "knowledge"

    @property
    def evals(self) -> Path:
        """Where suites, queries and gates are written."""
        return self.folder / "evals"

    @property
    def shown_tracking_uri(self) -> str | None:
        """The address of MLflow as it may be shown: a database's without its password."""
        return self.tracking_uri and re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", self.tracking_uri)

    def elements(self, collection: str) -> Path:
        """Where the parsed elements of a collection's documents are kept; it may be deleted at any time."""
        return self.state / "cache" / "elements" / collection

    def near_duplicates(self, collection: str) -> Path:
        """What was found of a collection's near-duplicates last; it may be deleted at any time."""
        return self.state / "cache" / "near-duplicates" / f"{collection}.json"

    def data_docs(self, collection: str) -> Path:
        """Where the pages of the collection's last validation are."""
        return self.state / "data-docs" / collection


def find_project() -> Project:
    """The nearest folder upwards with a `params.yaml`; elsewhere the checkout this code stands in.

    Environment: PLUMBLINE_STATE (folder of all state), PLUMBLINE_DATABASE_URL, MLFLOW_TRACKING_URI, PREFECT_API_URL,
    OPENAI_BASE_URL, OPENAI_API_KEY and the variables that hold other providers' keys,
    PLUMBLINE_WEBHOOK_URL, PLUMBLINE_SLACK_URL, PLUMBLINE_SMTP_URL with PLUMBLINE_MAIL_FROM and PLUMBLINE_MAIL_TO.
    """
    here = Path.cwd()
    folder = next((each for each in (here, *here.parents) if (each / "params.yaml").is_file()), None)
    folder = folder or Path(__file__).resolve().parent.parent
    state = Path(os.environ.get("PLUMBLINE_STATE") or folder / "state").expanduser().absolute()
    tracking_uri, login = split_login(os.environ.get("MLFLOW_TRACKING_URI") or None)
    return Project(
        folder=folder,
        state=state,
        database_url=os.environ.get("PLUMBLINE_DATABASE_URL") or f"sqlite:///{state / 'plumbline.db'}",
        given_tracking_uri=tracking_uri,
        given_prefect_url=_given_prefect_url(),
        tracking_login=login,
        notify=_find_notify(),
    )


def _given_prefect_url() -> str | None:
    """The server somebody gave us; not the one that this run has started for itself."""
    url = os.environ.get("PREFECT_API_URL") or None
    return None if url == os.environ.get(OWN_SERVER) else url


def _find_notify() -> Notify:
    given = {name: os.environ.get(f"PLUMBLINE_{name}") or None for name in ("WEBHOOK_URL", "SLACK_URL", "SMTP_URL")}
    return Notify(
        webhook_url=given["WEBHOOK_URL"],
        slack_url=given["SLACK_URL"],
        smtp_url=given["SMTP_URL"],
        mail_from=os.environ.get("PLUMBLINE_MAIL_FROM", ""),
        mail_to=tuple(os.environ.get("PLUMBLINE_MAIL_TO", "").replace(",", " ").split()),
    )


def split_login(uri: str | None) -> tuple[str | None, tuple[str, str] | None]:
    """An address without its user and password, and those: MLflow would print them with every error."""
    parts = urlsplit(uri or "")
    if not parts.scheme.startswith("http") or parts.username is None:
        return uri, None
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, (unquote(parts.username), unquote(parts.password or ""))
