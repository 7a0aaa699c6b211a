"""Several training runs side by side: their curves, likelihoods, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from coconet.runs import read_curves, read_likelihoods

HEADS = ("update", "minutes", "train_loss", "valid_loss", "accuracy")


@dataclass(frozen=True)
class Comparison:
    """What several runs have to show for themselves.

    curves : by run, a row a validation, as `coconet.runs.read_curves` gives them
    likelihoods : by run, those measured by `rules`, as `coconet.runs.Likelihood`'s fields
    rules : how they were measured; empty where none were
    left_out : other rules, by which fewer runs were measured
    """

    curves: dict[str, list[dict[str, float]]]
    likelihoods: dict[str, list[dict[str, object]]]
    rules: str
    left_out: tuple[str, ...]

    def table(self) -> str:
        """The runs' last figures, a line each, and what the likelihoods rest on."""
        last = {name: rows[-1] for name, rows in self.curves.items()}
        voices = [key for key in next(iter(last.values())) if key.startswith("accuracy_")]
        columns = (*HEADS, *voices)
        places = (0, 1, *[3] * (len(columns) - 2))
        titles = [column.removeprefix("accuracy_").removesuffix("_loss") for column in columns]
        lines = [["run", *titles, "best valid", *(["likelihood"] if self.rules else [])]]
        for name, rows in self.curves.items():
            cells = [
                f"{last[name][column]:.{count}f}" if column in last[name] else ""
                for column, count in zip(columns, places, strict=True)
            ]
            valid = [row["valid_loss"] for row in rows if "valid_loss" in row]
            cells.append(f"{min(valid):.3f}" if valid else "")
            if self.rules:
                found = self.likelihoods[name]
                cells.append(f"{found[-1]['nats']:.3f} ± {found[-1]['error']:.3f}" if found else "")
            lines.append([name, *cells])
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        told = []
        for name, *cells in lines:
            row = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
            told.append(f"{name:<{widths[0]}}  {'  '.join(row)}".rstrip())
        if self.rules:
            told.append(f"likelihood: {self.rules}")
        if self.left_out:
            told.append(f"left out, measured by other rules: {'; '.join(self.left_out)}")
        return "\n".join(told)


def compare(runs: Sequence[Path | str]) -> Comparison:
    """Read several runs' folders; likelihoods by the rules that most of them were measured by."""
    names = list(dict.fromkeys(map(str, runs)))
    curves = {name: read_curves(name) for name in names}
    found = {name: read_likelihoods(name) for name in names}
    rules = [
        rule
        for likelihoods in found.values()
        for rule in dict.fromkeys(one.rules for one in likelihoods)
    ]
    chosen = max(rules, key=rules.count, default="")
    return Comparison(
        curves,
        {
            name: [asdict(one) for one in likelihoods if one.rules == chosen]
            for name, likelihoods in found.items()
        },
        chosen,
        tuple(sorted(set(rules) - {chosen})),
    )
