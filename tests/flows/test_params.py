"""Settings: what is read, what is refused, and where the state is."""

import re
from pathlib import Path

import pytest
import yaml

from flows.params import Project, Settings, find_project, split_login
from knowledge.errors import SettingsError
from pipelines.ingestion.parsing import ParseSettings
from pipelines.ingestion.plan import DeleteLimits
from pipelines.ingestion.split import SplitSettings

PROJECT = Path(__file__).resolve().parents[2]


def _project(folder, text=None):
    if text is not None:
        (folder / "params.yaml").write_text(text)
    return Project(folder, folder / "state", "sqlite://", None)


def test_the_written_params_are_the_defaults():
    assert _project(PROJECT).settings == Settings()


def test_every_setting_is_written_down_with_its_default():
    written = yaml.safe_load((PROJECT / "params.yaml").read_text())
    assert written == Settings().model_dump()


def test_what_is_written_is_what_counts(tmp_path):
    text = """
timezone: Europe/Berlin
parsing: {timeout_seconds: 5, max_size_mb: 1.5, workers: 1}
splitting: {max_tokens: 100}
mass_delete: {max_share: 1, min_documents: 1}
baseline_nights: 3
min_free_mb: 0
"""
    settings = _project(tmp_path, text).settings
    assert settings == Settings(
        timezone="Europe/Berlin",
        parsing=ParseSettings(timeout_seconds=5, max_size_mb=1.5, workers=1),
        splitting=SplitSettings(max_tokens=100, min_tokens=40),
        mass_delete=DeleteLimits(max_share=1, min_documents=1),
        baseline_nights=3,
        min_free_mb=0,
    )
    assert settings.zone.key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (
            "time_zone: UTC",
            "unknown key 'time_zone'. Known there: adaptive_nights, alarms, baseline_nights, budgets, ",
        ),
        (
            "parsing: {timeout: 5}",
            "unknown key 'parsing.timeout'. Known there: max_expanded_mb, max_memory_mb, max_nesting,",
        ),
        ("splitting: {size: 5}", "unknown key 'splitting.size'. Known there: max_tokens, min_tokens."),
        ("mass_delete: {share: 1}", "unknown key 'mass_delete.share'. Known there: max_share, min_documents."),
        ("baseline_nights: ten", "'baseline_nights' is 'ten'"),
        ("baseline_nights: 2.5", "'baseline_nights' is 2.5"),
        ("baseline_nights:", "'baseline_nights' is None"),
        ("parsing: {workers: [2]}", "'parsing.workers' is [2]"),
        ("parsing: 60", "'parsing' is 60"),
        ("parsing: fast", "'parsing' is 'fast'"),
        ("timezone: 7", "'timezone' is 7"),
        ("baseline_nights: 2", "'baseline_nights' is 2"),
        ("baseline_nights: 101", "'baseline_nights' is 101"),
        ("min_free_mb: -1", "'min_free_mb' is -1"),
        ("parsing: {timeout_seconds: 0}", "'parsing.timeout_seconds' is 0"),
        ("parsing: {workers: 65}", "'parsing.workers' is 65"),
        ("splitting: {max_tokens: 19}", "'splitting.max_tokens' is 19"),
        ("splitting: {min_tokens: -1}", "'splitting.min_tokens' is -1"),
        ("mass_delete: {max_share: 0}", "'mass_delete.max_share' is 0"),
        ("mass_delete: {max_share: 20}", "'mass_delete.max_share' is 20"),
        ("timezone: Mars/Olympus", "'timezone' is 'Mars/Olympus': no such time zone; use a name such as Europe/Berlin"),
        ("timezone: ../../etc/passwd", "no such time zone"),
        ("timezone: Europe", "no such time zone"),
        ("timezone: ''", "no such time zone"),
        ("corpus: {remote: 7}", "'corpus.remote' is 7"),
        ("corpus: {remote: 'https://night:hush-hush@127.0.0.1/x'}", "'corpus.remote' holds a password"),
        ("servers: {prefect_port: 5000}", "prefect_port and mlflow_port are both 5000; give them different ones"),
        ("models: {batch: {deadline: 16:30}}", "write the time of day in quotes, such as '06:00'"),
        ("models: {batch: {deadline: '24:00'}}", "'models.batch.deadline' is '24:00'"),
        ("models: {batch: {price_share: 0}}", "'models.batch.price_share' is 0"),
        ("- timezone: UTC", "expected keys and values, found list"),
        ("timezone: [", "unreadable YAML"),
        ("", "expected keys and values, found NoneType"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_in_one_line(tmp_path, text, named):
    with pytest.raises(SettingsError) as caught:
        _ = _project(tmp_path, text).settings
    assert str(caught.value).startswith(str(tmp_path / "params.yaml"))
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_missing_params_are_refused_by_their_file(tmp_path):
    with pytest.raises(SettingsError) as caught:
        _ = _project(tmp_path).settings
    assert str(caught.value).startswith(f"{tmp_path / 'params.yaml'}: no such file.")


def test_params_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "params.yaml").write_bytes(b"timezone: \xff\xfe")
    with pytest.raises(SettingsError, match="It must be a UTF-8 text file"):
        _ = _project(tmp_path).settings


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """A folder with a params.yaml, and no variable of ours in the environment."""
    for name in ("PLUMBLINE_STATE", "PLUMBLINE_DATABASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "params.yaml").write_text("timezone: UTC\n")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_state_is_beside_the_params_unless_told_otherwise(clean, tmp_path):
    project = find_project()
    assert project.folder == tmp_path
    assert project.state == tmp_path / "state"
    assert project.database_url == f"sqlite:///{tmp_path / 'state' / 'plumbline.db'}"
    assert project.tracking_uri is None


@pytest.mark.parametrize(
    ("told", "state"),
    [("/var/elsewhere", "/var/elsewhere"), ("here/state", "{folder}/here/state"), ("", "{folder}/state")],
)
def test_plumbline_state_moves_all_state(clean, tmp_path, told, state):
    clean.setenv("PLUMBLINE_STATE", told)
    project = find_project()
    assert project.state == Path(state.format(folder=tmp_path))
    assert project.database_url == f"sqlite:///{project.state / 'plumbline.db'}"
    assert project.folder == tmp_path


def test_plumbline_state_may_start_at_home(clean, tmp_path):
    clean.setenv("HOME", str(tmp_path / "home"))
    clean.setenv("PLUMBLINE_STATE", "~/plumbline")
    assert find_project().state == tmp_path / "home" / "plumbline"


def test_the_database_and_the_tracking_server_may_be_elsewhere(clean):
    clean.setenv("PLUMBLINE_DATABASE_URL", "postgresql+psycopg://me@db/plumbline")
    clean.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    project = find_project()
    assert project.database_url == "postgresql+psycopg://me@db/plumbline"
    assert project.tracking_uri == "http://mlflow:5000"


@pytest.mark.parametrize(
    ("own", "given"), [("http://one/api", None), ("http://other/api", "http://one/api"), ("", "http://one/api")]
)
def test_a_prefect_server_that_the_run_started_itself_is_not_a_given_one(clean, own, given):
    clean.setenv("PREFECT_API_URL", "http://one/api")
    clean.setenv("PLUMBLINE_OWN_SERVER", own)
    assert find_project().given_prefect_url == given


def test_the_nearest_params_upwards_make_the_project(clean, tmp_path):
    (tmp_path / "deep" / "down").mkdir(parents=True)
    clean.chdir(tmp_path / "deep" / "down")
    assert find_project().folder == tmp_path
    (tmp_path / "deep" / "params.yaml").write_text("timezone: UTC\n")
    assert find_project().folder == tmp_path / "deep"


def test_finding_the_project_makes_no_folder(clean, tmp_path):
    find_project()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"splitting": {"max_tokens": 100}}, False),
        ({"splitting": {"min_tokens": 10}}, False),
        ({"parsing": {"timeout_seconds": 5, "workers": 1}}, True),
        ({"timezone": "Europe/Berlin", "baseline_nights": 5}, True),
    ],
)
def test_the_recipe_changes_with_what_shapes_a_passage_alone(change, same):
    before, after = Settings().recipe("e").recipe_id, Settings.model_validate(change).recipe("e").recipe_id
    assert (before == after) is same


