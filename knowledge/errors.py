"""The tree of errors a person sees: each names the thing, the place and the remedy in one line."""


class PlumblineError(Exception):
    """It could not run (exit status 2). The message is one line: the thing, the place, the remedy."""


class SettingsError(PlumblineError):
    """A key, type or range in `params.yaml` or the environment is wrong."""


class ContentError(PlumblineError):
    """A file that people write (manifest, policy, source, suite, queries, gates) cannot be used as it stands."""


class SourceError(PlumblineError):
    """A source cannot be listed or read."""


class CollectionError(PlumblineError):
    """A collection, or the version of it that was asked for, is not there."""


class MassDeleteError(PlumblineError):
    """A run would delete more documents than the limit allows; nothing was changed."""


class ContractError(PlumblineError):
    """The staged rows break a contract; nothing was committed."""


class QuarantineError(PlumblineError):
    """What somebody would decide about is not in quarantine."""


class ReconciliationError(PlumblineError):
    """After the commit, index + quarantine do not equal what the sources list."""


class StateError(PlumblineError):
    """The state folder or the state database cannot be used now."""


class ScaleOutError(PlumblineError):
    """A shard of an ingest could not be done on Ray; nothing was committed."""


class CorpusError(PlumblineError):
    """The kept documents cannot be kept, sent or brought back."""


class BatchError(PlumblineError):
    """A batch that was submitted to a provider has not ended, so nothing of it may be bought again yet."""
