"""Does a saved model say what it was fitted to and with what, and does it come back whole?"""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

import numpy as np
import pandas as pd
import pytest

from crm_analytics.clv.models.bg_nbd import BetaGeoModel
from crm_analytics.clv.models.gamma_gamma import GammaGammaModel
from crm_analytics.clv.models.maximum_likelihood import FORMAT_VERSION, MaximumLikelihoodModel
from crm_analytics.clv.models.shifted_beta_geo import ShiftedBetaGeoModel
from crm_analytics.errors import ModelFileError


@pytest.mark.parametrize("model_class", [BetaGeoModel, GammaGammaModel])
def test_a_file_says_what_the_model_is(
    model_class: type[MaximumLikelihoodModel], cdnow: pd.DataFrame
) -> None:
    model: Any = model_class().fit(cdnow)  # type: ignore[attr-defined]
    saved = json.loads(model.to_json())
    assert saved["format_version"] == FORMAT_VERSION
    assert saved["unit"] == "day"
    assert saved["versions"]["numpy"] == metadata.version("numpy")
    np.testing.assert_array_equal(saved["log_covariance"], model.log_covariance_)
    assert len(saved["data_fingerprint"]) == 64
    back = model_class.from_json(model.to_json())
    assert back.data_fingerprint_ == model.data_fingerprint_
    assert back.parameter_table().equals(model.parameter_table())
    assert not set(cdnow["customer_id"]) & set(json.dumps(saved).split('"'))


def test_the_fingerprint_is_that_of_the_data(cdnow: pd.DataFrame) -> None:
    model = BetaGeoModel().fit(cdnow)
    shuffled = BetaGeoModel().fit(cdnow.sample(frac=1.0, random_state=1))
    merged = cdnow.groupby(["frequency", "recency", "T"], as_index=False).size()
    weighted = BetaGeoModel().fit(merged, merged["size"])
    assert shuffled.data_fingerprint_ == model.data_fingerprint_ == weighted.data_fingerprint_
    changed = cdnow.assign(recency=cdnow["recency"].where(cdnow.index != cdnow["recency"].idxmax(), 1))
    assert BetaGeoModel().fit(changed).data_fingerprint_ != model.data_fingerprint_


def test_contracts_have_a_fingerprint_too() -> None:
    lives = pd.DataFrame({"periods": [1, 2, 3, 3], "has_ended": [True, True, True, False]})
    one = ShiftedBetaGeoModel().fit(lives)
    other = ShiftedBetaGeoModel().fit(lives.assign(periods=[1, 2, 3, 4]))
    assert one.data_fingerprint_ == ShiftedBetaGeoModel().fit(lives.iloc[::-1]).data_fingerprint_
    assert one.data_fingerprint_ != other.data_fingerprint_


def test_given_parameters_were_fitted_to_nothing() -> None:
    model = BetaGeoModel.from_parameters({"r": 0.2, "alpha": 30.0, "a": 0.8, "b": 2.4})
    assert model.data_fingerprint_ == ""


def test_a_file_of_an_older_format_is_refused(cdnow: pd.DataFrame) -> None:
    saved = json.loads(BetaGeoModel().fit(cdnow).to_json())
    with pytest.raises(ModelFileError, match="format 1"):
        BetaGeoModel.from_json(json.dumps(saved | {"format_version": 1}))
    del saved["data_fingerprint"]
    with pytest.raises(ModelFileError, match="data_fingerprint"):
        BetaGeoModel.from_json(json.dumps(saved))


def test_settings_come_back_equal(cdnow: pd.DataFrame) -> None:
    plain = BetaGeoModel().fit(cdnow.iloc[:200])
    named = BetaGeoModel(purchase_covariates=("actual",), ridge=1.0).fit(cdnow.iloc[:200])
    for model in (plain, named, ShiftedBetaGeoModel.from_parameters({"alpha": 1.0, "beta": 2.0})):
        assert type(model).from_json(model.to_json()).get_params() == model.get_params()
