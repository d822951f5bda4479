"""Tuples from MiniAOD by the CMS software: ``cmsRun`` with a configuration of the tuple producer."""
