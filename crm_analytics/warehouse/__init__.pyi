"""Public names of the package, and where they live; read by `crm_analytics.lazy` too."""

from .connection import BusinessSettings as BusinessSettings
from .connection import Warehouse as Warehouse
from .days import check_day as check_day
from .identifiers import quote_ident as quote_ident
from .identifiers import quote_table as quote_table
from .sandbox import Sandbox as Sandbox
from .sql_file import SqlFile as SqlFile
from .sql_file import all_sql_files as all_sql_files
