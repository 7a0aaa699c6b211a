"""The engraved score: what is printed, in which colour, in which form."""

from __future__ import annotations

import builtins
import re
from collections import Counter
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from coconet import score as score_module
from coconet.chorale import Chorale
from coconet.colours import VOICE_COLOURS
from coconet.corpus import load_corpus
from coconet.errors import ChoraleError
from coconet.musicxml import musicxml_of
from coconet.notation import VALUES, mark_accidentals, measures, symbols
from coconet.reading import read_piece
from coconet.score import engrave
from coconet.spelling import NATURALS, name_of


@pytest.fixture(scope="module")
def chorale() -> Chorale:
    return next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")


@pytest.fixture(scope="module")
def hidden(chorale) -> np.ndarray:
    hidden = np.zeros(chorale.grid.shape, bool)
    hidden[1:3, 32:64] = True
    return hidden


def printed(chorale, hidden=None):
    bars = measures(chorale)
    marked = np.zeros(chorale.grid.shape, bool) if hidden is None else hidden
    return symbols(chorale, bars, marked), bars


def elements(svg: str, name: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter() if name in e.get("class", "").split()]


def test_the_score_holds_every_note_and_sign(chorale):
    sheet = engrave(chorale).sheet
    voices, bars = printed(chorale)
    assert len(elements(sheet, "note")) == sum(bool(s.pitch) for v in voices for s in v)
    assert len(elements(sheet, "measure")) == len(bars)
    assert len(elements(sheet, "fermata")) == chorale.fermatas.sum()
    assert len(elements(sheet, "tie")) == sum(s.tied_to for v in voices for s in v)
    assert chorale.title in sheet
    assert chorale.title not in engrave(chorale, title="").sheet


def test_rewritten_notes_have_their_voices_colour(chorale, hidden):
    sheet = engrave(chorale, hidden=hidden).sheet
    coloured = Counter(
        note.get("fill") for note in elements(sheet, "note") if note.get("fill") is not None
    )
    voices, _ = printed(chorale, hidden)
    expected = {VOICE_COLOURS[row]: sum(s.written for s in voices[row]) for row in (1, 2)}
    assert coloured == expected and min(expected.values()) > 5
    assert "Rewritten" in sheet and ">alto<" in sheet and ">tenor<" in sheet
    assert ">bass<" not in sheet
    beams = elements(sheet, "beam")
    assert 0 < sum(beam.get("fill") in VOICE_COLOURS for beam in beams) < len(beams)
    assert not any(colour in engrave(chorale).sheet for colour in VOICE_COLOURS)


def test_what_is_coloured_has_a_word(chorale, hidden):
    sheet = engrave(chorale, hidden=hidden, legend="In parallel").sheet
    assert ">In parallel<" in sheet and ">alto<" in sheet and "Rewritten" not in sheet
    nothing = engrave(chorale, hidden=hidden & False, legend="In parallel").sheet
    assert "In parallel" not in nothing


@pytest.mark.parametrize("title", [None, "", "<Bach> & Co"])
def test_titles_and_legends_leave_the_svg_whole(chorale, hidden, title):
    for marked in (None, hidden):
        made = engrave(chorale, hidden=marked, title=title)
        for svg in (made.sheet, *made.pages):
            words = "".join(ET.fromstring(svg).itertext())
            if svg in (made.sheet, made.pages[0]):
                assert ("Rewritten" in words) == (marked is not None)
                assert (chorale.title if title is None else title) in words


