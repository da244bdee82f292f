"""Downloads one file over HTTP: with progress, resuming where a broken transfer ended, retrying what may pass."""

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from snnprune.core.errors import DataError

BACKOFF_S = (1.0, 2.0, 4.0)
TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 16
TRANSIENT_STATUS = frozenset({408, 416, 429, 500, 502, 503, 504})

Sleep = Callable[[float], None]


class DownloadError(DataError):
    """A URL could not be fetched; the message names the URL and the last reason."""


PASSING = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)


def download(url: str, path: Path, sleep: Sleep = time.sleep) -> None:
    """Fetch `url` into `path`, which appears only when the transfer is complete. What arrived lies in `<path>.part` and
    is continued through an HTTP Range request, by the next try or the next call. A failed try is repeated after each of
    the pauses BACKOFF_S (seconds, waited by `sleep`), unless the server refuses for good (404 and the like). Raises
    DownloadError: no try succeeded."""
    part = path.with_name(f"{path.name}.part")
    for pause in (*BACKOFF_S, None):
        try:
            _transfer(url, part)
        except PASSING as error:
            refused = isinstance(error, urllib.error.HTTPError) and error.code not in TRANSIENT_STATUS
            if refused or pause is None:
                raise DownloadError(f"{url}: {str(error) or type(error).__name__}") from error
            sleep(pause)
        else:
            os.replace(part, path)
            return


def _transfer(url: str, part: Path) -> None:
    """Append the rest of `url` to `part`, or write it anew when the server does not continue at the right byte."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "snn-pruning-pipeline"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink(missing_ok=True)  # longer than the file on the server: the next try starts anew
        raise
    with response:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if start else "wb") as stream,
            tqdm(desc=url.rsplit("/", 1)[-1], initial=start, total=total, unit="B", unit_scale=True) as progress,
        ):
            while chunk := response.read(CHUNK_BYTES):
                stream.write(chunk)
                progress.update(len(chunk))
    arrived = part.stat().st_size
    if total is not None and arrived < total:
        raise http.client.HTTPException(f"connection closed after {arrived} of {total} bytes")
