"""Skills of an assistant. A skill is described once; prompt, schema, checks, grammar and dispatch follow from that.

A skill is a Python function with a typed signature and a docstring, or an entry of a YAML file. This module exports the
bounds of parameters for files of skills.
"""

from lab_lib.calls.skills.bounds import Length, Pattern, Range

__all__ = ["Length", "Pattern", "Range"]
