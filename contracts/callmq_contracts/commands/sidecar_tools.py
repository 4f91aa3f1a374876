"""What a sidecar may be told and may call: its prompt, its functions, its MCP servers."""

from typing import Annotated, Literal

from pydantic import Field

from callmq_contracts.formats import Text, WebUrl, Whole
from callmq_contracts.shapes import Closed, Entries, Items, Maybe, ObjectEntries, Objects
from callmq_contracts.unions import ByKey, ByShape, ByType


class Section(Closed):
    """What sections of a structured prompt share."""

    title: Maybe[Text] = None
    subsections: Maybe[Annotated[Objects["PromptSection"], Field(min_length=1)]] = None
    numbered: Maybe[bool] = None
    """Number this section."""
    numbered_bullets: Annotated[Maybe[bool], Field(alias="numberedBullets")] = None
    """Number the bullets."""


class BulletSection(Section):
    """A section with bullets, and perhaps a body."""

    bullets: Annotated[Items[str], Field(min_length=1)]
    body: Maybe[str] = None


class BodySection(Section):
    """A section that is one text."""

    body: Text


PromptSection = Annotated[BulletSection | BodySection, ByKey("bullets", "body")]


class PromptText(Closed):
    """A prompt as text."""

    text: Text


class PromptSections(Closed):
    """A prompt in sections."""

    pom: Annotated[Objects[PromptSection], Field(min_length=1)]


class PromptFile(Closed):
    """A prompt in a file on the platform."""

    file: Text


SidecarPrompt = Annotated[
    str | Annotated[PromptText | PromptSections | PromptFile, ByKey("text", "pom", "file")],
    ByShape("text", "object"),
]


class StringArgument(Closed):
    """An argument that is text."""

    type: Literal["string"]
    description: Maybe[str] = None
    enum: Maybe[Items[str]] = None
    default: Maybe[str] = None


class IntegerArgument(Closed):
    """An argument that is a whole number."""

    type: Literal["integer"]
    description: Maybe[str] = None
    enum: Maybe[Items[Whole]] = None
    default: Maybe[Whole] = None


class NumberArgument(Closed):
    """An argument that is a number."""

    type: Literal["number"]
    description: Maybe[str] = None
    enum: Maybe[Items[float]] = None
    default: Maybe[float] = None


class BooleanArgument(Closed):
    """An argument that is yes or no."""

    type: Literal["boolean"]
    description: Maybe[str] = None
    default: Maybe[bool] = None


class ArrayArgument(Closed):
    """An argument that is a list."""

    type: Literal["array"]
    description: Maybe[str] = None
    items: "Argument"


class ObjectArgument(Closed):
    """An argument that is an object."""

    type: Literal["object"]
    description: Maybe[str] = None
    properties: Maybe[ObjectEntries["Argument"]] = None
    required: Maybe[Items[str]] = None


Argument = Annotated[
    StringArgument | IntegerArgument | NumberArgument | BooleanArgument | ArrayArgument | ObjectArgument,
    ByType("string", "integer", "number", "boolean", "array", "object"),
]


class FunctionArguments(Closed):
    """The arguments of a function, as a small JSON Schema."""

    type: Literal["object"]
    properties: ObjectEntries[Argument]
    required: Maybe[Items[str]] = None


class WebHook(Closed):
    """Where functions are called."""

    web_hook_url: Maybe[WebUrl] = None
    web_hook_auth_user: Maybe[str] = None
    web_hook_auth_password: Maybe[str] = None


class SidecarFunction(WebHook):
    """A function that the sidecar may call."""

    function: Text
    """Its name."""
    description: Maybe[str] = None
    """What it does, for the model."""
    purpose: Maybe[str] = None
    """Read where there is no ``description``."""
    parameters: Maybe[FunctionArguments] = None
    """Without it, the function takes none."""


class McpServer(Closed):
    """A server of the Model Context Protocol."""

    url: WebUrl
    headers: Maybe[Entries[str]] = None
    """HTTP headers, for instance ``Authorization``."""
    resources: Maybe[bool] = False
    """Fetch the server's resources as well."""
    resource_vars: Maybe[Entries[str]] = None
    """Values for those resources."""


class SidecarTools(Closed):
    """All that the sidecar may call."""

    defaults: Maybe[WebHook] = None
    functions: Maybe[Objects[SidecarFunction]] = None
    mcp_servers: Maybe[Objects[McpServer]] = None


for _recursive in (BulletSection, BodySection, ArrayArgument, ObjectArgument):
    _recursive.model_rebuild()
