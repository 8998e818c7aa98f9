"""What a chat completion looks like in OpenAI's interface, as far as it is spoken here; anything else is refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema
from pydantic_core import PydanticCustomError

from lab_lib.serve.answers import Answer
from lab_lib.serve.http.malformed import UNSUPPORTED

Role = Literal["system", "developer", "user", "assistant", "tool"]
NO_EFFECT = "Accepted without effect: the answer is the likeliest one."


def _neutral(*values: Any) -> Any:
    """Return what makes a type of `Any` that accepts these values only, because they ask for nothing."""

    def check(value: Any) -> Any:
        if value not in values:
            raise PydanticCustomError(UNSUPPORTED, "not supported")
        return value

    return AfterValidator(check)


# Settings that are not supported, with the values by which programs say that they do not use them.
OFF: tuple[Any, ...] = (None, False, 0, [], {})
Off = Annotated[Any, _neutral(*OFF), WithJsonSchema({"enum": [*OFF]})]
PlainText = Annotated[Any, _neutral(None, {"type": "text"}), WithJsonSchema({"enum": [None, {"type": "text"}]})]


class TextPart(BaseModel):
    """A part of a message; texts are the only kind."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message. The calls of an assistant's earlier messages are accepted and not read."""

    role: Role
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The text of all parts."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class NamedFunction(BaseModel):
    """The function that has to be called."""

    name: str


class ToolChoice(BaseModel):
    """The one tool that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(BaseModel):
    """Whether the last piece of a stream has the number of tokens."""

    include_usage: StrictBool = False


class ChatRequest(BaseModel):
    """A request for a chat completion."""

    model_config = ConfigDict(extra="forbid")
    model: str
    messages: list[ChatMessage] = Field(min_length=1, max_length=1000)
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none", "required"] | ToolChoice | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    parallel_tool_calls: StrictBool | None = None
    n: Literal[1] | None = None
    temperature: float | None = Field(None, ge=0, le=2, description=NO_EFFECT)
    top_p: float | None = Field(None, ge=0, le=1, description=NO_EFFECT)
    seed: int | None = Field(None, description=NO_EFFECT)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    user: str | None = Field(None, description=NO_EFFECT)
    stop: Off = None
    logprobs: Off = None
    top_logprobs: Off = None
    logit_bias: Off = None
    frequency_penalty: Off = None
    presence_penalty: Off = None
    store: Off = None
    metadata: Off = None
    response_format: PlainText = None


class CalledFunction(BaseModel):
    """A call: `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """One call with its id; `index` is its place, in streams only."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class AnswerMessage(BaseModel):
    """What the assistant says: calls, or words."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    tool_calls: list[ToolCall] | None = None
    refusal: None = None


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
    message: AnswerMessage
    finish_reason: Literal["stop", "tool_calls", "length"]
    logprobs: None = None


class Usage(BaseModel):
    """Tokens of the prompt, and of what was written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Behind(BaseModel):
    """Beyond OpenAI's interface: what was understood, how sure it is, and what of the request was not read."""

    answers: list[Answer]
    notes: list[str]


class Completion(BaseModel):
    """A chat completion. Without calls `tool_calls` is left out, as OpenAI does."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    lab: Behind


class ModelCard(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "lab"


class Models(BaseModel):
    """All models: the one of the run."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
