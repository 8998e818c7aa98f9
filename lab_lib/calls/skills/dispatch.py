"""Run a call: a registered function with checked arguments, in a separate process with a time limit.

No text is evaluated, no attribute is looked up by a name from a model, and no shell is started. The process protects
against a skill that hangs or crashes, not against hostile code: the code of a skill is the user's own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_lib.calls.call import Call
from lab_lib.calls.skills.check import CallRefused, check_call
from lab_lib.calls.skills.skill import NO_SKILL, Skills

SECONDS = 5.0  # per call, including the start of its process (0.2 s on a laptop)
WORKER = "from lab_lib.calls.skills.worker import main; main()"


def run_call(call: Call, skills: Skills, seconds: float = SECONDS) -> str:
    """Run a call and return the sentence that its skill returns.

    Raises CallRefused for what `check_call` refuses, `none()`, a skill without a function to run, one that raises, that
    returns no text, that ends its process, or that takes longer than `seconds`; its processes are then killed.
    """
    call = check_call(call, skills)
    if call.name == NO_SKILL:
        raise CallRefused("nothing", "nothing was requested, so no skill runs")
    source = skills[call.name].source
    if source is None or source.suffix != ".py":
        raise CallRefused("no_code", f"{call.name} is described in {source or 'no file'}: it has no function to run")
    request = {"file": str(source.resolve()), "name": call.name, "arguments": dict(call.arguments)}
    answer = _ask(request, call.name, seconds)
    if "text" not in answer:
        raise CallRefused("failed", f"{call.name} failed: {answer.get('error')}")
    return str(answer["text"])


def _ask(request: Mapping[str, Any], name: str, seconds: float) -> Mapping[str, Any]:
    """Send a request to a new process and return its answer; the process and its children are gone afterwards."""
    with _started() as process:
        try:
            output, _ = process.communicate(json.dumps(request).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            raise CallRefused("time", f"{name} took longer than {seconds:g} seconds and was stopped") from None
        finally:
            _kill(process)
    try:
        return dict(json.loads(output))
    except ValueError:
        raise CallRefused("failed", f"{name} ended its process (exit code {process.returncode})") from None


def _started() -> subprocess.Popen[bytes]:
    """Start Python in a session of its own, with the import paths of this process, and without the current folder."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its children; processes that have already ended are ignored."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
