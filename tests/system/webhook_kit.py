"""A receiver of webhooks for system tests: it keeps what came and answers as it is told."""
import http.server
import json
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest

JS = pathlib.Path(__file__).resolve().parents[1] / "js"


def with_the_public_library(script, *arguments):
    """What a JavaScript module prints that may use npm's standardwebhooks; its arguments are in process.argv from 1 on."""
    node = shutil.which("node")
    if not node or not (JS / "node_modules/standardwebhooks").is_dir():
        pytest.skip("tests/js has no standardwebhooks: script/bootstrap installs it")
    done = subprocess.run([node, "--input-type=module", "-e", "import { Webhook } from 'standardwebhooks';" + script, *arguments], cwd=JS,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Receiver:
    """answer: a status, or a function of (handler, hit) that answers itself."""

    def __init__(self, answer=200):
        receiver = self
        self.answer = answer
        self.hits = []
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                hit = {"at": time.monotonic(), "path": self.path, "headers": dict(self.headers.items()), "body": body}
                with receiver.lock:
                    receiver.hits.append(hit)
                if callable(receiver.answer):
                    receiver.answer(self, hit)
                else:
                    self.reply(receiver.answer)

            def reply(self, status, body=b"ok", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Web(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # a client that gives up is what some tests are about

        self.server = Web(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ids(self):
        with self.lock:
            return [h["headers"]["webhook-id"] for h in self.hits]

    def events(self):
        with self.lock:
            return [json.loads(h["body"]) for h in self.hits]


class Silent:
    """A listening socket that counts connections and says nothing."""

    def __init__(self, address="127.0.0.1"):
        self.socket = socket.create_server((address, 0))
        self.port = self.socket.getsockname()[1]
        self.count = 0
        self.kept = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                self.kept.append(self.socket.accept()[0])
                self.count += 1
            except OSError:
                return

    def close(self):
        self.socket.close()
        for s in self.kept:
            s.close()
