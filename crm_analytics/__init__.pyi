"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from . import actions as actions
from . import churn as churn
from . import clv as clv
from . import errors as errors
from . import monitoring as monitoring
from . import nightly as nightly
from . import reports as reports
from . import scoring as scoring
from . import segmentation as segmentation
from .entities.checks import quality as quality
from .entities.identity_log import merge as merge
from .entities.identity_log import separate as separate
from .entities.identity_log import undo as undo
from .ingest import identity as identity
from .ingest.load import Load as Load
from .ingest.load import load as load
from .ingest.replay import replay as replay
from .ingest.sync import forget_records as forget_records
from .ingest.sync import sync as sync
from .ingest.withdraw import unload as unload
from .privacy.erasure import erase as erase
from .privacy.subject_export import export_subject as export_subject
from .records import RecordStore as RecordStore
from .reports.customer_360.view import customer as customer
from .warehouse import Warehouse as Warehouse
from .warehouse.audit_log import verify_audit as verify_audit
from .warehouse.publish import open_published as open_published
from .warehouse.publish import read_scores as read_scores
from .warehouse.roll_back import kept_runs as kept_runs
from .warehouse.roll_back import roll_back as roll_back

__version__: str
