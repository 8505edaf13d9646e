"""`sortline up` and `sortline serve`: the server, until it is told to stop."""

from sortline.cli.options import DataDir, Host, Insecure, Port, settings


def up(host: Host = None, port: Port = None, data_dir: DataDir = None, insecure: Insecure = None) -> None:
    """Start Sortline on this machine and print its link."""
    _run(host=host, port=port, data_dir=data_dir, insecure=insecure)


def serve(host: Host = None, port: Port = None, data_dir: DataDir = None, insecure: Insecure = None) -> None:
    """Start the server alone."""
    _run(host=host, port=port, data_dir=data_dir, insecure=insecure)


def _run(**given: object) -> None:
    from sortline.cli.server import run

    run(settings(**given))
