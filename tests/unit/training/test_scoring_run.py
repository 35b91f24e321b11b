"""What a score run leaves in MLflow."""

import numpy as np

from deepsound.evaluation.evaluate import evaluate
from deepsound.evaluation.predictions import make_predictions
from deepsound.evaluation.render.plain import report_to_plain
from deepsound.training.scoring_run import _choose_listed, _collect_figures


def test_score_runs_are_listed_by_few_figures():
    table = make_predictions(
        [f"t{i}" for i in range(40)],
        artists=[None] * 40,
        true_indices=np.arange(40) % 2,
        probabilities=np.random.default_rng(0).dirichlet([1, 1], 40),
        genres=("a", "b"),
    )
    report = evaluate(table, genres=("a", "b"))
    ranked = {"ood_auroc_all": 0.6, "ood_auroc_all_low": 0.5, "ood_auroc_all_high": 0.7}
    figures = {**_collect_figures(report, report_to_plain(report)), **ranked}
    assert {"macro_recall", "aurc", "n_scored", "mean_confidence"} < set(figures)
    listed = _choose_listed(figures, report)
    assert set(listed) == {
        *(f"{name}{end}" for name in ("accuracy", "macro_f1") for end in ("", "_low", "_high")),
        *("n_tracks", "n_labelled", "n_failed", "n_ood", "calibration_error", "ood_auroc_all"),
    }
    assert listed.items() <= figures.items()