def test_saved_forms(chorale, hidden, tmp_path):
    score = engrave(chorale, hidden=hidden)
    svg = score.save(tmp_path / "a.svg").read_bytes()
    assert ET.fromstring(svg).tag.endswith("svg")
    with Image.open(score.save(tmp_path / "a.png")) as image:
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    ink = (pixels != 255).any(1).mean()
    assert 0.02 < ink < 0.2 and tuple(pixels[0]) == (255, 255, 255)
    for row, colour in enumerate(VOICE_COLOURS):
        exact = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert ((pixels == exact).all(1).sum() > 500) == (row in (1, 2))
    pdf = score.save(tmp_path / "a.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    assert "<svg" in score._repr_html_() and "background:white" in score._repr_html_()
    assert engrave(chorale, hidden=hidden).sheet == score.sheet  # nothing random in it


def test_a_long_piece_has_pages_and_one_sheet(chorale):
    grid = np.concatenate([chorale.grid] * 4)
    score = engrave(Chorale(grid, sharps=-1, title="Four quartets"))
    assert len(score.pages) > 1
    bars = len(measures(chorale))
    assert len(elements(score.sheet, "measure")) == bars
    assert sum(len(elements(page, "measure")) for page in score.pages) == bars
    assert len(elements(score.sheet, "grpSym")) >= 4  # a brace a quartet
    assert "Four quartets" in score.pages[0] and "Four quartets" not in score.pages[1]
    pdf = score_module.pdf_of(score.pages)
    assert len(pdf) > 1.5 * len(score_module.pdf_of(score.pages[:1]))


def test_a_melody_alone_is_not_crowded_by_rests():
    reading = read_piece("D5:4 D5 C5 Bb4 A4:8 G4:4 r")
    sheet = engrave(reading.chorale).sheet
    assert len(elements(sheet, "note")) == 6
    assert len(elements(sheet, "mRest")) == 2  # the two bars of the lower staff
    assert len(elements(sheet, "rest")) == 1


@st.composite
def pieces(draw) -> Chorale:
    meter = draw(st.sampled_from(["4/4", "3/4", "3/2", "6/8", "12/8", "5/8", "2/2", "2/4"]))
    steps = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = np.repeat(rng.integers(45, 75, (4, steps)), draw(st.integers(1, 7)), 1)[:, :steps]
    grid[rng.random(grid.shape) < 0.1] = 0
    bar = Chorale(grid, time_signature=meter).bar
    upbeat = draw(st.integers(0, bar - 1))
    return Chorale(grid, time_signature=meter, upbeat=upbeat, sharps=draw(st.integers(-7, 7)))


@settings(max_examples=60)
@given(chorale=pieces())
def test_symbols_fill_the_bars_and_keep_the_grid(chorale):
    voices, bars = printed(chorale)
    edges = {bar.start for bar in bars} | {chorale.steps}
    for row, line in enumerate(voices):
        assert [s.start for s in line] == [0, *(s.end for s in line[:-1])]
        assert line[-1].end == chorale.steps
        again = np.concatenate([np.full(s.steps, s.pitch) for s in line])
        assert np.array_equal(again, chorale.grid[row])
        began = [s.start for s in line if s.pitch and not s.tied_from]
        assert began == np.flatnonzero(chorale.onsets[row]).tolist()
        for symbol in line:
            assert symbol.whole or symbol.steps in VALUES
            assert not any(symbol.start < edge < symbol.end for edge in edges)
        for first, second in pairwise(line):
            assert first.tied_to == second.tied_from


@settings(max_examples=60)
@given(chorale=pieces(), staff=st.sampled_from([(0, 1), (2, 3)]))
def test_accidentals_read_back_to_the_same_pitches(chorale, staff):
    """A reader who knows only the usual rule finds every pitch again."""
    voices, bars = printed(chorale)
    lines = [voices[row] for row in staff]
    mark_accidentals(lines, bars, chorale.sharps)
    altered = "FCGDAEB"[: chorale.sharps] if chorale.sharps > 0 else "BEADGCF"[: -chorale.sharps]
    signature = dict.fromkeys(altered, 1 if chorale.sharps > 0 else -1)
    signs = {"flat-flat": -2, "flat": -1, "natural": 0, "sharp": 1, "double-sharp": 2}
    for bar in bars:
        inside = [s for line in lines for s in line if bar.start <= s.start < bar.end and s.pitch]
        shown = {}
        for symbol in sorted(inside, key=lambda s: s.start):  # stable: upper voice first
            letter, _, octave = name_of(symbol.place, symbol.pitch)
            if symbol.tied_from:
                assert not symbol.accidental
                continue
            if symbol.accidental:
                shown[letter, octave] = signs[symbol.accidental]
            alteration = shown.get((letter, octave), signature.get(letter, 0))
            assert 12 * (octave + 1) + NATURALS[letter] + alteration == symbol.pitch


@pytest.mark.parametrize(
    ("meter", "upbeat", "onsets", "steps", "values"),
    [
        ("4/4", 0, [0, 2, 6], 16, [2, 4, 2, 8]),
        ("4/4", 0, [0, 6, 10], 16, [6, 2, 2, 2, 4]),  # a quarter over the middle is tied
        ("4/4", 0, [0, 2], 8, [2, 2, 4]),
        ("4/4", 0, [0, 4, 12], 16, [4, 8, 4]),
        ("4/4", 0, [0, 4, 10], 16, [4, 6, 2, 4]),
        ("3/4", 0, [0], 12, [12]),
        ("3/4", 4, [0, 4], 16, [4, 12]),
        ("6/8", 0, [0, 6], 12, [6, 6]),
        ("6/8", 0, [0, 4], 12, [4, 2, 6]),
        ("4/4", 0, [0, 3], 4, [3, 1]),
    ],
)
def test_values_show_the_beats(meter, upbeat, onsets, steps, values):
    pitches = np.zeros(steps, int)
    for index, onset in enumerate(onsets):
        pitches[onset:] = 60 + index
    chorale = Chorale(pitches[None], time_signature=meter, upbeat=upbeat)
    assert [symbol.steps for symbol in printed(chorale)[0][0]] == values


def test_musicxml_is_laid_out_for_a_hymn_book(chorale):
    root = ET.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", musicxml_of(chorale)))
    assert [name.text for name in root.iter("part-name")] == ["Soprano Alto", "Tenor Bass"]
    assert [clef.findtext("sign") for clef in root.iter("clef")] == ["G", "F"]
    stems = {
        (n.findtext("voice"), n.findtext("stem"))
        for n in root.iter("note")
        if n.find("stem") is not None
    }
    assert stems == {("1", "up"), ("2", "down")}
    for measure in root.iter("measure"):
        beams = [beam.text for beam in measure.iter("beam") if beam.get("number") == "1"]
        assert beams.count("begin") == beams.count("end")
    with pytest.raises(ChoraleError, match="layout: expected 'closed' or 'open'"):
        musicxml_of(chorale, layout="choir")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": np.zeros((4, 3), bool)}, "hidden: expected the grid's shape"),
        ({"width": 10}, "width: expected 600-10000, got 10"),
    ],
)
def test_bad_options(chorale, options, says):
    with pytest.raises(ChoraleError, match=says):
        engrave(chorale, **options)


