"""`sortline up` and `sortline serve`: the server, until it is told to stop; with `up` a worker beside it."""

import gc

from sortline.cli.options import DataDir, Host, Insecure, Port, Trust, settings


def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    trust: Trust = None,
    insecure: Insecure = None,
) -> None:
    """Start Sortline on this machine and print its link: the server, and the worker for what takes long."""
    _no_garbage_yet()
    from sortline.cli.server import run
    from sortline.cli.worker import Child

    chosen = settings(host=host, port=port, data_dir=data_dir, trust=trust or None, insecure=insecure)
    child = Child(chosen)
    try:
        # Only then: until the server is ready, both cores are its own.
        run(chosen, ready=child.start)
    finally:
        child.close()


def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    trust: Trust = None,
    insecure: Insecure = None,
) -> None:
    """Start the server alone."""
    _no_garbage_yet()
    from sortline.cli.server import run

    run(settings(host=host, port=port, data_dir=data_dir, trust=trust or None, insecure=insecure))


def _no_garbage_yet() -> None:
    """Python does not look for garbage while it loads what stays, a seventh of the start; `run` lets it, once ready."""
    gc.disable()
