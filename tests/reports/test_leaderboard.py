"""The page holds the whole summary, says what it must say loudly, and nothing else."""

from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest

from reports import render_leaderboard

HOSTILE = (
    '<img src=x onerror="window.PWNED=1">',
    "</script><script>window.PWNED=2</script>",
    "$x_{",
    "a&b",
    "\u202eلوحة\u202c\x08",
    "{{ 7*7 }}",
    "javascript:window.PWNED=3",
)


class Outline(HTMLParser):
    """Collects what a test asks about: text, ids, links, and tags that load something."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        # A place to break a word is no space.
        self.feed(html.replace("<wbr>", ""))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "srcset", "xlink:href", "action", "data", "poster"):
                self.addresses.append(value or "")
            if name.startswith("on") or name == "style":
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] not in (["style"], ["script"]):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def section(html: str, name: str) -> Outline:
    """Return the outline of one section of the page."""
    found = re.search(rf'<section id="{name}".*?</section>', html, flags=re.DOTALL)
    assert found, f"no section {name}"
    return Outline(found[0])


def test_every_section_is_there(summary):
    """Board, curves, tables, reasons, glossary, protocol and provenance stand on one page."""
    ids = Outline(render_leaderboard(summary)).ids
    wanted = ["answer", "board", "roc", "confusion", "unscored", "protocol", "glossary", "data"]
    positions = [ids.index(name) for name in (*wanted, "provenance")]
    assert positions == sorted(positions)


def test_rendering_twice_gives_the_same_bytes(summary):
    """The page depends on the summary alone, and does not change it."""
    before = copy.deepcopy(summary)
    assert render_leaderboard(summary) == render_leaderboard(copy.deepcopy(before))
    assert summary == before


def test_the_answer_stands_first(summary):
    """The first screen has the question, the verdict's own sentence and the counts."""
    answer = section(render_leaderboard(summary), "answer").text
    (verdict,) = summary["verdicts"]
    assert verdict["question"] in answer
    assert verdict["sentence"] in answer
    assert "90 cases, 90 patients" in answer
    assert "malignant positive class 30 cases, 30 patients" in answer


def test_every_row_and_metric_has_its_interval(summary):
    """No value of the board stands without an interval, and none is missing."""
    board = section(render_leaderboard(summary), "board")
    n_values = len(summary["rows"]) * len(summary["metrics"])
    pattern = r"\d\.\d{2,3} \((?:\d\.\d{2,3}–\d\.\d{2,3}|interval not estimable)\)"
    assert len(re.findall(pattern, board.text)) == n_values
    for row in summary["rows"]:
        assert f"row-{row['rank']}" in board.ids
        score = row["metrics"]["f1_macro"]
        if score["ci_low"] < score["ci_high"]:
            shown = f"{score['value']:.2f} ({score['ci_low']:.2f}–{score['ci_high']:.2f})"
            assert shown in board.text


def test_the_primary_metric_comes_first_among_metrics(summary):
    """The column that orders the board is the first of the metrics, whichever it is."""
    summary["primary"] = "brier"
    headers = re.findall(
        r'<th scope="col" class="number primary"[^>]*>(.*?)</th>', render_leaderboard(summary)
    )
    assert headers == ["<bdi>Brier</bdi>"]


def test_failed_and_skipped_rows_keep_their_reasons(summary):
    """What was not scored is named, with what happened."""
    text = section(render_leaderboard(summary), "unscored").text
    assert "failed xgboost embedding 3 of 3 folds failed; the first: ValueError: no grad" in text
    assert "skipped image_network image The cohort has no images." in text
    assert "1 failed, 1 skipped" in text


def test_a_run_without_scored_rows_still_has_a_page(summary):
    """When everything failed, the page says so instead of breaking."""
    summary["rows"] = []
    html = render_leaderboard(summary)
    assert "No row could be scored." in section(html, "answer").text
    assert "no gradient" in section(html, "unscored").text
    assert "roc" not in Outline(html).ids


