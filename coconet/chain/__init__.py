"""A chain: an ordered list of layers, from Python or a small YAML.

>>> from coconet.chain import Chain, Layer, run_chain
>>> from coconet.corpus import load_corpus
>>> chain = Chain([Layer("stretch", {"low": 2, "high": 4}), "retrograde"], seed=3)
>>> result = run_chain(chain, load_corpus("demo")[0])
>>> voice, step = result.map.source(0, 0)
>>> int(voice), int(step)  # the first cell was the last
(0, 271)

`coconet.closing` makes the layer `ending`, which needs a model, for `run_chain`.
"""

from coconet.chain.layers import HANDED_IN, Chain, Layer
from coconet.chain.running import ChainResult, Maker, Stage, run_chain
from coconet.chain.text import dump_chain, load_chain, parse_chain, shipped_chains

__all__ = [
    "HANDED_IN",
    "Chain",
    "ChainResult",
    "Layer",
    "Maker",
    "Stage",
    "dump_chain",
    "load_chain",
    "parse_chain",
    "run_chain",
    "shipped_chains",
]
