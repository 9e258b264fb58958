"""The files of one request: read within limits, kept in memory, nothing written to a disk."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

PATIENCE = 60  # seconds that an upload may take
FRAMES = 4096  # bytes that a form may add to its files


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40  # larger files than this would go to a temporary file


async def read_files(request: Request, names: tuple[str, ...], max_bytes: int) -> list[bytes]:
    """The files called `names` of a multipart form of at most `max_bytes` in all.

    Raises HTTPException: 413 before more than that is read, 408 for one who sends too slowly, 400 for what is
    no such form.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise HTTPException(400, f"a form with the files {' and '.join(names)} is expected")
    try:
        async with asyncio.timeout(PATIENCE), aclosing(_limited(request, max_bytes)) as stream:
            form = await _InMemory(request.headers, stream, max_files=len(names), max_fields=0).parse()
    except MultiPartException as error:
        raise HTTPException(400, f"not a readable form ({error.message})") from None
    except TimeoutError:
        raise HTTPException(408, f"the upload took longer than {PATIENCE} seconds") from None
    files = [form.get(name) for name in names]
    if not all(isinstance(file, UploadFile) for file in files):
        raise HTTPException(400, f"a form with the files {' and '.join(names)} is expected")
    return [file.file.read() for file in files if isinstance(file, UploadFile)]


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body of a request, until it has grown too large; one that says so beforehand is not begun."""
    size, most = 0, max_bytes + FRAMES
    too_large = HTTPException(413, f"more than {max_bytes / 1e6:g} MB; `erkd demo --max-mb` allows more")
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise too_large
        yield chunk
