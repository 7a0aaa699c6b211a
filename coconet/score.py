"""An engraved score: SVG, PNG, PDF, or inline in a notebook.

Soprano and alto share one staff, tenor and bass another, as in a hymn book;
more than four voices are quartets, one below the other. Verovio engraves,
CairoSVG turns its SVG into PNG and PDF; both load only when they are needed.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from coconet.chorale import Chorale
from coconet.colours import voice_colour
from coconet.errors import ChoraleError
from coconet.files import atomic_path, validate_writable
from coconet.grid import validate_hidden, voice_name
from coconet.musicxml import musicxml_of

SUFFIXES = (".svg", ".png", ".pdf")
#: Width to height of a page of A4.
A4 = 210 / 297
A4_POINTS = (595.28, 841.89)
#: Verovio's units at which 40 % of its full size gives about 18 mm staves on A4.
WIDTH = 2100
#: The least and the largest width, and what a voice adds where two systems share a page.
NARROWEST, WIDEST, VOICE_WIDTH = 600, 10_000, 200
#: Height of a sheet in units that Verovio doesn't exceed: six metres where A4 is the width.
TALLEST = 60_000
#: Pixels of a PNG for each unit of width: 200 dots an inch on A4.
PIXELS = 0.8
LEGEND = "Rewritten"
MEI = "http://www.music-encoding.org/ns/mei"
NO_CAIRO = (
    "PNG and PDF scores need the cairo library, which isn't found: `sudo apt-get install libcairo2`"
    " (macOS: `brew install cairo`; conda: `conda install -c conda-forge cairo`), or save as .svg"
)


@dataclass(frozen=True)
class Score:
    """An engraved score.

    Attributes
    ----------
    sheet : SVG of the whole piece on one sheet, as tall as it needs; '' for a piece that is
        too long for one (see TALLEST), such as 1300 steps of four quartets
    pages : SVG of each page of A4, top to bottom
    """

    sheet: str = field(repr=False)
    pages: tuple[str, ...] = field(repr=False)

    def save(self, path: Path | str, *, force: bool = False) -> Path:
        """Write .svg or .png (the sheet) or .pdf (the pages), by the suffix; return the path.

        Raises ChoraleError for another suffix, an existing file (unless
        `force`), a folder that can't be written, PNG and PDF without cairo, and
        .svg and .png of a piece that is too long for one sheet.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise ChoraleError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
        validate_writable(path, force=force)
        if suffix != ".pdf" and not self.sheet:
            raise ChoraleError(
                f"{path}: the piece is too long for one sheet, which verovio makes at most "
                f"{TALLEST:,} units tall; save its {len(self.pages)} pages as .pdf"
            )
        if suffix == ".svg":
            data = self.sheet.encode("utf-8")
        elif suffix == ".png":
            data = png_of(self.sheet)
        else:
            data = pdf_of(self.pages)
        with atomic_path(path, force=force) as temporary:
            temporary.write_bytes(data)
        return path

    def _repr_html_(self) -> str:
        """The sheet, or else the pages, on white paper, whatever the notebook's theme."""
        drawn = "".join(
            _without_declaration(svg) for svg in ([self.sheet] if self.sheet else self.pages)
        )
        return f'<div style="background:white;max-width:60em;padding:0.5em">{drawn}</div>'


