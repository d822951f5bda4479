"""The column layout of the TrainingTuple of 2020 (the CMS tool TrainingTupleProducer), as an export."""
