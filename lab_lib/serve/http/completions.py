"""The routes of OpenAI's interface: the model, and chat completions with tools, streamed or not.

A call is short and is checked before it leaves, so a stream begins when all of it is there. The caller runs the calls:
a request that ends with the results of calls is answered with these results, which are what the assistant says.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response, StreamingResponse

from lab_lib.calls.skills.skill import Skills, tool
from lab_lib.calls.skills.tools import given_arguments, skills_of_tools
from lab_lib.errors import LabError, TooLong, nearest
from lab_lib.serve.answers import Answer
from lab_lib.serve.assistant import Assistant
from lab_lib.serve.http.problems import Refusal, documented
from lab_lib.serve.http.wire import (
    AnswerMessage,
    Behind,
    CalledFunction,
    ChatRequest,
    Choice,
    Completion,
    ModelCard,
    Models,
    ToolCall,
    ToolChoice,
    Usage,
)

BEGAN = int(time.time())
STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


def router(assistant: Assistant) -> APIRouter:
    """Return the routes /v1/models and /v1/chat/completions."""
    routes, card = APIRouter(prefix="/v1"), ModelCard(id=assistant.name, created=BEGAN)

    @routes.get("/models", responses=documented())
    def models() -> Models:
        """List the one model: the run."""
        return Models(data=[card])

    @routes.get("/models/{name:path}", responses=documented(422))
    def model(name: str) -> ModelCard:
        """Describe a model by its name, which may hold slashes."""
        _require_model(name, assistant)
        return card

    @routes.post("/chat/completions", response_model=Completion, responses=STREAM | documented(400, 413, 415, 422, 503))
    def complete(asked: ChatRequest) -> Response:
        """Return the calls that answer the last message; without `tools`, of the run's own skills."""
        _require_model(asked.model, assistant)
        made = completion(asked, assistant)
        if not asked.stream:
            return JSONResponse(body(made))
        with_usage = asked.stream_options is not None and asked.stream_options.include_usage
        return StreamingResponse(pieces(made, with_usage), media_type="text/event-stream")

    return routes


def _require_model(name: str, assistant: Assistant) -> None:
    if name != assistant.name:
        raise Refusal(404, f"no model '{name[:80]}'; here is '{assistant.name}'", "model")


def completion(asked: ChatRequest, assistant: Assistant) -> Completion:
    """Return the completion of a request. Raises Refusal and LabError for what cannot be answered."""
    last = asked.messages[-1]
    if last.role == "tool":
        results = [one.text for one in _results(asked)]
        return _completion(assistant.name, AnswerMessage(content="\n".join(results)), "stop", [], _unread(asked))
    if last.role != "user":
        raise Refusal(422, f"messages: the last one is of '{last.role}', expected the user's", "messages")
    tools = asked.tools if asked.tools is not None else [tool(skill) for skill in assistant.skills.values()]
    skills = assistant.skills if asked.tools is None else _skills(asked.tools)
    if asked.tool_choice == "none" or not skills:
        raise Refusal(422, "this model writes calls only: leave out tool_choice 'none', or give tools", "tool_choice")
    chosen = asked.tool_choice or "auto"
    choose = chosen.function.name if isinstance(chosen, ToolChoice) else chosen
    if choose not in ("auto", "required", *skills):
        raise Refusal(422, f"tool_choice: no tool '{choose[:80]}'{nearest(choose, skills)}", "tool_choice")
    try:
        answers = assistant.ask(last.text, skills, choose)
    except TooLong as error:
        room = f"the tools need {error.excess} tokens too many; give fewer tools, or shorter descriptions"
        raise Refusal(422, room, "tools") from None
    most = min(filter(None, (asked.max_tokens, asked.max_completion_tokens)), default=None)
    if most is not None and sum(answer.tokens for answer in answers) > most:
        cut = AnswerMessage(content=None)
        return _completion(assistant.name, cut, "length", answers, _unread(asked))
    calls, notes = [_tool_call(answer, tools) for answer in answers if answer.call], _unread(asked)
    if asked.parallel_tool_calls is False and len(calls) > 1:
        calls, notes = calls[:1], [*notes, f"{len(calls) - 1} more calls were left out: parallel_tool_calls is false"]
    notes += [f"nothing was understood for: {answer.lost}" for answer in answers if answer.lost]
    words = " ".join(answer.said for answer in answers if answer.said)
    message = AnswerMessage(content=words or None, tool_calls=calls or None)
    finish = "tool_calls" if calls else "length" if answers[0].reason == "unfinished" else "stop"
    return _completion(assistant.name, message, finish, answers, notes)


def _skills(tools: list[dict[str, Any]]) -> Skills:
    """Return the skills of a request's tools. Raises Refusal naming the tool that cannot be one."""
    try:
        return skills_of_tools(tools)
    except LabError as error:
        raise Refusal(422, str(error), "tools") from None


def body(made: Completion) -> dict[str, Any]:
    """Return a completion as JSON; a message without calls has no key for them, as OpenAI's has none."""
    found = made.model_dump()
    message = found["choices"][0]["message"]
    if message["tool_calls"] is None:
        del message["tool_calls"]
    return found


def pieces(made: Completion, with_usage: bool) -> Iterator[str]:
    """Yield a completion as server-sent events: the role, the words or calls, the end, the number of tokens."""
    message = made.choices[0].message
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": message.content}]
    for index, call in enumerate(message.tool_calls or []):
        opened = {"index": index, "id": call.id, "type": call.type}
        deltas.append({"tool_calls": [{**opened, "function": {"name": call.function.name, "arguments": ""}}]})
        deltas.append({"tool_calls": [{"index": index, "function": {"arguments": call.function.arguments}}]})
    for delta in deltas:
        yield _event(made, [{"index": 0, "delta": delta, "finish_reason": None}])
    end = {"index": 0, "delta": {}, "finish_reason": made.choices[0].finish_reason}
    yield _event(made, [end], lab=made.lab.model_dump())
    if with_usage:
        yield _event(made, [], usage=made.usage.model_dump())
    yield "data: [DONE]\n\n"


def _event(made: Completion, choices: list[dict[str, Any]], **more: Any) -> str:
    named = {"id": made.id, "object": "chat.completion.chunk", "created": made.created, "model": made.model}
    return f"data: {json.dumps({**named, 'choices': choices, **more})}\n\n"


def _completion(name: str, message: AnswerMessage, finish: Any, answers: list[Answer], notes: list[str]) -> Completion:
    read, written = (sum(getattr(one, key) for one in answers) for key in ("prompt_tokens", "tokens"))
    return Completion(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        created=int(time.time()),
        model=name,
        choices=[Choice(message=message, finish_reason=finish)],
        usage=Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written),
        lab=Behind(answers=answers, notes=notes),
    )


def _tool_call(answer: Answer, tools: list[dict[str, Any]]) -> ToolCall:
    given = given_arguments(answer.checked, tools)
    text = json.dumps(given, ensure_ascii=False)
    return ToolCall(id=f"call_{uuid.uuid4().hex[:24]}", function=CalledFunction(name=answer.name, arguments=text))


def _results(asked: ChatRequest) -> list[Any]:
    """Return the messages of tools at the end of a conversation."""
    start = len(asked.messages)
    while start and asked.messages[start - 1].role == "tool":
        start -= 1
    return asked.messages[start:]


def _unread(asked: ChatRequest) -> list[str]:
    """Say what of a conversation the model did not read: it was trained on single requests."""
    count = len(asked.messages) - max(1, len(_results(asked)))
    return [f"{count} earlier messages were not read: the model knows single requests"] if count else []
