"""What a sidecar may be told and may call: its prompt, its functions, its MCP servers."""

from typing import Annotated, Literal

from pydantic import Field

from callmq_contracts.formats import LooseWebUrl, Text, Whole
from callmq_contracts.shapes import Closed, Entries, Items, Maybe, ObjectEntries, Objects, SomeItems, SomeObjects
from callmq_contracts.unions import ByKey, ByShape, ByType


class Section(Closed):
    """What sections of a structured prompt share."""

    title: Maybe[Text] = None
    """Its heading."""
    subsections: Maybe[SomeObjects["PromptSection"]] = None
    """Sections inside this one: at least one."""
    numbered: Maybe[bool] = None
    """Number this section."""
    numbered_bullets: Annotated[Maybe[bool], Field(alias="numberedBullets")] = None
    """Number the bullets."""


class BulletSection(Section):
    """A section with bullets, and perhaps a body."""

    bullets: SomeItems[str]
    """At least one."""
    body: Maybe[str] = None
    """A text before the bullets."""


class BodySection(Section):
    """A section that is one text."""

    body: Text
    """The text."""


PromptSection = Annotated[BulletSection | BodySection, ByKey("bullets", "body")]


class PromptText(Closed):
    """A prompt as text."""

    text: Text
    """The prompt."""


class PromptSections(Closed):
    """A prompt in sections."""

    pom: SomeObjects[PromptSection]
    """At least one section."""


class PromptFile(Closed):
    """A prompt in a file on the platform."""

    file: Text
    """Its name."""


SidecarPrompt = Annotated[
    str | Annotated[PromptText | PromptSections | PromptFile, ByKey("text", "pom", "file")],
    ByShape("text", "object"),
]


class StringArgument(Closed):
    """An argument that is text."""

    type: Literal["string"]
    description: Maybe[str] = None
    """What it means, for the model."""
    enum: Maybe[Items[str]] = None
    """The only values."""
    default: Maybe[str] = None
    """Taken where the model gives none."""


class IntegerArgument(Closed):
    """An argument that is a whole number."""

    type: Literal["integer"]
    description: Maybe[str] = None
    """What it means, for the model."""
    enum: Maybe[Items[Whole]] = None
    """The only values."""
    default: Maybe[Whole] = None
    """Taken where the model gives none."""


class NumberArgument(Closed):
    """An argument that is a number."""

    type: Literal["number"]
    description: Maybe[str] = None
    """What it means, for the model."""
    enum: Maybe[Items[float]] = None
    """The only values."""
    default: Maybe[float] = None
    """Taken where the model gives none."""


class BooleanArgument(Closed):
    """An argument that is yes or no."""

    type: Literal["boolean"]
    description: Maybe[str] = None
    """What it means, for the model."""
    default: Maybe[bool] = None
    """Taken where the model gives none."""


class ArrayArgument(Closed):
    """An argument that is a list."""

    type: Literal["array"]
    description: Maybe[str] = None
    """What it means, for the model."""
    items: "Argument"
    """What its items are."""


class ObjectArgument(Closed):
    """An argument that is an object."""

    type: Literal["object"]
    description: Maybe[str] = None
    """What it means, for the model."""
    properties: Maybe[ObjectEntries["Argument"]] = None
    """Its parts by name."""
    required: Maybe[Items[str]] = None
    """Names of the parts that must be given."""


Argument = Annotated[
    StringArgument | IntegerArgument | NumberArgument | BooleanArgument | ArrayArgument | ObjectArgument,
    ByType("string", "integer", "number", "boolean", "array", "object"),
]


class FunctionArguments(Closed):
    """The arguments of a function, as a small JSON Schema."""

    type: Literal["object"]
    properties: ObjectEntries[Argument]
    """The arguments by name."""
    required: Maybe[Items[str]] = None
    """Names of those that must be given."""


class WebHook(Closed):
    """Where functions are called."""

    web_hook_url: Maybe[LooseWebUrl] = None
    """The address that is called."""
    web_hook_auth_user: Maybe[str] = None
    """User name for HTTP Basic."""
    web_hook_auth_password: Maybe[str] = None
    """Password for HTTP Basic."""


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

    url: LooseWebUrl
    """Where the server is."""
    headers: Maybe[Entries[str]] = None
    """HTTP headers, for instance ``Authorization``."""
    resources: Maybe[bool] = False
    """Fetch the server's resources as well."""
    resource_vars: Maybe[Entries[str]] = None
    """Values for those resources."""


class SidecarTools(Closed):
    """All that the sidecar may call."""

    defaults: Maybe[WebHook] = None
    """For functions that name no address."""
    functions: Maybe[Objects[SidecarFunction]] = None
    """Functions that run at your side."""
    mcp_servers: Maybe[Objects[McpServer]] = None
    """Servers with functions of their own."""


for _recursive in (BulletSection, BodySection, ArrayArgument, ObjectArgument):
    _recursive.model_rebuild()
