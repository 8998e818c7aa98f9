"""Hardware choices: the machine's abilities, and decisions that are each a value with its reason.

The deciding functions are pure: what the machine has is passed in, so they are tested without a GPU. Only the
functions named `find_...` ask the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from lab_lib.errors import LabError, nearest
from lab_lib.processes.settings import whole

if TYPE_CHECKING:
    from rich.console import Console

# Compute capability 8.0 is the A100; the T4 is 7.5 and the V100 7.0.
NATIVE_BF16 = (8, 0)
Dtype = Literal["auto", "fastest", "bf16", "fp16", "fp32"]
Attention = Literal["auto", "fastest", "eager", "sdpa", "chunked", "flash_attention_2"]
FASTEST = "fastest"  # is measured when a run begins (runs/context.py); without a measurement it means auto
DTYPES = get_args(Dtype)
# Families whose feed-forward values exceed 65,504, the largest fp16 number: the loss becomes NaN. T5 and its variants
# were pretrained in bf16, which has the range of fp32.
NOT_FP16 = frozenset({"t5", "mt5", "umt5", "longt5"})
ATTENTIONS = get_args(Attention)


@dataclass(frozen=True)
class Choice:
    """One decision of the program: the chosen value and its reason, in words that a user understands."""

    value: str
    reason: str

    def __str__(self) -> str:
        return f"{self.value} ({self.reason})"


@dataclass(frozen=True)
class Machine:
    """The facts that decisions depend on. `capability` is the GPU's compute capability, None without a GPU."""

    gpu: str | None = None
    capability: tuple[int, int] | None = None
    native_bf16_cpu: bool = False
    gpu_index: int = 0

    @property
    def device(self) -> str:
        """The torch name of the device computations run on."""
        return "cpu" if self.capability is None else f"cuda:{self.gpu_index}"


def find_machine() -> Machine:
    """Read this machine's hardware from torch. With several processes, each uses the GPU with the number LOCAL_RANK."""
    import torch

    cpu = find_cpu()
    if not torch.cuda.is_available():
        return cpu
    index = whole("LOCAL_RANK", 0)
    capability = torch.cuda.get_device_capability(index)
    return Machine(torch.cuda.get_device_name(index), capability, cpu.native_bf16_cpu, index)


def find_cpu() -> Machine:
    """Return this machine without its GPUs. Does not import torch."""
    return Machine(native_bf16_cpu=has_native_bf16(_cpu_flags()))


def has_native_bf16(flags: Set[str]) -> bool:
    """Return whether a processor with these feature flags (names of /proc/cpuinfo) multiplies bf16 matrices.

    Plain AVX-512 does not count: there bf16 is converted to fp32 and back around every product.
    """
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16"})


