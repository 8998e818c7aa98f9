"""An assistant whose model is a table of calls and probabilities by request. No weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lab_lib.calls.skills.load import load_skills
from lab_lib.calls.skills.skill import NO_SKILL, Skills
from lab_lib.serve.answers import Written
from lab_lib.serve.assistant import Assistant

NONE = {NO_SKILL: 0.9}
EVIL = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
# What was said -> ({skill: probability}, {skill: what the model writes}); the rest is spread over the other skills.
KNOWN: dict[str, tuple[Mapping[str, float], Mapping[str, str]]] = {
    "what is the weather in Berlin": ({"weather": 0.93}, {"weather": 'weather(location="Berlin")'}),
    "weather please": ({"weather": 0.8}, {"weather": 'weather(location="Paris")'}),
    "set a timer": ({NO_SKILL: 0.9, "set_timer": 0.09}, {"set_timer": "set_timer(minutes=5)"}),
    "set a timer for 5 minutes": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=5)"}),
    "play jazz": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "add milk and eggs": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["milk", "eggs"])'}),
    "add milk": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["milk"])'}),
    "eggs": ({"add_to_list": 0.6}, {"add_to_list": 'add_to_list(items=["eggs"])'}),
    "light in the kitchen": ({"set_light": 0.9}, {"set_light": 'set_light(room="kitchen", on=True)'}),
    "the bedroom": ({"set_light": 0.9}, {"set_light": 'set_light(room="bedroom", on=True)'}),
    "light in the kitchen and the bedroom": ({"set_light": 0.9}, {"set_light": 'set_light(room="kitchen", on=True)'}),
    "news about " + EVIL: ({"news": 0.9}, {"news": f'news(topic="{EVIL}")'}),
    "play jazz and feed my little cat": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "play jazz and thanks": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "play jazz and weather please": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "play jazz and soul music": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz and soul music")'}),
    "set a timer for 2000 minutes": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=14)"}),
    "set a timer for minus five minutes": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=5)"}),
    "set a timer for 3 days": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=3)"}),
    "set a timer for `__class__` minutes": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=120)"}),
    "read me 50 headlines": ({"news": 0.9}, {"news": "news(count=6)"}),
    "wake me at 25:99": ({"set_alarm": 0.9}, {"set_alarm": 'set_alarm(time="05:09")'}),
    "a pound in kilos": ({"convert": 0.9}, {"convert": 'convert(amount=1.0, unit="pounds", to="kg")'}),
    "kitchen at full brightness": (
        {"set_light": 0.9},
        {"set_light": 'set_light(room="kitchen", on=True, brightness=100)'},
    ),
    "turn on the light and play some jazz": ({"play_music": 0.9}, {"play_music": 'play_music(title="some jazz")'}),
    "set a timer for 5 minutes, play jazz": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=5)"}),
    "pasta, 5 minutes": ({"set_timer": 0.9}, {"set_timer": 'set_timer(minutes=5, name="pasta")'}),
    "pasta": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["pasta"])'}),
    "5 minutes": ({"set_timer": 0.9}, {"set_timer": "set_timer(minutes=5)"}),
    "don't you dare": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["dare"])'}),
    "don't you dare, play jazz": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "I'm done, play jazz": ({"play_music": 0.9}, {"play_music": 'play_music(title="jazz")'}),
    "the weather in Oslo and Berlin": ({"weather": 0.9}, {"weather": 'weather(location="Oslo")'}),
    "the weather in Oslo": ({"weather": 0.9}, {"weather": 'weather(location="Oslo")'}),
    "lights off in the bedroom and the kitchen": (
        {"set_light": 0.9},
        {"set_light": 'set_light(room="kitchen", on=False)'},
    ),
    "add milk, eggs and bread and play jazz": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["bread"])'}),
    "add milk, eggs and bread": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["milk", "eggs", "bread"])'}),
    "add milk, eggs": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["milk", "eggs"])'}),
    "bread": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["bread"])'}),
    "bread and play jazz": ({"add_to_list": 0.9}, {"add_to_list": 'add_to_list(items=["bread"])'}),
    "don't play jazz": ({"play_music": 0.9}, {"play_music": 'play_music(title="t play")'}),
    "rubbish": ({"weather": 0.9}, {"weather": "weather(location=Berlin)"}),
    "too much": ({"weather": 0.9}, {"weather": 'weather(location="Be'}),
}


@dataclass
class ScriptedModel:
    """Knows the requests of KNOWN; all others ask for nothing. `asked` logs requests; `write` calls `on_write`."""

    asked: list[str] = field(default_factory=list)
    on_write: Callable[[], None] = lambda: None

    def names(self, utterance: str, skills: Skills) -> Mapping[str, float]:
        self.asked.append(utterance)
        known = {name: p for name, p in KNOWN.get(utterance, (NONE, {}))[0].items() if name in (*skills, NO_SKILL)}
        others = [name for name in (*skills, NO_SKILL) if name not in known]
        rest = (1 - sum(known.values())) / max(len(others), 1)
        return {**known, **{name: rest for name in others}}

    def write(self, utterance: str, skills: Skills, name: str, check: Callable[[], None]) -> Written:
        self.on_write()
        check()
        text = KNOWN.get(utterance, (NONE, {}))[1].get(name, "none()" if name == NO_SKILL else f'{name}(x="')
        sure = 1e-12 if utterance in ("don't play jazz", "don't you dare") else 0.9
        return Written(text, sure, finished=utterance != "too much", prompt_tokens=20, tokens=len(text) // 4)


def scripted(skills: Skills | None = None, model: ScriptedModel | None = None, threshold: float = 0.5) -> Assistant:
    """Return the assistant; the skills of the course by default."""
    made = model or ScriptedModel()
    return Assistant("runs/home", load_skills(["home"]) if skills is None else skills, threshold, lambda: made)
