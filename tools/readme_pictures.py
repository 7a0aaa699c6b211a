"""Draw the pictures of README.md and docs/sound.md anew: `python tools/readme_pictures.py`."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from coconet import places
from coconet.chorale import Chorale
from coconet.corpus import crop, load_corpus
from coconet.files import atomic_path
from coconet.infill import choose_hidden, infill
from coconet.jobs import version_generators
from coconet.layer_plots import stages_figure
from coconet.morphs import morph
from coconet.performance_plots import performance_figure
from coconet.predictor import load_predictor
from coconet.render import perform_tempered, sound_of
from coconet.render.tape import SAMPLE_RATE
from coconet.replace import Plan, replace_voices
from coconet.score import engrave, png_of
from coconet.transforms import arpeggiate, octave_shift, stretch
from coconet.tuning_plots import beating_figure, temperaments_figure

#: The first two phrases.
SPAN = (0, 80)
#: A phrase that leaves the key in three places.
LEAVES = (80, 120)


def main() -> None:
    bach = next(chorale for chorale in load_corpus("demo") if chorale.bwv == "180.7")
    hidden = choose_hidden(bach, rewrite="alto,tenor")
    predictor = load_predictor(places.models() / "chorales")
    written = infill(predictor, bach, hidden)[0]
    scores = [
        engrave(crop(bach, SPAN), title="Bach"),
        engrave(crop(written, SPAN), hidden=hidden[:, slice(*SPAN)], title=""),
    ]
    pictures = [Image.open(io.BytesIO(png_of(score.sheet))) for score in scores]
    whole = Image.new("RGB", (pictures[0].width, sum(p.height for p in pictures)), "white")
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    save(whole, "before-after.png")
    rngs = version_generators(1, 1)
    replaced = replace_voices(predictor, [crop(bach, SPAN)], Plan(rounds=2), rngs=rngs)[0]
    save(drawn(morph(replaced, curves=False)), "morph.png")
    save(drawn(lingering(bach)), "lingering.png")
    performance, _ = perform_tempered(bach)
    save(drawn(performance_figure(performance)), "performance.png")
    save(drawn(temperaments_figure(tonic=bach.tonic)), "temperaments.png")
    save(drawn(beats()), "beats.png")


def lingering(bach: Chorale) -> Figure:
    """A phrase of a chorale, and the same after one layer, two and three."""
    rng = np.random.default_rng(1)
    phrase = crop(bach, LEAVES)
    lingers = stretch(phrase, low=4, high=8, rng=rng)
    mask = [
        [0, 0, 0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 0, 1, 0, 0],
        [0, 1, 0, 0, 1, 0, 0, 1],
        [1, 0] * 4,
    ]
    broken = arpeggiate(lingers, mask=mask)
    spread = octave_shift(broken, share=0.15, clump=12, rng=rng)
    stages = {
        "Bach": phrase,
        "lingering where a voice leaves the key": lingers,
        "broken chords": broken,
        "octaves": spread,
    }
    return stages_figure(list(stages.items()))


def beats() -> Figure:
    """A major third on the organ, equal and well tempered: its spectrum, and how it beats."""
    third = Chorale(np.array([[69] * 8, [65] * 8]), tempo=40, tonic=5)  # A4 over F4, 3 s
    names = ("equal", "secor-victorian")
    hz = [perform_tempered(third, tuning=name)[1].hz for name in names]
    options = {"instrument": "organ", "hall": None, "style": "plain"}
    sounds = [sound_of(third, tuning=name, **options)[: 3 * SAMPLE_RATE] for name in names]
    low, high = ((each[65], each[69]) for each in hz)
    return beating_figure(
        *sounds, SAMPLE_RATE, notes_a=low, notes_b=high, names=names,
        title="The major third F4-A4 on the organ",
    )  # fmt: skip


def drawn(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return Image.open(buffer).convert("RGB")


def save(picture: Image.Image, name: str) -> None:
    with atomic_path(places.root() / "docs" / "images" / name) as path:
        picture.quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
