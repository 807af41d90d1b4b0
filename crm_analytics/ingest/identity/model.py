"""How probable is it that two records are one customer?  Splink's model of Fellegi and Sunter, unattended.

1. u (how often strangers agree) from a random sample of pairs by seed; of equal values from their
   frequencies, which a sample of a million records would miss.
2. m (how often true pairs agree) by expectation maximisation on two or three blockings; where there is
   too little to learn from, the m of `crm_analytics.ingest.identity.comparisons` stands.
3. Pairs sampled at random hold true pairs too: u is cleared of them. What tells people apart by its nature
   (a national id, a mailbox, a telephone number) keeps a small u where few records fill it. The levels keep
   their order: what is less equal never says more, and what differs never speaks for a pair.
4. The prior, that is how many pairs are true, is the one that the scores themselves confirm: the
   probabilities of pairs with enough evidence add up to it. It falls as the records grow in number, so
   the same probability asks for more evidence among more records: over-merging does not grow.

Ivan P. Fellegi and Alan B. Sunter: A Theory for Record Linkage, JASA 64 (1969). Term frequencies: William
E. Winkler, Frequency-Based Matching in Fellegi-Sunter Model of Record Linkage (2000).
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crm_analytics.ingest.identity.blocking import keys
from crm_analytics.ingest.identity.compared import FIELDS
from crm_analytics.ingest.identity.comparisons import COMPARISONS, settings
from crm_analytics.ingest.identity.evidence import has_evidence, shares_key
from crm_analytics.warehouse.sandbox import Sandbox

if TYPE_CHECKING:
    import pandas as pd
    from splink import Linker

SAMPLED_PAIRS = 3e5
TRAINED_PAIRS = 1e6
# A column that fewer records fill is not compared, unless it tells people apart by its nature.
FILLED_RATE = 0.02
KEY_FIELDS = frozenset({"national_id", "email", "phone"})
# At most so often do two strangers share one of those (shared ones are left out before).
_LARGEST_KEY_U = 1e-4
# Blocks with fewer pairs teach nothing.
ENOUGH_PAIRS = 200
# On which fields EM is trained besides the full name; the first two that are there.
_TRAINED_ON = ("national_id", "birth", "email", "phone")
_SMALLEST_M, _SMALLEST_U = 0.002, 1e-9
# Pairs less probable are not kept, unless they share a key; below the second they are not looked at.
_UNLIKELY, _DROPPED_BELOW = 0.01, 1e-6


@dataclass(frozen=True)
class Scored:
    """Pairs that may be one customer.

    Attributes
    ----------
    pairs : DataFrame
        ``l_id``, ``r_id`` (unique_id), ``weight`` (bits), ``probability``, and per compared field
        ``<field>_level`` (words, missing = unknown) and ``<field>_weight`` (bits); by l_id, r_id.
    expected_pairs : float
        Pairs that are one customer, by the model.
    parameters : dict
        The trained model in Splink's own JSON form.
    """

    pairs: pd.DataFrame
    expected_pairs: float
    parameters: dict[str, Any]


def score(compared: pa.Table, *, seed: int = 1) -> Scored | None:
    """Score the pairs of records that share a key; None where there is nothing to compare.

    Parameters
    ----------
    compared : pyarrow.Table
        As `crm_analytics.ingest.identity.compared.compared` returns it.
    seed : int, default 1
        Of the sampling.
    """
    count = compared.num_rows
    filled = [
        name
        for name in FIELDS
        if count - compared[name].null_count >= max(2, 0 if name in KEY_FIELDS else FILLED_RATE * count)
    ]
    with Sandbox(is_alone=True) as sandbox, _quiet():
        sandbox.register("compared", compared)
        chosen = keys(sandbox, filled, count)
        if not chosen or not settings(filled):
            return None
        columns = "".join(f", {sql} as {name}" for name, sql in chosen.items())
        sandbox.rows(f"create table records as select *{columns} from compared order by unique_id")
        model = _Model(sandbox, filled, list(chosen), count)
        parameters = model.train(seed)
        return model.predict(parameters)


class _Model:
    """One data set on its way through Splink."""

    def __init__(self, sandbox: Sandbox, filled: list[str], key_names: list[str], count: int) -> None:
        from splink import DuckDBAPI

        self._sandbox, self._filled, self._keys = sandbox, filled, key_names
        self._possible = count * (count - 1) / 2
        self._database = DuckDBAPI(sandbox.connection)
        self._table = self._database.register("records", dataset_display_name="records")

    def train(self, seed: int) -> dict[str, Any]:
        linker = self._linker(
            {
                "link_type": "dedupe_only",
                "sql_dialect": "duckdb",
                "comparisons": settings(self._filled),
                "blocking_rules_to_generate_predictions": [
                    {"blocking_rule": f"l.{key} = r.{key}", "sql_dialect": "duckdb"} for key in self._keys
                ],
                "probability_two_random_records_match": min(0.5, 1 / math.sqrt(2 * self._possible + 1)),
            }
        )
        linker.training.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=seed)
        for columns in self._blocks():
            linker.training.estimate_parameters_using_expectation_maximisation(
                " and ".join(f"l.{column} = r.{column}" for column in columns),
                estimate_without_term_frequencies=True,
                max_pairs=TRAINED_PAIRS,
            )
        parameters: dict[str, Any] = linker.misc.save_model_to_json()
        parameters["retain_matching_columns"] = True
        parameters["retain_intermediate_calculation_columns"] = True
        parameters["probability_two_random_records_match"] = self._first_prior()
        self._clear(parameters)
        return parameters

    def predict(self, parameters: dict[str, Any]) -> Scored:
        found = self._linker(parameters).inference.predict(threshold_match_probability=_DROPPED_BELOW)
        fields = [one["output_column_name"] for one in parameters["comparisons"]]
        frequencies = {
            one["output_column_name"]
            for one in parameters["comparisons"]
            if any("tf_adjustment_column" in level for level in one["comparison_levels"])
        }
        weights = {
            field: f"mw_{field}" + (f" + mw_tf_adj_{field}" if field in frequencies else "")
            for field in fields
        }
        columns = ", ".join(f"gamma_{name}, {weight} as {name}_weight" for name, weight in weights.items())
        pairs = self._sandbox.arrow(
            f"select least(unique_id_l, unique_id_r) as l_id, greatest(unique_id_l, unique_id_r) as r_id, "
            f"match_weight as weight, {columns} from {found.physical_name} order by l_id, r_id"
        ).to_pandas()
        for field in fields:
            labels = [level.label for level in reversed(COMPARISONS[field][1])]
            codes = pairs.pop(f"gamma_{field}").to_numpy()
            pairs[f"{field}_level"] = _words(codes, labels)
        return self._with_prior(pairs, parameters)

    def _with_prior(self, pairs: pd.DataFrame, parameters: dict[str, Any]) -> Scored:
        """Find the prior that the scores confirm, and score by it."""
        prior = parameters["probability_two_random_records_match"]
        bayes = np.clip(pairs["weight"].to_numpy() - _odds(prior), -100, 100)
        enough = has_evidence(pairs)
        for _ in range(30):
            probability = 1 / (1 + np.exp2(-(bayes + _odds(prior))))
            prior = max(1.0, float(np.sum(probability[enough]))) / (self._possible + 1)
        parameters["probability_two_random_records_match"] = prior
        pairs["weight"] = np.round(bayes + _odds(prior), 6)
        pairs["probability"] = 1 / (1 + np.exp2(-pairs["weight"].to_numpy()))
        likely = pairs[(pairs["probability"] >= _UNLIKELY) | shares_key(pairs)].reset_index(drop=True)
        return Scored(likely, prior * self._possible, parameters)

    def _blocks(self) -> Iterator[tuple[str, ...]]:
        """Yield the blockings to train on that hold enough pairs."""
        single = [(field,) for field in _TRAINED_ON if field in self._filled]
        for columns in [("given_name", "family_name"), *single[:2]]:
            if not set(columns) <= set(self._filled):
                continue
            value = " || chr(31) || ".join(columns)
            [(pairs,)] = self._sandbox.rows(
                "select coalesce(sum(n * (n - 1) // 2), 0) from "
                f"(select count(*) as n from records where {value} is not null group by {value})"
            )
            if pairs >= ENOUGH_PAIRS:
                yield columns

    def _first_prior(self) -> float:
        """Start from the pairs that agree in name and one more field, and so are most likely true."""
        rules = [
            f"l.given_name = r.given_name and l.family_name = r.family_name and l.{field} = r.{field}"
            for field in ("birth", "email", "phone", "street", "national_id")
            if field in self._filled
        ]
        if not rules or not {"given_name", "family_name"} <= set(self._filled):
            return min(0.5, 1 / math.sqrt(2 * self._possible + 1))
        [(pairs,)] = self._sandbox.rows(
            "select count(*) from records as l join records as r on l.given_name = r.given_name "
            "and l.family_name = r.family_name and l.unique_id < r.unique_id "
            f"where {' or '.join(f'({rule})' for rule in rules)}"
        )
        return float(min(0.5, (pairs + 1) / (self._possible + 1)))

    def _clear(self, parameters: dict[str, Any]) -> None:
        """Give every level an m and a u; take the true pairs out of u; keep the levels in their order."""
        prior = parameters["probability_two_random_records_match"]
        for comparison in parameters["comparisons"]:
            columns, levels = COMPARISONS[comparison["output_column_name"]]
            trained = comparison["comparison_levels"][1:]
            most = math.inf
            for level, made in zip(levels, trained, strict=True):
                m = max(made.get("m_probability", level.m), _SMALLEST_M)
                u = made.get("u_probability", 0.5 / SAMPLED_PAIRS)
                if level.label == "equal" and len(columns) == 1:
                    u = self._agreement(columns[0])
                    if columns[0] in KEY_FIELDS:
                        u = min(u, _LARGEST_KEY_U)
                u = max((u - prior * m) / (1 - prior), 0.02 * u, _SMALLEST_U)
                if level.condition == "else":
                    most = min(most, 1.0)
                most = min(most, m / u)
                made["m_probability"], made["u_probability"] = m, m / most

    def _agreement(self, column: str) -> float:
        """Return how often two random records that have a value have the same one."""
        [(agreeing, count)] = self._sandbox.rows(
            f"select coalesce(sum(n * (n - 1)), 0), coalesce(sum(n), 0) from "
            f"(select count(*) as n from records where {column} is not null group by {column})"
        )
        return float(agreeing) / max(float(count) * (float(count) - 1), 1.0)

    def _linker(self, parameters: dict[str, Any]) -> Linker:
        from splink import Linker

        return Linker(self._table, parameters, log_level=None, validate_settings=False)


def _odds(probability: float) -> float:
    return math.log2(probability / (1 - probability))


def _words(codes: np.ndarray, labels: Collection[str]) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical.from_codes(codes.astype(int), categories=list(labels))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Splink from telling its progress and what `_Model._clear` mends."""
    logger = logging.getLogger("splink")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