def engrave(
    chorale: Chorale,
    *,
    hidden: np.ndarray | None = None,
    title: str | None = None,
    width: int = WIDTH,
    legend: str = LEGEND,
) -> Score:
    """Engrave a chorale.

    Parameters
    ----------
    hidden : bool array, shape=(voices, steps): notes in these cells are
        printed in their voice's colour, and the head says which voices
    title : by default the chorale's own; '' for none
    width : of the page in Verovio's units; 2100 is A4, a smaller one gives
        fewer bars a line and larger notes; `page_width` has one for many voices
    legend : a word for what is coloured

    Returns
    -------
    Score

    Raises
    ------
    ChoraleError
        For `hidden` of another shape, a width outside 600-10000, or no verovio.
    """
    if not NARROWEST <= width <= WIDEST:
        raise ChoraleError(f"width: expected {NARROWEST}-{WIDEST}, got {width}")
    title = chorale.title if title is None else title
    rows: Sequence[int] = ()
    if hidden is not None:
        hidden = validate_hidden(hidden, chorale.grid.shape)
        rows = [int(row) for row in np.flatnonzero((hidden & (chorale.grid > 0)).any(1))]
    toolkit = _toolkit()
    _load(toolkit, musicxml_of(chorale, hidden=hidden, title=title), "musicxml")
    mei = _finished(toolkit.getMEI(), title, rows, legend)
    count = _lay_out(toolkit, mei, pageWidth=width, pageHeight=TALLEST, adjustPageHeight=True)
    sheet = toolkit.renderToSVG(1) if count == 1 else ""
    margins = {
        f"pageMargin{side}": round(width / 20) for side in ("Left", "Right", "Top", "Bottom")
    }
    count = _lay_out(toolkit, mei, pageHeight=round(width / A4), **margins)
    pages = [toolkit.renderToSVG(number) for number in range(1, count + 1)]
    if 'class="staff"' not in pages[0].replace(" bounding-box", ""):
        raise ChoraleError(f"{title or 'chorale'}: verovio engraved no music")
    pages[0] = _with_legend(pages[0], rows, legend)
    return Score(_with_legend(sheet, rows, legend), tuple(pages))


def page_width(voices: int) -> int:
    """A width for `engrave` at which a page holds two systems, or at least one.

    From eleven voices on the notes are small, as in an orchestra's score; a page holds
    at most some fifty.
    """
    return min(max(WIDTH, VOICE_WIDTH * voices), WIDEST)


def png_of(svg: str) -> bytes:
    """An SVG as PNG on white, 200 dots an inch where the width is A4's."""
    width = round(float(ET.fromstring(svg).get("viewBox", "0 0 2100 0").split()[2]) * PIXELS)
    return _cairosvg().svg2png(svg.encode("utf-8"), output_width=width, background_color="white")


def pdf_of(pages: Sequence[str]) -> bytes:
    """SVG pages as one PDF of A4 pages."""
    cairosvg = _cairosvg()
    from cairocffi import PDFSurface
    from cairosvg.parser import Tree

    output = io.BytesIO()
    pdf = PDFSurface(output, *A4_POINTS)

    class Page(cairosvg.surface.PDFSurface):
        """Draws onto the PDF that all pages share."""

        def _create_surface(self, width: float, height: float):
            return pdf, width, height

    for page in pages:
        tree = Tree(bytestring=_with_own_glyphs(page).encode("utf-8"))
        Page(tree, None, 72, output_width=A4_POINTS[0], output_height=A4_POINTS[1])
        pdf.show_page()
    pdf.finish()
    return output.getvalue()


def _with_own_glyphs(svg: str) -> str:
    """A page of verovio's in which each sign is drawn where it stands, not referred to.

    The drawing is the same; CairoSVG, which looks every reference up anew, takes a quarter
    less time for it.
    """
    signs = dict(
        re.findall(r'<g id="([^"]+)">\s*(<path [^>]*/>)\s*</g>', svg.partition("</defs>")[0])
    )
    return re.sub(
        r'<use xlink:href="#([^"]+)" (transform="[^"]*") />',
        lambda use: f"<g {use[2]}>{signs[use[1]]}</g>" if use[1] in signs else use[0],
        svg,
    )


def _toolkit() -> Any:
    try:
        import verovio
    except ImportError as error:
        raise ChoraleError(
            f"engraving needs verovio ({error}): `python -m pip install verovio`"
        ) from error
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "breaks": "auto",
            "header": "encoded",
            "footer": "none",
            "justifyVertically": False,
            "spacingSystem": 6,
            "spacingStaff": 9,
            "svgViewBox": True,
            "xmlIdSeed": 1,
        }
    )
    return toolkit


