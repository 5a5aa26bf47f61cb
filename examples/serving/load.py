"""
The service under load
======================

Measure the service: requests a second, latency, errors::

    python examples/serving/load.py http://127.0.0.1:8000 --requests 2000 --clients 8 --images 1

The clients are threads of this process, and take their share of the machine's cores from a service
on the same machine. Only services of this machine are asked.
"""

import argparse
import io
import ipaddress
import json
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

import numpy as np


@dataclass(frozen=True)
class Load:
    """What the clients saw."""

    seconds: float
    latencies: np.ndarray
    errors: Counter

    @property
    def rate(self) -> float:
        """Right answers a second."""
        return len(self.latencies) / self.seconds

    def __str__(self) -> str:
        if not len(self.latencies):
            return f"no right answer; errors: {dict(self.errors)}"
        median, p99 = 1000 * np.percentile(self.latencies, [50, 99])
        errors = dict(self.errors) or "none"
        return (
            f"{self.rate:.0f} requests/s, median {median:.1f} ms, p99 {p99:.1f} ms, "
            f"errors: {errors}"
        )


def measure(url: str, requests: int = 2000, clients: int = 8, images: int = 1) -> Load:
    """Send so many requests of so many images, from so many clients at once."""
    host, port = _loopback(url)
    connection = HTTPConnection(host, port, timeout=30)
    connection.request("GET", "/metadata")
    shape = json.loads(connection.getresponse().read())["sample_shape"]
    connection.close()
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (images, *shape), dtype=np.uint8)
    np.save(stream, pixels)
    body = stream.getvalue()

    left = iter(range(requests))
    lock = threading.Lock()
    latencies: list[float] = []
    errors: Counter = Counter()

    def client() -> None:
        connection = HTTPConnection(host, port, timeout=30)
        while True:
            with lock:
                if next(left, None) is None:
                    break
            start = time.perf_counter()
            try:
                connection.request("POST", "/predict", body, {"Content-Type": "application/x-npy"})
                answer = connection.getresponse()
                answer.read()
                wrong = None if answer.status == 200 else str(answer.status)
            except (OSError, HTTPException) as error:
                wrong = type(error).__name__
                connection.close()
            taken = time.perf_counter() - start
            with lock:
                if wrong:
                    errors[wrong] += 1
                else:
                    latencies.append(taken)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Load(time.perf_counter() - start, np.array(latencies), errors)


def _loopback(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    if parts.scheme != "http" or not host:
        raise SystemExit(f"{url!r} is no address like http://127.0.0.1:8000.")
    addresses = {found[4][0] for found in socket.getaddrinfo(host, port)}
    if not all(ipaddress.ip_address(address).is_loopback for address in addresses):
        raise SystemExit(f"{host} is not this machine; load is for your own service only.")
    return host, port


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the service under load.")
    parser.add_argument("url", help="for instance http://127.0.0.1:8000")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--images", type=int, default=1, help="images in a request")
    options = parser.parse_args()
    print(measure(options.url, options.requests, options.clients, options.images))


if __name__ == "__main__":
    main()
