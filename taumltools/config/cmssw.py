"""Settings of a site for programs of the CMS software (CMSSW)."""

from __future__ import annotations

from pydantic import model_validator

from taumltools.config.base import settings


@settings
class CmsswConfig:
    """How ``cmsRun`` and ``dasgoclient`` are reached at a site.

    Attributes:
        sandbox: a sandbox of law that has them, e.g. ``cmssw::CMSSW_13_0_13`` or ``bash::/path/setup.sh``; empty: none.
        container: words in front of ``bash <script>`` that run it in a container, e.g. ``[cmssw-el8, --command-to-run]``
            or ``[apptainer, exec, -B, /cvmfs, /path/image.sif]``.
        setup: shell lines that the script runs first, e.g. ``source /cvmfs/cms.cern.ch/cmsset_default.sh``.
        redirector: what is put in front of logical file names (``/store/...``), e.g. ``root://cms-xrd-global.cern.ch/``;
            empty: the site's own catalogue resolves them.
        scratch: folder where ``cmsRun`` works; empty: that for temporary files.
    """

    sandbox: str = ""
    container: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    redirector: str = ""
    scratch: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> CmsswConfig:
        if self.sandbox and self.container:
            raise ValueError("sandbox and container are two ways to the same software: give one of them")
        if self.sandbox and "::" not in self.sandbox:
            raise ValueError(f"sandbox '{self.sandbox}' is not of the form type::name, e.g. cmssw::CMSSW_13_0_13")
        return self
