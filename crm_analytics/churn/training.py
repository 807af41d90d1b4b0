"""Which model predicts leaving best, and is it good enough to be used?  Training by walking forward in
time.

Event: a customer who bought in the `active_days` before a day places no order in the `horizon_days` from
it on; or none of a customer's contracts runs any more at the end of the horizon. Cutoffs walk back from
`as_of` month by month, so that every label ended before `as_of` and each season can be compared with the
same one of the year before. Candidates are compared on up to three of them as they would have met them
(`crm_analytics.churn.choice`); the best is then fitted once more on all cutoffs. A learned model that does
not beat the baselines there is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

import pandas as pd

from crm_analytics.churn.activity import purchases_show
from crm_analytics.churn.candidates import CANDIDATES, candidates_for, outcome_of
from crm_analytics.churn.choice import Choice, choose, one_outcome, one_row_each
from crm_analytics.churn.kinds import LEAVING, Kind, kind_of
from crm_analytics.churn.known import known
from crm_analytics.churn.model import ChurnModel
from crm_analytics.errors import NotEnoughData, UsageError
from crm_analytics.facts import settle_currency
from crm_analytics.modelling.arguments import day_count, one_of, optional_days
from crm_analytics.modelling.arguments import known as known_moment
from crm_analytics.modelling.arguments import seed as checked_seed
from crm_analytics.modelling.cutoffs import Cutoff, monthly_cutoffs, months_before
from crm_analytics.modelling.model_card import CutoffUse, ModelCard
from crm_analytics.modelling.training_table import training_table
from crm_analytics.warehouse import Warehouse, check_day

# Two years, so that the last windows have the same season a year before, and three hold-outs before them.
MAX_MONTHS = 24
# More cutoffs than this add little and cost their facts: then every third month is taken.
MAX_CUTOFFS = 16
THINNED_MONTHS = 3
# A shorter history than so many horizons tells too little of a rhythm, unless there is no longer one.
SETTLED_HORIZONS = 2
# More rows than this teach the small trees nothing new; customers beyond it are left out by their hash.
MAX_TRAINING_ROWS = 200_000


def train(
    wh: Warehouse,
    *,
    as_of: date,
    horizon_days: int = 90,
    active_days: int | None = None,
    kind: str = "purchase",
    leaving: str = "any",
    known_at: datetime | None = None,
    seed: int = 0,
) -> ChurnModel:
    """Train, compare and choose a churn model whose labels all end at or before `as_of`.

    Parameters
    ----------
    wh : Warehouse
        Where the facts are.
    as_of : date
        First day not seen. The model may be used to score at this day.
    horizon_days : int, default 90
        Length of the window without an order (in which the contracts end) that is called churn.
    active_days : int, optional
        Who has not bought for longer than this has left already. Default: what the data show, see
        `crm_analytics.churn.activity`. Purchases only.
    kind : str, default "purchase"
        ``purchase``: customers fall silent. ``contract``: customers whose last contract ends.
    leaving : str, default "any"
        For contracts: ``voluntary`` (cancelled by the customer, or let run out) or ``involuntary`` (ended
        by us) counts only these ends as churn; who left in the other way counts as not churned.
    known_at : datetime, optional
        Learn from what was recorded by then: late arrivals and edits are left out, of features and of labels.
        Default: all that is known.
    seed : int, default 0
        Seed of the trees' sampling and of the intervals.

    Returns
    -------
    ChurnModel
        ``card.verdict`` says in a sentence whether it may be used.

    Raises
    ------
    NotEnoughData
        No cutoff fits between the first purchase (contract) and `as_of`, or nobody was active. (Where all or
        none of them left, everybody gets one rate, and the card says that it is not enough.)
    UsageError
        `horizon_days` or `active_days` is below 1, `as_of` is no date, `kind` or `leaving` is not known or
        does not fit the other.

    Examples
    --------
    >>> train(Warehouse.open(), as_of=date(2024, 1, 1))
    Traceback (most recent call last):
    ...
    crm_analytics.errors.NotEnoughData: There is no purchase before 2024-01-01...
    """
    asked = kind_of(kind)
    _check(as_of, horizon_days, active_days, kind, leaving, known_at, seed)
    settle_currency(wh)
    history = asked.history(wh, as_of=as_of, known_at=known_at)
    odd = frozenset(history["customer_id"][asked.odd(history)])
    if kind == "contract":
        first_on, active = _first_contract(wh, asked, as_of, known_at), 0
    else:
        first_on, shown = _first_purchase(wh, as_of, horizon_days, known_at, odd)
        active = active_days or shown
    cutoffs = _cutoffs(first_on, as_of, horizon_days)
    table = _table(wh, asked, cutoffs, active_days=active, leaving=leaving, known_at=known_at, odd=odd)
    segment = table.pop("segment")
    if table.empty:
        raise NotEnoughData(
            f"Nobody was active at the {len(cutoffs)} cutoffs before {as_of}, so there is no outcome to "
            "learn from. Use another horizon_days or active_days, or more history."
        )
    if table["churned"].nunique() == 1:
        choice, learned = one_outcome(table), one_row_each(table)
    else:
        choice, learned = choose(table, horizon_days=horizon_days, segment=segment, seed=seed), table
    fitted = CANDIDATES[choice.chosen].fit(learned, outcome_of(learned), seed=seed)
    return ChurnModel(
        kind=kind,
        leaving=leaving,
        horizon_days=horizon_days,
        active_days=active,
        as_of=as_of,
        chosen=choice.chosen,
        fitted=fitted,
        theory=asked.fit_theory(_without(history, odd)),
        card=ModelCard(
            name=asked.model.replace("_", " "),
            event=_event(kind, leaving, active, horizon_days),
            as_of=as_of,
            horizon_days=horizon_days,
            cutoffs=tuple(_uses(table, choice)),
            features=asked.columns,
            metrics=choice.metrics,
            baselines=_baselines(table, choice),
            chosen=choice.chosen,
            verdict=choice.verdict,
            notes=(*choice.evidence.notes, *_left_out(odd)),
            by_cutoff=choice.evidence.by_cutoff,
            by_segment=choice.evidence.by_segment,
            reliability=choice.evidence.reliability,
        ),
    )


def _baselines(table: pd.DataFrame, choice: Choice) -> tuple[str, ...]:
    """Return the simple ways that were tried; all there are, where nothing could be judged."""
    simple = (name for name, one in candidates_for(table).items() if one.is_baseline)
    return tuple(name for name in simple if name in {*choice.metrics, choice.chosen} or not choice.metrics)


def _without(rows: pd.DataFrame, odd: frozenset[str]) -> pd.DataFrame:
    return rows[~rows["customer_id"].isin(odd)] if odd else rows


def _left_out(odd: frozenset[str]) -> tuple[str, ...]:
    """Say how many were left out; ids stay out of model files, which outlive the erasure of a person."""
    if not odd:
        return ()
    who = "1 odd customer was" if len(odd) == 1 else f"{len(odd)} odd customers were"
    return (
        f"{who} left out of learning (far more purchase days, far more spend or far older than all others), "
        "and is scored all the same; the status `odd` or `odd_spend` of lifetime value says who",
    )


def _event(kind: str, leaving: str, active_days: int, horizon_days: int) -> str:
    if kind == "contract":
        how = (
            ""
            if leaving == "any"
            else f", {'by their own will' if leaving == 'voluntary' else 'ended by us'}"
        )
        return (
            "a customer with a running contract on the day of the score has none any more "
            f"{horizon_days} days later{how}"
        )
    return (
        f"a customer who bought in the {active_days} days before the day of the score places no order in "
        f"the {horizon_days} days from it on"
    )


def _check(
    as_of: date,
    horizon_days: int,
    active_days: int | None,
    kind: str,
    leaving: str,
    known_at: datetime | None,
    seed: int,
) -> None:
    check_day(as_of)
    day_count("horizon_days", horizon_days)
    optional_days("active_days", active_days, what="; leave it out to take it from the data")
    one_of("leaving", leaving, LEAVING)
    known_moment(known_at)
    checked_seed(seed)
    if kind == "contract" and active_days is not None:
        raise UsageError("active_days is for purchases: of contracts those that run are asked about.")
    if kind != "contract" and leaving != "any":
        raise UsageError(f"leaving={leaving!r} is for contracts: who only stops to buy gives no notice.")


def _first_contract(wh: Warehouse, kind: Kind, as_of: date, known_at: datetime | None) -> date:
    """Return the first day of the first contract."""
    first_on: date | None = wh.rows(kind.file(kind.first_day), as_of=as_of, known_at=known_at)[0][0]
    if first_on is None:
        raise NotEnoughData(f"There is no contract before {as_of}, so none can end.")
    return first_on


def _first_purchase(
    wh: Warehouse, as_of: date, horizon_days: int, known_at: datetime | None, odd: frozenset[str]
) -> tuple[date, int]:
    """Return the first purchase day and the active days that purchases show."""
    first_on, active = purchases_show(wh, as_of=as_of, horizon_days=horizon_days, known_at=known_at, odd=odd)
    if first_on is None:
        raise NotEnoughData(f"There is no purchase before {as_of}, so nobody can be about to leave.")
    return first_on, active


def _cutoffs(first_on: date, as_of: date, horizon_days: int) -> tuple[Cutoff, ...]:
    months = MAX_MONTHS + horizon_days // 30
    cutoffs = monthly_cutoffs(end_on=as_of, horizon_days=horizon_days, first_on=first_on, max_months=months)
    if not cutoffs:
        raise NotEnoughData(
            f"Facts begin on {first_on}; a label of {horizon_days} days that ends before {as_of} needs an "
            "earlier start. Use a shorter horizon_days or a later as_of."
        )
    # On the very first days there is no history to learn a rhythm from.
    for horizons in range(SETTLED_HORIZONS, 0, -1):
        settled = tuple(one for one in cutoffs if (one.as_of - first_on).days >= horizons * horizon_days)
        if len(settled) > 1 and (settled[-1].as_of - settled[0].as_of).days >= horizon_days:
            return _thinned(settled, as_of)
    return settled or cutoffs[-1:]


def _thinned(cutoffs: tuple[Cutoff, ...], as_of: date) -> tuple[Cutoff, ...]:
    """Return all, or every third counted from the last, with those of the season of `as_of`."""
    if len(cutoffs) <= MAX_CUTOFFS:
        return cutoffs
    season = {months_before(as_of, 12), months_before(as_of, 24)}
    third = cutoffs[::-1][::THINNED_MONTHS]
    return tuple(one for one in cutoffs if one in third or one.as_of in season)


def _table(
    wh: Warehouse,
    kind: Kind,
    cutoffs: tuple[Cutoff, ...],
    *,
    active_days: int,
    leaving: str,
    known_at: datetime | None,
    odd: frozenset[str],
) -> pd.DataFrame:
    def label(cutoff: Cutoff) -> pd.DataFrame:
        file = kind.file(kind.label)
        given: dict[str, object] = {
            "as_of": cutoff.as_of,
            "horizon_days": cutoff.horizon_days,
            "active_days": active_days,
            "known_at": known_at,
        }
        rows = wh.frame(file, **{name: given[name] for name in file.parameters})
        if leaving != "any":
            rows["churned"] = (rows["churn_kind"] == leaving).astype("int64")
        rows = _without(rows[["customer_id", "churned"]], odd)
        return _drawn(rows, MAX_TRAINING_ROWS // len(cutoffs))

    def features_of(cutoff: Cutoff, customers: pd.Series) -> pd.DataFrame:
        history = kind.history(wh, as_of=cutoff.as_of, known_at=known_at)
        frame = known(
            wh,
            kind,
            as_of=cutoff.as_of,
            horizon_days=cutoff.horizon_days,
            customers=customers,
            history=history,
            theory=kind.fit_theory(_without(history, odd)),
            active_days=active_days,
            known_at=known_at,
        )
        # no feature: what the model is judged by
        return frame.assign(segment=kind.segments(wh, frame, cutoff.as_of, known_at))

    return training_table(
        cutoffs,
        features=features_of,
        label=label,
        around=lambda cutoff: wh.holding(*kind.held_facts, as_of=cutoff.as_of, known_at=known_at),
    )


def _drawn(rows: pd.DataFrame, wanted: int) -> pd.DataFrame:
    """Return all rows, or those of the customers whose hash falls into the share that is wanted."""
    if len(rows) <= wanted:
        return rows
    hashes = pd.util.hash_array(rows["customer_id"].to_numpy(dtype=object))
    return rows[hashes < int(2**64 * (wanted / len(rows)))]


def _uses(table: pd.DataFrame, choice: Choice) -> Iterator[CutoffUse]:
    """Yield what each day with a customer served for; a day without any taught nothing."""
    for day, rows in table.groupby("as_of", sort=True)["churned"]:
        as_of = pd.Timestamp(day).date()
        role = "hold-out" if as_of in choice.hold_outs else "train"
        yield CutoffUse(as_of, role, len(rows), float(rows.mean()))
