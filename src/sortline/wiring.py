"""From settings to running services: the one place where the parts of the house are put together."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from sortline.accounts import tables as _accounts
from sortline.accounts.guard import Guard
from sortline.accounts.trust import trust_of
from sortline.catalogue import tables as _catalogue
from sortline.db.base import metadata
from sortline.db.engine import connect
from sortline.db.migrate import migrate
from sortline.db.session import reading, writing
from sortline.engine.bundle import Bundle
from sortline.engine.choice import Choice, candidates, take
from sortline.engine.packaged import packaged_bundles
from sortline.engine.runtime import BATCH_SIZES, Runtime
from sortline.engine.thumbnail import SIZES
from sortline.evaluation.gates import Gates
from sortline.flows.auto_version import JOB as AUTO_VERSION
from sortline.flows.auto_version import AutoVersions, auto_version
from sortline.flows.classify import ClassifyPath
from sortline.flows.dashboard import Past
from sortline.flows.follow import Follower
from sortline.flows.ingest import Tools
from sortline.flows.lines import create_line, keep_files, know_bundle
from sortline.flows.loading import Loaded, Place, load
from sortline.flows.mlflow_server import mlflow_uri
from sortline.flows.networks import Networks
from sortline.flows.policy import FitNext
from sortline.flows.promote import keep_opinions
from sortline.flows.record import Sight, keep_pictures, record
from sortline.flows.retention import JOB as RETENTION
from sortline.flows.retention import Kept, retention
from sortline.flows.retrain import JOB as RETRAIN
from sortline.flows.retrain import retrain
from sortline.flows.review_queue import gather_next
from sortline.flows.runs import FINETUNE
from sortline.flows.runs import JOB as TRAIN
from sortline.flows.scratch import sweep_runs
from sortline.flows.thumbnail_work import ThumbnailWork
from sortline.flows.track import JOB as MLFLOW
from sortline.flows.track import Announcer, tell_live
from sortline.flows.train import TrainTools, train
from sortline.flows.trained import trained_lookup
from sortline.flows.uploads import sweep_uploads, uploads_folder
from sortline.flows.work import Task, build_next, rebase_next, run_next_import, summary_next
from sortline.jobs import tables as _jobs
from sortline.jobs.schedule import Schedule
from sortline.jobs.worker import AT_ONCE, JobKind
from sortline.lines import store as lines
from sortline.lines import tables as _lines
from sortline.lines.line import LineExists
from sortline.monitoring import tables as _monitoring
from sortline.monitoring.latency_store import add_latencies
from sortline.monitoring.meter import Key, Meter
from sortline.monitoring.metrics import Metrics
from sortline.monitoring.retention import RollUp
from sortline.registry import tables as _registry
from sortline.registry.ledger import BundleRecord
from sortline.review import tables as _review
from sortline.serving.admission import Admission
from sortline.serving.inference import Inference
from sortline.serving.live import LiveLines
from sortline.serving.recorder import Recorder
from sortline.serving.shadow import Shadow
from sortline.settings import Settings, available_cores
from sortline.storage.blobs import Blobs, open_blobs
from sortline.training import tables as _training
from sortline.training.extra import can_finetune

# Importing the tables of every domain fills the metadata that migrations are held against.
TABLES = (_accounts, _catalogue, _jobs, _lines, _monitoring, _registry, _review, _training)
STARTER = "waste"
# Seconds between looks for summaries that are to be told something.
SUMMARIES_EVERY_S = 20.0
# Seconds between looks for archives that no import needs any more.
UPLOADS_EVERY_S = 600.0
# Seconds between looks for ended runs that have not let go of what they worked on.
RUNS_EVERY_S = 60.0
# Seconds between looks whether another bundle is live than an MLflow server was told.
LIVE_EVERY_S = 20.0
# Seconds between looks for bundles that a line's budget is not fitted to, and for lines where enough labels wait.
POLICIES_EVERY_S = VERSIONS_EVERY_S = 5.0
# Jobs that come by themselves, by name.
SCHEDULES: Mapping[str, Schedule] = {
    "retention": Schedule(kind=RETENTION, cron="40 2 * * *", exclusive=RETENTION),
}


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What a command needs: the settings, the migrated database, the pictures, and their thumbnails by size in px."""

    settings: Settings
    engine: Engine
    blobs: Blobs
    thumbnails: Mapping[int, Blobs]

    @property
    def bundles_dir(self) -> Path:
        """Where bundles are kept, each in a folder named by its hash."""
        return self.settings.data_dir / "bundles"

    @property
    def runs_dir(self) -> Path:
        """Where runs leave their files, each in a folder named by its id."""
        return self.settings.data_dir / "runs"

    @property
    def cache_dir(self) -> Path:
        """What can be made again: compiled networks, and which runtime was fastest."""
        return self.settings.data_dir / "cache"