def test_bad_places(chorale, tmp_path, monkeypatch):
    score = engrave(chorale)
    with pytest.raises(ChoraleError, match=r"ends in \.svg, \.png, \.pdf"):
        score.save(tmp_path / "a.bmp")
    (tmp_path / "a.svg").write_text("mine")
    with pytest.raises(ChoraleError, match="already exists"):
        score.save(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text() == "mine"

    real = builtins.__import__

    def without_cairo(name, *arguments, **options):
        if name == "cairosvg":
            raise OSError("no library called cairo was found")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_cairo)
    with pytest.raises(ChoraleError, match="apt-get install libcairo2"):
        score.save(tmp_path / "a.png")
    assert score.save(tmp_path / "b.svg").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "b.svg"]


def test_a_piece_too_tall_for_one_sheet_has_pages(chorale, tmp_path, monkeypatch):
    monkeypatch.setattr("coconet.score.TALLEST", 1200)
    score = engrave(chorale)
    assert score.sheet == "" and score.pages == engrave(chorale).pages
    bars = len(measures(chorale))
    assert sum(len(elements(page, "measure")) for page in score.pages) == bars
    for suffix in (".svg", ".png"):
        with pytest.raises(ChoraleError, match=r"too long for one sheet.* as \.pdf"):
            score.save(tmp_path / f"a{suffix}")
    assert score.save(tmp_path / "a.pdf").read_bytes().startswith(b"%PDF-")
    assert score._repr_html_().count("<svg") >= len(score.pages)


def test_a_wide_page_takes_two_systems_of_sixteen_voices(chorale):
    assert score_module.page_width(4) == score_module.WIDTH
    assert score_module.page_width(400) == score_module.WIDEST
    stack = Chorale(np.concatenate([chorale.grid] * 4))
    for width, systems in ((score_module.WIDTH, 1), (score_module.page_width(16), 2)):
        first = engrave(stack, width=width).pages[0]
        assert len(elements(first, "system")) == systems


def test_signs_drawn_where_they_stand_look_the_same(chorale, hidden):
    page = engrave(chorale, hidden=hidden).pages[0]
    own = score_module._with_own_glyphs(page)
    assert page.count("<use ") > 100 and "<use " not in own
    assert score_module.png_of(own) == score_module.png_of(page)
