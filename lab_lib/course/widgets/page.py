"""HTML of the widgets: one small style, readable on light and dark, and every text escaped.

All HTML is put together with `markupsafe.Markup.format` and `join`, which escape whatever is not Markup itself. GitHub
removes styles, so colour alone never carries information.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from markupsafe import Markup

# Backgrounds are see-through and text keeps the notebook's own colour, so both themes stay readable. The hues are those
# of Okabe and Ito (2008); a word, a symbol or a line says the same. The doubled class outweighs a rule of
# Jupyter for tables in outputs, which right-aligns every cell.
STYLE = Markup("""<style>
.lab-widget { color: var(--jp-content-font-color1, inherit); font: 14px/1.5 system-ui, sans-serif; max-width: 62rem;
  padding-right: 1em; white-space: normal; overflow-wrap: anywhere; }
.lab-widget p { margin: .2em 0 .5em; }
.lab-widget .soft { opacity: .75; font-size: .88em; }
.lab-widget table { border-collapse: collapse; width: 100%; margin: .3em 0; font-size: 1em; table-layout: fixed; }
.lab-widget table.fit { width: auto; table-layout: auto; }
.lab-widget table th, .lab-widget table td { padding: .35em .6em; text-align: left; vertical-align: top; border: 0;
  border-bottom: 1px solid rgba(128, 128, 128, .4); white-space: normal; max-width: none; line-height: 1.5; }
.lab-widget.lab-widget th, .lab-widget.lab-widget td { text-align: left; }
.lab-widget table tr:nth-child(n) { background: none; }
.lab-widget td.who { border-left: 4px solid #E69F00; }
.lab-widget tr.user td.who { border-left-color: #0072B2; }
.lab-widget tr.fact td.who { border-left-color: #009E73; }
.lab-widget mark { background: rgba(86, 180, 233, .3); color: inherit; padding: 0 .15em; border-radius: 3px;
  border-bottom: 2px solid #0072B2; }
.lab-widget mark sub { font-size: .72em; opacity: .85; margin-left: .2em; vertical-align: baseline; }
.lab-widget ins { text-decoration: underline; text-decoration-thickness: 2px; text-underline-offset: 3px;
  background: rgba(230, 159, 0, .25); border-radius: 3px; }
.lab-widget .chips { line-height: 1.2; }
.lab-widget .chip { display: inline-block; margin: 1px; padding: .1em .25em; border-radius: 3px; white-space: pre;
  border: 1px solid rgba(128, 128, 128, .4); text-align: center; vertical-align: top; max-width: 100%; }
.lab-widget .chip summary { list-style: none; }
.lab-widget .chip summary::-webkit-details-marker { display: none; }
.lab-widget .chip[open] { white-space: normal; text-align: left; width: 20em; font-size: .88em; }
.lab-widget .chip small { display: block; font-size: .68em; opacity: .85; }
.lab-widget .wrong { border-left: 4px solid #D55E00; padding-left: .6em; }
.lab-widget pre { white-space: pre-wrap; font: 12px/1.45 ui-monospace, monospace; margin: .3em 0; max-height: 16em;
  overflow: auto; color: inherit; background: none; }
.lab-widget summary { cursor: pointer; }
[data-jp-theme-light=false] .lab-figure { filter: invert(.9) hue-rotate(180deg) brightness(1.2); }
</style>""")


UNDERLINED = "Words that the gold reply lacks are underlined."


def page(*parts: str) -> str:
    """Return the parts inside one styled element; what is not Markup is escaped."""
    return str(Markup('<div class="lab-widget">{}{}</div>').format(STYLE, Markup("").join(parts)))


def paragraph(text: str, css: str = "") -> Markup:
    """Return a paragraph; `css` is the name of a class."""
    return Markup('<p class="{}">{}</p>').format(css, text)


def problem(error: Exception) -> Markup:
    """Return the message of a LabError as a marked paragraph."""
    return Markup('<p class="wrong">✗ {}</p>').format(str(error))


def table(headings: Sequence[str], rows: Iterable[Sequence[Any]], css: str = "") -> Markup:
    """Return a table; cells are text, or Markup where they hold more."""
    head = Markup("").join(Markup("<th>{}</th>").format(heading) for heading in headings)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return Markup('<table class="{}"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>').format(css, head, body)


def marked(parts: Sequence[str] | None) -> Markup:
    """Return a reply with the words that the reference lacks underlined.

    `parts` is what `differences.difference` returned: same, missing, extra, same, ...; None where there is no reply.
    """
    if parts is None:
        return Markup("<i>no reply</i>")
    if not "".join(parts[0::3]) + "".join(parts[2::3]):
        return Markup("<i>empty reply</i>")
    pieces = []
    for place, part in enumerate(parts):
        if place % 3 == 0:
            pieces.append(Markup("{}").format(part))
        elif place % 3 == 2 and part:
            words = part.lstrip()
            pieces.append(Markup("{}<ins>{}</ins>").format(part[: len(part) - len(words)], words))
    return Markup("").join(pieces)
