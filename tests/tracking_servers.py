"""A tracking server of a few answers, for what a real one does only on bad days."""

import contextlib
import http.server
import json
import threading

ANSWERS = {
    "experiments/get-by-name": (200, {"experiment": {"experiment_id": "7", "lifecycle_stage": "active"}}),
    "experiments/get": (200, {"experiment": {"experiment_id": "7", "lifecycle_stage": "active"}}),
}
_ABSENT = (404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such model"})
_TRIED = (200, {"registered_model": {"name": "deepsound-toy-trial"}})


@contextlib.contextmanager
def serve(answers=None, *, otherwise=(403, {"error_code": "PERMISSION_DENIED", "message": "not yours"})):
    """Its address, and the list of what it is asked, which grows."""
    known, asked = ANSWERS | (answers or {}), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.partition("?")[0].partition("/mlflow/")[2]
            asked.append(f"{self.command} {name}")
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, document = known.get(name, otherwise)
            if name == "registered-models/get":
                status, document = _TRIED if "-trial-" in self.path else _ABSENT
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()
