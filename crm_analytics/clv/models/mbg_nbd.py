"""How many purchases will each customer make, if one may also leave right after the first?  MBG/NBD.

The modified BG/NBD of Batislam, Denizel and Filiztekin (2007): as bg_nbd.py, but the chance of leaving is
also taken at the first purchase, so that one-time buyers may have left (P(alive) < 1 at frequency 0).
Conventions and units as in bg_nbd.py.

Sources: Batislam, Denizel and Filiztekin (2007), Int. J. of Research in Marketing 24(3), 201-209; Hoppe and
Wagner (2007) for the same model as CBG/NBD.
"""

from __future__ import annotations

from typing import ClassVar

from crm_analytics.clv.models.bg_nbd import BetaGeoModel


class ModifiedBetaGeoModel(BetaGeoModel):
    """MBG/NBD: as BetaGeoModel, with a first chance to leave at the first purchase.

    Examples
    --------
    >>> import pandas as pd
    >>> weekly = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
    >>> model = ModifiedBetaGeoModel.from_parameters(weekly, unit="week")
    >>> one = pd.DataFrame({"frequency": [2], "recency": [30.43 * 7], "T": [38.86 * 7]})
    >>> round(float(model.probability_alive(one).iloc[0]), 6)
    0.706202
    """

    name: ClassVar[str] = "mbg_nbd"
    leaves_at_first: ClassVar[bool] = True
