"""A line's bundles: what is live, what could be, and what makes one live."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from starlette.responses import StreamingResponse

from sortline.api.access import Scope, Who, require
from sortline.api.deps import LineDep, ServicesDep
from sortline.api.model_views import (
    ModelDetail,
    ModelPage,
    ModelView,
    PromotionView,
    Reference,
    RollbackWanted,
    ShadowWanted,
    Wanted,
    model_fields,
    promotion_views,
    seen_view,
)
from sortline.api.parameters import Cursor, Limit
from sortline.db.session import Session, reading, writing
from sortline.flows import promote as flow
from sortline.flows.bundle_files import bundle_zip, usable, zip_name
from sortline.flows.bundles_of_line import backbone_of, get_standing, list_standings, resolve, roles
from sortline.flows.evidence import evidence_of
from sortline.flows.lines import know_bundle
from sortline.flows.policy import refit
from sortline.lines.store import get_line
from sortline.registry import shadows
from sortline.registry.ledger import BundleRecord
from sortline.serving.live import LiveLine
from sortline.wiring import Services

PREFIX = "/api/v1/lines/{line}/models"

reads = APIRouter(prefix=PREFIX, tags=["models"], dependencies=[Depends(require(Scope.CLASSIFY))])
files = APIRouter(prefix=PREFIX, tags=["models"], dependencies=[Depends(require(Scope.REVIEW))])
writes = APIRouter(prefix=PREFIX, tags=["models"], dependencies=[Depends(require(Scope.TRAIN))])


@reads.get("", summary="List a line's models")
def get_models(
    line: str, services: ServicesDep, live: LineDep, limit: Limit = 50, cursor: Cursor = None
) -> ModelPage:
    """The bundles that serve, served or could serve the line, newest first; what is wrong if the live one cannot."""
    with reading(services.engine) as session:
        acting = roles(session, live.id)
        page = list_standings(
            session, live.id, services.installation.bundles_dir, serving=live, limit=limit, cursor=cursor
        )
    return ModelPage(
        models=[ModelView(**model_fields(one)) for one in page.items],
        live=acting.live,
        serving=live.classifier.bundle.hash if live.classifier else None,
        shadow=acting.shadow,
        problem=live.problem,
        next_cursor=page.next_cursor,
    )


@reads.get("/{model}", summary="Show a model")
def get_model(line: str, model: Reference, services: ServicesDep, live: LineDep) -> ModelDetail:
    """One bundle: what it is made of, how it stands to the line, and where it disagreed as its shadow."""
    with reading(services.engine) as session:
        return _detail(session, services, live, _resolved(session, line, model))


@files.get(
    "/{model}/download",
    summary="Download a model",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The bundle's folder as a ZIP; `sortline bundles import` takes it.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def download(line: str, model: Reference, services: ServicesDep, live: LineDep) -> StreamingResponse:
    """The whole bundle: network, classes, preprocessing, calibration, what it remembers, its card."""
    ready = services.installation
    with reading(services.engine) as session:
        record = _resolved(session, line, model)
    bundle = usable(record, ready.bundles_dir, ready.blobs)
    headers = {
        "Content-Disposition": f'attachment; filename="{zip_name(bundle)}.zip"',
        "ETag": f'"{bundle.hash}"',
    }
    chunks = bundle_zip(bundle, datetime.now(UTC), ready.cache_dir)
    return StreamingResponse(chunks, media_type="application/zip", headers=headers)


@writes.post("/{model}/promote", summary="Promote a model", status_code=201)
def promote(
    line: str,
    model: Reference,
    services: ServicesDep,
    live: LineDep,
    who: Who,
    wanted: Annotated[Wanted | None, Body()] = None,
) -> PromotionView:
    """The bundle answers from now on. It was loaded beside the live one first; if that fails, nothing changes (409).

    Without a run whose comparison speaks for it, `force` and a `reason` are needed. The line learns classes that it did
    not know.
    """
    asked = wanted or Wanted()
    with reading(services.engine) as session:
        record = _resolved(session, line, model)
        run_id, evidence = evidence_of(session, live.id, record.hash, asked.run)
        plan = flow.plan_promotion(
            session,
            line,
            record.hash,
            who=who,
            reason=asked.reason,
            evidence=evidence,
            run_id=run_id,
            force=asked.force,
        )
    return _entered(services, plan)


@writes.post("/{model}/rollback", summary="Roll back to a model", status_code=201)
def rollback(
    line: str,
    model: Reference,
    services: ServicesDep,
    live: LineDep,
    who: Who,
    wanted: Annotated[RollbackWanted | None, Body()] = None,
) -> PromotionView:
    """A bundle that was live is live again: `previous`, the one before; or any that ever was, by its hash."""
    reason = wanted.reason if wanted else ""
    with reading(services.engine) as session:
        found = get_line(session, line)
        named = None if model in ("previous", "live") else resolve(session, found, model).hash
        plan = flow.plan_rollback(session, line, named, who=who, reason=reason)
    return _entered(services, plan)


@writes.post("/{model}/shadow", summary="Start or stop a shadow")
def shadow(
    line: str,
    model: Reference,
    services: ServicesDep,
    live: LineDep,
    who: Who,
    wanted: Annotated[ShadowWanted | None, Body()] = None,
) -> ModelDetail:
    """The bundle sees what the line sees, without answering; where it disagrees is counted. One a line: it takes the
    place of any other. `{"on": false}` ends it; what was counted stays.
    """
    with reading(services.engine) as session:
        record = _resolved(session, line, model)
    if wanted is None or wanted.on:
        with services.follower.prepared(_known(services, record)):
            with writing(services.engine) as session:
                flow.shadow(session, line, record.hash, who=who)
            services.follower.refresh()
    else:
        with writing(services.engine) as session:
            flow.stop_shadow(session, line, record.hash)
        services.follower.refresh()
    with reading(services.engine) as session:
        return _detail(session, services, services.live[line], record)


def _resolved(session: Session, line: str, model: str) -> BundleRecord:
    return resolve(session, get_line(session, line), model)


def _known(services: Services, record: BundleRecord) -> BundleRecord:
    """The bundle with its files in the blob store, so that other servers find it, too."""
    ready = services.installation
    return know_bundle(ready.engine, ready.bundles_dir, ready.blobs, record.hash)


def _entered(services: Services, plan: flow.Plan) -> PromotionView:
    """The bundle is ready on this server, its thresholds are fitted, then it is in the ledger, then live."""
    ready = services.installation
    with services.follower.prepared(_known(services, plan.bundle)):
        refit(ready.engine, ready.bundles_dir, ready.blobs, plan.line, plan.bundle)
        with writing(services.engine) as session:
            made = flow.enter(session, plan)
        services.follower.refresh()
    with reading(services.engine) as session:
        return promotion_views(session, plan.line.name, [made])[0]


def _detail(session: Session, services: Services, live: LiveLine, record: BundleRecord) -> ModelDetail:
    bundles_dir = services.installation.bundles_dir
    standing = get_standing(session, live.id, record, bundles_dir, serving=live)
    manifest = standing.manifest
    return ModelDetail(
        **model_fields(standing),
        backbone=backbone_of(manifest) if manifest else None,
        recipe=dict(manifest["recipe"]) if manifest else None,
        licences=dict(manifest["licences"]) if manifest else None,
        shadowed=[seen_view(one) for one in shadows.seen(session, live.id, record.hash)],
    )
