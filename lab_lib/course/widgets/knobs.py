"""The controls of one side of the playground: a strategy, and sliders for the settings that it uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lab_lib.config import build
from lab_lib.decoding.config import DecodeConfig
from lab_lib.decoding.strategies import STRATEGIES, availability, expand_section

ALWAYS = frozenset({"max_new_tokens"})
SAMPLING = frozenset({"temperature", "top_k", "top_p", "min_p", "seed"})  # settings of a strategy that samples


def settings_config(settings: Mapping[str, Any]) -> DecodeConfig:
    """Return the DecodeConfig of some settings, read like a recipe's `decoding:` section; `strategy` may be a name.

    Raises LabError for invalid settings.
    """
    return build(DecodeConfig, expand_section({"decoding": dict(settings)})["decoding"], "decoding")


def offered_strategies(encoder: bool) -> list[str]:
    """Return the names of the strategies that a model with or without an encoder can do."""
    return [name for name, _, refused, _ in availability(encoder) if refused is None]


def used_by(strategy: str) -> frozenset[str]:
    """Return the settings that change the replies of a strategy; the others have no effect or are refused.

    >>> sorted(used_by("contrastive"))
    ['max_new_tokens', 'penalty_alpha', 'top_k']
    """
    settings = STRATEGIES[strategy].settings
    return ALWAYS | (SAMPLING if settings.get("sample") else frozenset()) | (settings.keys() - {"sample"})


class Side:
    """A drop-down of strategies and a slider for each setting; settings that the strategy does not use are disabled."""

    def __init__(self, settings: Mapping[str, Any], strategies: Sequence[str]):
        import ipywidgets

        def slider(kind: Any, low: float, high: float, step: float) -> Any:
            return kind(min=low, max=high, step=step, continuous_update=False)

        real, whole = ipywidgets.FloatSlider, ipywidgets.IntSlider
        named = settings.get("strategy", "greedy")
        # A strategy that was given by name is listed even if the model refuses it: the reason is then shown.
        names = [*strategies, *([named] if named in STRATEGIES and named not in strategies else [])]
        self.strategy = ipywidgets.Dropdown(options=names, description="strategy")
        self.sliders = {
            "temperature": slider(real, 0.1, 2.0, 0.1),
            "top_k": slider(whole, 0, 100, 1),
            "top_p": slider(real, 0.05, 1.0, 0.05),
            "min_p": slider(real, 0.0, 1.0, 0.05),
            "penalty_alpha": slider(real, 0.0, 1.0, 0.1),
            "max_new_tokens": slider(whole, 1, 120, 1),
            "seed": slider(whole, 0, 20, 1),
        }
        for name, control in self.sliders.items():
            control.description, control.style, control.layout.width = name, {"description_width": "9em"}, "95%"
        self.view = ipywidgets.HTML()
        # Settings without a slider (beams, typical_p, ...) stay as they were given.
        self.extra = {key: value for key, value in settings.items() if key not in ("strategy", *self.sliders)}
        self.given = settings.keys() & self.sliders.keys()
        self.strategy.value = named
        self._put(settings_config(settings))
        self.strategy.observe(self._named, names="value")
        self.strategy.style, self.view.layout.width = {"description_width": "9em"}, "50%"
        self.box = ipywidgets.VBox([self.strategy, *self.sliders.values()], layout={"width": "50%"})

    def settings(self) -> dict[str, Any]:
        """Return the strategy, its given settings without a slider, and the values of the enabled sliders."""
        values = {name: control.value for name, control in self.sliders.items() if not control.disabled}
        return {"strategy": self.strategy.value, **self.extra, **values}

    def _put(self, config: DecodeConfig) -> None:
        """Move the sliders to a config's values, and disable those that the strategy does not use."""
        drawn = SAMPLING if config.sample else frozenset()
        used = used_by(self.strategy.value) | drawn | self.given
        for name, control in self.sliders.items():
            control.value = getattr(config, name) or 0
            control.disabled = name not in used
            control.tooltip = f"{self.strategy.value} does not use {name}" if control.disabled else name

    def _named(self, change: Any) -> None:
        """Move the sliders to a strategy's values; length and seed stay."""
        self.view.value, self.extra, self.given = "", {}, set()
        kept = {name: self.sliders[name].value for name in ("max_new_tokens", "seed")}
        self._put(settings_config({"strategy": change["new"], **kept}))
