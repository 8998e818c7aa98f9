"""The largest decoding batch that fits in memory, and the longest reply that leaves every history whole.

Batches of the longest dialogues are tried, 1, 4, 16, ... until one does not fit or all dialogues are in one, then sizes
in between. A GPU says so itself (OutOfMemoryError). On a CPU the system would kill the process, so there a batch is
only tried when the growth of the last one says that it will fit, with a margin.

Each attempt measures the moment of highest memory: reading the last piece of the longest history, and generating the
last tokens of the longest reply. The cache then has its full size; its contents do not affect the memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from lab_lib.decoding.cached_decoder import CachedDecoder
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.generate import OUT_OF_MEMORY, generate_batch, reads_once
from lab_lib.errors import LabError
from lab_lib.prompts.encode import Prompt
from lab_lib.runs.config import load_run_config, make_task
from lab_lib.runs.folder import RunFolder
from lab_lib.runs.inputs import require_unchanged
from lab_lib.tasks.splits import load_splits

GIB = 1 << 30
MARGIN = 0.2  # share of the available memory that stays free: other programs grow too
GROWTH = 4  # how many times larger the next batch is: every attempt takes time, and the first ones say little
STEPS = 4  # tokens written
PIECE = 96  # tokens read: about the longest that a user's turn, state and a reply are in MultiWOZ
GAP = 160  # more than the room that a cache keeps free


@dataclass
class Memory:
    """Memory that batches take: measured on a GPU by torch, on a CPU as growth of the resident set."""

    gpu: bool
    before: int = 0  # bytes the process had before the first batch
    budget: int = 0  # bytes batches may take; a GPU finds its limit by itself
    taken: dict[int, int] = field(default_factory=dict)  # prompts -> bytes at the peak

    def start(self) -> None:
        """Look at the machine, once the model is loaded."""
        if not self.gpu:
            self.before = resident()
            self.budget = int((1 - MARGIN) * available())

    @contextmanager
    def watch(self, size: int) -> Iterator[None]:
        """Record the peak of what runs inside the `with` as that of a batch of `size` prompts."""
        import torch

        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
            yield
            self.taken[size] = torch.cuda.max_memory_allocated()
        else:
            with highest() as seen:
                yield
            self.taken[size] = max(seen[0] - self.before, 0)

    def most(self) -> int:
        """Return the largest batch that may be tried.

        Memory grows in proportion to the batch, or less. What was freed before is used again without growth, so a
        small batch seems to need less than it does; that is why no batch is more than four times the last one.
        """
        if self.gpu or not self.taken:
            return 1 << 30
        size, taken = max(self.taken.items())
        return GROWTH * size if not taken else min(GROWTH * size, self.budget * size // taken)


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(psutil.Process().memory_info().rss)


def available() -> int:
    """Return the bytes that this process can still take: of the machine, and of its control group (containers)."""
    free = int(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError):  # no such group, or the limit is `max`
        return free


@contextmanager
def highest() -> Iterator[list[int]]:
    """Watch the resident memory every 5 ms; the list's one number is the highest seen."""
    seen, stop = [resident()], threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            seen[0] = max(seen[0], resident())

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()
        seen[0] = max(seen[0], resident())


