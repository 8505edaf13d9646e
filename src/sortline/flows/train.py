"""A run, as a worker does it: data → candidate → comparison → verdict; then, if the line wants it, promotion.

    begin       which bundle is live, so that the run is held against the same one to its end
    candidate   a bundle, stowed and registered
    compare     both on the same pictures, the verdict committed
    promote     only with `auto_promote`, and only if what is live has not changed since
    report      plots and page; the run is of use without
    track       told to an MLflow server, where there is one; it fails no run

Each is a step of the job: a worker that takes it up after a kill goes on behind the last one finished.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from sqlalchemy import Engine

from sortline.catalogue.store.versions import version_by_id
from sortline.catalogue.version import Version
from sortline.db.engine import DatabaseUnavailable
from sortline.db.session import reading, writing
from sortline.engine.bundle import Bundle, read_bundle
from sortline.engine.packaged import packaged_bundles
from sortline.engine.routing import Policy
from sortline.evaluation.checks import Parity
from sortline.evaluation.compare import Comparison
from sortline.evaluation.gates import Gates, Verdict, judge
from sortline.flows.artefacts import keep
from sortline.flows.bundle_files import stow, usable
from sortline.flows.candidates import Made, bundle_name, drafted
from sortline.flows.compared import Asker, compared, parity_on_photos
from sortline.flows.duplicates import leaking_groups
from sortline.flows.finetune import made_by_finetune
from sortline.flows.follow import resolve_policy
from sortline.flows.inferred import Pictures as Source
from sortline.flows.lines import register
from sortline.flows.networks import Networks, Served
from sortline.flows.policy import refit
from sortline.flows.probe import made_by_probe
from sortline.flows.promote import promote
from sortline.flows.run_report import Told, run_files
from sortline.flows.runs import evidence_of, version_name
from sortline.flows.scratch import WORK
from sortline.flows.track import Finished, track
from sortline.flows.training_data import TrainingData, outlier_sets, training_data
from sortline.jobs.context import DONE, Context, Transient
from sortline.lines.classes import list_classes
from sortline.lines.line import Line
from sortline.lines.store import line_by_id
from sortline.registry import store as registry
from sortline.registry.ledger import UnknownBundle
from sortline.storage.blobs import Blobs
from sortline.storage.errors import StorageUnavailable
from sortline.training.assemble import finish
from sortline.training.recipe import FinetuneRecipe, ProbeRecipe, recipe_from
from sortline.training.run import Run
from sortline.training.store import runs as store

Result = TypeVar("Result")

# The backbone of a line that has no bundle yet.
STARTER = "waste"


@dataclass(frozen=True, kw_only=True)
class TrainTools:
    """What a worker trains with; `runs_dir` is where runs keep what they work on, `networks` what is warm."""

    engine: Engine
    blobs: Blobs
    bundles_dir: Path
    runs_dir: Path
    networks: Networks
    gates: Gates


def train(tools: TrainTools, context: Context) -> None:
    """Does the run that the job names, to its end or from where it was left."""
    work = _Work(tools, context)
    begun = context.step("begin", lasting(work.begin))
    work.live_hash = begun["live"]
    made = context.step("candidate", lasting(work.candidate))
    work.candidate_hash = made["bundle"]
    work.exported = [Parity(**made["parity"])] if made["parity"] else []
    verdict = context.step("compare", lasting(work.compare))
    context.log(verdict["text"])
    if work.line.auto_promote and verdict["promote"]:
        context.log(context.step("promote", lasting(work.promote)))
    context.step("report", lasting(work.report))
    track(context, tools.blobs, work.finished)
    context.log(f"done: the candidate is {work.bundle.manifest.name} {work.candidate_hash[:12]}")
    context.progress(phase=DONE)


def lasting(function: Callable[[], Result]) -> Callable[[], Result]:
    """The function, whose trouble with a disk, a bucket or the database is worth another try."""

    def tried() -> Result:
        try:
            return function()
        except (DatabaseUnavailable, StorageUnavailable) as error:
            raise Transient(str(error)) from error

    return tried


class _Work:
    """One run at work. What is costly is made when first asked for: a run taken up again makes only what it needs."""

    def __init__(self, tools: TrainTools, context: Context) -> None:
        self.tools, self.context = tools, context
        self.live_hash: str | None = None
        self.candidate_hash = ""
        self.exported: list[Parity] = []
        with reading(tools.engine) as session:
            self.run: Run = store.get_run(session, context.job.args["run"])
            self.line: Line = line_by_id(session, self.run.line_id)
            self.version: Version = version_by_id(session, self.run.version_id or 0)

    def begin(self) -> dict[str, Any]:
        """What is live now."""
        with reading(self.tools.engine) as session:
            live = registry.live_bundles(session).get(self.line.id)
        return {"live": live.hash if live else None}

    def candidate(self) -> dict[str, Any]:
        """The bundle that is made, known to all servers from now on."""
        self.context.progress(phase="data")
        recipe = recipe_from(self.run.method, self.run.recipe)
        made = self._made(recipe)
        with writing(self.tools.engine) as session:
            store.set_data(session, self.run.id, made.data.counts())
        draft, card, figures = drafted(
            made,
            name=bundle_name(self.line.name, self.run.method, f"{self.run.created_at:%Y%m%d-%H%M%S}"),
            version=version_name(self.version),
            recipe=self._recorded(),
        )
        with TemporaryDirectory(prefix="run-") as scratch:
            written = finish(draft, figures, card, Path(scratch) / "bundle")
            bundle = stow(written.folder, self.tools.bundles_dir, self.tools.blobs)
        with writing(self.tools.engine) as session:
            register(session, bundle, in_blobs=True)
            registry.add_candidate(session, self.line.id, bundle.hash, who=self.run.who)
        self.data = made.data
        self.bundle = bundle
        return {"bundle": bundle.hash, "parity": None if made.parity is None else asdict(made.parity)}

    def compare(self) -> dict[str, Any]:
        """The verdict, committed with the comparison behind it."""
        self.context.progress(phase="compare")
        comparison, verdict = self.judged
        with writing(self.tools.engine) as session:
            store.set_outcome(
                session,
                self.run.id,
                bundle_hash=self.bundle.hash,
                live_hash=self.live_hash,
                promote=verdict.promote,
                verdict=verdict.as_json(),
                comparison=comparison.as_json(),
            )
        return {"promote": verdict.promote, "text": verdict.text}

    def promote(self) -> str:
        """What was done, in words: the candidate is live, unless something else has become live since."""
        with reading(self.tools.engine) as session:
            record = registry.get_bundle(session, self.candidate_hash)
        refit(self.tools.engine, self.tools.bundles_dir, self.tools.blobs, self.line, record)
        with writing(self.tools.engine) as session:
            live = registry.live_bundles(session).get(self.line.id)
            if (live.hash if live else None) != self.live_hash:
                return "not promoted: what is live has changed since the run began; train again to compare with that"
            run = store.get_run(session, self.run.id)
            promote(
                session,
                self.line.name,
                self.candidate_hash,
                who=self.run.who,
                reason="it passed its gates, and the line promotes by itself",
                evidence=evidence_of(run),
                run_id=run.id,
            )
        return "promoted: it is live"

    def report(self) -> None:
        """The run's page and files are kept."""
        self.context.progress(phase="report")
        with reading(self.tools.engine) as session:
            run = store.get_run(session, self.run.id)
            epochs = store.list_epochs(session, self.run.id)
        pictures = Source(engine=self.tools.engine, blobs=self.tools.blobs)
        comparison, verdict = self.judged
        files = run_files(
            Told(run, self.line, self.version, self.bundle, comparison, verdict, epochs), pictures
        )
        keep(self.tools.engine, self.tools.blobs, self.run.id, files, self.folder)

    def finished(self) -> Finished:
        """The run as it stands in the ledger, for those who are told of it."""
        bundle = self.bundle
        with reading(self.tools.engine) as session:
            live = registry.live_bundles(session).get(self.line.id)
            return Finished(
                run=store.get_run(session, self.run.id),
                line=self.line,
                version=self.version,
                bundle=bundle,
                epochs=store.list_epochs(session, self.run.id),
                live=live is not None and live.hash == bundle.hash,
            )

    @property
    def folder(self) -> Path:
        """Where the run keeps its files on this machine."""
        return self.tools.runs_dir / self.run.id

    @property
    def ask(self) -> Asker:
        """Asks bundles about pictures."""
        return Asker(engine=self.tools.engine, blobs=self.tools.blobs)

    @cached_property
    def live(self) -> Served | None:
        """The bundle that was live when the run began."""
        return self.tools.networks.serve(self._bundle(self.live_hash)) if self.live_hash else None

    @cached_property
    def bundle(self) -> Bundle:
        """The candidate."""
        return self._bundle(self.candidate_hash)

    @cached_property
    def data(self) -> TrainingData:
        """What the run learns from."""
        # What is only remembered has no pixels to train every layer on.
        remembered = self.live.bundle if self.live and self.run.recipe.get("memory", False) else None
        return training_data(self.tools.engine, self.version, remembered, check=self.context.check)

    @cached_property
    def judged(self) -> tuple[Comparison, Verdict]:
        """The candidate beside what was live, and what follows from that."""
        candidate = self.tools.networks.serve(self.bundle)
        comparison = compared(
            self.ask,
            self.line.id,
            self.data,
            candidate,
            self.live,
            policy=self.policy,
            outliers=outlier_sets(self.tools.engine, self.run.recipe.get("outliers", ())),
            check=self.context.check,
        )
        parity = [*self.exported, parity_on_photos(self.ask, self.data, candidate)]
        with reading(self.tools.engine) as session:
            leaks = leaking_groups(session, self.version)
            retired = [one.name for one in list_classes(session, self.line.id) if one.retired_at is not None]
        # Serving the bundle has held its golden pictures against the runtime already, and raised if they were wrong.
        verdict = judge(
            comparison, self.tools.gates, parity=parity, leaks=leaks, golden=True, retired=retired
        )
        return comparison, verdict

    def policy(self, bundle: Bundle) -> Policy:
        """The line's policy under a bundle."""
        return resolve_policy(bundle.manifest.policy, self.line.policy)

    def _made(self, recipe: ProbeRecipe | FinetuneRecipe) -> Made:
        base = self.live or self.tools.networks.serve(self._packaged())
        if isinstance(recipe, FinetuneRecipe):
            return made_by_finetune(
                self.ask,
                self.data,
                base,
                recipe,
                run=self.run,
                work=self.folder / WORK,
                context=self.context,
                line=self.line.name,
            )
        tell: Callable[..., object] = self.context.progress
        return made_by_probe(
            self.ask, self.data, base, recipe, check=self.context.check, tell=tell, line=self.line.name
        )

    def _recorded(self) -> Mapping[str, Any]:
        return {"method": self.run.method, "run": self.run.id, **self.run.recipe}

    def _bundle(self, bundle_hash: str) -> Bundle:
        with reading(self.tools.engine) as session:
            record = registry.get_bundle(session, bundle_hash)
        return usable(record, self.tools.bundles_dir, self.tools.blobs)

    def _packaged(self) -> Bundle:
        packaged = packaged_bundles()
        if STARTER not in packaged:
            raise UnknownBundle(STARTER)
        return read_bundle(packaged[STARTER])
