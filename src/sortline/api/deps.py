"""What routes are handed: the running services, and the line a request is about."""

from typing import Annotated

from fastapi import Depends, Query, Request

from sortline.flows.classify import Origin
from sortline.serving.live import LiveLine
from sortline.wiring import Services


async def _services(request: Request) -> Services:
    found: Services = request.app.state.services
    return found


async def _line(request: Request) -> LiveLine:
    """The line named in the path, or the default one where the path names none."""
    services: Services = request.app.state.services
    return services.live[request.path_params.get("line")]


async def _origin(
    request: Request,
    source: Annotated[
        str,
        Query(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
            description="Where the picture comes from: a device, a belt, a way in.",
        ),
    ] = "api",
) -> Origin:
    return Origin(source=source, client=request.client.host if request.client else None)


ServicesDep = Annotated[Services, Depends(_services)]
LineDep = Annotated[LiveLine, Depends(_line)]
OriginDep = Annotated[Origin, Depends(_origin)]
