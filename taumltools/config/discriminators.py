"""Settings of discriminators: where their score and their working points come from."""

from __future__ import annotations

from dataclasses import field

from pydantic import field_validator, model_validator

from taumltools.config.base import settings

FAKE_TYPES = ("e", "mu", "jet")
"""What can be mistaken for a hadronic tau decay; a discriminator is 'vs' one of them."""

NETWORK = "network"
"""Value of ``DiscriminatorConfig.score`` that stands for the network's VS_x."""

POINT_NAMES = (
    "VVVLoose",
    "VVLoose",
    "VLoose",
    "Loose",
    "Medium",
    "Tight",
    "VTight",
    "VVTight",
    "VVVTight",
)
"""Names of working points, loosest first; the position is the bit in branches such as ``tau_byDeepTau2018v2p5VSjet``."""


@settings
class DiscriminatorConfig:
    """One way to tell genuine taus from fakes.

    In ``score`` and ``bits``, ``{vs}`` stands for the fake type, e.g. ``tau_byDeepTau2018v2p5VS{vs}raw``.

    Attributes:
        title: what legends show.
        vs: fake types it is meant for, out of ``e``, ``mu``, ``jet``.
        score: ``"network"`` for VS_x = p_tau / (p_tau + p_x), or an expression over tuple
            branches that is larger for more tau-like candidates, e.g. ``"-tau_chargedIsoPtSum"``;
            empty if there are only working points.
        bits: branch whose bits are working points, bit i being ``POINT_NAMES[i]``; empty if none.
        bit_points: fake type to the working points that the branch has, loosest first.
        thresholds: fake type to working point to threshold (score > threshold), loosest first,
            of a discriminator whose working points are known. Without these and ``bits``
            thresholds are derived from genuine taus.
    """

    title: str
    vs: tuple[str, ...] = FAKE_TYPES
    score: str = NETWORK
    bits: str = ""
    bit_points: dict[str, tuple[str, ...]] = field(default_factory=dict)
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)

    @field_validator("vs")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - set(FAKE_TYPES))
        if unknown or not value:
            raise ValueError(f"must name at least one of {', '.join(FAKE_TYPES)}; found {list(value)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> DiscriminatorConfig:
        if not self.score and not self.bits:
            raise ValueError("needs a score, or bits with working points")
        if self.bits and self.thresholds:
            raise ValueError("has working points twice, as bits and as thresholds: leave one out")
        if bool(self.bits) != bool(self.bit_points):
            raise ValueError("bits and bit_points need each other: a branch, and which working points it has")
        for key in ("bit_points", "thresholds"):
            for vs, points in getattr(self, key).items():
                if vs not in self.vs:
                    raise ValueError(f"{key}.{vs}: the discriminator is meant for {', '.join(self.vs)}")
                unknown = [name for name in points if name not in POINT_NAMES]
                if unknown and key == "bit_points":
                    raise ValueError(f"{key}.{vs}: {unknown} are not among {', '.join(POINT_NAMES)}")
        return self

    @property
    def derived(self) -> bool:
        """True if thresholds of working points are derived from genuine taus."""
        return bool(self.score) and not self.bits and not self.thresholds

    def score_of(self, vs: str) -> str:
        """The score against one fake type.

        Examples:
            >>> DiscriminatorConfig(title="x", score="tau_byDeepTau2018v2p5VS{vs}raw").score_of("jet")
            'tau_byDeepTau2018v2p5VSjetraw'
        """
        return self.score.replace("{vs}", vs)

    def bits_of(self, vs: str) -> str:
        """The branch with the working points against one fake type, empty if there is none."""
        return self.bits.replace("{vs}", vs) if vs in self.bit_points else ""
