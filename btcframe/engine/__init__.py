"""Where heavy parts are worked on: in this process, in others of this machine, or on a Ray cluster.

The parts are the same wherever, and are given in the same order: so are the bits. What a part needs of large arrays it
is told by their place; it maps the files that they lie in.
"""

from btcframe.engine.parts import Died, Unsendable, Where, Workers, handed, several, workers

__all__ = ["Died", "Unsendable", "Where", "Workers", "handed", "several", "workers"]
