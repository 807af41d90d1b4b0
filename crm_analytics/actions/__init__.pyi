"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .call_list import call_list as call_list
from .call_list import decisions as decisions
from .call_list import left_out as left_out
from .call_list import listed as listed
from .save_rate import SaveRate as SaveRate
from .save_rate import save_rate as save_rate
from .tasks import task_key as task_key
from .tasks import write_tasks as write_tasks
