"""Models from and for model checkers: Storm's DRN format, the explicit files of PRISM and Storm, Gymnasium's tables.

Probabilities and rewards may be decimal, scientific or rational (``1/3``). All objectives are maximised, so cost
structures are named in ``minimise`` and change their sign. What a file promises (numbers of states, choices,
transitions and rewards) is compared with what it holds, so that a file that was cut short is not taken for a whole
one; what is not supported (rates, intervals, parameters, partial observations, games) is refused by name.

Sources: https://www.stormchecker.org/documentation/background/drn.html and ``…/languages.html``;
https://www.prismmodelchecker.org/manual/Appendices/ExplicitModelFiles.
"""

from morl.exact.files.drn import read_drn, write_drn
from morl.exact.files.prism import read_prism
from morl.exact.files.toy_text import from_toy_text

__all__ = ["from_toy_text", "read_drn", "read_prism", "write_drn"]
