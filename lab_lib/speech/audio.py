"""Read audio files of browsers and recorders as samples; formats that refer to other files are refused."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab_lib.errors import LabError
from lab_lib.files import read_bytes

RATE = 16_000  # samples per second, mono: what Whisper reads
LONGEST = 30.0  # seconds: Whisper's window, and more than a request has
MOST_BYTES = 10_000_000  # of a file: 30 seconds of uncompressed stereo are 6 million
# Containers that are read. Playlists and the like name other files and addresses, which would then be opened.
FORMATS = "wav,w64,aiff,au,flac,mp3,ogg,matroska,webm,mov,mp4,m4a,aac"


def read_audio(path: Path) -> Any:
    """Return the samples of a file, float32 between -1 and 1, mono, RATE a second.

    Raises LabError for a file that is missing, empty, too large, not audio, without sound or longer than LONGEST.
    """
    return decode_audio(read_bytes(path), str(path))


def decode_audio(data: bytes, where: str) -> Any:
    """Return the samples of the bytes of a file, see `read_audio`; messages begin with `where`."""
    import numpy as np

    if not data:
        raise LabError(f"{where}: the file is empty, expected audio")
    if len(data) > MOST_BYTES:
        raise LabError(f"{where}: {len(data):,} bytes, at most {MOST_BYTES:,} are read")
    pieces, size = list[Any](), 0
    for piece in _frames(data, where):
        pieces.append(piece)
        if (size := size + len(piece)) > LONGEST * RATE:
            raise LabError(f"{where}: longer than {LONGEST:.0f} seconds, the most that is read")
    if not size:
        raise LabError(f"{where}: there is no sound in this file")
    return np.concatenate(pieces).astype(np.float32) / 32768


def _frames(data: bytes, where: str) -> Iterator[Any]:
    """Yield the samples of a file in pieces, as whole numbers of 16 bits. Raises LabError for what is not audio."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
    try:
        with av.open(io.BytesIO(data), options=options) as container:
            if not container.streams.audio:
                raise LabError(f"{where}: there is no sound in this file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                frame.pts = None  # broken time stamps would stop the resampler
                for piece in resampler.resample(frame):
                    yield piece.to_ndarray().reshape(-1)
            for piece in resampler.resample(None):
                yield piece.to_ndarray().reshape(-1)
    except (av.FFmpegError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LabError(f"{where}: cannot be read as audio: {reason}") from None