def _cpu_flags() -> Set[str]:
    """Return the processor's feature flags; none where the system is not Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


def choose_device(machine: Machine) -> Choice:
    """Return `cpu` or `cuda:N`."""
    if machine.capability is None:
        return Choice("cpu", "no CUDA GPU is visible")
    return Choice(machine.device, f"{machine.gpu}, compute capability {_dotted(machine.capability)}")


def choose_dtype(wanted: str, machine: Machine, quantisation: str = "none", family: str = "llama") -> Choice:
    """Return the number format of the computations: `bf16`, `fp16` or `fp32`; `wanted` is one of DTYPES.

    `family` is the model_type of config.json.

    It is not the storage format of the weights: see `weights_dtype`. bf16 is chosen only if the hardware supports it
    natively. A T4 emulates bf16 slowly, but `torch.cuda.is_bf16_supported()` returns True for it, so the compute
    capability decides. Raises LabError for a format that this machine cannot use well.
    """
    if wanted not in DTYPES:
        raise LabError(f"model.dtype: unknown value {wanted!r}{nearest(wanted, DTYPES)}")
    wanted = "auto" if wanted == FASTEST else wanted
    if wanted == "fp16" and family in NOT_FP16:
        raise LabError(f"model.dtype=fp16: a {family} model overflows in fp16 (NaN loss); use auto, bf16 or fp32")
    if machine.capability is None:
        return _choose_cpu_dtype(wanted, machine, quantisation)
    native = machine.capability >= NATIVE_BF16
    where = f"compute capability {_dotted(machine.capability)}"
    if wanted == "bf16" and not native:
        raise LabError(f"model.dtype=bf16: {machine.gpu} ({where}) only emulates bf16, slowly; use auto or fp16")
    if wanted != "auto":
        return Choice(wanted, "asked for")
    if native:
        return Choice("bf16", f"{where} is at least 8.0: native bf16, which has the range of fp32")
    if family in NOT_FP16:
        return Choice("fp32", f"{where} is below 8.0: no native bf16, and a {family} model overflows in fp16 (NaN)")
    return Choice("fp16", f"{where} is below 8.0: no native bf16; trainable weights stay fp32, the loss is scaled")


def _choose_cpu_dtype(wanted: str, machine: Machine, quantisation: str) -> Choice:
    """Return the format on a CPU: fp32 weights, with bf16 matrix products where the processor has them."""
    if wanted == "fp16":
        raise LabError("model.dtype=fp16: CPUs compute fp16 slowly and without loss scaling; use auto, bf16 or fp32")
    if wanted != "auto":
        emulated = wanted == "bf16" and not machine.native_bf16_cpu
        return Choice(wanted, "asked for; this CPU emulates it, slowly" if emulated else "asked for")
    if not machine.native_bf16_cpu:
        return Choice("fp32", "the CPU has neither avx512_bf16 nor amx_bf16")
    # With avx512_bf16, bf16 against fp32: AMD EPYC, two cores, 15.7 M parameters, tokens per second: LoRA on 4-bit
    # weights 2,677 against 1,605 (x 1.7), all weights trained 2,970 against 1,502 (x 2.0). Intel Xeon, one core,
    # lab-tiny, processor seconds of two micro batches: 3.6 against 2.3 (x 0.6), 3.2 against 2.0 (x 0.6).
    gain = "2.0" if quantisation == "none" else "1.7"
    known = f"{gain} times as fast as fp32 on an AMD EPYC, 0.6 times on an Intel Xeon: compare model.dtype=fp32"
    return Choice("bf16", f"the CPU multiplies bf16 natively ({known}); weights stay fp32")


def choose_attention(wanted: str, machine: Machine, supports_sdpa: bool = True) -> Choice:
    """Return the attention kernel for loading a model: eager, sdpa or flash_attention_2.

    `supports_sdpa` tells whether the model's code supports sdpa. Chunked attention is for training and is set later;
    such a model decodes with sdpa.

    Raises LabError when flash attention is asked for and this machine cannot run it.
    """
    if wanted not in ATTENTIONS:
        raise LabError(f"model.attention: unknown value {wanted!r}{nearest(wanted, ATTENTIONS)}")
    if wanted in ("auto", FASTEST, "chunked"):
        if not supports_sdpa:
            return Choice("eager", "this model has no fused attention")
        return Choice("sdpa", "PyTorch's fused attention: no extra package, on GPU and CPU")
    if wanted == "sdpa" and not supports_sdpa:
        raise LabError("model.attention=sdpa: this model has no fused attention; use auto or eager")
    if wanted == "flash_attention_2":
        _refuse_flash_attention(machine)
    return Choice(wanted, "asked for")


def _refuse_flash_attention(machine: Machine) -> None:
    """Raise LabError when flash attention 2 cannot run here."""
    if machine.capability is None or machine.capability < NATIVE_BF16:
        raise LabError("model.attention=flash_attention_2: needs a GPU of compute capability 8.0; use auto")
    if find_spec("flash_attn") is None:
        raise LabError("model.attention=flash_attention_2: the package flash-attn is not installed; use auto")


def weights_dtype(dtype: str, machine: Machine, full_training: bool = False) -> str:
    """Return the format unquantised weights are loaded in.

    It is fp32 on a CPU (autocast converts the factors of each product) and if all weights are trained. A weight of 0.02
    lies between 2^-6 and 2^-5, where bf16 numbers are 2^-13 = 1.2e-4 apart, so an Adam step of 2e-5, less than half of
    that, would be rounded to 0. Otherwise it is the format of the computations.
    """
    return "fp32" if machine.capability is None or full_training else dtype


def torch_dtype(name: str) -> Any:
    """Return torch's dtype of `bf16`, `fp16` or `fp32`."""
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[name]


def autocast(device: str, dtype: str) -> AbstractContextManager[Any]:
    """Return the context in which a model is trained and run: autocast to `dtype`, or nothing for fp32."""
    import torch

    if dtype == "fp32":
        return nullcontext()
    return torch.autocast(device.split(":")[0], dtype=torch_dtype(dtype))


def print_choices(choices: Mapping[str, Choice], console: Console) -> None:
    """Print one line per choice: name, value, reason."""
    from rich.text import Text

    width = max(map(len, choices), default=0)
    for name, choice in choices.items():
        line = Text.assemble((f"{name:<{width}}", "bold"), f"  {choice.value}  ", (choice.reason, "dim"))
        console.print(line, soft_wrap=True)


def _dotted(capability: tuple[int, int]) -> str:
    """Return `7.5` for (7, 5)."""
    return f"{capability[0]}.{capability[1]}"
