"""Tests with a server of their own, as simple as people write them, in the place of Lambda."""

import importlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from functions import batch, price, slow


class FakeLambda(BaseHTTPRequestHandler):
    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        if "slow" in self.path:
            time.sleep(0.5)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"echo": payload}).encode())

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True, scope="module")
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), FakeLambda)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    modules = (batch, price, slow)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        for module in modules:
            importlib.reload(module)
    yield
    for module in modules:
        module.client.close()
        importlib.reload(module)
    server.shutdown()
    thread.join()
    server.server_close()


def test_price():
    assert price.handler({"sku": "a"}, None) == {"echo": {"sku": "a"}}


def test_batch():
    assert batch.handler({"numbers": [*range(20)]}, None) == [{"echo": {"n": number}} for number in range(20)]


def test_slow():
    assert slow.handler({}, None) == "too slow"
