"""How is a person erased from the bytes?  `erase`: from records, published runs, tables, and the file itself.

The order makes it safe to be killed: first it is noted who is to go (`erasures_due`), then the record store
and the published runs are done (doing these twice does no harm), then all tables in one transaction, which
also takes the note back and leaves the hashes by which an old export is known, and last the file is
rewritten without the deleted bytes. What was cut short is finished by the next erasure or night
(`finish_erasures`), a rewriting when the warehouse is opened next. Aggregates (sizes of segments, accounts
of loads) stay. This file reads the clock.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from crm_analytics.ingest.erased_subjects import is_aside
from crm_analytics.ingest.ledger import MESSAGES
from crm_analytics.privacy import erasures_due
from crm_analytics.privacy.files_left import backups, files_left, stores_not_given
from crm_analytics.privacy.mentions import Mentions
from crm_analytics.privacy.names_told import empty_names, names_told
from crm_analytics.privacy.stores import Records, given_stores, sync_stores
from crm_analytics.privacy.subject import Subject, about, find, others_with
from crm_analytics.records.tables import record_tables
from crm_analytics.reports.customer_360.look_up import asked_text
from crm_analytics.schema import entities
from crm_analytics.warehouse import Warehouse, audit_log, quote_ident, quote_table
from crm_analytics.warehouse.erased_keys import REASON, TELLING_CHARACTERS, remember
from crm_analytics.warehouse.privacy_tags import privacy_tags
from crm_analytics.warehouse.publish import withdraw_runs
from crm_analytics.warehouse.rewriting import ask_for_rewrite, rewrite

_REMOVED_TEXT = "removed: a person was erased"
# Repeated records whose version went.
_REPEATS = """
    delete from ops.repeats where entity = $entity
        and (version_load_id, version_record_number, row_part) in (
            select (load_id, record_number, cast(row_id & 4294967295 as uinteger))
            from {versions} semi join erased_rows on erased_rows.place = {versions}.rowid
        )"""
_DELETE = "delete from {versions} where rowid in (select place from erased_rows)"

_SET_ASIDE = """
    select record.load_id, record.record_number, record.raw, layout.encoding, load.source_system
    from ops.quarantine as record
    left join ops.load_layouts as layout using (load_id)
    left join ops.loads as load using (load_id)
    order by record.load_id, record.record_number"""


@dataclass(frozen=True)
class Receipt:
    """What an erasure did; nothing in it is personal.

    Attributes
    ----------
    erasure_id : int
        Its number in ``ops.erasures``.
    erased_at : datetime
        When.
    rows_removed : dict of str to int
        Table -> rows that went.
    rows_emptied : dict of str to int
        Table -> rows that stay (so that accounts add up), in which something of the person was emptied.
    records_removed : dict of str to int
        Entity -> records that went from the record store.
    runs_removed : tuple of str
        Published runs that were removed, the live one included: publish anew (``nightly``).
    to_delete_yourself : tuple of str
        Backups that were written from here (with their dates), and files in the folder of the warehouse that
        still hold an id, address or number of the person: exports, notes. Packed files are not looked into.
    stores_not_given : tuple of str
        Record stores in that folder that were neither given nor ever synced: nobody looked into them.
    stay_alike : tuple of str
        Keys of the records that stay and have an e-mail address or telephone number of the person: others who
        share it, or the same person in a record that nobody merged. Erase these by their keys, if so.
    set_aside_left : tuple of (int, int)
        Load and record number of the records set aside that stay as they are though they hold an address or
        number of the person: somebody else has it as well, and no name or id of the person stands beside it.
    """

    erasure_id: int
    erased_at: datetime
    rows_removed: dict[str, int]
    rows_emptied: dict[str, int]
    records_removed: dict[str, int]
    runs_removed: tuple[str, ...]
    to_delete_yourself: tuple[str, ...]
    stores_not_given: tuple[str, ...]
    stay_alike: tuple[str, ...]
    set_aside_left: tuple[tuple[int, int], ...]


def erase(
    wh: Warehouse,
    customer: str,
    *,
    records: Records = None,
    published: str | os.PathLike[str] | None = None,
) -> Receipt:
    """Remove a person from the bytes of the store, and remember only hashes by which an old export is known.

    Parameters
    ----------
    wh : Warehouse
        No other thread may use it meanwhile: its file is rewritten.
    customer : str
        A customer_id or the key of a source record (``system:id``), a source id, an e-mail address or a
        telephone number. All records of the customer's group go, and all that refers to them.
    records : RecordStore or list of RecordStore, optional
        Where the person is erased too; every store that was ever synced must be given. They are synced first,
        so that what was written since is found.
    published : path, optional
        Folder of the published runs: all runs in it are removed, since each names every customer.

    Returns
    -------
    Receipt

    Raises
    ------
    UsageError
        Nobody is named so, or several are; a record store was synced and is not given, or given and never
        synced.

    Examples
    --------
    >>> import crm_analytics as crm, pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Warehouse.open() as wh:
    ...     file = pathlib.Path(folder, "customers.csv")
    ...     _ = file.write_text("customer_id,name\\nC1,Ada\\nC2,Bob\\n")
    ...     _ = crm.load(wh, file)
    ...     receipt = erase(wh, "default:C1")
    ...     receipt.rows_removed, wh.rows("select name from entities.customers")
    ({'entities.customers_versions': 1}, [('Bob',)])
    """
    text = asked_text(customer)
    sync_stores(wh, records)
    subject = find(wh, text)
    due_id = erasures_due.note(wh, subject, asked_at=datetime.now(UTC))
    return finish_erasures(wh, records=records, published=published)[due_id]


def finish_erasures(
    wh: Warehouse, *, records: Records = None, published: str | os.PathLike[str] | None = None
) -> dict[int, Receipt]:
    """Carry out every erasure that is noted, as one that was cut short left it; parameters as of `erase`.

    Returns
    -------
    dict of int to Receipt
        Number of the note -> what was done now; what went before it was cut short is not counted again.
    """
    due = erasures_due.noted(wh)
    return {
        due_id: _erase(wh, due_id, subject, records=records, published=published)
        for due_id, subject in due.items()
    }


def _erase(
    wh: Warehouse,
    due_id: int,
    subject: Subject,
    *,
    records: Records,
    published: str | os.PathLike[str] | None,
) -> Receipt:
    others = others_with(wh, subject)
    mentions = Mentions(subject, others)
    records_removed = _from_records(wh, records, subject)
    runs = withdraw_runs(published) if published is not None else ()
    removed: Counter[str] = Counter()
    emptied: Counter[str] = Counter()
    erased_at = datetime.now(UTC)
    with wh.transaction():
        erasure_id = int(wh.value("select coalesce(max(erasure_id), 0) + 1 from ops.erasures"))
        shared = names_told(wh, subject)
        for name in entities():
            removed[f"entities.{name}_versions"] += _from_entity(wh, name, subject)
            emptied[f"entities.{name}_versions"] += _empty_references(wh, name, subject)
        emptied["entities.relations_versions"] += empty_names(wh, shared)
        for table, tags in privacy_tags().items():
            if tags.keys:
                removed[table] += _from_table(wh, table, dict(tags.keys), subject)
        emptied["ops.quarantine"] += _from_quarantine(wh, mentions)
        left = _left_aside(wh, mentions)
        for table, tags in privacy_tags().items():
            if tags.erase == "mentions" or table == "entities.identity_log":  # reasons are free text
                texts = [column for column, tag in tags.columns.items() if tag != "none" and column != "raw"]
                emptied[table] += _from_texts(wh, table, texts, mentions)
        keys = [(name, system, id_) for name, of in subject.keys.items() for system, id_ in of]
        telling = {one for one in subject.ids() - others.ids if len(one) >= TELLING_CHARACTERS}
        telling |= subject.points - others.points
        remember(wh, erasure_id, keys, telling)
        told = {name: count for name, count in removed.items() if count}
        told_emptied = {name: count for name, count in emptied.items() if count}
        wh.execute(
            "insert into ops.erasures values ($id, $at, $removed, $emptied)",
            id=erasure_id,
            at=erased_at,
            removed=json.dumps(told, sort_keys=True),
            emptied=json.dumps(told_emptied, sort_keys=True),
        )
        audit_log.record(
            wh,
            "erase",
            f"erasure {erasure_id}",
            rows_removed=sum(told.values()),
            rows_emptied=sum(told_emptied.values()),
            records_removed=sum(records_removed.values()),
        )
        erasures_due.take_back(wh, due_id)
        ask_for_rewrite(wh)
    rewrite(wh)
    return Receipt(
        erasure_id=erasure_id,
        erased_at=erased_at,
        rows_removed=told,
        rows_emptied=told_emptied,
        records_removed=records_removed,
        runs_removed=runs,
        to_delete_yourself=(*backups(wh), *files_left(wh, subject)),
        stores_not_given=tuple(stores_not_given(wh, given_stores(wh, records))),
        stay_alike=others.keys,
        set_aside_left=tuple(left),
    )


def _from_records(wh: Warehouse, records: Records, subject: Subject) -> dict[str, int]:
    """Erase the person's records in the record stores; those of the system that each was synced as."""
    removed: Counter[str] = Counter()
    for store, system in given_stores(wh, records).items():
        ids = {
            name: sorted(source_id for of, source_id in subject.keys.get(name, ()) if of == system)
            for name in record_tables()
            if name in subject.keys
        }
        removed.update(store.erase({name: of for name, of in ids.items() if of}).records)
    return dict(removed)


