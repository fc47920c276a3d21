"""Serves the page on which a person reviews a teacher's masks, to this machine alone.

A page of another site must neither read the pictures nor decide: every request has to name this
machine as its host, which a name that was bent to it does not, and a decision has to come from this
very page.
"""

import contextlib
import http
import http.server
import json
import pathlib
import threading
import urllib.parse
from collections.abc import Iterator

from zoo.review.decisions import check_threshold
from zoo.review.session import ReviewSession
from zoo.review.views import LONGEST
from zoo.review.windows import parse_window
from zoo.visualization import templates

HOST = "127.0.0.1"
HTTP_PORT = 80  # which browsers do not name
NAMES = (HOST, "localhost")  # of this machine, in the address line of a browser
POLL = 0.1  # seconds that it takes to see that it shall stop
LONGEST_BODY = 4096  # bytes of a decision
FOLDER = pathlib.Path(__file__).parent
FILES = {
    "/page.css": "text/css",
    "/pictures.js": "text/javascript",
    "/zoom.js": "text/javascript",
    "/keys.js": "text/javascript",
    "/page.js": "text/javascript",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not answered: the status, and one line that says why."""

    def __init__(self, status: http.HTTPStatus, reason: str):
        super().__init__(reason)
        self.status = status


def make_server(session: ReviewSession, port: int = 0) -> http.server.ThreadingHTTPServer:
    """Returns a server, ready for `serve_forever()`; port 0 takes any free one."""
    handler = type("Handler", (_Handler,), {"session": session})
    return http.server.ThreadingHTTPServer((HOST, port), handler)


@contextlib.contextmanager
def serving(root, port: int, predictor=None) -> Iterator[str]:
    """Serves the page; yields its address.

    Args:
      root: see `ReviewSession`.
      port: to listen on; 0 takes any free one.
      predictor: see `ReviewSession`.

    Raises:
      ValueError: see `ReviewSession`; or the port is taken.
    """
    session = ReviewSession(root, predictor)
    try:
        server = make_server(session, port)
    except OSError as error:
        raise ValueError(f"Port {port} is taken: choose another by --port.") from error
    with server:
        threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}/"
        finally:
            server.shutdown()


class _Handler(http.server.BaseHTTPRequestHandler):
    session: ReviewSession
    timeout = 60  # seconds of silence after which a client is let go

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def log_message(self, *arguments):
        """Says nothing: a slider asks a hundred times."""

    def _answer(self, method):
        try:
            self._check_host()
            method(urllib.parse.urlsplit(self.path))
        except Refused as refused:
            self._send_line(refused.status, str(refused))
        except ConnectionError:  # the client left
            self.close_connection = True
        except ValueError as error:
            self._send_line(http.HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._send_line(http.HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _check_host(self):
        port = self.server.server_port
        own = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == HTTP_PORT else set())
        if self.headers.get("Host") not in own:
            raise Refused(http.HTTPStatus.FORBIDDEN, "This page answers this machine alone.")

    def _own_origin(self) -> str:
        """Returns what a browser sends with a decision of this page; the host has been checked."""
        return f"http://{self.headers['Host']}"

    def _get(self, address):
        query = dict(urllib.parse.parse_qsl(address.query, keep_blank_values=True))
        if address.path == "/":
            self._send("text/html; charset=utf-8", _page(self.session).encode())
        elif address.path in FILES:
            content = (FOLDER / address.path[1:]).read_bytes()
            self._send(f"{FILES[address.path]}; charset=utf-8", content)
        elif address.path == "/picture":
            self._send_picture(query)
        elif address.path == "/hottest":
            file = self.session.entry(query.get("file"))["file"]
            self._send_json(self.session.windows.hottest(file))
        else:
            raise Refused(http.HTTPStatus.NOT_FOUND, "There is no such page.")

    def _send_picture(self, query: dict[str, str]):
        entry, layer = self.session.entry(query.get("file")), query.get("layer", "marks")
        drawn, cut = self.session.pictures, ()
        if "window" in query:
            drawn = self.session.windows
            cut = (parse_window(query["window"], self.session.shape(entry["file"])),)
        if layer == "marks":
            threshold = query.get("threshold")
            if threshold is not None:
                threshold = check_threshold(float(threshold))
            content, pixels = drawn.marks(entry, threshold, *cut)
            return self._send("image/png", content, {"Defect-Pixels": pixels})
        if layer == "heat":
            return self._send("image/png", drawn.heat(entry, *cut))
        if layer == "image":
            content = drawn.image(entry["file"], *cut)
            kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
            return self._send(f"image/{kind}", content)
        if layer == "small":
            return self._send("image/jpeg", self.session.pictures.thumbnail(entry["file"]))
        raise ValueError("Argument `layer` must be one of marks, heat, image, small.")

    def _post(self, address):
        if self.headers.get("Origin", self._own_origin()) != self._own_origin():
            raise Refused(http.HTTPStatus.FORBIDDEN, "Another site must not decide.")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refused(http.HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed.")
        if len(length) > len(str(LONGEST_BODY)) or int(length) > LONGEST_BODY:
            raise Refused(
                http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A decision has at most {LONGEST_BODY} bytes.",
            )
        if address.path != "/decide":
            raise Refused(http.HTTPStatus.NOT_FOUND, "There is no such page.")
        try:
            asked = json.loads(self.rfile.read(int(length)))
            file, decision = asked["file"], asked["decision"]
            threshold = asked.get("threshold")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Refused(
                http.HTTPStatus.BAD_REQUEST,
                "A decision must be a JSON object with file, decision and, to redraw, threshold.",
            ) from error
        shown = self.session.decide(file, decision, threshold)
        self._send_json(shown)

    def _send_json(self, content):
        self._send("application/json", json.dumps(content).encode())

    def _send_line(self, status, line):
        self._send("text/plain; charset=utf-8", f"{line}\n".encode(), status=status)

    def _send(self, content_type, content, headers=None, status=http.HTTPStatus.OK):
        self.send_response(status)
        for name, value in (HEADERS | (headers or {})).items():
            self.send_header(name, str(value))
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _page(session: ReviewSession) -> str:
    return (
        templates.environment(FOLDER)
        .get_template("page.html.j2")
        .render(
            folder=str(session.root),
            images=session.images(),
            has_student=session.students is not None,
            longest=LONGEST,
        )
    )
