"""Templates, style and script of the HTML report, and the one function that fills a template."""

from __future__ import annotations

from importlib.resources import files


def asset(name: str) -> str:
    """Return the text of a file that lies beside this one."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def render(template: str, **values: object) -> str:
    """Fill a template of this folder. Every value is HTML-escaped unless it is a `markupsafe.Markup`."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
