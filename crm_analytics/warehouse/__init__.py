"""Where are the data kept?  The only door to DuckDB (floor 1)."""

from crm_analytics import lazy

__all__ = ["BusinessSettings", "Sandbox", "SqlFile", "Warehouse", "all_sql_files", "quote_ident", "quote_table"]

__getattr__, __dir__ = lazy.exports(
    __name__,
    {
        "BusinessSettings": ".connection",
        "Sandbox": ".sandbox",
        "SqlFile": ".sql_file",
        "Warehouse": ".connection",
        "all_sql_files": ".sql_file",
        "quote_ident": ".identifiers",
        "quote_table": ".identifiers",
    },
)
