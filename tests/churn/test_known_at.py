"""Is what was learned later left out when we ask what was known then?  Late arrivals change no score of that
time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pandas.testing import assert_frame_equal

from crm_analytics import churn
from tests import build
from tests.churn.conftest import AS_OF, shop


def test_late_arrivals_and_edits_change_nothing_of_what_was_known_then(tmp_path: Path) -> None:
    rows = shop(120, seed=2)
    before = [row for row in rows["order_lines"] if row["occurred_at"] < AS_OF.isoformat()]
    first, late = before[::2], before[1::2]
    then = build.RECORDED_AT
    given: dict[str, Any] = {"as_of": AS_OF, "horizon_days": 60, "active_days": 120, "known_at": then}
    with build.warehouse(order_lines=first, tickets=rows["tickets"]) as wh:
        model = churn.train(wh, **given)
        scores = churn.score(wh, model, as_of=AS_OF, known_at=then)
        now = churn.score(wh, model, as_of=AS_OF)
        assert_frame_equal(now, scores, check_exact=True)  # nothing has come since
        later = then + timedelta(days=1)
        build.add(wh, "order_lines", late, recorded_at=later)
        slower = [{**ticket, "resolved_at": "2024-06-30"} for ticket in rows["tickets"][:40]]
        build.add(wh, "tickets", slower, recorded_at=later)
        own = [{"source_id": "c000", "is_internal": True, "created_at": "2023-01-01"}]
        build.add(wh, "customers", own, recorded_at=later)
        again = churn.train(wh, **given)
        assert again.save(tmp_path / "a.json").read_bytes() == model.save(tmp_path / "b.json").read_bytes()
        assert_frame_equal(churn.score(wh, model, as_of=AS_OF, known_at=then), scores, check_exact=True)
        now = churn.score(wh, model, as_of=AS_OF)
        assert len(now) > len(scores) or not now["churn_probability"].equals(scores["churn_probability"])
        assert set(now.loc[now["status"] == "excluded", "source_id"]) == {"c000"}
        # before anything was recorded nothing was known
        assert churn.score(wh, model, as_of=AS_OF, known_at=datetime(2029, 1, 1, tzinfo=UTC)).empty
