"""`python -m tests.recall.translation`: writes the golden bodies and the tables of docs/providers.md anew."""

from __future__ import annotations

from app.recall.translation.table import TABLE
from tests.recall.translation import golden, page

golden.FOLDER.mkdir(exist_ok=True)
for provider in TABLE:
    (golden.FOLDER / f"{provider}.txt").write_text(golden.rendered(provider), "utf-8")
page.PAGE.write_text(page.rendered(page.PAGE.read_text("utf-8")), "utf-8")