@pytest.mark.parametrize(
    ("uri", "bare", "login"),
    [
        (None, None, None),
        ("sqlite:///a.db", "sqlite:///a.db", None),
        ("http://host:5000", "http://host:5000", None),
        ("https://me:p%40ss@host:5000/x", "https://host:5000/x", ("me", "p@ss")),
        ("http://me@host", "http://host", ("me", "")),
    ],
)
def test_an_address_is_parted_from_its_login(uri, bare, login):
    assert split_login(uri) == (bare, login)


# --- where hosted models are


@pytest.fixture
def providers(clean, tmp_path):
    """The endpoints of a project, by name, with what is written under models.providers and in the environment."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OWN_KEY"):
        clean.delenv(name, raising=False)

    def find(written="{}", **environment):
        (tmp_path / "params.yaml").write_text(f"models: {{providers: {written}}}\n")
        for name, value in environment.items():
            clean.setenv(name, value)
        return {each.name: (each.base_url, each.api_key) for each in find_project().providers}

    return find


HERE = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("written", "environment", "found"),
    [
        ("{}", {}, {}),
        ("{}", {"OPENAI_API_KEY": ""}, {}),
        ("{}", {"OPENAI_API_KEY": "k"}, {"openai": (None, "k")}),
        ("{}", {"OPENAI_API_KEY": " k\n"}, {"openai": (None, "k")}),  # as a file of secrets gives it
        ("{}", {"OPENAI_BASE_URL": HERE}, {"openai": (HERE, "none")}),
        ("{}", {"OPENAI_BASE_URL": HERE, "OPENAI_API_KEY": "k"}, {"openai": (HERE, "k")}),
        (
            f"{{openai: {{base_url: '{HERE}'}}}}",
            {"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"},
            {"openai": (HERE, "none")},
        ),
        ("{openai: {concurrency: 4}}", {"OPENAI_API_KEY": "k"}, {"openai": (None, "k")}),
        (f"{{own: {{base_url: '{HERE}'}}}}", {}, {"own": (HERE, "none")}),
        (f"{{own: {{base_url: '{HERE}'}}}}", {"OPENAI_API_KEY": "k"}, {"openai": (None, "k"), "own": (HERE, "none")}),
        (f"{{own: {{base_url: '{HERE}', api_key_variable: OWN_KEY}}}}", {"OWN_KEY": "o"}, {"own": (HERE, "o")}),
        (f"{{own: {{base_url: '{HERE}', api_key_variable: OWN_KEY}}}}", {}, {}),  # its key is not here
    ],
)
def test_an_endpoint_is_found_by_its_address_or_its_key(providers, written, environment, found):
    assert providers(written, **environment) == found


@pytest.mark.parametrize(
    ("written", "environment", "named"),
    [
        ("{own: {}}", {}, "'models.providers.own' has no 'base_url'"),
        ("{own: {base_url: 'ftp://127.0.0.1'}}", {}, "'models.providers.own.base_url' is 'ftp://127.0.0.1'"),
        ("{own: {base_url: 'http:///v1'}}", {}, "'models.providers.own.base_url' is 'http:///v1'"),
        (
            "{own: {base_url: 'http://127.0.0.1:80x/v1'}}",
            {},
            "'models.providers.own.base_url' is 'http://127.0.0.1:80x",
        ),
        ("{own: {base_url: 'http://127.0.0.1:99999'}}", {}, "'models.providers.own.base_url' is"),
        ("{own: {base_url: 'http://[::1/v1'}}", {}, "'models.providers.own.base_url' is"),
        ("{local: {base_url: 'http://127.0.0.1'}}", {}, "'local' cannot name a provider"),
        ("{Own: {base_url: 'http://127.0.0.1'}}", {}, "'Own' cannot name a provider"),
        ("{own: {base_url: 'http://127.0.0.1', concurrency: 0}}", {}, "a number from 1 to 10000, or 'adaptive'"),
        ("{own: {base_url: 'http://127.0.0.1', concurrency: fast}}", {}, "models.providers.own.concurrency"),
        (
            "{own: {base_url: 'http://127.0.0.1', requests_per_minute: 0}}",
            {},
            "models.providers.own.requests_per_minute",
        ),
        ("{}", {"OPENAI_BASE_URL": "127.0.0.1:8000"}, "OPENAI_BASE_URL is '127.0.0.1:8000'. Give an address such as"),
        ("{}", {"OPENAI_BASE_URL": "http://"}, "OPENAI_BASE_URL is 'http://'"),
        ("{}", {"OPENAI_API_KEY": "kéy"}, "OPENAI_API_KEY holds a character that no key has"),
        ("{}", {"OPENAI_API_KEY": "k\nHost: x"}, "OPENAI_API_KEY holds a character that no key has"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_named(providers, written, environment, named):
    with pytest.raises(SettingsError) as caught:
        providers(written, **environment)
    assert named in str(caught.value)
    assert "k\u00e9y" not in str(caught.value)


def test_a_key_is_never_shown(providers):
    providers(OPENAI_API_KEY="hush-hush")
    assert "hush" not in repr(find_project().providers)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("embedding: {model: local/other}", "'local/other' with 256 dimensions is not embedded here"),
        ("embedding: {dimensions: 512}", "'local/wordllama' with 512 dimensions is not embedded here"),
        ("embedding: {model: text-embedding-3-small}", "embedding.model"),
        ("embedding: {model: openai/e, batch_texts: 0}", "embedding.batch_texts"),
        ("budgets: {run: {usd: 5}}", "unknown key 'budgets.run.usd'"),
        ("budgets: {run: {cost_usd: -1}}", "'budgets.run.cost_usd' is -1"),
        ("budgets: {run: {cost_usd: .nan}}", "'budgets.run.cost_usd' is nan"),
        ("models: {timeouts: {total_seconds: 0}}", "'models.timeouts.total_seconds' is 0"),
        ("models: {timeouts: {total_seconds: .inf}}", "'models.timeouts.total_seconds' is inf"),
        ("models: {retries: {attempts: 0}}", "'models.retries.attempts' is 0"),
        ("models: {prices: {a/b: {input_usd_per_million: -1}}}", "models.prices.a/b.input_usd_per_million"),
        ("models: {prices: {a/b: {input_usd_per_million: .nan}}}", "models.prices.a/b.input_usd_per_million"),
        ("models: {prices: {a/b: {}}}", "key 'models.prices.a/b.input_usd_per_million' is missing"),
    ],
)
def test_a_wrong_setting_of_calls_is_refused_by_name(tmp_path, text, named):
    with pytest.raises(SettingsError) as caught:
        _ = _project(tmp_path, text).settings
    assert named in str(caught.value)


def test_a_hosted_embedding_model_may_have_any_width(tmp_path):
    text = "embedding: {model: openai/text-embedding-3-small, dimensions: 1536}"
    assert _project(tmp_path, text).settings.embedding.dimensions == 1536


def test_the_settings_shown_on_the_model_page_are_read():
    page = (PROJECT / "docs/model.md").read_text(encoding="utf-8")
    shown = re.findall(r'^```yaml title="params.yaml"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    assert len(shown) == 4
    for block in shown:
        Settings.model_validate(yaml.safe_load(block))