def search(fits: Callable[[int], bool], most: int, safe: Callable[[], int]) -> int:
    """Return a size from 1 to `most` that fits, at most an eighth below the largest; 0 when 1 does not.

    `fits(n)` tries a size. `safe()` is the largest that may be tried now, from what was seen so far.

    >>> search(lambda n: n <= 100, 1000, lambda: 1000)
    100
    """
    good, bad = 0, most + 1
    while bad - good > max(1, good // 8):
        size = min(GROWTH * good or 1, most)
        size = size if size < bad else (good + bad) // 2
        size = min(size, safe())
        if size <= good + good // 16:  # what is safe is as good as reached
            break
        if fits(size):
            good = size
        else:
            bad = size
    return good


def find_batch_size(folder: Path, system: str, console: Console) -> int:
    """Return the largest `decoding.batch_size` for a run's `system` on this machine, printing every attempt.

    Raises LabError when not even one prompt fits, and for vLLM.
    """
    from lab_lib.models.fast_cpu.merged_for_decoding import merged_for_decoding
    from lab_lib.runs.steps import load_answering, model_config, prompts_of

    config = load_run_config(folder)
    if config.decoding.backend == "vllm":
        raise LabError("decoding.backend=vllm batches by itself and uses no decoding.batch_size: there is none to find")
    require_unchanged(config, folder, lambda line: console.print(line, highlight=False, markup=False))
    task = make_task(config)
    splits = load_splits(task)
    loaded = load_answering(model_config(config, RunFolder(folder), system), config.prompt)
    prompts = prompts_of(task, splits.reported, loaded.tokenizer)
    # Under this config no prompt loses a turn: it shows how long histories are.
    unlimited = replace(config, prompt=replace(config.prompt, max_tokens=1_000_000))
    whole = prompts_of(make_task(unlimited), splits.reported, loaded.tokenizer)
    console.print(longest_reply([len(prompt.ids) for prompt in whole], config), highlight=False)
    with merged_for_decoding(loaded.model, config.decoding.exact):
        return largest(loaded.model, loaded.tokenizer, longest(prompts), config.decoding, console)


def longest(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Return the longest prompt of each dialogue, longest first."""
    last: dict[str, Prompt] = {}
    for prompt in prompts:
        if prompt.key not in last or len(prompt.ids) > len(last[prompt.key].ids):
            last[prompt.key] = prompt
    return sorted(last.values(), key=lambda prompt: (-len(prompt.ids), prompt.key))


def largest(model: Any, tokenizer: Any, prompts: Sequence[Prompt], config: DecodeConfig, console: Console) -> int:
    """Try batches of the first prompts and return the largest batch size in rows that fits."""
    memory = Memory(gpu=model.device.type == "cuda")
    write(model, tokenizer, prompts[:1], config)  # what is allocated once and stays
    memory.start()
    rows = config.rows_a_prompt

    def fits(size: int) -> bool:
        found = attempt(model, tokenizer, prompts[:size], config, memory)
        taken = f"{memory.taken[size] / GIB:.2f} GiB: fits" if found else "out of memory"
        console.print(f"batch_size={size * rows}: {taken}", highlight=False)
        return found

    size = search(fits, len(prompts), memory.most)
    if not size:
        raise LabError("not even one reply fits in memory; shorten prompt.max_tokens or take a smaller model")
    console.print(why(size, rows, len(prompts), memory), highlight=False)
    return size * rows


def attempt(model: Any, tokenizer: Any, prompts: Sequence[Prompt], config: DecodeConfig, memory: Memory) -> bool:
    """Decode one batch and return whether its memory sufficed; other errors are raised."""
    import torch

    try:
        with memory.watch(len(prompts)):
            write(model, tokenizer, prompts, config)
        return True
    except torch.OutOfMemoryError:
        pass
    except (RuntimeError, LabError) as error:
        if not str(error).startswith(OUT_OF_MEMORY[:20]) and "can't allocate memory" not in str(error):
            raise
    if memory.gpu:
        torch.cuda.empty_cache()
    return False


def write(model: Any, tokenizer: Any, prompts: Sequence[Prompt], config: DecodeConfig) -> None:
    """Do what needs most memory when these prompts are decoded, with one cache or by generate()."""
    import torch

    steps = min(STEPS, config.max_new_tokens)
    short = replace(config, max_new_tokens=steps, min_new_tokens=steps)
    # As if all but the last tokens of the reply were written.
    rows = [prompt.ids + prompt.ids[-1:] * (config.max_new_tokens - steps) for prompt in prompts]
    with torch.inference_mode():
        if not reads_once(model, config):
            generate_batch(model, tokenizer, rows, short)
            return
        decoder = CachedDecoder(model, tokenizer, short, len(rows))
        for left in (PIECE + GAP, PIECE):  # as if all before had been read; the cache grows, as it does now and then
            decoder.lengths = [max(len(row) - left, 0) for row in rows]
            decoder.read([row[-PIECE:] if left == PIECE else row[:1] for row in rows])
        decoder.generate(prompts)
        # When half of the replies have ended, the others go on with a cache of their own.
        decoder.cache.fork().keep(torch.arange((len(rows) + 1) // 2, device=model.device))


def why(size: int, rows: int, most: int, memory: Memory) -> str:
    """Return the answer with its reason."""
    answer = f"decoding.batch_size={size * rows} is the largest that fits"
    if size == most:
        return f"{answer}: all {most} dialogues are in one batch"
    if memory.gpu:
        return f"{answer}, to an eighth: the GPU ran out of memory above it"
    need = memory.taken[size] / size / GIB
    return (
        f"{answer}, to an eighth: {need:.3f} GiB a dialogue; of the {memory.budget / (1 - MARGIN) / GIB:.1f} GiB that "
        f"were available {MARGIN:.0%} stay free"
    )


def longest_reply(lengths: Sequence[int], config: Any) -> str:
    """Return in a sentence how long replies may be before histories lose their oldest turns."""
    limit, now = config.prompt.max_tokens, config.decoding.max_new_tokens
    room = limit - max(lengths)
    cut = sum(length + now > limit for length in lengths)
    free = f"{room} tokens with every history whole" if room > 0 else "none with every history whole"
    return (
        f"longest reply: {free} (prompt.max_tokens={limit}, longest history {max(lengths)}); with "
        f"decoding.max_new_tokens={now} {cut} of {len(lengths)} histories lose their oldest turns"
    )
