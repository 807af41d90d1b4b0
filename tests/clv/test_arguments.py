"""Does a wrong argument of anything public in `crm_analytics.clv` end in our words, with the argument named?

Swept over every function of the package and every question of its models: each argument gets each value that
its kind cannot be.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from crm_analytics import clv
from crm_analytics.clv.cohort_models import Models
from crm_analytics.clv.models import MODELS
from crm_analytics.errors import CrmError, UsageError
from crm_analytics.warehouse import Warehouse

AS_OF = date(2024, 7, 1)
NAN, WORD = float("nan"), "x"
NO_NUMBER: tuple[Any, ...] = (WORD, NAN, float("inf"), -1, [1], True, object())
KINDS: dict[str, tuple[Any, ...]] = {
    "number": (*NO_NUMBER, None),
    "optional number": NO_NUMBER,
    "count": (*NO_NUMBER, 1.5, None),
    "optional count": (*NO_NUMBER, 1.5),
    "share": (*NO_NUMBER, None, 0.0, 1.0),
    "day": (WORD, None, NAN, 3),
    "optional day": (WORD, NAN, 3),
    "table": (WORD, None, 3, [1]),
    "word": (WORD, None, 3, ["bg_nbd"]),
    "optional word": (WORD, 3, ["bg_nbd"]),
    "words": (WORD, 3, [], [WORD], [3], "bg_nbd"),
    "names": (WORD, 3, None, [3], ["web", "web"]),
    "object": (WORD, None, 3),
    "optional object": (WORD, 3),
    "name": (None, 3),
    "flag": (WORD, None, 1),
    "array": (WORD, None, 3, [NAN], [WORD] * 4, [-1.0] * 4),
    "optional array": (WORD, 3, [NAN], [WORD] * 4, [-1.0] * 4),
    "traits": (WORD, 3, {"colour": 1.0}),
}
BG = clv.BetaGeoModel.from_parameters({"r": 0.55, "alpha": 42.0, "a": 0.8, "b": 2.5})
SPEND = clv.GammaGammaModel.from_parameters({"p": 6.25, "q": 3.74, "v": 15.44})
CONTRACTS = clv.ShiftedBetaGeoModel.from_parameters({"alpha": 1.0, "beta": 2.0})
USED = Models(BG, SPEND)
CUSTOMERS = pd.DataFrame(
    {"customer_id": list("abcd"), "frequency": [0, 1, 3, 0], "recency": [0, 9, 30, 0], "T": 40,
     "monetary_value": [0.0, 5.0, 6.0, 0.0], "log_gap_sum": [0.0, np.log(9.0), 5.0, 0.0], "actual": 1}
)  # fmt: skip
LIVES = pd.DataFrame({"periods": [1, 2], "has_ended": [True, False], "cohort": "a"})
DAILY = pd.DataFrame({"ordered_on": ["2024-01-01"], "first_purchases": [3], "repeat_purchases": [0]})
LEFT = pd.DataFrame({"period": [0, 1], "customers": [10, 6]})
WH = Warehouse.open(":memory:")
INDEX = clv.SeasonalIndex.given("month", [1.0] * 12)
VALUE = {
    "horizon_days": "number", "annual_discount_rate": "number", "level": "share", "robust": "flag",
    "margin_rate": "optional object",
}  # fmt: skip
PLACE = {"wh": "object", "as_of": "day"}
ASK: dict[str, Any] = {"summary": CUSTOMERS}
# what is called -> arguments that can be, and what kind of argument is swept
SWEPT: dict[str, tuple[Callable[..., Any], dict[str, Any], dict[str, str]]] = {
    "fit_models": (clv.fit_models, ASK, {"summary": "table", "model": "word", "robust": "flag"}),
    "compare": (
        clv.compare,
        {"wh": WH, "as_of": AS_OF},
        {**PLACE, "horizon_days": "count", "models": "words", "max_origins": "count",
         "max_customers": "count"},
    ),
    "choose_model": (
        clv.choose_model, {"wh": WH, "as_of": AS_OF}, {**PLACE, "horizon_days": "count", "models": "words"},
    ),
    "contract_lives": (
        clv.contract_lives, {"wh": WH, "as_of": AS_OF}, {**PLACE, "period_days": "optional count"},
    ),
    "opportunity_summary": (
        clv.opportunity_summary, {"wh": WH, "as_of": AS_OF, "period_days": 7},
        {**PLACE, "period_days": "count"},
    ),
    "summary": (clv.summary, {"wh": WH, "as_of": AS_OF}, {**PLACE, "known_at": "optional day"}),
    "kept_models": (clv.kept_models, {"wh": WH, "as_of": AS_OF}, PLACE),
    "models_table": (
        clv.models_table, {"models": USED, "as_of": AS_OF}, {"models": "object", "as_of": "day"},
    ),
    "score_summary": (
        clv.score_summary, ASK, {**VALUE, "summary": "table", "model": "word", "models": "optional object"},
    ),
    "group_totals": (
        clv.group_totals,
        {"known": CUSTOMERS, "used": USED, "group": [0, 0, 1, 1], "horizon_days": 90},
        {"known": "table", "used": "object", "group": "array", "horizon_days": "number", "level": "share",
         "annual_discount_rate": "number", "margin_rate": "optional object", "costs": "optional object"},
    ),
    "holdout": (
        clv.holdout,
        {"wh": WH, "calibration_end": AS_OF, "holdout_days": 90},
        {"wh": "object", "calibration_end": "day", "holdout_days": "count", "models": "words"},
    ),
    "score_in_database": (
        clv.score_in_database,
        {"wh": WH, "as_of": AS_OF, "models": USED, "into": "scores.mine"},
        {**PLACE, "models": "object", "into": "name", "horizon_days": "number", "level": "share",
         "annual_discount_rate": "number", "batch": "count"},
    ),
    "lifetime_value": (
        clv.lifetime_value,
        {"wh": WH, "as_of": AS_OF},
        {**PLACE, **VALUE, "model": "optional word", "ticket_cost": "number"},
    ),
    "value_by": (
        clv.value_by,
        {"wh": WH, "as_of": AS_OF},
        {**PLACE, **VALUE, "model": "optional word", "ticket_cost": "number", "by": "word"},
    ),
    "from_lifetimes": (
        clv.from_lifetimes, {"fitter": BG, "unit": "day"}, {"fitter": "object", "unit": "word"},
    ),
    "to_lifetimes": (
        clv.to_lifetimes, {"model": BG}, {"model": "object", "unit": "word", "summary": "optional object"},
    ),
    "fit_cohorts": (
        clv.fit_cohorts,
        {"lives": LIVES},
        {"lives": "table", "weights": "optional array", "by": "word", "period_days": "number"},
    ),
    "lives_from_survivors": (clv.lives_from_survivors, {"survivors": LEFT}, {"survivors": "table"}),
    "likelihood_ratio_test": (
        clv.likelihood_ratio_test, {"smaller": BG, "larger": BG}, {"smaller": "object", "larger": "object"},
    ),
    "bootstrap_covariance": (
        clv.bootstrap_covariance,
        {"model": BG, **ASK, "seed": 1},
        {"model": "object", "summary": "table", "weights": "optional array", "replications": "count",
         "seed": "count"},
    ),
    "sandwich_covariance": (
        clv.sandwich_covariance,
        {"model": BG, **ASK},
        {"model": "object", "summary": "table", "weights": "optional array"},
    ),
    "alive_history": (
        clv.alive_history,
        {"model": BG, "purchase_days": [date(2024, 1, 1)], "as_of": AS_OF},
        {"model": "object", "purchase_days": "array", "as_of": "day"},
    ),
    "alive_matrix": (
        clv.alive_matrix, {"model": BG, "age_days": 90.0},
        {"model": "object", "age_days": "number", "up_to": "count"},
    ),
    "calibration_table": (
        clv.calibration_table,
        {"predicted": CUSTOMERS["T"], "actual": CUSTOMERS["actual"]},
        {"predicted": "object", "actual": "object", "groups": "count"},
    ),
    "conditional_table": (
        clv.conditional_table,
        {"models": {"bg": BG}, "known": CUSTOMERS, "horizon_days": 90},
        {"models": "object", "known": "table", "horizon_days": "number", "by": "word", "bands": "count"},
    ),
    "daily_purchases": (
        clv.daily_purchases, {"wh": WH, "as_of": AS_OF}, {**PLACE, "born_before": "optional day"},
    ),
    "frequency_table": (
        clv.frequency_table, {"model": BG, **ASK}, {"model": "object", "summary": "table", "up_to": "count"},
    ),
    "parameter_correlation": (clv.parameter_correlation, {"model": BG}, {"model": "object"}),
    "retention_table": (
        clv.retention_table, {"model": CONTRACTS, "periods": 3},
        {"model": "object", "periods": "count", "survivors": "optional array", "covariates": "traits"},
    ),
    "tracking_table": (
        clv.tracking_table,
        {"model": BG, "daily": DAILY, "calibration_end": AS_OF, "as_of": AS_OF},
        {"model": "object", "daily": "table", "calibration_end": "day", "as_of": "day",
         "every_days": "count"},
    ),
    "season": (INDEX.operational_days, {"as_of": AS_OF, "days": 9}, {"as_of": "day", "days": "number"}),
    "season given": (
        clv.SeasonalIndex.given, {"period": "month", "values": [1.0] * 12},
        {"period": "word", "values": "array"},
    ),
    "season of purchases": (
        clv.SeasonalIndex.from_purchases, {"purchased_on": pd.Series([pd.Timestamp(AS_OF)])},
        {"purchased_on": "object", "period": "word", "first_day": "optional day", "as_of": "optional day"},
    ),
    "contracts": (
        CONTRACTS.simulate, {"ages_periods": [3], "seed": 1}, {"ages_periods": "array", "seed": "count"},
    ),
    "contracts renew": (CONTRACTS.retention, {"periods": 3}, {"periods": "count", "covariates": "traits"}),
    "contracts ahead": (
        CONTRACTS.expected_renewals, {"lives": LIVES, "horizon_days": 30},
        {"lives": "table", "horizon_days": "number"},
    ),
    "contracts worth": (
        CONTRACTS.discounted_expected_lifetime, {"lives": LIVES, "annual_discount_rate": 0.1},
        {"lives": "table", "annual_discount_rate": "number", "horizon_days": "optional number"},
    ),
    "spend": (SPEND.expected_spend, ASK, {"summary": "table"}),
    "fit": (clv.NBDModel().fit, ASK, {"summary": "table", "weights": "optional array"}),
    "fit spend": (clv.GammaGammaModel().fit, ASK, {"summary": "table", "weights": "optional array"}),
    "alive": (BG.probability_alive, ASK, {"summary": "table", "days_ahead": "number"}),
    "expected": (
        BG.expected_purchases, {**ASK, "horizon_days": 9}, {"summary": "table", "horizon_days": "number"},
    ),
    "expected new": (
        BG.expected_purchases_new, {"horizon_days": 9}, {"horizon_days": "number", "covariates": "traits"},
    ),
    "discounted": (
        BG.discounted_expected_purchases, {**ASK, "annual_discount_rate": 0.1},
        {"summary": "table", "annual_discount_rate": "number", "horizon_days": "optional number"},
    ),
    "silent": (
        BG.probability_no_purchase, {**ASK, "horizon_days": 9},
        {"summary": "table", "horizon_days": "number"},
    ),
    "counts": (
        BG.purchase_count_probabilities, {**ASK, "horizon_days": 9},
        {"summary": "table", "horizon_days": "number", "up_to": "count"},
    ),
    "next": (BG.next_purchase_days, ASK, {"summary": "table", "quantile": "share"}),
    "simulate": (
        BG.simulate, {"ages_days": [9.0], "seed": 1},
        {"ages_days": "array", "horizon_days": "number", "seed": "count"},
    ),
    "covariance": (
        BG.with_covariance, {"log_covariance": np.eye(4)}, {"log_covariance": "object"},
    ),
    "draws": (
        BG.draw_parameters, {"draws": 3, "rng": np.random.default_rng(1)},
        {"draws": "count", "rng": "object"},
    ),
    "describe": (BG.describe, {}, {"unit": "word"}),
    "parameters": (
        clv.BetaGeoModel.from_parameters, {"params": BG.params_}, {"params": "object", "unit": "word"},
    ),
}  # fmt: skip
# these ask others of the list, hand on, or take a path
NOT_SWEPT = {"value_with_models", "load_choice"} | {name for name in dir(clv) if name.startswith("plot_")}
CASES = [(name, argument) for name, (_, _, kinds) in SWEPT.items() for argument in kinds]


def test_every_public_function_is_swept() -> None:
    functions = {name for name in dir(clv) if callable(getattr(clv, name)) and name[0].islower()}
    assert functions - NOT_SWEPT <= set(SWEPT)


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_a_wrong_argument_is_named(name: str, argument: str) -> None:
    call, good, kinds = SWEPT[name]
    for value in KINDS[kinds[argument]]:
        with pytest.raises(CrmError, match=argument if argument != "fitter" else "no fitter"):
            call(**{**good, argument: value})


@pytest.mark.parametrize(
    "setting", ["purchase_covariates", "dropout_covariates", "equal_covariates", "ridge"]
)
def test_a_wrong_setting_is_named_at_the_fit(setting: str) -> None:
    for value in KINDS["number" if setting == "ridge" else "names"]:
        for model, data in ((clv.BetaGeoModel, CUSTOMERS), (clv.ShiftedBetaGeoModel, LIVES)):
            known = setting.replace("purchase", "renewal") if model is clv.ShiftedBetaGeoModel else setting
            with pytest.raises(CrmError, match=known):
                model(**{known: value}).fit(data)


@pytest.mark.parametrize("name", ["observed", 1, "cumulative_actual", "actual", "ends_on"])
def test_a_tracked_model_has_a_name_of_its_own(name: Any) -> None:
    with pytest.raises(UsageError, match=f"{name}"):
        clv.tracking_table({name: BG}, DAILY, calibration_end=AS_OF, as_of=AS_OF)


def test_nobody_at_all_has_no_bootstrap() -> None:
    with pytest.raises(UsageError, match="weights must stand for at least one customer"):
        clv.bootstrap_covariance(BG, CUSTOMERS, [0.0] * 4, seed=1)


@pytest.mark.parametrize("names", [["web"], np.array(["web"]), pd.Index(["web"])])
def test_settings_of_numpy_and_pandas_are_saved(names: Any) -> None:
    params = {**BG.params_, "purchase_web": 0.5}
    model = clv.BetaGeoModel.from_parameters(params, purchase_covariates=names, ridge=np.float32(0.5))
    back = clv.BetaGeoModel.from_json(model.to_json())
    assert json.loads(model.to_json())["settings"]["purchase_covariates"] == ["web"]
    assert back.to_json() == model.to_json()
    assert clone(model).get_params()["ridge"] == 0.5
    for regular in (MODELS["bg_cnbd"], MODELS["mbg_cnbd"]):
        whole = regular.from_parameters(BG.params_, k=np.int64(3))
        assert regular.from_json(whole.to_json()).get_params() == {"k": 3}