def _from_entity(wh: Warehouse, name: str, subject: Subject) -> int:
    places = [place for _, place in about(wh, name, subject)]
    if not places:
        return 0
    versions = f"entities.{quote_ident(f'{name}_versions')}"
    with wh.registered(erased_rows=pa.table({"place": pa.array(places, pa.int64())})):
        wh.execute(_REPEATS.format(versions=versions), entity=name)
        return wh.execute(_DELETE.format(versions=versions))


def _empty_references(wh: Warehouse, name: str, subject: Subject) -> int:
    """Empty what other records say of the person beside the point: the parent, the contact of a deal."""
    emptied = 0
    versions = quote_table(f"entities.{name}_versions")
    for column in entities()[name].columns:
        keys = subject.keys.get(column.refers or "")
        if not keys or not is_aside(name, column.name):
            continue
        given = pa.table({"system": [one for one, _ in keys], "id": [one for _, one in keys]})
        with wh.registered(subject_keys=given):
            emptied += wh.execute(
                f"update {versions} set {quote_ident(column.name)} = null "
                f"where (source_system, {quote_ident(column.name)}) in "
                "(select (system, id) from subject_keys)"
            )
    return emptied


def _from_table(wh: Warehouse, table: str, keys: dict[str, str], subject: Subject) -> int:
    """Delete the rows that name the person by a key."""
    tests = []
    given: dict[str, list[str]] = {}
    for column, entity in keys.items():
        if not subject.keys.get(entity):
            continue
        text = "source_system || ':' || source_id" if column == "source_id" else quote_ident(column)
        tests.append(f"list_contains(${column}, {text})")
        given[column] = subject.full_keys(entity)
    if not tests:
        return 0
    where = " or ".join(tests)
    if table == "entities.identity_log":  # an undo goes with what it undid
        where += f" or undoes in (select change_number from entities.identity_log where {where})"
    return wh.execute(f"delete from {quote_table(table)} where {where}", **given)


