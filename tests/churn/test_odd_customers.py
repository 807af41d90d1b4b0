"""Does one glitch customer (an order a day of a billion) leave the churn scores of the others alone?"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from crm_analytics import clv
from crm_analytics.churn import training
from crm_analytics.churn.kinds import kind_of
from crm_analytics.modelling.cutoffs import Cutoff
from tests import build

AS_OF = date(2024, 7, 1)
KIND = kind_of("purchase")


def test_nothing_is_learned_from_a_glitch_neither_theory_nor_rows_nor_pauses() -> None:
    draw = np.random.default_rng(1)
    days = {
        f"c{number}": sorted(
            {(AS_OF - timedelta(days=int(ago))).isoformat() for ago in draw.integers(1, 400, 6)}
        )
        for number in range(40)
    }
    lines = build.order_lines_of(days)
    for number in range(350):
        day = (AS_OF - timedelta(days=1 + number)).isoformat()
        lines += build.order_lines_of({"glitch": [day]}, amount="1000000000")
        lines[-1]["order_source_id"] = f"glitch-{number}"
    with build.warehouse(order_lines=lines) as wh:
        history = clv.summary(wh, as_of=AS_OF)
        odd = frozenset(history["customer_id"][KIND.odd(history)])
        assert odd == {"default:glitch"}
        table = training._table(
            wh, KIND, (Cutoff(AS_OF - timedelta(days=60), 60),),
            active_days=200, leaving="any", known_at=None, odd=odd,
        )  # fmt: skip
        pauses = wh.rows(KIND.file(KIND.first_day), as_of=AS_OF, known_at=None, odd=sorted(odd))[0]
        assert (pauses[1], pauses[3] > 100) == (40, True)
        assert wh.rows(KIND.file(KIND.first_day), as_of=AS_OF, known_at=None, odd=[])[0][3] < pauses[3]
    assert not set(table["customer_id"]) & odd
    assert len(table) > 20
    assert "1 odd customer was left out" in training._left_out(odd)[0]
    # alone in the fit it would shift everybody's chance; bounded as lifetime value bounds it, it does not
    usual = history[~history["customer_id"].isin(odd)]
    by_all, by_usual = (
        KIND.log_odds(KIND.fit_theory(rows), usual, 60).to_numpy() for rows in (history, usual)
    )
    assert np.array_equal(by_all, by_usual)