@pytest.mark.parametrize(
    ("simulation", "words"),
    [
        ("simulated", "These patients do not exist."),
        ("semi-simulated", "The images are real; the tables beside them are simulated."),
    ],
)
def test_simulated_data_says_so_at_the_top(make_summary, simulation, words):
    """The banner precedes every number, and figures carry the stamp when they travel."""
    html = render_leaderboard(make_summary(simulation=simulation))
    stamp = simulation.capitalize() + " data"
    assert words in html
    assert html.index(words) < html.index("<h1>")
    assert f"<title>[{stamp}]" in html
    figures = re.findall(r'<svg [^>]*role="img".*?</svg>', html, flags=re.DOTALL)
    assert len(figures) == 4
    assert all(f">{stamp}</text>" in figure for figure in figures)


def test_real_data_has_no_simulation_banner(summary):
    """The banner is not crying wolf."""
    assert "simulated" not in Outline(render_leaderboard(summary)).text.lower()


def test_research_use_is_said(summary):
    """The page says at its top and end what it is not for."""
    text = Outline(render_leaderboard(summary)).text
    assert text.count("Research use only. Not for clinical decisions.") == 2


def test_unknown_patients_are_not_counted(summary):
    """Where patients are not recorded, no number pretends to count them."""
    summary["cohort"]["patients_known"] = False
    summary["cohort"]["patients_sentence"] = "Patients are not recorded, as the run knows."
    answer = section(render_leaderboard(summary), "answer").text
    assert "90 cases, 90 patients" not in answer
    assert "Patients are not recorded" in answer


def test_notes_stand_on_the_page_warnings_first(summary):
    """Every note's text is there, and warnings are on the first screen."""
    html = render_leaderboard(summary)
    answer = section(html, "answer").text
    assert "post-diagnosis-columns 2 columns recorded after the diagnosis were kept" in answer
    assert "Trained without early stopping." not in answer
    assert "Trained without early stopping." in section(html, "protocol").text


def test_a_marked_row_links_to_the_text_of_its_note(summary):
    """Random weights are marked at the row, and the mark leads to one explaining text."""
    html = render_leaderboard(summary)
    cell = re.search(r'<th scope="row" class="model" data-value="late_fusion">.*?</th>', html, re.S)
    target = re.search(r'href="#(note-\d+)"><bdi>random-weights</bdi>', cell[0])[1]
    note = re.search(rf'<li id="{target}".*?</li>', html, re.S)[0]
    assert "Pretrained weights of the backbone could not be had." in note
    other = re.search(r'<th scope="row" class="model" data-value="svm">.*?</th>', html, re.S)
    assert "href" not in other[0]


def test_every_link_has_its_target_and_ids_are_unique(summary):
    """Links stay on the page and lead somewhere; figures share no ids."""
    outline = Outline(render_leaderboard(summary))
    assert len(outline.ids) == len(set(outline.ids))
    links = [address.removeprefix("#") for address in outline.addresses if address != "data:,"]
    assert links
    assert set(links) <= set(outline.ids)


def test_the_forest_plot_shows_who_is_compared(make_summary):
    """Twelve rows at most; the fusion row and a baseline are among them, however low."""
    rows = [("tabular", f"m{i:02d}", "linear", 2.0) for i in range(14)]
    rows += [("all", "late_fusion", "deep", 0.5), ("all", "dummy", "baseline", 0.0)]
    html = render_leaderboard(make_summary(rows))
    forest = re.search(r'<svg [^>]*role="img".*?</svg>', html, flags=re.DOTALL)[0]
    assert len(re.findall(r">(?:m\d\d|late_fusion †|dummy)</text>", forest)) == 12
    assert ">late_fusion †</text>" in forest
    assert ">dummy</text>" in forest
    assert "12 of 16 scored rows" in html


def test_confusion_tables_hold_counts_and_shares(summary):
    """Counts are those of the summary; what was missed of the positive class is said."""
    row = summary["rows"][0]
    row["confusion"] = [[27, 3, 0], [1, 29, 0], [0, 15, 15]]
    text = section(render_leaderboard(summary), "confusion").text
    assert "benign 27 90% 3 10% 0 0% 30 malignant 1 3% 29 97% 0 0% 30" in text
    assert "Missed: 1 of 30 malignant" in text


