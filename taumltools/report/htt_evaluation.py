"""Evaluation of one sample of events into a folder: figures, PDF, interactive pages, all kept with the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from taumltools.config.htt import HttConfig
from taumltools.htt.evaluate import evaluate, read_scores, save_evaluation
from taumltools.htt.foldfile import FoldFile
from taumltools.htt.importance import feature_importance
from taumltools.htt.plots import draw_pdf
from taumltools.htt.predict import load_ensemble
from taumltools.report.htt_figures import write_pages
from taumltools.training.tracking import RunDescription, tracked


def evaluate_to_folder(
    scores: Path,
    events: Path,
    models: Sequence[Path],
    config: HttConfig,
    folder: Path,
    tracking: RunDescription | None = None,
) -> dict[str, float]:
    """Evaluate a sample.

    Writes ``evaluation.json``, ``plots/*.html``, ``plots/pdf/*.pdf``, and with tracking the log of the run.

    Args:
        scores: CSV with the scores; its name is that of the sample.
        events: fold file of the same events, for the importance of features.
        models: folders of the models of all folds.
        config: settings.
        folder: where to write.
        tracking: what the run is and where its log goes; None: no log.

    Returns:
        The figures that are logged.

    Raises:
        InputError: scores, events and settings do not fit together.
    """
    with tracked(tracking if config.training.tracking else None) as run:
        evaluation = evaluate(read_scores(scores), config, scores.stem)
        if config.evaluation.importance_events:
            with FoldFile(events) as file:
                evaluation["importance"] = feature_importance(file.read(), load_ensemble(models), config)
        plots = folder / "plots"
        pages = write_pages(evaluation, plots)
        drawings = draw_pdf(evaluation, config.evaluation, plots / "pdf")
        save_evaluation(folder / "evaluation.json", evaluation)
        metrics: dict[str, float] = evaluation["metrics"]
        if run:
            run.log_params({"dataset": scores.stem, "models": [path.name for path in models]})
            run.log_summary(metrics, 0)
            for path in (*pages, *drawings):
                run.log_file(path, f"plots/{scores.stem}" + ("/pdf" if path.suffix == ".pdf" else ""))
            run.deliver(folder)
    return metrics
