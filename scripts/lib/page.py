# SPDX-License-Identifier: GPL-2.0
"""Results for people: a page of HTML, and Markdown for the summaries of a forge."""
from __future__ import annotations

import html
import os
import re
from pathlib import Path

import env
from results import clean

FILES = PAGE, SUMMARY = "index.html", "summary.md"
# A cell is a text, or a text and the path of what it links to.
Cell = "str | tuple[str, str]"
STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 80em; padding: 0 1em; color: #222; background: #fff }
table { border-collapse: collapse; margin: 1em 0 } th { position: sticky; top: 0; background: #eee }
td, th { border: 1px solid #ccc; padding: .15em .6em; text-align: left } a { color: inherit }
pre { background: #f5f5f5; padding: .6em; overflow-x: auto; white-space: pre-wrap } h2 { margin-top: 2em }
.good { background: #d9f2d9 } .bad { background: #f7c6c6; font-weight: bold }
@media (prefers-color-scheme: dark) {
 body { color: #ddd; background: #1b1b1b } th, pre { background: #333 } .good { background: #214a21 } .bad { background: #6b1f1f } }
"""


def kind(text: str) -> str:
    return "bad" if re.search("FAIL|[1-9]\\d* failed", text) else "good" if re.match("ok|[1-9]\\d* passed", text) else ""


class Page:
    """Headings, tables and lines of output, in both forms."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder, self.title, self.html, self.markdown = folder, title, [], []
        self.heading(title, 1)

    def heading(self, text: str, level: int = 2) -> None:
        self.html.append(f"<h{level}>{html.escape(clean(text))}</h{level}>")
        self.markdown += [f"{'#' * (level + 1)} {clean(text)}", ""]

    def lines(self, text: str) -> None:
        self.html.append(f"<pre>{html.escape(clean(text))}</pre>")
        # (Nothing in it ends the block.)
        self.markdown += ["~~~~~~", clean(text).replace("~~~~", "~ ~ "), "~~~~~~", ""]

    def table(self, head: list[str], rows: list[list[Cell]], brief: list[list[Cell]] | None = None) -> None:
        """In Markdown, where a link to a log leads nowhere, `brief` of the rows."""
        def cell(tag: str, given: Cell) -> str:
            text, link = (given, "") if isinstance(given, str) else given
            shown = html.escape(clean(text))
            if link:
                shown = f'<a href="{html.escape(os.path.relpath(link, self.folder))}">{shown}</a>'
            return f'<{tag} class="{kind(text)}">{shown}</{tag}>'

        def plain(given: Cell) -> str:
            return re.sub(r"([|<`\\*_])", r"\\\1", clean(given if isinstance(given, str) else given[0]).replace("\n", " "))

        self.html.append("<table>" + "".join(
            f"<tr>{''.join(cell(tag, item) for item in row)}</tr>\n"
            for tag, row in (("th", head), *(("td", row) for row in rows))) + "</table>")
        self.markdown += [f"| {' | '.join(map(plain, row))} |" for row in (head, ["---"] * len(head), *(rows if brief is None else brief))]
        self.markdown += [""]

    def write(self) -> None:
        env.write(self.folder / PAGE, f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"/><title>{html.escape(clean(self.title))}</title>
<meta name="viewport" content="width=device-width"/><style>{STYLE}</style></head><body>
{chr(10).join(self.html)}
</body></html>
""")
        env.write(self.folder / SUMMARY, "\n".join(self.markdown))


def kunit(page: Page, run: dict) -> None:
    """Patches and gates, each with its log."""
    gates = list(dict.fromkeys(gate["gate"] for patch in run["patches"] for gate in patch["gates"]))

    def cells(patch: dict) -> list[Cell]:
        verdicts = {gate["gate"]: ("ok" if gate["ok"] else "FAIL", gate["log"]) for gate in patch["gates"]}
        seen = [status for cases in patch["suites"].values() for status in cases.values()]
        return [str(patch["position"]), *(verdicts.get(gate, "-") for gate in gates), str(seen.count("PASS")), str(seen.count("SKIP")),
                "cached" if patch["cached"] else env.elapsed(patch["build_seconds"] + patch["run_seconds"]), (patch["subject"], patch["folder"])]

    rows = [cells(patch) for patch in run["patches"]]
    page.heading(f"KUnit, flavour {run['flavour']}: {run['passed']} passed, {run['failed']} failed")
    page.table(["#", *gates, "pass", "skip", "time", "patch"], rows,
               [row for row, patch in zip(rows, run["patches"]) if not patch["ok"]] or rows[-1:])


def write(folder: Path, name: str, told: dict, runs: list[dict], rows: list[list[Cell]] = ()) -> None:
    """What results.py tells machines, for people: what failed comes first."""
    page = Page(folder, f"{name}: {told['passed']} passed, {told['failed']} failed")
    for failure in told["failures"]:
        page.heading(failure["what"], 3)
        page.lines("\n".join([*failure["reason"], f"log: {failure['log']}", f"again: {failure['again']}"]))
    if rows:
        page.table(["row", "passed", "failed", "skipped", "time", "command"], rows)
    for run in runs:
        kunit(page, run)
    page.heading("Run with")
    page.table(["", ""], [[key, value] for key, value in told["state"].items()])
    page.write()
