"""Endpoints of models: their addresses from the settings, their keys from the environment."""

import os
import re
from urllib.parse import urlsplit

from knowledge.errors import SettingsError
from pipelines.calling.settings import Provider, ProviderSettings


def find_provider(name: str, settings: ProviderSettings) -> Provider | None:
    """One endpoint, with its key from the environment; None where an address or its key is missing.

    OPENAI_BASE_URL and OPENAI_API_KEY are what `openai` falls back on; a server of one's own may want no key.
    Raises SettingsError.
    """
    standard = name == "openai"
    base_url = settings.base_url or (os.environ.get("OPENAI_BASE_URL") or None if standard else None)
    variable = settings.api_key_variable or ("OPENAI_API_KEY" if standard else None)
    key = (os.environ.get(variable) or "").strip() if variable else None
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SettingsError(f"{variable} holds a character that no key has. Copy the key again.")
    if base_url and not _is_address(base_url):
        place = f"params.yaml: 'models.providers.{name}.base_url'" if settings.base_url else "OPENAI_BASE_URL"
        raise SettingsError(f"{place} is {base_url!r}. Give an address such as http://127.0.0.1:8000/v1.")
    if not standard and not base_url:
        raise SettingsError(f"params.yaml: 'models.providers.{name}' has no 'base_url'. Add the address of its API.")
    if not (key or (base_url and not settings.api_key_variable)):
        return None
    return Provider(name, base_url, key or "none", settings.limit_field)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
