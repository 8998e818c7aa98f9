"""The solution of one exercise: from the checkout, or from the web where only the package is installed."""

from __future__ import annotations

from lab_lib.corpora.web import read_web
from lab_lib.course.build import repository
from lab_lib.course.classroom import require_solutions
from lab_lib.course.points import exercise_id
from lab_lib.course.source import checkout, find_lab, solution
from lab_lib.errors import LabError, nearest
from lab_lib.files import read_text

SECONDS, MOST = 20, 1 << 20  # timeout; most bytes of a source (ours have 40,000)
# Where only the package is installed (Colab) there is no folder of sources to list; a test compares both.
NAMES = {
    "00": "00_setup",
    "01": "01_know_your_data",
    "02": "02_evaluate_pretrained",
    "03": "03_decoding",
    "04": "04_qlora",
    "05": "05_state_and_calls",
    "06": "06_function_calling",
    "07": "07_schema_guided",
    "08": "08_emotion",
    "09": "09_dataflow",
    "20": "20_bigger_models",
    "21": "21_clusters",
    "22": "22_structure",
}


def reveal(exercise: str) -> str:
    """Return the code that solves an exercise (`04.2` or `4.2`).

    Raises LabError for an unknown one, in the folder of a class, and without network where there is no checkout.
    """
    name = exercise_id(exercise)
    return solution(name, lab_text(name.partition(".")[0]))


def lab_text(number: str) -> str:
    """Return the source of a lab (`04`), with its solutions. Raises LabError in the folder of a class."""
    require_solutions(f"lab {number}")
    try:
        root = checkout()
    except LabError:
        if number not in NAMES:
            raise LabError(f"there is no lab {number!r}{nearest(number, NAMES)}") from None
        return fetched(f"solutions/{NAMES[number]}.py")
    return read_text(find_lab(root, number))


def raw_address(repository: str) -> str:
    """Return the address under which the files of a repository's main branch are served.

    >>> raw_address("https://github.com/me/lab")
    'https://raw.githubusercontent.com/me/lab/main'
    """
    return repository.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main"


def fetched(path: str) -> str:
    """Return a file of the repository's main branch as text. Raises LabError without network."""
    address = f"{raw_address(repository())}/{path}"
    try:
        return read_web(address, MOST, SECONDS).decode("utf-8")
    except UnicodeDecodeError:
        raise LabError(f"{address}: not UTF-8 text; is this the address of the repository?") from None
    except LabError as error:
        raise LabError(f"{error}; clone the repository to have the solutions offline") from None
