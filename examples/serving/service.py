"""
Serve a graph over HTTP
=======================

Serve an exported graph::

    pip install "skprune[serve]"
    python examples/serving/service.py pruner.onnx --port 8000

``examples/serving/export.py`` makes such a graph, and :doc:`/http` says how to ask. Neither
TensorFlow nor scikit-learn is needed, or imported.

Whatever a client sends, it gets JSON: what it asked for, or ``{"error": reason}``. Everything that
a client could make large (bodies, batches, images, the queue) has a limit.
"""

import argparse
import asyncio
import base64
import hashlib
import io
import json
import math
import os
import re
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from PIL import Image, ImageOps, UnidentifiedImageError
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from skprune.exceptions import GraphFileError, SkpruneError
from skprune.serving import OnnxPredictor

FILES = {"image/png": "PNG", "image/jpeg": "JPEG"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# The passes of an interlaced PNG: first column and row, and the steps to the next ones.
ADAM7 = [
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
]  # fmt: skip


def _limit(default: float, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Limits:
    """How much a client may ask for."""

    body_bytes: int = _limit(8 * 2**20, "largest body of a request")
    images: int = _limit(256, "most images in a request")
    pixels: int = _limit(4_000_000, "most pixels of an image file, before it is decoded")
    body_seconds: float = _limit(10.0, "time for a body to arrive")
    held_bytes: int = _limit(2**28, "bodies of all requests together")
    at_once: int = _limit(os.cpu_count() or 1, "predictions at the same time")
    waiting: int = _limit(64, "predictions that wait for their turn")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive; got {value}.")


@dataclass(frozen=True)
class Reader:
    """Makes an array of a body, or says what is wrong with it."""

    shape: tuple[int, ...]
    limits: Limits
    pixel_scale: float

    def read(self, kind: str, body: bytes, resize: bool) -> np.ndarray:
        if kind == "application/json":
            return self._json(body)
        return self._npy(body) if kind == "application/x-npy" else self._file(kind, body, resize)

    def _json(self, body: bytes) -> np.ndarray:
        images, shape = self.limits.images, self.shape
        lists = 1 + images * sum(math.prod(shape[:k]) for k in range(len(shape)))
        # Each number but the last is followed by a comma. Counted first: what is read takes time.
        if body.count(b"[") + body.count(b"{") > 1 + lists or body.count(b",") >= (
            images * math.prod(shape)
        ):
            raise HTTPException(413, f"The JSON holds more than {images} images of {shape}.")
        try:
            found = json.loads(body, parse_constant=_no_constant)
        except RecursionError:
            raise HTTPException(400, "The JSON is nested too deeply.") from None
        except ValueError as error:
            raise HTTPException(400, f"The body is not JSON: {error}.") from None
        if not isinstance(found, dict) or list(found) != ["images"]:
            raise HTTPException(422, 'The JSON must be {"images": [...]}.')
        values = found["images"]
        if not isinstance(values, list):
            raise HTTPException(422, '"images" must be a list of images.')
        self._check_number(len(values))
        sides = [len(values)]
        while set(map(type, values)) == {list}:
            lengths = set(map(len, values))
            if len(lengths) > 1:
                raise HTTPException(422, "The images are lists of different lengths.")
            sides += lengths
            values = list(chain.from_iterable(values))
        if not set(map(type, values)) <= {int, float}:  # NumPy would make numbers of true and "1"
            raise HTTPException(422, "The images must hold numbers, and nothing else.")
        try:
            return np.array(values, dtype=float).reshape(sides)
        except OverflowError:
            raise HTTPException(422, "The images hold too large numbers.") from None
        except ValueError:
            raise HTTPException(422, "The lists are too deep.") from None

    def _npy(self, body: bytes) -> np.ndarray:
        # Not np.load, which also opens zip files, and makes room for whatever the header claims.
        stream = io.BytesIO(body)
        headers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        try:
            shape, fortran, dtype = headers[np.lib.format.read_magic(stream)](stream)
        except Exception:  # the header is a Python expression, and breaks as such
            raise HTTPException(400, "This is not a NumPy file (.npy).") from None
        if dtype.kind not in "biuf":
            raise HTTPException(422, f"The array must hold numbers; got {dtype}.")
        claimed, left = math.prod(shape) * dtype.itemsize, len(body) - stream.tell()
        if min(shape, default=0) < 0 or claimed != left:
            raise HTTPException(
                400, f"The .npy says {claimed} bytes of numbers follow its header; {left} do."
            )
        self._check_number(shape[0] if shape and claimed else claimed)
        flat = np.frombuffer(body, dtype, offset=stream.tell())
        try:
            return flat.reshape(shape, order="F" if fortran else "C")
        except ValueError:
            raise HTTPException(422, "The array has too many dimensions.") from None

    def _file(self, kind: str, body: bytes, resize: bool) -> np.ndarray:
        mode = MODES.get(self.shape[2]) if len(self.shape) == 3 else None
        if mode is None:
            raise HTTPException(
                422, f"Samples have shape {self.shape} and are no images; send arrays."
            )
        try:
            with Image.open(io.BytesIO(body), formats=[FILES[kind]]) as image:
                # The header has been read and nothing else: a small file can be a huge image.
                if image.width * image.height > self.limits.pixels:
                    raise HTTPException(413, self._too_many_pixels(image.size))
                if image.mode.startswith(("I", "F")):
                    raise HTTPException(422, "The image must have 8 bits a channel.")
                if image.format == "PNG" and not _has_all_pixels(body):
                    raise HTTPException(400, "The PNG file lacks some of its pixels.")
                upright = ImageOps.exif_transpose(image).convert(mode)
        except HTTPException:
            raise
        except Image.DecompressionBombError:
            raise HTTPException(413, self._too_many_pixels(None)) from None
        except UnidentifiedImageError:
            raise HTTPException(400, f"This is not a {FILES[kind]} file.") from None
        except Exception as error:  # broken files break the decoder in any way they like
            raise HTTPException(
                400, f"The {FILES[kind]} file cannot be decoded ({type(error).__name__}): {error}."
            ) from None
        height, width, _ = self.shape
        if upright.size != (width, height):
            if not resize:
                raise HTTPException(
                    422,
                    f"The image has {upright.width} x {upright.height} pixels and must have "
                    f"{width} x {height}; with ?resize=1 it is resized.",
                )
            upright = upright.resize((width, height), Image.Resampling.BOX)
        pixels = np.asarray(upright, dtype=np.float32) * np.float32(self.pixel_scale)
        return pixels.reshape(1, *self.shape)

    def _too_many_pixels(self, size: tuple[int, int] | None) -> str:
        many = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
        return f"The image has {many}; the limit is {self.limits.pixels} in all."

    def _check_number(self, number: int) -> None:
        if number == 0:
            raise HTTPException(422, "There are no images in the body.")
        if number > self.limits.images:
            raise HTTPException(
                413, f"{number} images in one request; the limit is {self.limits.images}."
            )


class Counter:
    """Where predictions queue; all of it belongs to the event loop's thread."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.threads = ThreadPoolExecutor(limits.at_once, thread_name_prefix="predict")
        self.pending = 0
        self.held = 0

    async def body(self, request: Request, body: bytearray) -> None:
        """Fill in the body; who calls takes its length off ``held`` when it is done with it."""
        limit = self.limits.body_bytes
        too_large = HTTPException(413, f"The body is larger than the limit of {limit} bytes.")
        if int(request.headers.get("content-length", 0)) > limit:
            raise too_large
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for chunk in request.stream():
                    body += chunk
                    self.held += len(chunk)
                    if len(body) > limit:
                        raise too_large
                    if self.held > self.limits.held_bytes:
                        raise _busy()
        except TimeoutError:
            seconds = self.limits.body_seconds
            raise HTTPException(
                408, f"The body took longer than {seconds:g} s.", {"Connection": "close"}
            ) from None
        if not body:
            raise HTTPException(400, "The body is empty.")

    async def run(self, work: Callable[..., bytes], *arguments: Any) -> bytes:
        if self.pending >= self.limits.at_once + self.limits.waiting:
            raise _busy()
        self.pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.threads, work, *arguments)
        finally:
            self.pending -= 1


def create_app(predictor: OnnxPredictor, limits: Limits, pixel_scale: float = 1.0) -> FastAPI:
    """The service round a predictor, as an ASGI application."""
    about = predictor.metadata_
    if about.labels is None:
        raise ValueError(f"{predictor.path!r} was a regressor; this service is for classifiers.")
    reader = Reader(predictor.sample_shape_, limits, pixel_scale)
    counter = Counter(limits)
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    policy = _policy(page)
    # No pages of FastAPI's own, which load their scripts from elsewhere.
    app = FastAPI(openapi_url=None, redirect_slashes=False)

    def work(kind: str, body: bytes, resize: bool, members: bool) -> bytes:
        """One prediction; runs in a thread, with the reading and writing of JSON."""
        images = reader.read(kind, body, resize)
        try:
            vote, each = predictor.predict_proba(images, return_members=True)
        except GraphFileError:  # a fault of the graph, not of the request
            raise
        except (ValueError, TypeError) as error:
            raise HTTPException(422, f"The images do not fit the graph: {error}") from None
        if not np.isfinite(vote).all():
            raise HTTPException(422, "The graph overflows: the images hold too large numbers.")
        found = {
            "labels": [about.labels[best] for best in vote.argmax(axis=1)],
            "probabilities": vote.tolist(),
            "classes": about.labels,
        }
        if members:
            found["members"] = [
                {"name": name, "weight": weight, "probabilities": probabilities}
                for name, weight, probabilities in zip(
                    about.members, about.weights, each.tolist(), strict=True
                )
            ]
        return json.dumps(found).encode()

    @app.post("/predict")
    async def predict(request: Request, resize: bool = False, members: bool = False) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ("application/json", "application/x-npy", *FILES):
            raise HTTPException(
                415,
                "Send application/json, application/x-npy, image/png or image/jpeg; got "
                f"{kind or 'no Content-Type'}.",
            )
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise HTTPException(415, "Send the body without a Content-Encoding.")
        body = bytearray()
        try:
            await counter.body(request, body)
            return _answer(await counter.run(work, kind, bytes(body), resize, members))
        finally:
            counter.held -= len(body)

    @app.api_route("/health", methods=["GET", "HEAD"])
    async def health() -> Response:
        return _answer({"status": "ok"})

    @app.api_route("/metadata", methods=["GET", "HEAD"])
    async def metadata() -> Response:
        return _answer(about.to_json().encode())

    @app.api_route("/", methods=["GET", "HEAD"])
    async def index() -> Response:
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
        return Response(page, media_type="text/html", headers=headers)

    @app.exception_handler(AnyHTTPException)
    async def refused(request: Request, error: AnyHTTPException) -> Response:
        reason = error.detail
        if error.status_code == 404:
            reason = "There is nothing here; there are /, /predict, /health and /metadata."
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            reason = f"{request.method} is not for this path; use {allowed}."
        return _answer({"error": reason}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def unclear(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _answer({"error": f"{first['loc'][-1]}: {first['msg']}."}, 422)

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: ClientDisconnect) -> Response:
        return _answer({"error": "The client went away."}, 400)  # which nobody reads

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        # The server logs the error after this answer.
        return _answer({"error": "The service failed; its log says why."}, 500)

    return app


def _answer(content: Any, status: int = 200, headers: Any = None) -> Response:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {**(headers or {}), "X-Content-Type-Options": "nosniff"}
    return Response(text, status, headers, "application/json")


def _busy() -> HTTPException:
    return HTTPException(503, "Too many requests at once; try again.", {"Retry-After": "1"})


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _has_all_pixels(png: bytes) -> bool:
    """Whether the data of a PNG file end too early; Pillow leaves missing pixels black."""
    data, at, needed = [], 8, 0
    while at < len(png):
        length, name = struct.unpack_from(">I4s", png, at)
        content = png[at + 8 : at + 8 + length]
        if name == b"IHDR":
            width, height, depth, color, interlaced = struct.unpack(">IIBBxxB", content)
            bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
            for x, y, dx, dy in ADAM7 if interlaced else [(0, 0, 1, 1)]:
                columns, rows = -(-(width - x) // dx), -(-(height - y) // dy)
                if columns > 0 and rows > 0:
                    needed += rows * (1 + -(-columns * bits // 8))  # the first byte is the filter
        elif name == b"IDAT":
            data.append(content)
        at += 12 + length
    return len(zlib.decompressobj().decompress(b"".join(data), needed)) == needed


def _policy(page: str) -> str:
    """Allows the page its own script and style, and requests to this service."""
    own = {}
    for tag in ("script", "style"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        own[tag] = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{own['script']}'; "
        f"style-src 'sha256-{own['style']}'; img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve an exported graph over HTTP.")
    parser.add_argument("graph", help="file that skprune.serving.export_onnx wrote")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    parser.add_argument(
        "--pixel-scale", type=float, default=1.0,
        help="what the pixels of image files, 0 to 255, are multiplied by; as in training",
    )  # fmt: skip
    for limit in fields(Limits):
        parser.add_argument(
            "--" + limit.name.replace("_", "-"), type=limit.type, default=limit.default,
            help=f"{limit.metadata['help']} (default: {limit.default})",
        )  # fmt: skip
    options = parser.parse_args()
    try:
        limits = Limits(**{limit.name: getattr(options, limit.name) for limit in fields(Limits)})
        # One thread a prediction: with many clients that does more than many threads for one.
        predictor = OnnxPredictor(options.graph, n_threads=1)
        app = create_app(predictor, limits, options.pixel_scale)
    except (ImportError, OSError, ValueError, SkpruneError) as error:
        raise SystemExit(str(error)) from None
    # After SIGTERM, requests that have begun are answered, and clients that stall are not.
    uvicorn.run(
        app, host=options.host, port=options.port, ws="none", access_log=False,
        server_header=False, timeout_graceful_shutdown=math.ceil(limits.body_seconds) + 5,
    )  # fmt: skip


if __name__ == "__main__":
    main()
