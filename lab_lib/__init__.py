"""Fine-tuning language models for dialogue: corpora, QLoRA training, decoding and trusted scores.

Importing this package is cheap: torch, transformers, bitsandbytes and plotting are imported inside the
functions that use them, so reading data and scoring need neither.
"""

__version__ = "0.2.0"


def metric_path(name: str) -> str:
    """Return the script of a metric, for `evaluate.load(lab_lib.metric_path("mwz"))`: works offline.

    Names: mwz, sgd, calls, text, emotion. Raises LabError naming the nearest for any other.
    """
    from pathlib import Path

    from lab_lib.errors import LabError, nearest

    folder = Path(__file__).resolve().parent / "evaluation" / "metrics"
    names = [path.stem for path in folder.glob("[a-z]*.py")]
    if name not in names:
        raise LabError(f"no metric '{name}'{nearest(name, names)}")
    return str(folder / f"{name}.py")