@dataclass(frozen=True, kw_only=True)
class Services:
    """A running server's parts."""

    installation: Installation
    live: LiveLines
    admission: Admission
    path: ClassifyPath
    follower: Follower
    metrics: Metrics
    meter: Meter
    past: Past
    guard: Guard

    @property
    def settings(self) -> Settings:
        """The installation's settings."""
        return self.installation.settings

    @property
    def engine(self) -> Engine:
        """The installation's database."""
        return self.installation.engine


@contextmanager
def installation(settings: Settings) -> Iterator[Installation]:
    """The installation, made ready if it is new: database migrated, starter bundle and first line in place.

    Raises:
        DatabaseUnreachable, InvalidBlobsUrl, StorageUnavailable: with what to do.
    """
    # Pictures for review may show what is nobody else's business on a shared machine.
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as closing:
        engine = connect(settings.database)
        closing.callback(engine.dispose)
        migrate(engine, metadata)
        ready = Installation(
            settings=settings,
            engine=engine,
            blobs=_blobs(closing, settings, settings.data_dir / "blobs"),
            thumbnails={
                size: _blobs(closing, settings, settings.data_dir, f"thumbnails/{size}", durable=False)
                for size in SIZES
            },
        )
        _first_start(ready)
        yield ready


def _blobs(
    closing: ExitStack, settings: Settings, folder: Path, prefix: str = "", *, durable: bool = True
) -> Blobs:
    blobs = open_blobs(settings.blobs_url, folder, prefix, durable=durable)
    closing.callback(blobs.close)
    return blobs


@contextmanager
def services(ready: Installation) -> Iterator[Services]:
    """The running services: every line's bundle is loaded and every inference thread has classified a picture."""
    settings, threads = ready.settings, ready.settings.inference_threads
    live, metrics, inference = LiveLines(), Metrics(), Inference(threads)

    def commit(sights: Sequence[Sight]) -> None:
        keep_pictures(ready.blobs, sights)
        with writing(ready.engine) as session:
            record(session, sights)

    def keep_latencies(counted: Mapping[Key, int]) -> None:
        with writing(ready.engine) as session:
            add_latencies(session, counted)

    recorder = Recorder(commit, waiting=inference.waiting, observe=metrics.recorded)
    admission = Admission(max_requests=settings.max_requests, max_bytes=settings.max_request_bytes)
    follower, cores = Follower(ready.engine, live, partial(load_bundle, ready, inference)), available_cores()
    shadow = Shadow(
        partial(keep_opinions, ready.engine),
        free=lambda: admission.requests < cores,
        observe=metrics.shadowed,
    )
    meter = Meter(keep_latencies)
    with ExitStack() as closing:
        # Closed in reverse: what was accepted is inferred first, then recorded, then counted.
        _start(closing, meter)
        _start(closing, recorder)
        _start(closing, inference)
        metrics.watch(queue_depth=inference.waiting, in_flight=lambda: admission.requests)
        follower.refresh()
        _start(closing, follower)
        _start(closing, shadow)
        _start(closing, RollUp(ready.engine))
        yield Services(
            installation=ready,
            live=live,
            admission=admission,
            path=ClassifyPath(inference=inference, recorder=recorder, shadow=shadow),
            follower=follower,
            metrics=metrics,
            meter=meter,
            past=Past(),
            guard=Guard(ready.engine, trusted=trust_of(settings.trust), rate=settings.rate_limit),
        )
        admission.closed = True


@contextmanager
def running(settings: Settings) -> Iterator[Services]:
    """The installation and the services that run on it.

    Raises:
        DatabaseUnreachable, InvalidBlobsUrl, StorageUnavailable: with what to do.
    """
    with installation(settings) as ready, services(ready) as found:
        yield found


def _start(
    closing: ExitStack, part: Recorder[Sight] | Inference | Follower | RollUp | Shadow | Meter
) -> None:
    part.start()
    closing.callback(part.close)


def import_tools(ready: Installation) -> Tools:
    """What an import works with."""
    trained = partial(trained_lookup, bundles_dir=ready.bundles_dir)
    return Tools(engine=ready.engine, blobs=ready.blobs, trained=trained)


