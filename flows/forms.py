"""The types of the flows' parameters: Prefect's form offers the names that are written as choices."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from flows.params import find_project
from knowledge.source import NAME


@dataclass(frozen=True)
class Written:
    """The names of the files in a folder of the project, as the choices of a form."""

    folder: str

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema with its choices."""
        found = handler(schema)
        names = sorted(path.stem for path in (find_project().folder / self.folder).glob("*.yaml"))
        return {**found, "enum": names} if names else found


AssistantName = Annotated[str, Written("knowledge/manifests")]
SuiteName = Annotated[str, Written("evals/suites")]
CollectionName = Annotated[str, Field(pattern=NAME)]  # no choices: a source can be given with a new collection