def _from_quarantine(wh: Warehouse, mentions: Mentions) -> int:
    """Empty the records set aside that hold an id, address, number or name of the person."""
    found = [
        (load_id, number)
        for load_id, number, raw, encoding, system in wh.rows(_SET_ASIDE)
        if mentions.is_in(raw, encoding, system=system)
    ]
    for load_id, number in found:
        wh.execute(
            "update ops.quarantine set raw = ''::blob, raw_length = 0, raw_sha256 = '', column_name = '', "
            "reason = $reason, message = $message where load_id = $load_id and record_number = $number",
            reason=REASON,
            message=f"Record {number}: {MESSAGES[REASON]}",
            load_id=load_id,
            number=number,
        )
        wh.execute(
            "update ops.quarantine_resolutions set content_sha256 = null "
            "where load_id = $load_id and record_number = $number",
            load_id=load_id,
            number=number,
        )
    return len(found)


def _left_aside(wh: Warehouse, mentions: Mentions) -> list[tuple[int, int]]:
    """Return the records set aside that hold what the person shares with somebody else, and stay."""
    return [
        (load_id, number)
        for load_id, number, raw, encoding, _ in wh.rows(_SET_ASIDE)
        if mentions.is_shared_in(raw, encoding)
    ]


def _from_texts(wh: Warehouse, table: str, columns: list[str], mentions: Mentions) -> int:
    """Replace the texts of a table that hold something of the person."""
    emptied = 0
    for column in columns:
        name = quote_ident(column)
        texts = wh.rows(f"select distinct {name} from {quote_table(table)} where {name} is not null")
        telling = [text for (text,) in texts if mentions.is_in_text(text)]
        if telling:
            emptied += wh.execute(
                f"update {quote_table(table)} set {name} = $removed where list_contains($telling, {name})",
                removed=_REMOVED_TEXT,
                telling=telling,
            )
    return emptied
