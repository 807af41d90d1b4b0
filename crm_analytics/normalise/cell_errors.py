"""What does a spreadsheet write into a cell that holds no value?  The errors of formulas, in English.

The first is no spreadsheet's: our reader of workbooks writes it for a formula that was saved without a value.
"""

from __future__ import annotations

UNCALCULATED = "#UNCALCULATED!"
CELL_ERRORS = (
    UNCALCULATED,
    "#REF!",
    "#N/A",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#ERROR!",
)
