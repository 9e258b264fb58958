"""Whether the Hugging Face hub can be reached, asked once and quickly: its client would retry for a minute."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

PATIENCE = 5.0  # seconds


def reachable(address: str, patience: float = PATIENCE) -> bool:
    """Whether a server of this address takes connections. With a proxy that is for the client to find out."""
    parts = urlsplit(address)
    if parts.scheme in getproxies():
        return True
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), patience).close()
    except OSError:
        return False
    return True


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Within the block the hub's client looks into its own cache alone where the hub cannot be reached.

    Its warnings are held back: what fails is raised, and said once by whoever catches it.
    """
    before = constants.HF_HUB_OFFLINE
    disabled = logging.root.manager.disable
    constants.HF_HUB_OFFLINE = before or not reachable(os.environ.get("HF_ENDPOINT", constants.ENDPOINT))
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.disable(disabled)
