"""What shuffle and merge reads: tuples of the campaign or from outside, counted, and their duplicates."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import law
import luigi

from tasks.base import PipelineTask
from tasks.production import DatasetTask, ProduceTuples, datasets_of

SEARCH_MB = 1000.0
"""Memory of a search for duplicates: what does not fit goes to the disk, at nearly the same speed."""


SOURCE = ("input", "prefix", "file_name_pattern", "exclude_list", "exclude_dir_list")
"""Options that say which tuples are read."""


FINE_BINS = ("pt_hist", "eta_hist")
"""Options that say in which bins candidates are counted."""


def parse_bins(axis: str, values: tuple[str, ...]) -> dict[str, Any]:
    """Fine bins as the CMS tools write them.

    Args:
        axis: ``pt`` or ``eta``.
        values: number of bins, first and last edge; or nothing.

    Returns:
        The settings of :class:`taumltools.config.sampling.SpectraConfig` that they replace.

    Raises:
        ConfigError: not three numbers.
    """
    from taumltools.errors import ConfigError

    if not values:
        return {}
    try:
        number, low, high = values
        return {f"{axis}_bins": int(number), f"{axis}_range": (float(low), float(high))}
    except ValueError as error:
        raise ConfigError(
            f"--{axis}-hist {','.join(values)}: expected number of bins, first and last edge, e.g. 980,20,1000 ({error})"
        ) from None


class FineBinsTask(PipelineTask):
    """A task that counts candidates in fine bins, or uses such counts."""

    exclude_index = True

    pt_hist = law.CSVParameter(
        default=(),
        description="fine bins in pt: number, first and last edge in GeV, e.g. 980,20,1000; default: sampling.spectra",
    )
    eta_hist = law.CSVParameter(
        default=(),
        description="fine bins in |eta|: number, first and last edge, e.g. 250,0,2.5; default: sampling.spectra",
    )

    @functools.cached_property
    def fine_bins(self) -> Any:
        """The fine bins, with the options applied.

        Raises:
            ConfigError: an option does not fit.
        """
        from pydantic import ValidationError

        from taumltools.config.compose import explain
        from taumltools.errors import ConfigError

        changes = parse_bins("pt", self.pt_hist) | parse_bins("eta", self.eta_hist)
        try:
            return dataclasses.replace(self.setting("sampling.spectra"), **changes)
        except ValidationError as error:
            raise ConfigError(f"--pt-hist and --eta-hist do not fit: {explain(error, 'bins').strip()}") from error

    def settings(self) -> dict[str, Any]:
        """What is read, with the options applied, so that they move the output."""
        settings = super().settings()
        return settings | ({"sampling.spectra": self.fine_bins} if "sampling.spectra" in settings else {})


class CountSpectra(FineBinsTask, DatasetTask):
    """Entries, entries by truth type and fine (pt, |eta|) histograms of each tuple file of the campaign."""

    product = "spectra_{branch}.json"
    follows = "tuples"

    def reads(self) -> tuple[str, ...]:
        """The binning, and how many files there are."""
        return ("sampling.spectra", f"samples.{self.sample}.{self.dataset}")

    def upstream(self) -> dict[str, Any]:
        """The tuples of the same sample and dataset."""
        return {"tuples": self.need(ProduceTuples, sample=self.sample, dataset=self.dataset)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Count."""
        from taumltools.sampling.spectra import count_spectra

        spectra = count_spectra(self.input_paths()[0], self.fine_bins)
        if not spectra.entries:
            self._refuse_if_all_are_empty()
        spectra.save(path)
        return {"entries": spectra.entries, "entries_by_type": dict(spectra.entries_by_type)}

    def _refuse_if_all_are_empty(self) -> None:
        """A file may be empty, the dataset not; the branch whose tuples came last sees all the others."""
        from taumltools.production.account import refuse_empty_dataset
        from taumltools.store import read_sidecar, sidecar_path

        files = self.upstream()["tuples"].paths()
        if all(sidecar_path(file).exists() for file in files):
            entries = (read_sidecar(file)["details"]["entries"] for file in files)
            refuse_empty_dataset(self.dataset, self.sample, sum(entries))

    def validate(self, path: Path) -> None:
        """The file reads back."""
        from taumltools.sampling.spectra import Spectra

        Spectra.load(path)


