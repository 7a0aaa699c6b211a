"""Draw the pictures of README.md anew with the shipped model: `python tools/readme_pictures.py`."""

from __future__ import annotations

import io

from PIL import Image

from coconet import places
from coconet.corpus import crop, load_corpus
from coconet.files import atomic_path
from coconet.infill import choose_hidden, infill
from coconet.jobs import version_generators
from coconet.morphs import morph
from coconet.predictor import load_predictor
from coconet.replace import Plan, replace_voices
from coconet.score import engrave, png_of

#: The first two phrases.
SPAN = (0, 80)


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
    drawn = io.BytesIO()
    morph(replaced, curves=False).savefig(drawn, format="png", dpi=100)
    save(Image.open(drawn).convert("RGB"), "morph.png")


def save(picture: Image.Image, name: str) -> None:
    with atomic_path(places.root() / "docs" / "images" / name) as path:
        picture.quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