def _lay_out(toolkit: Any, mei: str, **options: Any) -> int:
    """Break a piece into lines and pages; return how many pages."""
    toolkit.setOptions({"adjustPageHeight": False, **options})
    _load(toolkit, mei, "mei")
    return toolkit.getPageCount()


def _load(toolkit: Any, data: str, kind: str) -> None:
    toolkit.setOptions({"inputFrom": kind})
    if not toolkit.loadData(data):
        raise ChoraleError(f"verovio could not engrave this piece: {toolkit.getLog().strip()}")


def _finished(mei: str, title: str, rows: Sequence[int], legend: str) -> str:
    """Verovio's own MEI, with beams in their notes' colour and a head with title and legend."""
    ET.register_namespace("", MEI)
    root = ET.fromstring(mei)
    for beam in root.iter(f"{{{MEI}}}beam"):
        colours = {note.get("color") for note in beam.iter(f"{{{MEI}}}note")}
        if len(colours) == 1 and None not in colours:
            beam.set("color", colours.pop())
    definition = next(root.iter(f"{{{MEI}}}scoreDef"))
    for head in definition.findall(f"{{{MEI}}}pgHead"):
        definition.remove(head)
    if title or rows:
        definition.insert(0, _head(title, rows, legend))
    return ET.tostring(root, encoding="unicode")


def _head(title: str, rows: Sequence[int], legend: str) -> ET.Element:
    """Head of the first page: the title, and below it a line kept free for the legend."""
    head = ET.Element(f"{{{MEI}}}pgHead", func="first")
    lines = [(title, "top", "150%")] if title else []
    if rows:
        lines.append((legend, "middle", "90%"))
    for text, valign, size in lines:
        words = ET.SubElement(head, f"{{{MEI}}}rend", halign="center", valign=valign)
        ET.SubElement(words, f"{{{MEI}}}rend", fontsize=size).text = text
    return head


def _with_legend(svg: str, rows: Sequence[int], legend: str) -> str:
    """Put the coloured voices' names and colours into the line that the head keeps free.

    Verovio centres text of several colours in a way that not every viewer
    follows, so each word gets its own place here.
    """
    found = svg.find(f">{legend}<")
    if found < 0 or not rows:
        return svg
    end = svg.index("</text>", found) + len("</text>")
    placed = svg[svg.rindex("<text ", 0, found) : end]
    size = float(re.findall(r'font-size="([\d.]+)px"', placed)[-1])
    x, y = (float(re.search(rf' {axis}="([\d.]+)"', placed)[1]) for axis in "xy")
    # In a stack of quartets the same voices share a name and a colour.
    voices = sorted({row % 4 for row in rows})
    words = [(legend, None)] + [(voice_name(row), voice_colour(row)) for row in voices]
    widths = [(0.6 * len(word) + (2.2 if colour else 0.6)) * size for word, colour in words]
    x, y = x - sum(widths) / 2, y + 0.3 * size
    drawn = []
    for (word, colour), width in zip(words, widths, strict=True):
        if colour:
            drawn.append(
                f'<circle cx="{x + size:.0f}" cy="{y - 0.32 * size:.0f}" r="{0.3 * size:.0f}"'
                f' fill="{colour}" stroke="none"/>'
            )
        left = x + (1.6 * size if colour else 0)
        drawn.append(
            f'<text x="{left:.0f}" y="{y:.0f}" font-size="{size:g}px"'
            f' fill="{colour or "currentColor"}">{word}</text>'
        )
        x += width
    return svg.replace(placed, "".join(drawn), 1)


def _cairosvg() -> Any:
    try:
        import cairosvg
    except OSError as error:
        raise ChoraleError(NO_CAIRO) from error
    except ImportError as error:
        raise ChoraleError(
            f"PNG and PDF scores need CairoSVG ({error}): `python -m pip install cairosvg`"
        ) from error
    return cairosvg


def _without_declaration(svg: str) -> str:
    return svg[svg.index("<svg") :]
