"""
One intent in the words of each of Recall's asynchronous providers, in both forms of their options. PURE.

`table` is what there is to read and extend: data, a column per provider and form. `shape` says what a cell
is, `codes` has the languages, `vendor_words` the longer cells; `translate` goes from an intent to a request's
options, `models` tells how old the table's models are and whether a refusal names one.
"""

from __future__ import annotations

from app.recall.translation.outcome import Generation, Ineligible, Translated
from app.recall.translation.translate import translated

__all__ = ["Generation", "Ineligible", "Translated", "translated"]
