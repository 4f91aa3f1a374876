"""A receiver of OTLP over HTTP, in the test's own process."""

import gzip
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Receiver:
    """Takes spans. ``status`` is what it answers; while ``answering`` is not set it takes a request and is silent."""

    def __init__(self):
        self.requests = []
        self.headers = []
        self.status = 200
        self.answering = threading.Event()
        self.answering.set()
        self.asked = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                receiver.headers.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                receiver.asked.set()
                receiver.answering.wait(30)
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def spans(self):
        return {s.name: s for r in self.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans}

    @property
    def resource(self):
        return attributes(self.requests[0].resource_spans[0].resource)

    def close(self):
        self.answering.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def attributes(holder):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in holder.attributes}


@pytest.fixture
def receiver():
    """Lend a receiver."""
    lent = Receiver()
    yield lent
    lent.close()


@pytest.fixture(autouse=True)
def otel(monkeypatch):
    """Forget the machine's own OTEL_* settings and proxies; return what sets new ones."""
    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    return lambda **known: [monkeypatch.setenv(f"OTEL_{name}", value) for name, value in known.items()]