def tasks(ready: Installation) -> tuple[Task, ...]:
    """What a worker does, in the order of its turns."""
    policies = FitNext(ready.engine, ready.bundles_dir, ready.blobs)
    automatic = AutoVersions(ready.engine)
    return (
        Task(
            name="imports",
            run=lambda stop: run_next_import(ready.engine, lambda: import_tools(ready), stop),
        ),
        Task(name="versions", run=lambda stop: build_next(ready.engine, stop)),
        Task(name="review", run=lambda stop: gather_next(ready.engine, stop)),
        Task(name="bases", run=lambda stop: rebase_next(ready.engine, stop)),
        Task(name="summaries", run=lambda stop: summary_next(ready.engine, stop), every=SUMMARIES_EVERY_S),
        Task(
            name="thumbnails",
            run=ThumbnailWork(ready.engine, ready.blobs, ready.thumbnails, ready.cache_dir / "thumbnails"),
        ),
        Task(
            name="uploads",
            run=lambda _: sweep_uploads(ready.engine, uploads_folder(ready.settings.data_dir)) > 0,
            every=UPLOADS_EVERY_S,
        ),
        Task(
            name="runs",
            run=lambda _: sweep_runs(ready.engine, ready.blobs, ready.runs_dir) > 0,
            every=RUNS_EVERY_S,
        ),
        Task(name="policies", run=lambda _: policies.look(), every=POLICIES_EVERY_S),
        Task(name="auto versions", run=lambda _: automatic.look(), every=VERSIONS_EVERY_S),
        *_announcing(ready),
    )


def _announcing(ready: Installation) -> tuple[Task, ...]:
    if mlflow_uri() is None:
        return ()
    announcer = Announcer(ready.engine)
    return (Task(name="mlflow", run=lambda _: announcer.look(), every=LIVE_EVERY_S),)


def job_kinds(ready: Installation) -> Mapping[str, JobKind]:
    """How each kind of job is done. What a job's network takes to load, the next job of the process has ready."""
    tools = TrainTools(
        engine=ready.engine,
        blobs=ready.blobs,
        bundles_dir=ready.bundles_dir,
        runs_dir=ready.runs_dir,
        networks=Networks(partial(_network, ready)),
        gates=Gates(),
    )
    kept = Kept(engine=ready.engine, blobs=ready.blobs, thumbnails=ready.thumbnails)
    return {
        # As many as a worker does at all: a probe of seconds does not wait for other lines that train for hours.
        TRAIN: JobKind(run=partial(train, tools), at_once=AT_ONCE),
        FINETUNE: JobKind(run=partial(train, tools), at_once=AT_ONCE, able=can_finetune()),
        RETRAIN: JobKind(run=partial(retrain, tools)),
        AUTO_VERSION: JobKind(run=partial(auto_version, ready.engine)),
        RETENTION: JobKind(run=partial(retention, kept), at_once=1),
        # Nothing waits for it: a server that is away for minutes is told when it is back.
        MLFLOW: JobKind(run=partial(tell_live, ready.engine), retries=12, at_once=1),
    }


def _network(ready: Installation, bundle: Bundle) -> Runtime:
    """The network of a bundle for a job: nothing is measured, since whoever is served needs the cores."""
    first = Choice(runtime=next(iter(candidates())), batch=BATCH_SIZES[-1], images_per_second={})
    settings = ready.settings
    runtime, _ = take(
        bundle,
        like=first,
        threads=settings.inference_threads,
        preferred=settings.runtime,
        memory=ready.cache_dir,
    )
    return runtime


def load_bundle(
    ready: Installation, inference: Inference, record: BundleRecord, serving: Sequence[Loaded], busy: bool
) -> Loaded:
    """A registered bundle, verified and warm; at the start every inference thread has classified a golden picture, too.

    Raises:
        NotUsable: it is missing, cannot be trusted, or nothing can run it here.
    """
    place = Place(
        bundles_dir=ready.bundles_dir,
        blobs=ready.blobs,
        memory=ready.cache_dir,
        threads=inference.threads,
        preferred=ready.settings.runtime,
    )
    loaded = load(record, place, serving, busy=busy)
    if record.manifest is None:
        keep_files(ready.engine, ready.bundles_dir, ready.blobs, record)
    if not busy:
        pixels = loaded.classifier.bundle.golden().pixels[:1]
        inference.on_every_thread(partial(loaded.classifier.runtime.infer, pixels))
    return loaded


def _first_start(ready: Installation) -> None:
    with reading(ready.engine) as session:
        if lines.list_lines(session):
            return
    if STARTER not in packaged_bundles():
        return
    bundle = know_bundle(ready.engine, ready.bundles_dir, ready.blobs, STARTER)
    try:
        with writing(ready.engine) as session:
            create_line(
                session,
                ready.bundles_dir,
                STARTER,
                title="Waste",
                bundle=bundle.hash,
                who="sortline",
                reason="the bundle that comes with the package",
            )
    except LineExists:  # another process was first
        return
