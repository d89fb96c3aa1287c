"""route: the models a manifest may name, and the call of the one it names."""

from collections.abc import Callable, Sequence

from knowledge.manifest import LOCAL_MODEL, Manifest
from pipelines.answering.extractive import answer_by_quoting
from pipelines.answering.request import ModelReply, ModelRequest
from pipelines.embedder import Vectors

_MODELS = {LOCAL_MODEL: answer_by_quoting}


def call_model(request: ModelRequest, manifest: Manifest, embed: Callable[[Sequence[str]], Vectors]) -> ModelReply:
    """The reply of the first model on the manifest's route."""
    return _MODELS[manifest.route[0]](request, manifest.replies, embed)
