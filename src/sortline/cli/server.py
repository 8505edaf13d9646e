"""The server process: its socket, its memory, its logs, and uvicorn around the app."""

import ctypes
import errno
import gc
import logging
import platform
import socket
import time
from collections.abc import Callable

import uvicorn
from rich.console import Console

from sortline import __version__
from sortline.accounts.throttle import Rate
from sortline.accounts.trust import trust_of
from sortline.api import edge
from sortline.api.app import create_app
from sortline.cli import logs
from sortline.cli.http1 import Protocol
from sortline.cli.links import Link, base_url, sign_in_link
from sortline.errors import SortlineError
from sortline.serving.niceness import interrupt_nobody
from sortline.settings import Settings
from sortline.wiring import installation

log = logging.getLogger(__name__)

# Longer than any picture takes: what was accepted is answered before the process ends.
SHUTDOWN_SECONDS = 20
BACKLOG = 2048
# How many new objects before the collector looks for cycles. Some requests under way are more than Python's 700, and
# none of them is garbage: looking took 20 us a picture.
GARBAGE = 20_000


class CannotListen(SortlineError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        self.host, self.port = host, port
        super().__init__(f"Cannot listen on {host}:{port}: {problem}")


def run(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Serves until a signal ends it; returns once every accepted request is answered. `ready` is called when it takes
    requests.

    Raises:
        InvalidTrust, InvalidRate, CannotListen: with what to do.
        DatabaseUnavailable, StorageUnavailable: the installation cannot be opened.
    """
    begun = time.perf_counter()
    trusted = trust_of(settings.trust)
    Rate(settings.rate_limit)
    keep_buffers()
    interrupt_nobody()
    logs.configure(settings.log_level, request_id=edge.request_id.get)
    with bind(settings.host, settings.port) as listener:
        # Opened once before the server does: what is wrong with it is then said in one line, not in a server's log.
        with installation(settings) as ready_to_serve:
            link = sign_in_link(ready_to_serve.engine, settings)
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            http=Protocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The app itself looks at proxy headers: whoever sends one is not taken for a local caller.
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        port = listener.getsockname()[1]

        def told() -> None:
            # What is loaded now stays: the collector need not look at it again and again under load.
            gc.freeze()
            gc.set_threshold(GARBAGE)
            gc.enable()
            announce(settings, port, time.perf_counter() - begun, link)
            for one in trusted:
                log.warning("trusted without a key: %s", one)
            ready()

        def stopping() -> None:
            app.state.stopping = True  # for answers that would go on as long as their client stays

        server = _Server(config, told, stopping)
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:  # raised again by uvicorn after the graceful end
            return


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on that address. Who calls before the models are warm waits in its queue.

    Raises:
        CannotListen: the port is taken or not allowed, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError:
        raise CannotListen(host, port, "it is no address of this machine; use --host 127.0.0.1") from None
    try:
        if platform.system() != "Windows":  # there it would let two processes share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)  # Two sockets may be bound to a port, but one listens.
    except OSError as error:
        listener.close()
        raise CannotListen(host, port, _advice(error, port)) from None
    return listener


def announce(settings: Settings, port: int, seconds: float, link: Link | None = None) -> None:
    """Tells the address, how to sign in, and how to send a first photo."""
    base = base_url(settings, port)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold green]Sortline {__version__} is ready[/] after {seconds:.1f} s: [bold]{base}[/]")
    if link is not None:
        console.print(f"  {link.words}       {base}{link.path}", markup=False)
    console.print(f"  first photo   curl -F image=@photo.jpg {base}/predict")
    console.print(f"  API           {base}/api/docs")
    console.print(f"  data          {settings.data_dir.absolute()}", markup=False)
    if settings.insecure:
        console.print("[yellow]  --insecure: whoever reaches this address may do everything.[/]")


def keep_buffers() -> None:
    """Lets glibc keep the buffers that pictures are decoded into, instead of asking the system for each anew.

    Two threads that read 524 px JPEGs spent 6 % less processor time a picture, with 10 page faults a picture instead
    of 65; resident memory grew by 1 MB. Buffers above 8 MiB still go back at once.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-3, 8 * 1024 * 1024)  # M_MMAP_THRESHOLD
        mallopt(-1, 64 * 1024 * 1024)  # M_TRIM_THRESHOLD


class _Server(uvicorn.Server):
    """Says when it takes requests, and when it is about to stop."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping()
        await super().shutdown(sockets)


def _advice(error: OSError, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"the port is taken; stop what listens there, or choose another: --port {port % 65535 + 1}"
    if error.errno == errno.EACCES:
        return "this user may not open it; choose a port above 1023: --port 8000"
    if error.errno == errno.EADDRNOTAVAIL:
        return "it is no address of this machine; use --host 127.0.0.1"
    return f"{error.strerror}; choose another address or port"
