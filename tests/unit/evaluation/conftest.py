from __future__ import annotations

import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config.compose import CONFIG_DIR
from taumltools.config.evaluation import EvaluationConfig


@pytest.fixture(scope="session")
def config() -> EvaluationConfig:
    """Settings of the demo campaign."""
    text = (CONFIG_DIR / "evaluation" / "demo.yaml").read_text()
    return TypeAdapter(EvaluationConfig).validate_python(yaml.safe_load(text))
