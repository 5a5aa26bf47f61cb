"""The HTTP service, over real HTTP: right requests, wrong ones, many at once, and its page."""

import contextlib
import io
import json
import re
import runpy
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest

from skprune.serving import GraphMetadata, OnnxPredictor

onnx = pytest.importorskip("onnx")
for needed in ("onnxruntime", "fastapi", "uvicorn"):
    pytest.importorskip(needed)
Image = pytest.importorskip("PIL.Image")

EXAMPLES = Path(__file__).parent.parent / "examples" / "serving"
LABELS = [*"012345678", "<b>nine</b>"]  # the last would show if the page took labels for HTML
WEIGHTS = [0.5, 0.2, 0.3]
JSON, NPY, PNG = "application/json", "application/x-npy", "image/png"


def write_graph(path, pixels=64, labels=LABELS):
    """Three linear members, by hand: quick, and no TensorFlow. Other pixels make it fail."""
    W = np.random.default_rng(0).normal(0, 0.004, (pixels, 30))
    constants = {
        "flat": np.array([-1, pixels]),
        "split": np.array([-1, 3, 10]),
        "one": np.array([1]),
        "two": np.array([2]),
        "W": (W - W.mean(axis=0)).astype("f"),  # the mean brightness says nothing
        "w": np.array(WEIGHTS, "f").reshape(1, 3, 1),
    }
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Reshape", ["X", "flat"], ["rows"]),
        helper.make_node("MatMul", ["rows", "W"], ["scores"]),
        helper.make_node("Reshape", ["scores", "split"], ["each"]),
        # Softmax in the way that overflows.
        helper.make_node("Exp", ["each"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "two"], ["sums"]),
        helper.make_node("Div", ["powers", "sums"], ["members"]),
        helper.make_node("Mul", ["members", "w"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "one"], ["vote"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "hand",
        [helper.make_tensor_value_info("X", real, ["N", 8, 8, 1])],
        [
            helper.make_tensor_value_info("vote", real, ["N", 10]),
            helper.make_tensor_value_info("members", real, ["N", 3, 10]),
        ],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    voting = None if labels is None else "soft"
    about = GraphMetadata("1", "Hand", labels, "<U11", voting, ["a", "b", "c"], WEIGHTS, [8, 8, 1],
                          batch_rows=64)  # fmt: skip
    helper.set_model_props(model, {"skprune": about.to_json()})
    onnx.save(model, path)
    return path


class Service:
    """The service as its own process, on a free port."""

    def __init__(self, graph, log, *options):
        self.log = log
        command = [sys.executable, EXAMPLES / "service.py", graph, "--port", "0", *options]
        with open(log, "w") as out:
            self.process = subprocess.Popen(
                list(map(str, command)), stdout=out, stderr=out, stdin=subprocess.DEVNULL
            )
        self.port = self._port()

    def _port(self):
        for _ in range(600):
            running = self.process.poll() is None
            found = re.search(r"running on http://127\.0\.0\.1:(\d+)", self.log.read_text())
            if found:
                return int(found[1])
            if not running:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"The service did not start:\n{self.log.read_text()}")

    def connect(self, timeout=30):
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, path, body=None, kind=None, method=None, headers=None, connection=None):
        """Status, and the JSON or text of the answer."""
        own = connection or self.connect()
        try:
            method = method or ("GET" if body is None else "POST")
            own.request(method, path, body, {"Content-Type": kind} if kind else headers or {})
            return read(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def expect(self, status, body):
        """Ask until the answer is this one, for at most five seconds."""
        for _ in range(100):
            found = self.ask("/predict", body, NPY)
            if found[0] == status:
                return
            time.sleep(0.05)
        raise AssertionError(found)

    def raw(self, data):
        """A socket on which these bytes were sent."""
        end = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        end.sendall(data)
        return end

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@contextlib.contextmanager
def running(*arguments):
    service = Service(*arguments)
    try:
        yield service
        assert service.process.poll() is None, service.log.read_text()
    finally:
        service.stop()


def read(answer):
    content = answer.read()
    is_json = content and answer.headers["Content-Type"] == "application/json"
    return answer.status, json.loads(content) if is_json else content.decode()


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npy_claiming(shape):
    """A NumPy file whose header claims an array of another shape than the 64 bytes after it."""
    stream = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + bytes(64)


def file_of(pixels, kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def png(width, height, data, depth=8, color=0, interlaced=0):
    """A PNG file of bytes as they are before they are compressed."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def huge_png(width, height):
    """A small file whose header claims a huge image."""
    return png(width, height, bytes(1000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def graph(folder):
    return write_graph(folder / "hand.onnx")


@pytest.fixture(scope="module")
def service(graph, folder):
    with running(graph, folder / "log", "--body-seconds", "2") as service:
        yield service


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)


@pytest.fixture(scope="module")
def local(graph, images):
    """The probabilities of single images, predicted without HTTP."""
    predictor = OnnxPredictor(graph, n_threads=1)
    return np.array([predictor.predict_proba(image[None])[0] for image in images])


def assert_votes(found, expected):
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5, atol=1e-7)
    assert found["labels"] == [LABELS[k] for k in np.argmax(expected, axis=1)]
    assert found["classes"] == LABELS


def test_health_and_metadata(service, graph):
    assert service.ask("/health") == (200, {"status": "ok"})
    assert service.ask("/health", method="HEAD")[0] == 200
    status, about = service.ask("/metadata")
    assert status == 200
    assert about == json.loads(OnnxPredictor(graph).metadata_.to_json())


def test_nothing_heavy_is_loaded(service):
    maps = Path(f"/proc/{service.process.pid}/maps")
    service.ask("/predict", npy(np.zeros((1, 8, 8))), NPY)
    if maps.exists():
        loaded = maps.read_text()
        assert "onnxruntime" in loaded
        assert not re.search("/(tensorflow|sklearn|scipy|cvxpy|matplotlib)/", loaded)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import service\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'scipy', 'cvxpy'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(EXAMPLES)], check=True)


@pytest.mark.parametrize(
    "as_sent",
    [
        lambda X: (json.dumps({"images": X.tolist()}), JSON),
        lambda X: (json.dumps({"images": X[..., 0].tolist()}), JSON + "; charset=utf-8"),
        lambda X: (npy(X), NPY),
        lambda X: (npy(X.reshape(len(X), -1).astype("f8")), NPY),
        lambda X: (npy(np.asfortranarray(X)), NPY),
    ],
    ids=["json", "json without channel", "npy", "npy rows", "npy of Fortran"],
)
def test_arrays(service, images, local, as_sent):
    status, found = service.ask("/predict", *as_sent(images))
    assert status == 200, found
    assert_votes(found, local)
    assert "members" not in found


def test_members(service, images, graph):
    status, found = service.ask("/predict?members=1", npy(images), NPY)
    assert status == 200, found
    each = OnnxPredictor(graph).member_predict_proba(images)
    assert [(member["name"], member["weight"]) for member in found["members"]] == [
        ("a", 0.5), ("b", 0.2), ("c", 0.3),
    ]  # fmt: skip
    for member, expected in zip(found["members"], each, strict=True):
        np.testing.assert_allclose(member["probabilities"], expected, rtol=1e-5, atol=1e-7)


def test_image_files(service, images, local, graph):
    digit = images[0, ..., 0]
    for pixels in (digit, np.repeat(digit[..., None], 3, axis=2)):  # grey, and grey in colours
        status, found = service.ask("/predict", file_of(pixels), PNG)
        assert status == 200, found
        assert_votes(found, local[:1])
    black = OnnxPredictor(graph).predict_proba(np.zeros((1, 8, 8, 1)))
    for whole in (
        png(8, 8, bytes(8 * 9)), png(8, 8, bytes(79), interlaced=1), png(8, 8, bytes(16), depth=1),
        png(8, 8, bytes(8 * 33), color=6),
    ):  # fmt: skip
        status, found = service.ask("/predict", whole, PNG)
        assert status == 200, found
        assert_votes(found, black)
    larger = file_of(np.kron(digit, np.ones((5, 5), np.uint8)))
    status, found = service.ask("/predict?resize=1", larger, PNG)
    assert status == 200, found
    assert_votes(found, local[:1])
    jpeg = file_of(digit, "JPEG", quality=95)
    status, found = service.ask("/predict", jpeg, "image/jpeg")
    assert status == 200, found
    decoded = np.asarray(Image.open(io.BytesIO(jpeg)))[None]
    assert_votes(found, OnnxPredictor(graph).predict_proba(decoded))


ZEROS = np.zeros((1, 8, 8, 1), np.uint8)
GREY = np.zeros((8, 8), np.uint8)
LONG_TEXTS = [["a" * 500_000] + ["b"] * 10_000]
NOISE = np.random.default_rng(2).integers(0, 256, (8, 8), dtype=np.uint8)


def wrong(status, reason, body, kind, path="/predict"):
    return pytest.param(status, reason, body, kind, path, id=f"{status} {reason}")


@pytest.mark.parametrize(
    ("status", "reason", "body", "kind", "path"),
    [
        wrong(400, "The body is empty", b"", JSON),
        wrong(400, "not JSON: Expecting", b'{"images": [', JSON),
        wrong(400, "not JSON: 'utf-8'", b'{"images": "\xff"}', JSON),
        wrong(400, "not JSON: NaN", b'{"images": [[NaN]]}', JSON),
        wrong(400, "not JSON: -Infinity", b'{"images": [[-Infinity]]}', JSON),
        wrong(400, "not JSON: Exceeds the limit", b'{"images": [' + b"1" * 5000 + b"]}", JSON),
        wrong(400, "nested too deeply", b'{"images": ' + b"[" * 15_000, JSON),
        wrong(413, "more than 256 images of (8, 8, 1)", b"[" * 20_000, JSON),
        wrong(413, "more than 256 images of (8, 8, 1)", b'{"images": [[' + b"0," * 20_000, JSON),
        wrong(422, "too deep", b'{"images": ' + b"[" * 200 + b"]" * 200 + b"}", JSON),
        wrong(422, "lists of different lengths", b'{"images": [[1, 2], [3]]}', JSON),
        wrong(422, "must be {", b"[[1, 2]]", JSON),
        wrong(422, "must be {", b'{"image": []}', JSON),
        wrong(422, "must be a list", b'{"images": "\\ud800"}', JSON),
        wrong(422, "no images", b'{"images": []}', JSON),
        wrong(422, "numbers, and nothing else", b'{"images": [["1", "2"]]}', JSON),
        wrong(422, "numbers, and nothing else", b'{"images": [[null]]}', JSON),
        wrong(422, "numbers, and nothing else", b'{"images": [{"a": 1}]}', JSON),
        wrong(422, "too large numbers", b'{"images": [[' + b"9" * 400 + b"]]}", JSON),
        wrong(422, "beyond single precision", b'{"images": [[' + b"0, " * 63 + b"1e99]]}", JSON),
        wrong(422, "numbers, and nothing else", b'{"images": [[' + b"true," * 63 + b"0]]}", JSON),
        wrong(422, "numbers, and nothing else", b'{"images": [[1, [2]]]}', JSON),
        wrong(422, "must have shape (n, 8, 8, 1)", b'{"images": [[]]}', JSON),
        # Ten thousand texts, each with room for the longest, would be twenty gigabytes.
        wrong(422, "numbers, and nothing else", json.dumps({"images": LONG_TEXTS}), JSON),
        wrong(422, "must have shape (n, 8, 8, 1)", b'{"images": [[1, 2, 3]]}', JSON),
        wrong(422, "must have shape (n, 8, 8, 1)", b'{"images": [1, 2, 3]}', JSON),
        wrong(422, "Give X[None]", npy(ZEROS[0]), NPY),
        wrong(422, "NaN or infinity", npy(np.full((1, 64), np.nan)), NPY),
        wrong(422, "NaN or infinity", b'{"images": [[' + b"0, " * 63 + b"1e999]]}", JSON),
        wrong(422, "beyond single precision", npy(np.full((1, 64), 1e300)), NPY),
        wrong(422, "overflows", npy(np.full((1, 64), 3e38, "f")), NPY),
        wrong(413, "257 images in one request", json.dumps({"images": [[0]] * 257}), JSON),
        wrong(413, "257 images", npy(np.zeros((257, 8, 8), np.uint8)), NPY),
        wrong(413, "larger than the limit of 8388608 bytes", bytes(2**23 + 1), NPY),
        wrong(400, "not a NumPy file", b"hello", NPY),
        wrong(400, "not a NumPy file", b"PK\x03\x04" + bytes(100), NPY),
        wrong(400, "not a NumPy file", npy(ZEROS)[:40], NPY),
        wrong(400, "not a NumPy file", npy(ZEROS).replace(b"(1, 8", b"((((("), NPY),
        wrong(400, "63 do", npy(ZEROS)[:-1], NPY),
        wrong(400, "says 640000000000 bytes", npy_claiming((10**10, 8, 8, 1)), NPY),
        wrong(400, "says 64 bytes", npy_claiming((-1, -8, 8, 1)), NPY),
        wrong(400, "not a NumPy file", npy_claiming((1, "8", 8, 1)), NPY),
        wrong(422, "must hold numbers; got object", npy(np.array([{}])), NPY),
        wrong(422, "must hold numbers; got <U1", npy(np.array(["a"])), NPY),
        wrong(422, "no images", npy(np.zeros((0, 8, 8))), NPY),
        wrong(422, "no images", npy(np.zeros((1, 0))), NPY),
        wrong(422, "too many dimensions", npy_claiming((64, *[1] * 100)), NPY),
        wrong(422, "must have shape", npy(np.array(1.0)), NPY),
        wrong(400, "not a PNG file", b"hello", PNG),
        wrong(400, "not a JPEG file", file_of(GREY), "image/jpeg"),
        wrong(400, "lacks some of its pixels", file_of(NOISE)[:100], PNG),
        wrong(400, "cannot be decoded", file_of(NOISE, "JPEG")[:300], "image/jpeg"),
        wrong(400, "lacks some of its pixels", png(8, 8, bytes(4 * 9)), PNG),
        wrong(400, "lacks some of its pixels", png(8, 8, bytes(8 * 9 - 1)), PNG),
        wrong(400, "lacks some of its pixels", png(8, 8, bytes(4 * 25), color=2), PNG),
        wrong(400, "lacks some of its pixels", png(8, 8, bytes(78), interlaced=1), PNG),
        wrong(422, "has 9 x 8 pixels and must have 8 x 8", file_of(np.zeros((8, 9), "u1")), PNG),
        wrong(422, "8 bits a channel", file_of(np.zeros((8, 8), np.uint16)), PNG),
        wrong(413, "4000 x 4000 pixels; the limit is 4000000", huge_png(4000, 4000), PNG),
        wrong(413, "far too many pixels", huge_png(60_000, 60_000), PNG),
        wrong(415, "got text/plain", b"hello", "text/plain"),
        wrong(415, "got no Content-Type", b"hello", None),
        wrong(422, "resize", npy(ZEROS), NPY, "/predict?resize=perhaps"),
        wrong(404, "nothing here", b"hello", JSON, "/predict/"),
        wrong(404, "nothing here", None, None, "/docs"),
        wrong(404, "nothing here", None, None, "/../service.py"),
        wrong(405, "GET is not for this path; use POST", None, None, "/predict"),
        wrong(405, "POST is not for this path", b"hello", JSON, "/health"),
    ],
)
def test_wrong_requests(service, status, reason, body, kind, path):
    got, found = service.ask(path, body, kind)
    assert got == status, found
    assert list(found) == ["error"]
    assert reason in found["error"]
    assert "Traceback" not in found["error"]
    assert ".py" not in found["error"]
    assert service.ask("/predict", npy(ZEROS), NPY)[0] == 200  # it goes on


def test_no_trace_in_the_log(service):
    """Wrong requests are no accidents of the service: it has nothing to log of them."""
    assert "Traceback" not in service.log.read_text()


def test_compressed(service):
    headers = {"Content-Type": NPY, "Content-Encoding": "gzip"}
    assert service.ask("/predict", npy(ZEROS), headers=headers)[0] == 415


def test_body_of_too_great_length(service):
    """It is refused by its length alone, before any of it is sent."""
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {NPY}\r\n"
    with service.raw(f"{head}Content-Length: {10**12}\r\n\r\n".encode()) as end:
        assert end.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_body_without_length(service):
    """A body in chunks says no length, and is stopped while it arrives."""
    good, endless = service.connect(), service.connect()
    with contextlib.closing(good), contextlib.closing(endless):
        body = npy(ZEROS)
        good.request("POST", "/predict", iter([body[:50], body[50:]]), {"Content-Type": NPY},
                     encode_chunked=True)  # fmt: skip
        assert read(good.getresponse())[0] == 200
        chunks = (bytes(2**20) for _ in range(9))
        endless.request("POST", "/predict", chunks, {"Content-Type": NPY}, encode_chunked=True)
        status, found = read(endless.getresponse())
        assert status == 413, found


def test_slow_and_aborted_clients(service):
    head = b"POST /predict HTTP/1.1\r\nHost: a\r\n"
    head += b"Content-Type: image/png\r\nContent-Length: 99\r\n\r\n"
    slow = [service.raw(head + b"a") for _ in range(30)]
    for k in range(10):
        service.raw(head[: 20 * (k + 1)]).close()
        gone = service.raw(head + b"a")
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gone.close()  # with a reset
    start = time.perf_counter()
    for _ in range(20):
        assert service.ask("/predict", npy(ZEROS), NPY)[0] == 200
    assert time.perf_counter() - start < 5
    # Their time, two seconds here, runs out; the answer says so, and the connection is closed.
    answer = b"".join(iter(lambda: slow[0].recv(4096), b""))
    assert b"408 " in answer.splitlines()[0]
    assert b"took longer than 2 s" in answer
    for end in slow:
        end.close()
    assert "Traceback" not in service.log.read_text()


def test_not_http(service):
    with service.raw(b"\x16\x03\x01 hello\r\n\r\n") as end:
        assert end.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert service.ask("/health")[0] == 200


def test_a_thousand_requests(service, images, local):
    """Eight clients, every fifth request of which is wrong."""
    bad = [
        (400, b"{", JSON), (422, b'{"images": [[1]]}', JSON), (415, b"a", "text/css"),
        (400, file_of(NOISE)[:100], PNG), (413, huge_png(4000, 4000), PNG),
        (422, npy(np.full((1, 64), np.inf)), NPY),
    ]  # fmt: skip
    asked, opened = threading.local(), []

    def client(k):
        if not hasattr(asked, "connection"):
            asked.connection = service.connect()
            opened.append(asked.connection)
        if k % 5 == 4:
            expected, body, kind = bad[k % len(bad)]
            status, found = service.ask("/predict", body, kind, connection=asked.connection)
            return status == expected and list(found) == ["error"]
        i = k % len(images)
        body, kind = [
            (npy(images[i : i + 1]), NPY),
            (file_of(images[i, ..., 0]), PNG),
            (json.dumps({"images": images[i : i + 1].tolist()}), JSON),
        ][k % 3]
        status, found = service.ask("/predict", body, kind, connection=asked.connection)
        assert status == 200, found
        assert_votes(found, local[i : i + 1])
        return True

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(client, range(1000)))
    for connection in opened:
        connection.close()


def test_load(service):
    load = runpy.run_path(str(EXAMPLES / "load.py"))
    found = load["measure"](f"http://127.0.0.1:{service.port}", requests=60, clients=3, images=2)
    assert len(found.latencies) == 60
    assert not found.errors
    assert re.match(r"\d+ requests/s, median .* ms, p99 .* ms, errors: none", str(found))
    for elsewhere in ("http://192.0.2.1:80", "http://0.0.0.0:80", "https://127.0.0.1", "nonsense"):
        with pytest.raises(SystemExit):
            load["measure"](elsewhere)


def test_queue(graph, folder, images):
    """Where too many wait, the next is told to come back, and those that wait are answered."""
    body = json.dumps({"images": np.repeat(images, 6, axis=0).tolist()})
    with running(graph, folder / "queue.log", "--at-once", "1", "--waiting", "1") as service:

        def client(_):
            connection = service.connect()
            with contextlib.closing(connection):
                connection.request("POST", "/predict", body, {"Content-Type": JSON})
                answer = connection.getresponse()
                return *read(answer), answer.headers["Retry-After"]

        with ThreadPoolExecutor(12) as clients:
            answers = list(clients.map(client, range(36)))
        assert {status for status, _, _ in answers} == {200, 503}
        for status, found, wait in answers:
            assert status == 200 or ("Too many requests" in found["error"] and wait == "1")
        assert service.ask("/predict", npy(ZEROS), NPY)[0] == 200


def test_bodies_together(graph, folder):
    """Bodies that are held at the same time have a limit together, and are let go of."""
    head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {NPY}\r\n"
    begun = f"{head}Content-Length: 99999\r\n\r\n".encode() + bytes(90_000)
    with running(graph, folder / "held.log", "--held-bytes", "300000") as service:
        for _ in range(2):  # the second time only if those of the first were let go of
            held = [service.raw(begun) for _ in range(3)]
            service.expect(503, bytes(40_000))
            for end in held:
                end.close()
            service.expect(200, npy(ZEROS))


def test_failure_says_nothing(folder):
    """A fault of the graph itself: the client learns no more than that, the log has it all."""
    with running(write_graph(folder / "broken.onnx", 60), folder / "broken.log") as service:
        status, found = service.ask("/predict", npy(ZEROS), NPY)
        assert (status, found) == (500, {"error": "The service failed; its log says why."})
        assert service.ask("/health")[0] == 200
        assert "Traceback" in service.log.read_text()


def test_stop(graph, folder):
    """SIGTERM: what has begun is answered, nothing new is taken, the process ends."""
    service = Service(graph, folder / "stop.log")
    try:
        body = npy(ZEROS)
        head = f"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {NPY}\r\n"
        begun = service.raw(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:70])
        stalled = service.raw(head[:30].encode())
        assert service.ask("/health")[0] == 200  # it has read what was sent before
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            service.ask("/health")
        begun.sendall(body[70:])
        with begun, stalled:
            assert b"200 OK" in begun.recv(4096)
        assert service.process.wait(10) in (0, -signal.SIGTERM)
        assert "Traceback" not in service.log.read_text()
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("reason", "options"),
    [
        ("no graph at", ["missing.onnx"]),
        ("cannot be read", ["log"]),
        ("images must be positive", ["hand.onnx", "--images", "0"]),
        ("was a regressor", ["regressor.onnx"]),
    ],
)
def test_wrong_start(graph, folder, service, reason, options):
    """One line that says why, and no stack trace."""
    write_graph(folder / "regressor.onnx", labels=None)
    command = [sys.executable, str(EXAMPLES / "service.py"), *options]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs Debian's packages chromium and chromium-driver")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking",
                 f"user-data-dir={tmp_path_factory.mktemp('profile')}"):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def page(browser, service):
    browser.get(f"http://127.0.0.1:{service.port}/")
    return browser


def upload(page, path, shown):
    from selenium.webdriver.support.ui import WebDriverWait

    page.find_element("id", "file").send_keys(str(path))
    page.find_element("id", "go").click()
    WebDriverWait(page, 20).until(lambda page: page.find_element("id", shown).is_displayed())


def test_page(page, service, images, tmp_path):
    body = file_of(images[3, ..., 0])
    (tmp_path / "digit.png").write_bytes(body)
    upload(page, tmp_path / "digit.png", "members")
    _, expected = service.ask("/predict?members=1", body, PNG)
    shown = page.execute_script(
        """
        document.querySelectorAll(".bar").forEach((bar) => { bar.style.transition = "none"; });
        const share = (bar) => bar.getBoundingClientRect().width
            / bar.parentElement.getBoundingClientRect().width;
        const rows = (id) => [...document.querySelectorAll(`#${id} li`)].map((row) =>
            ({text: row.innerText, share: share(row.querySelector(".bar"))}));
        return {votes: rows("votes"), members: rows("members"),
                markup: document.querySelectorAll("#votes b").length,
                wide: document.documentElement.scrollWidth - window.innerWidth,
                loaded: performance.getEntriesByType("resource").map((entry) => entry.name)};
        """
    )
    assert page.find_element("id", "label").text == expected["labels"][0]
    [vote] = expected["probabilities"]
    assert page.find_element("id", "sure").text == f"{100 * max(vote):.1f} %"
    np.testing.assert_allclose([row["share"] for row in shown["votes"]], vote, atol=0.01)
    for row, label, share in zip(shown["votes"], LABELS, vote, strict=True):
        assert label in row["text"]
        assert f"{100 * share:.1f} %" in row["text"]
    # Members by weight; the bar of the heaviest is full.
    order = sorted(expected["members"], key=lambda member: -member["weight"])
    shares = [member["weight"] / order[0]["weight"] for member in order]
    np.testing.assert_allclose([row["share"] for row in shown["members"]], shares, atol=0.01)
    for row, member in zip(shown["members"], order, strict=True):
        own = member["probabilities"][0]
        says = f"votes {LABELS[int(np.argmax(own))]} ({100 * max(own):.1f} %)"
        assert row["text"].startswith(member["name"])
        assert row["text"].endswith(f"{100 * member['weight']:.1f} %")
        assert says in row["text"]
    assert not shown["markup"]
    assert shown["wide"] <= 0
    here = f"http://127.0.0.1:{service.port}/"
    assert all(name.startswith((here, "blob:", "data:")) for name in shown["loaded"])
    assert page.get_log("browser") == []


def test_page_of_a_phone(page, images, tmp_path):
    (tmp_path / "digit.png").write_bytes(file_of(np.kron(images[3, ..., 0], np.ones((9, 9), "u1"))))
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.refresh()
        upload(page, tmp_path / "digit.png", "members")
        widths = "return [document.documentElement.scrollWidth, window.innerWidth]"
        assert page.execute_script(widths) == [390, 390]
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [("notes.txt", "got text/plain"), ("broken.png", "This is not a PNG file.")],
)
def test_page_says_what_is_wrong(page, tmp_path, name, reason):
    (tmp_path / name).write_text("hello")
    upload(page, tmp_path / name, "wrong")
    assert reason in page.find_element("id", "wrong").text
    assert not page.find_element("id", "members").is_displayed()


def test_page_allows_nothing_else(service):
    connection = service.connect()
    with contextlib.closing(connection):
        connection.request("GET", "/")
        answer = connection.getresponse()
        page = answer.read().decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"(src|href)=\"?(https?:)?//", page)


@pytest.mark.keras
def test_exported(folder, monkeypatch, capsys):
    """The example's own graph: trained, exported and served."""
    graph = folder / "pruner.onnx"
    argv = ["export.py", str(graph), "--members", "2", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(str(EXAMPLES / "export.py"))["main"]()
    assert "of 2 networks, test accuracy 0." in capsys.readouterr().out
    predictor = OnnxPredictor(graph)
    digit = folder / "digit.png"
    expected = predictor.predict_proba(np.asarray(Image.open(digit))[None])
    with running(graph, folder / "exported.log") as service:
        status, found = service.ask("/predict?members=1", digit.read_bytes(), PNG)
    assert status == 200, found
    np.testing.assert_allclose(found["probabilities"], expected, rtol=1e-5, atol=1e-7)
    assert found["labels"] == predictor.classes_[expected.argmax(axis=1)].tolist()
    assert [member["name"] for member in found["members"]] == predictor.metadata_.members
