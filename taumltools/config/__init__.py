"""Settings: frozen dataclasses that mirror configs/, hydra composition, and output identity."""

from __future__ import annotations

from taumltools.config.campaign import CampaignConfig
from taumltools.config.compose import available_campaigns, load_campaign

__all__ = ["CampaignConfig", "available_campaigns", "load_campaign"]