def test_roc_starts_with_the_positive_class(summary):
    """The class whose miss costs most is drawn first, and has its numbers in a table."""
    for row in summary["rows"]:
        for curve in row["roc"] or ():
            curve["tpr"] = [0.25 if curve["class"] == "malignant" else 0.75] * len(curve["fpr"])
    html = render_leaderboard(summary)
    titles = re.findall(r">(\w+ versus rest)</text>", html)
    assert titles == ["malignant versus rest", "benign versus rest", "normal versus rest"]
    assert re.search(r"malignant \w+ on \S+ 25% 25% 25% 25% 25%", section(html, "roc").text)


def test_what_could_not_be_estimated_says_so(summary):
    """A missing value and a missing interval are words, never a number or 'nan'."""
    missing = {"value": None, "ci_low": None, "ci_high": None}
    summary["rows"][0]["metrics"] |= {
        "brier": missing,
        "roc_auc": {"value": 0.5, "ci_low": None, "ci_high": None},
    }
    board = section(render_leaderboard(summary), "board").text
    assert "not estimable" in board
    assert "0.50 (interval not estimable)" in board
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b", board)


def test_config_versions_and_cost_are_shown(summary):
    """Whoever wants to repeat the run finds what it was made of."""
    text = section(render_leaderboard(summary), "provenance").text
    for wanted in ("preset: quick seed: 7", "numpy 2.2.0", "0123456789abcdef", "1 min 15 s"):
        assert wanted in text


def test_no_more_than_three_decimals_are_read(summary):
    """Full precision sorts the board and stays out of the text."""
    assert not re.search(r"\d\.\d{4,}", Outline(render_leaderboard(summary)).text)


def test_nothing_comes_from_elsewhere(summary):
    """No address leaves the page, no tag loads anything, no style or handler is inline."""
    outline = Outline(render_leaderboard(summary))
    assert all(a.startswith("#") or a == "data:," for a in outline.addresses)
    assert not {"img", "iframe", "object", "embed", "form", "base"} & set(outline.tags)
    assert outline.handlers == []


def test_the_content_policy_allows_nothing_but_the_page(summary):
    """Scripts and styles run by their hash only."""
    policy = re.search(r'Security-Policy" content="(.*?)"', render_leaderboard(summary))[1]
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    assert "unsafe" not in policy


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(make_summary, name):
    """Models, features, classes, columns and reasons cannot become markup or mathematics."""
    html = render_leaderboard(hostile(make_summary, name))
    clean = Outline(render_leaderboard(hostile(make_summary, "plain")))
    outline = Outline(html)
    assert outline.tags == clean.tags
    assert outline.handlers == []
    assert "PWNED" not in " ".join(outline.addresses)
    shown = " ".join(name.split())
    assert shown in section(html, "board").text
    assert shown in section(html, "unscored").text


def hostile(make_summary, name):
    """Build a summary with a name wherever names come from outside."""
    return make_summary(
        [(name, name, "linear", 1.0), (name, "late_fusion", "deep", 1.0)],
        unscored=[(name, "xgboost", name, "failed", name)],
        notes=[{"code": name, "severity": "warning", "text": name}],
        classes=("benign", name),
        simulation="simulated",
        config_yaml=name,
        versions={"sonobench": name, name: name},
    )


def test_sixty_rows_stay_small(make_summary):
    """A long board is still a page that can be mailed."""
    rows = [(f"set{i % 6}", f"model_{i // 6}", "linear", 1.0 + i / 60) for i in range(60)]
    assert len(render_leaderboard(make_summary(rows)).encode("utf-8")) < 1_500_000


def test_another_schema_is_refused(summary):
    """A summary of a later version is not half-shown."""
    with pytest.raises(ValueError, match="schema version 99; this page is laid out from version 1"):
        render_leaderboard(summary | {"schema_version": 99})
