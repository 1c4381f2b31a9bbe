"""btcframe: a declarative plugin framework for machine-learned BTC trading on level-2 order-book data.

The flow, and the module where each arrow lives::

    sources → EVENT → pipeline (clock, book, rows, features, regime) → X
    X → stores → split → model → artefacts                            (train)
    X → predictor → policy → risk → venue                             (trader)

Plugin authors need `btcframe.api` (the protocols), `btcframe.types` (the records), `btcframe.hookspecs`
(the three hooks) and `btcframe.testing` (the contract).
"""

__version__ = "0.1.0"
