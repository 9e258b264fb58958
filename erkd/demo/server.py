"""The server of the page: it answers each request from that request alone, and keeps and writes nothing."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.resources import files

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from erkd.demo.samples import SAMPLES, sample_file
from erkd.demo.services import MAX_PIXELS, services
from erkd.demo.uploads import read_files
from erkd.inference.matter import Matter
from erkd.io.files import InputError

Endpoint = Callable[[Request], Awaitable[Response]]

WORKERS = min(2, os.cpu_count() or 1)  # photos in work at once
READING = 4 * WORKERS  # uploads in memory at once; the others wait before they are read
CROWD = 1000  # connections; more are told to come back later
PAGE = {
    "/": ("index.html", "text/html"),
    "/demo.css": ("demo.css", "text/css"),
    "/demo.js": ("demo.js", "text/javascript"),
    "/painter.js": ("painter.js", "text/javascript"),
}
HEADERS = {
    # the browser itself refuses whatever is not of this server
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def make_app(matter: Matter, max_bytes: int, qualities: Mapping[str, Matter], quality: str) -> Starlette:
    """The page and its `services`, as an ASGI application; the page offers `qualities`, `quality` chosen at first.

    Each takes a form with its files by `POST` and gives a PNG. What is wrong with a request is said as
    `{"error": ...}` with a 4xx status.
    """
    pool, gate = ThreadPoolExecutor(WORKERS), asyncio.Semaphore(READING)

    async def run(work: Callable[..., bytes], *given: bytes) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *given)

    def service(work: Callable[..., bytes], *names: str) -> Endpoint:
        async def answer(request: Request) -> Response:
            async with gate:
                png = await run(work, *await read_files(request, names, max_bytes))
            return Response(png, media_type="image/png")

        return answer

    async def sample(request: Request) -> Response:
        name, kind = request.path_params["name"], request.path_params["kind"]
        if name not in SAMPLES or kind not in ("jpg", "png"):
            raise HTTPException(404)
        return Response(sample_file(name, kind), media_type="image/jpeg" if kind == "jpg" else "image/png")

    async def settings(_: Request) -> Response:
        offered = {"qualities": [*qualities], "quality": quality}
        return JSONResponse({"samples": [*SAMPLES], "max_bytes": max_bytes, "max_pixels": MAX_PIXELS, **offered})

    return Starlette(
        routes=[
            *(Route(path, _page_file(*file)) for path, file in PAGE.items()),
            Route("/settings", settings),
            Route("/samples/{name}.{kind}", sample),
            *(
                Route(path, service(work, *names), methods=["POST"])
                for path, (work, names) in services(matter, qualities).items()
            ),
        ],
        exception_handlers={HTTPException: _refuse, InputError: _refuse, ClientDisconnect: _refuse},
    )


def _page_file(name: str, media_type: str) -> Endpoint:
    """A file of the page, read once; no request can name another."""
    content = files("erkd.demo").joinpath("page", name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


def _refuse(_: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    return JSONResponse({"error": str(error)}, 400)


def listen(host: str, port: int) -> socket.socket:
    """A socket on `host` and `port`; port 0 is any free one. Raises InputError when they cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise InputError(f"{host}, port {port}: {error.strerror}; give another --host or --port") from None


def address(listener: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    matter: Matter, listener: socket.socket, max_bytes: int, qualities: Mapping[str, Matter], quality: str
) -> None:
    """Serve the page (see `make_app`) until the process is told to end."""
    config = uvicorn.Config(
        make_app(matter, max_bytes, qualities, quality),
        log_level="warning",
        access_log=False,
        server_header=False,
        headers=[*HEADERS.items()],
        limit_concurrency=CROWD,
        timeout_graceful_shutdown=30,  # what is in work is finished; a second Ctrl+C ends it at once
    )
    with listener, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listener])