class InputTask(FineBinsTask):
    """A task that reads all tuples of the training sample, or tuples from outside."""

    exclude_index = True

    input = luigi.Parameter(
        default=law.NO_STR,
        description="tuples from outside: a folder, or a text file of lines 'path entries'; "
        "default: the tuples of the campaign's training sample",
    )
    prefix = luigi.Parameter(
        default="", description="what stands before 'dataset/file' in the lines of an --input list"
    )
    file_name_pattern = luigi.Parameter(
        default=r".*\.(root|arrow)", description="regular expression on the paths of files in an --input folder"
    )

    exclude_list = law.CSVParameter(default=(), description="names of files in an --input folder to leave out")
    exclude_dir_list = law.CSVParameter(default=(), description="names of folders in an --input folder to leave out")
    depends: ClassVar[tuple[str, ...]] = ("sampling.spectra",)
    """Settings that the product depends on, besides which tuples there are."""

    def reads(self) -> tuple[str, ...]:
        """Settings, and which datasets are mixed."""
        return (*self.depends, "sampling.count_jobs", *(() if self.external else ("samples.train",)))

    @property
    def external(self) -> bool:
        """Whether the tuples come from outside of the campaign."""
        return self.input != law.NO_STR

    def settings(self) -> dict[str, Any]:
        """What is read; of a list from outside also what stands in it."""
        return super().settings() | self._outside()

    def _outside(self) -> dict[str, str]:
        import hashlib

        if not self.external:
            return {}
        listed = Path(self._source()["input"])
        digest = hashlib.sha256(listed.read_bytes()).hexdigest() if listed.is_file() else ""
        return {**self._source(), "list": digest}

    @property
    def inputs(self) -> dict[str, Any]:
        """The options that say what is read and how it is counted, to hand them on."""
        return self._source() | {name: getattr(self, name) for name in FINE_BINS}

    def _source(self) -> dict[str, Any]:
        """The options that say what is read; the same folder is the same, by whatever name it is called."""
        source = {name: getattr(self, name) for name in SOURCE}
        return source | {"input": os.path.abspath(os.path.expanduser(self.input))} if self.external else source

    def counted_upstream(self) -> dict[str, Any]:
        """The tuples and their spectra."""
        if self.external:
            return {"files": self.need(ListTuples, **self.inputs), "spectra": self.need(CountTuples, **self.inputs)}
        bins = {name: getattr(self, name) for name in FINE_BINS}
        return {
            "spectra": list(datasets_of(self, "train", CountSpectra, **bins)),
            "tuples": list(datasets_of(self, "train", ProduceTuples)),
        }

    def counted(self) -> Iterator[Any]:
        """All files with their spectra, one at a time, always in the same order."""
        from taumltools.sampling.counted import CountedFile
        from taumltools.sampling.spectra import Spectra

        for file, spectra_path in self._files_and_spectra():
            yield CountedFile(file, Spectra.load(spectra_path))

    def input_files(self) -> list[Any]:
        """All files with their entries, in the order of :meth:`counted`; no spectrum is read."""
        return [file for file, _ in self._files_and_spectra()]

    def _files_and_spectra(self) -> Iterator[tuple[Any, Path]]:
        from taumltools.sampling.partition import InputFile

        for path, dataset, entries, spectra in self._external_files() if self.external else self._campaign_files():
            yield InputFile(Path(path), entries, dataset), spectra

    def _campaign_files(self) -> Iterator[tuple[Path, str, int, Path]]:
        from taumltools.production.account import refuse_empty_dataset
        from taumltools.store import read_sidecar

        upstream = self.counted_upstream()
        for tuples, spectra in zip(upstream["tuples"], upstream["spectra"], strict=True):
            entries = [read_sidecar(path)["details"]["entries"] for path in spectra.paths()]
            refuse_empty_dataset(tuples.dataset, tuples.sample, sum(entries))
            for branch, counted in enumerate(spectra.paths()):
                yield tuples.path_of(branch), tuples.dataset, entries[branch], counted

    def _external_files(self) -> Iterator[tuple[str, str, int, Path]]:
        """In the order of the listing, which was dealt out to the branches one by one."""
        from taumltools.tuples.listing import read_listing

        upstream = self.counted_upstream()
        folders = upstream["spectra"].paths()
        counted = [read_listing(folder / "files.json") for folder in folders]
        for number, file in enumerate(read_listing(upstream["files"].path)):
            file.check_unchanged()
            place, branch = divmod(number, len(folders))
            entries = counted[branch][place].entries or 0  # known: they were counted
            yield file.path, file.dataset, entries, folders[branch] / f"{place}.json"

    def dealt_datasets(self) -> dict[str, list[Any]]:
        """Datasets of this branch, every n-th of all, with their files."""
        files: dict[str, list[Any]] = {}
        for file in self.input_files():
            files.setdefault(file.dataset, []).append(file)
        return {name: files[name] for name in sorted(files)[self.branch :: self.n_branches()]}


