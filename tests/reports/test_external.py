"""The section of an external cohort says what was predicted, how well, and what was not."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from reports import render_leaderboard

SKIPPED = ("tabular", "svm", "kernel", "skipped", "the cohort has no table 'clinical'")


class Text(HTMLParser):
    """Collects text; a place to break a word is no space."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html.replace("<wbr>", ""))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def text_of(html: str) -> str:
    return " ".join(" ".join(Text(html).texts).split())


def section(page: str, number: int = 1) -> str:
    found = re.search(rf'<section id="external-{number}".*?</section>', page, flags=re.DOTALL)
    assert found
    return found[0]


def rows_of(html: str) -> list[str]:
    table = re.search(r'<table class="board external-board">.*?</table>', html, flags=re.DOTALL)
    assert table
    body = table[0].split("<tbody>")[1]
    return [text_of(row) for row in re.findall(r"<tr.*?</tr>", body, flags=re.DOTALL)]


@pytest.fixture
def page(make_summary, make_external) -> str:
    return render_leaderboard(make_summary(external=[make_external(unscored=[SKIPPED])]))


def test_without_external_cohorts_there_is_no_section(make_summary):
    """The page is the same whether the summary has an empty list or, as earlier ones, none."""
    summary = make_summary()
    page = render_leaderboard(summary)
    assert '<section id="external' not in page
    del summary["external"]
    assert render_leaderboard(summary) == page


def test_a_section_stands_after_the_board(page):
    """Title, counts, source and the classes as they were mapped."""
    assert page.index('id="board"') < page.index('id="external-1"') < page.index('id="unscored"')
    text = text_of(section(page))
    assert "External cohort: Patients of elsewhere" in text
    assert "All 40 cases" in text
    assert "carcinoma → malignant (20), cyst → left out (4)" in text
    assert "There is no normal case here" in text
    assert "Left out here: ROC AUC, macro average" in text
    assert "(not defined: no normal case)" in text


def test_rows_are_best_first_with_their_internal_rank(make_summary, make_external):
    """External AUC, internal AUC of the same classes, change, counts, observed to expected."""
    summary = make_summary(external=[make_external()])
    (board,) = summary["external"]
    values = [row["metrics"]["roc_auc"]["external"]["value"] for row in board["rows"]]
    assert values == sorted(values, reverse=True)
    shown = rows_of(section(render_leaderboard(summary)))
    assert len(shown) == len(board["rows"])
    for row, text in zip(board["rows"], shown, strict=True):
        assert text.startswith(f"{row['rank']} {row['model']}")
        found, positives = row["frozen"]["found"]
        left, others = row["frozen"]["left_alone"]
        assert f"{found} of {positives} (" in text
        assert f"{left} of {others} (" in text
        assert f'href="#row-{row["internal_rank"]}"' in section(render_leaderboard(summary))


def test_the_row_that_leads_internally_is_the_headline(make_summary, make_external):
    """Not the best of the external rows, which is partly lucky."""
    summary = make_summary(external=[make_external()])
    text = text_of(section(render_leaderboard(summary)))
    leader = next(row for row in summary["rows"] if row["rank"] == 1)
    assert (
        f"{leader['model']} on {leader['features']} (first on the internal board) reaches" in text
    )


def test_skipped_rows_stand_with_their_reason(page):
    """Folded away, with their number in the summary line."""
    html = section(page)
    assert "Rows without a score here: 1 skipped, 0 failed" in text_of(html)
    assert "the cohort has no table &#39;clinical&#39;" in html


def test_a_failed_row_is_not_folded_away(make_summary, make_external):
    """What failed is open to the eye."""
    failed = ("tabular", "svm", "kernel", "failed", "MemoryError: none")
    page = render_leaderboard(make_summary(external=[make_external(unscored=[failed])]))
    assert re.search(r"<details open>\s*<summary>Rows without a score here: 0 skipped, 1 f", page)


def test_no_threshold_says_why(make_summary, make_external):
    """In place of both counts, in every row, and not in the headline."""
    summary = make_summary(external=[make_external()], target_sensitivity=0.99)
    html = section(render_leaderboard(summary))
    reason = "too few malignant cases in development (30) to support a threshold"
    assert html.count(reason) == len(summary["external"][0]["rows"])
    assert "it finds" not in text_of(html)


