"""What a student touches: checks of exercises, pictures of answers, widgets; and how the notebooks are made."""

from lab_lib.course.checks import check, show
from lab_lib.course.corridor import corridor

__all__ = ["check", "corridor", "show"]