class ListTuples(InputTask):
    """The tuple files that --input names, listed once, so that all later steps read the same ones."""

    product = "files.json"

    def reads(self) -> tuple[str, ...]:
        """Nothing but the options."""
        return ()

    def produce(self, path: Path) -> dict[str, Any]:
        """List."""
        from taumltools.errors import ConfigError
        from taumltools.store.remote import is_remote
        from taumltools.tuples.listing import list_inputs, write_listing

        if not self.external:
            raise ConfigError("ListTuples lists files from outside of the campaign: name a folder or a list by --input")
        files = list_inputs(
            self._source()["input"],
            self.prefix,
            self.file_name_pattern,
            exclude=[name.strip() for name in self.exclude_list],
            exclude_folders=[name.strip() for name in self.exclude_dir_list],
        )
        if remote := [file.path for file in files if is_remote(file.path)]:
            raise ConfigError(f"{remote[0]}: files are read from mounted file systems only; copy or mount them")
        write_listing(path, files)
        return {"files": len(files), "datasets": sorted({file.dataset for file in files})}

    def validate(self, path: Path) -> None:
        """The listing reads back."""
        from taumltools.tuples.listing import read_listing

        read_listing(path)


class CountTuples(InputTask):
    """Entries and spectra of the files that --input names; a branch counts every n-th of them."""

    product = "spectra_{branch}.d"

    def n_branches(self) -> int:
        """Known from the settings, whatever the number of files."""
        return self.setting("sampling.count_jobs")

    def upstream(self) -> dict[str, Any]:
        """The listing."""
        return {"files": self.need(ListTuples, **self.inputs)}

    def produce(self, path: Path) -> dict[str, Any]:
        """Count, a JSON file for each tuple file."""
        from taumltools.progress import progress
        from taumltools.sampling.spectra import count_spectra
        from taumltools.tuples.listing import read_listing, write_listing

        path.mkdir()
        files = read_listing(self.upstream()["files"].path)[self.branch :: self.n_branches()]
        for file in files:
            file.check_unchanged()
        counted = []
        for number, file in enumerate(progress(files, label=f"counting {self.branch}", unit="file")):
            spectra = count_spectra(Path(file.path), self.fine_bins)
            spectra.save(path / f"{number}.json")
            counted.append(file.counted(spectra.entries))
        write_listing(path / "files.json", counted)
        return {"files": len(counted), "entries": sum(file.entries or 0 for file in counted)}

    def validate(self, path: Path) -> None:
        """The listing reads back, and every file of it was counted."""
        from taumltools.sampling.spectra import Spectra
        from taumltools.tuples.listing import read_listing

        for number, _ in enumerate(read_listing(path / "files.json")):
            Spectra.load(path / f"{number}.json")


class CreateSpectralHists(InputTask):
    """Spectra and list of entries of each dataset, as the CMS tools write and read them."""

    product = "spectra.d"

    def upstream(self) -> dict[str, Any]:
        """The spectra of all files."""
        return self.counted_upstream()

    def produce(self, path: Path) -> dict[str, Any]:
        """Add up, a ROOT file and a list for each dataset, and a list of all files."""
        from taumltools.sampling.export import write_spectra
        from taumltools.sampling.spectra import Spectra
        from taumltools.tuples.listing import ListedFile, write_entries_list

        spectra: dict[str, Any] = {}
        files: dict[str, list[ListedFile]] = {}
        for item in self.counted():
            name = item.file.dataset
            spectra[name] = Spectra.merge([spectra[name], item.spectra]) if name in spectra else item.spectra
            files.setdefault(name, []).append(ListedFile(str(item.file.path), name, item.file.entries))
        path.mkdir()
        for name in spectra:
            write_spectra(path / f"{name}.root", spectra[name])
            write_entries_list(path / f"{name}.txt", files[name])
        write_entries_list(path / "filelist.txt", [file for found in files.values() for file in found])
        return {"entries_by_type": {name: found.entries_by_type for name, found in spectra.items()}}

    def validate(self, path: Path) -> None:
        """The spectra read back."""
        from taumltools.sampling.export import read_spectra

        for file in path.glob("*.root"):
            read_spectra(file)


class FindDuplicates(InputTask):
    """Candidates that occur more than once in a dataset; a branch searches every n-th dataset."""

    product = "repeated_{branch}.npz"

    def n_branches(self) -> int:
        """Known from the settings, whatever the number of datasets."""
        return self.setting("sampling.count_jobs")

    def upstream(self) -> dict[str, Any]:
        """Tuples and the number of their entries."""
        return self.counted_upstream()

    def produce(self, path: Path) -> dict[str, Any]:
        """Search each dataset over all of its files."""
        from taumltools.sampling.repeated import find_in_dataset, save_repeated

        found: dict[Path, Any] = {}
        datasets = self.dealt_datasets()
        for files in datasets.values():
            found |= find_in_dataset(files, SEARCH_MB, path.parent)
        save_repeated(path, found)
        return {"datasets": list(datasets), "repeated": sum(len(rows) for rows in found.values())}

    def validate(self, path: Path) -> None:
        """The entries read back."""
        from taumltools.sampling.repeated import load_repeated

        load_repeated(path)

    def repeated(self) -> dict[Path, Any]:
        """Entries of each file that repeat earlier ones of their dataset."""
        from taumltools.sampling.repeated import load_repeated

        return {file: rows for path in self.paths() for file, rows in load_repeated(path).items()}
