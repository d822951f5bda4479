"""Classification of H->tautau events: from flat event ntuples to scores, plots and files for datacards."""
