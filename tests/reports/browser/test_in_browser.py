"""What the page does once a browser has opened it."""

from __future__ import annotations

import json

import pytest

from reports import render_leaderboard

HOSTILE = (
    '<img src=x onerror="window.PWNED=1">',
    '"><svg onload=window.PWNED=2>',
    "</script></style><script>window.PWNED=3</script>",
    "$x_{ a&b \u202eلوحة",
)

ORDER = (
    "Array.from(document.querySelectorAll('#board-table tbody tr'))"
    ".map(row => Number(row.cells[0].dataset.value))"
)


def header(column: int) -> str:
    """Return the selector of a column's sort button."""
    return f"#board-table thead th:nth-child({column + 1}) button"


def sorted_header(page):
    """Return column and direction of every header that claims to be sorted by."""
    return page.evaluate(
        "Array.from(document.querySelectorAll('#board-table [aria-sort]'))"
        ".map(th => [th.cellIndex, th.getAttribute('aria-sort')])"
    )


def ranks_by(summary, value, *, descending):
    """Return the ranks in the order that sorting by `value` should give."""
    rows = sorted(summary["rows"], key=value, reverse=descending)
    return [row["rank"] for row in rows]


def test_a_click_sorts_by_that_column_both_ways(open_page, summary):
    """The first click puts the best first, the second the worst, by number and not by text."""
    metrics = [metric["name"] for metric in summary["metrics"]]
    for row in summary["rows"]:
        row["metrics"]["log_loss"]["value"] = float(11 - 2 * row["rank"] if row["rank"] % 2 else 20)
    summary["rows"][1]["metrics"]["log_loss"]["value"] = 100.0
    summary["rows"][3]["metrics"]["log_loss"]["value"] = 20.0
    page = open_page(render_leaderboard(summary))
    assert page.evaluate(ORDER) == [1, 2, 3, 4, 5]
    assert sorted_header(page) == [[0, "ascending"]]
    for name in ("balanced_accuracy", "log_loss"):
        column = 4 + metrics.index(name)
        descending = name != "log_loss"
        for direction in (descending, not descending):
            page.click(header(column))

            def value(row, name=name):
                return row["metrics"][name]["value"]

            assert page.evaluate(ORDER) == ranks_by(summary, value, descending=direction)
            word = "descending" if direction else "ascending"
            assert sorted_header(page) == [[column, word]]


def test_text_columns_sort_by_keyboard(open_page, summary):
    """A header is a button: focus and Enter sort, names in alphabetical order."""
    page = open_page(render_leaderboard(summary))
    page.evaluate(f"document.querySelector({json.dumps(header(1))}).focus()")
    page.press_enter()
    expected = ranks_by(summary, lambda row: row["model"], descending=False)
    assert page.evaluate(ORDER) == expected
    page.press_enter()
    assert page.evaluate(ORDER) == expected[::-1]


def test_rows_without_a_value_stay_last(open_page, summary):
    """What could not be estimated never ranks first, in either direction."""
    summary["rows"][0]["metrics"]["brier"] = {"value": None, "ci_low": None, "ci_high": None}
    page = open_page(render_leaderboard(summary))
    column = 4 + [metric["name"] for metric in summary["metrics"]].index("brier")
    for _ in range(2):
        page.click(header(column))
        assert page.evaluate(ORDER)[-1] == 1


def test_the_filter_hides_other_rows(open_page, summary):
    """Every word must occur in the row's names; nothing typed shows all."""
    page = open_page(render_leaderboard(summary))
    shown = f"{ORDER.removesuffix('.map(row => Number(row.cells[0].dataset.value))')}"
    shown += ".filter(row => row.getClientRects().length).map(row => row.cells[1].dataset.value)"
    typing = "(() => {{ const i = document.querySelector('input'); i.value = {!r};"
    typing += " i.dispatchEvent(new Event('input')); }})()"
    page.evaluate(typing.format("RADIO svm"))
    assert page.evaluate(shown) == ["svm"]
    page.evaluate(typing.format(""))
    assert len(page.evaluate(shown)) == len(summary["rows"])


def test_the_page_asks_for_nothing_and_complains_of_nothing(open_page, make_summary):
    """No request but the file itself, no console message, nothing refused by the policy."""
    page = open_page(render_leaderboard(make_summary(simulation="simulated")))
    page.click(header(4))
    assert [address.rsplit("/", 1)[-1] for address in page.requests] == ["leaderboard.html"]
    assert page.problems == []


def test_the_style_sheet_passes_the_policy(open_page, summary):
    """The page's own style is applied, so its hash is right."""
    page = open_page(render_leaderboard(summary))
    collapse = "getComputedStyle(document.querySelector('#board-table')).borderCollapse"
    assert page.evaluate(collapse) == "separate"


def test_it_reads_without_javascript(open_page, summary):
    """With scripts off, every row is visible and no control is left that does nothing."""
    page = open_page(render_leaderboard(summary), javascript=False)
    visible = page.evaluate("document.body.innerText")
    for row in summary["rows"]:
        assert row["model"] in visible
    assert summary["verdicts"][0]["sentence"] in visible
    assert "no gradient" in visible
    assert page.evaluate("document.querySelectorAll('button, input').length") == 0
    assert page.evaluate(ORDER) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_never_run(open_page, make_summary, name):
    """Names that are code stay names, before and after the board was sorted."""
    summary = make_summary(
        [(name, name, "linear", 1.0), (name, "late_fusion", "deep", 1.0)],
        unscored=[(name, "xgboost", name, "failed", name)],
        notes=[{"code": name, "severity": "warning", "text": name}],
        classes=("benign", name),
        config_yaml=name,
    )
    page = open_page(render_leaderboard(summary))
    page.click(header(1))
    assert page.evaluate("typeof window.PWNED") == "undefined"
    assert page.evaluate("document.querySelectorAll('img, script').length") == 1
    assert page.problems == []
    names = page.evaluate(
        "Array.from(document.querySelectorAll('#board-table tbody th bdi')).map(e => e.textContent)"
    )
    assert name in names


def test_a_narrow_screen_scrolls_the_table_and_not_the_page(open_page, summary):
    """At the width of a phone, only the containers of wide things scroll sideways."""
    page = open_page(render_leaderboard(summary), size=(420, 800))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(
        "(box => box.scrollWidth > box.clientWidth)"
        "(document.querySelector('#board-table').parentElement)"
    )
