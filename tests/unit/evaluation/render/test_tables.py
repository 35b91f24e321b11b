"""Tables for people: every model's figures stand in its own columns."""

import numpy as np

from deepsound.evaluation.render.plain import metrics_to_plain, per_genre_rows
from deepsound.evaluation.render.text import format_headline, format_per_genre, format_side_by_side
from tests.confusions import metrics_of


def make_card(confusion, **counts):
    metrics = metrics_of(np.array(confusion), genres=("blues", "jazz"))
    plain = {"n_tracks": 10, "n_scored": 9, "n_failed": 1, "n_ood": 2, "n_foreign_label": 0}
    return {**plain, **counts, **metrics_to_plain(metrics)}, per_genre_rows(metrics)


GOOD, BAD = make_card([[4, 1], [0, 4]]), make_card([[1, 4], [3, 1]])


def test_each_model_has_its_own_columns():
    lines = format_side_by_side({"good": GOOD, "bad": BAD}).splitlines()
    assert lines[0].startswith("good: accuracy 0.889 (95 % interval 0.565 to 0.980)")
    assert lines[1].startswith("bad: accuracy 0.222")
    titles, head, blues, jazz = (line.split("|") for line in lines[2:-1])
    assert lines[-1].startswith("no artist is known: intervals take tracks as independent")
    assert [cell.strip() for cell in titles] == ["", "good", "bad"]
    assert head[1].split() == head[2].split() == ["right", "precision", "recall", "95", "%", "interval", "F1"]
    assert blues[0].split() == ["blues", "5"]
    assert [cell.split()[:3] for cell in blues[1:]] == [["4", "1.00", "0.80"], ["1", "0.25", "0.20"]]
    assert [cell.split()[:3] for cell in jazz[1:]] == [["4", "0.80", "1.00"], ["1", "0.20", "0.25"]]


def test_without_labels_the_cards_stand_one_below_the_other():
    summary, rows = make_card([[0, 0], [0, 0]])
    rows = [{**row, "n_scored_as": 3} for row in rows]
    text = format_side_by_side({"one": (summary, rows), "other": (summary, rows)})
    assert text.count("no known genre, so no accuracy") == 2
    assert format_headline(summary) == "no known genre"


def test_headline():
    assert format_headline(GOOD[0]) == "0.89 [0.57, 0.98] of 9"


def test_a_genre_with_a_newline_forges_no_row():
    rows = [{**row, "genre": "blues\n\x1b[2Jrock 9 9"} if i == 0 else row for i, row in enumerate(GOOD[1])]
    lines = format_per_genre(rows).split("\n")
    assert len(lines) == 1 + len(rows)
    assert lines[1].startswith("blues\\n\\x1b[2Jrock 9 9 ")
