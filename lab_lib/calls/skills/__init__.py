"""What can the assistant do? A skill is described once; prompt, schema, checks, grammar and dispatch come from that.

A skill is a Python function with a typed signature and a docstring, or an entry of a YAML file. Import from here what
a file of skills needs: the bounds of its parameters.
"""

from lab_lib.calls.skills.bounds import Length, Pattern, Range

__all__ = ["Length", "Pattern", "Range"]
