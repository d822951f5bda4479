"""Simulated events for the classification of H->tautau events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.base import PipelineTask
from tasks.production import ProducePileup


class ProduceEvents(PipelineTask):
    """Flat event ntuples from Pythia and the fast simulation (``htt.source: simulated``); a branch per chunk of a sample."""

    product = "{sample}_{chunk}.root"

    def pieces(self) -> list[tuple[str, int]]:
        """Sample and number of the chunk, by branch."""
        samples = self.campaign_config.htt.samples
        return [(name, chunk) for name, sample in samples.items() for chunk in range(sample.chunks)]

    def path_of(self, branch: int) -> Path:
        """Named after sample and chunk."""
        sample, chunk = self.pieces()[branch]
        return self.folder / self.product.format(sample=sample, chunk=chunk)

    def files(self) -> dict[str, list[Path]]:
        """Products by sample, in the order of chunks."""
        found: dict[str, list[Path]] = {}
        for branch, (sample, _) in enumerate(self.pieces()):
            found.setdefault(sample, []).append(self.path_of(branch))
        return found

    def reads(self) -> tuple[str, ...]:
        """How many events of which samples, and how they are simulated."""
        samples = self.campaign_config.htt.samples
        sizes = [f"htt.samples.{name}.{what}" for name in samples for what in ("events", "chunks")]
        return ("seed", "production", "htt.channel", "htt.tree", "htt.simulation", *sizes)

    def upstream(self) -> dict[str, Any]:
        """The pile-up pool."""
        return {"pileup": self.need(ProducePileup)}

    def create_branch_map(self) -> dict[int, int]:
        """Branches; samples that cannot be simulated are refused here, once.

        Raises:
            ConfigError: names what is missing.
        """
        from taumltools.htt.events import check_samples

        config = self.campaign_config.htt
        check_samples(config.samples, config.channel, config.simulation)
        return super().create_branch_map()

    def n_branches(self) -> int:
        """One branch per chunk of each sample."""
        return len(self.pieces())

    def random_seed(self) -> Any:
        """The random stream of a chunk: the same whatever other samples there are."""
        from taumltools.config.identity import seed_sequence

        return seed_sequence(self.setting("seed"), type(self).__name__, *map(str, self.pieces()[self.branch]))

    def produce(self, path: Path) -> dict[str, Any]:
        """Simulate one chunk."""
        from taumltools.htt.events import Setup, simulate_events
        from taumltools.htt.mock import write_events
        from taumltools.production.pileup import PileupPool

        sample, chunk = self.pieces()[self.branch]
        pool = PileupPool.load(self.upstream()["pileup"].path)
        setup = Setup(self.setting("htt.channel"), self.setting("htt.simulation"), self.setting("production"), pool)
        chunks = self.setting(f"htt.samples.{sample}.chunks")
        wanted = self.setting(f"htt.samples.{sample}.events")
        events = (chunk + 1) * wanted // chunks - chunk * wanted // chunks
        columns, account = simulate_events(
            sample, setup, events=events, seed=self.random_seed(), chunk=chunk, chunks=chunks
        )
        write_events(path, columns, self.setting("htt.tree"))
        return account

    def validate(self, path: Path) -> None:
        """The tree can be read and has events."""
        from taumltools.errors import InputError
        from taumltools.htt.ntuples import count_events

        if not count_events([path], self.setting("htt.tree")):
            raise InputError(f"{path} has no events")
