"""What routes are handed: the running services, and the line a request is about."""

from typing import Annotated

from fastapi import Depends, Request

from sortline.serving.live import LiveLine
from sortline.wiring import Services


def services_of(request: Request) -> Services:
    """The running services."""
    found: Services = request.app.state.services
    return found


def line_of(request: Request) -> LiveLine:
    """The line named in the path, or the default one where the path names none.

    Raises:
        NotServed: there is none.
    """
    return services_of(request).live[request.path_params.get("line")]


async def _services(request: Request) -> Services:
    return services_of(request)


async def _line(request: Request) -> LiveLine:
    return line_of(request)


ServicesDep = Annotated[Services, Depends(_services)]
LineDep = Annotated[LiveLine, Depends(_line)]