@pytest.mark.parametrize("simulation", ["simulated", "semi-simulated"])
def test_a_simulated_external_cohort_says_so(make_summary, make_external, simulation):
    """Above the section and in the caption, even where the development cohort is real."""
    page = render_leaderboard(make_summary(external=[make_external(simulation=simulation)]))
    html = section(page)
    stamp = "Simulated data" if simulation == "simulated" else "Semi-simulated data"
    assert html.count(stamp) >= 3
    assert stamp not in page.split('<section id="external-1"')[0]


def test_real_cases_scored_by_models_of_simulated_ones_say_so(make_summary, make_external):
    """The section bears the stamp of what its numbers are made of, as the terminal does."""
    page = render_leaderboard(make_summary(simulation="simulated", external=[make_external()]))
    html = section(page)
    assert html.count("Simulated data") >= 3
    assert "No number of this section says anything about real patients" in text_of(html)
    assert "patients are real" in text_of(html)


@pytest.mark.parametrize(
    ("greater", "low", "high", "worse"),
    [
        (True, -0.2, -0.1, True),
        (True, 0.1, 0.2, False),
        (True, -0.2, 0.1, False),
        (False, 0.1, 0.2, True),
        (False, -0.2, -0.1, False),
        (False, None, None, False),
    ],
)
def test_worse_is_what_the_metric_calls_worse(
    make_summary, make_external, greater, low, high, worse
):
    """A loss that grows is as bad as an AUC that falls."""
    summary = make_summary(external=[make_external()])
    (board,) = summary["external"]
    name = board["ordered_by"]
    for row in board["rows"]:
        row["metrics"][name]["change"] |= {"ci_low": low, "ci_high": high}
    for metric in summary["metrics"]:
        if metric["name"] == name:
            metric["greater_is_better"] = greater
    html = section(render_leaderboard(summary))
    assert ('<div class="verdict no">' in html) is worse


def test_codes_lead_to_the_notes_of_their_own_section(make_summary, make_external):
    """A note of the external cohort is not mixed up with one of development."""
    two = [make_external(), make_external(key="third", title="A third")]
    page = render_leaderboard(make_summary(external=two))
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for number in (1, 2):
        html = section(page, number)
        for target in re.findall(r'class="code" href="#([^"]+)"', html):
            assert target.startswith(f"external-{number}-note-")
            assert f'id="{target}"' in html


def test_no_row_is_said_plainly(make_summary, make_external):
    """A cohort for which every row was skipped still has its section."""
    record = make_external()
    nothing = type(record)(
        record.description,
        record.plan.assign(status="skipped", reason="the cohort has no images"),
        record.predictions.iloc[:0],
    )
    html = section(render_leaderboard(make_summary(external=[nothing])))
    assert "No row could be scored on this cohort." in text_of(html)
    assert html.count("the cohort has no images") == len(record.plan)


@pytest.mark.parametrize("text", ['<img src=x onerror="window.PWNED=1">', "{{ 7*7 }}"])
def test_hostile_names_are_text(make_summary, make_external, text):
    """Titles, classes and reasons come from data files."""
    record = make_external(
        title=text,
        mapping=[{"from": text, "to": None, "n_cases": 1}],
        differences=[text],
        unscored=[("tabular", text, "kernel", "skipped", text)],
    )
    page = render_leaderboard(make_summary(external=[record]))
    assert "<img src=x" not in page
    assert text_of(section(page)).count(text) == 5


def test_a_fall_from_the_best_row_is_put_in_proportion(page):
    """The row was chosen for its internal score, and fits are held fixed: both are said."""
    text = text_of(section(page))
    assert "part of a fall is to be expected" in text
    assert "leave out the variation of refitting" in text
    assert "wrong way round" not in text


def test_a_ranking_that_is_reversed_is_said(make_summary, make_external):
    """An AUC whose whole interval lies below chance is more often a mapping than a model."""
    rows = [
        ("tabular", "logistic_regression", "linear", -3.0),
        ("radiomics+tabular", "svm", "kernel", -3.0),
    ]
    external = make_external(rows)
    page = render_leaderboard(make_summary(external=[external]))
    assert "It ranks the cases the wrong way round" in text_of(section(page))
