"""Serves a folder of modules by the hosting protocol of TF-Hub.

`hub.load("http://host:port/<handle>/<N>")` adds `?tf-hub-format=compressed` and gets the archive;
a browser at the same address gets the page. An address without a version leads to the newest one.
"""

import http
import http.server
import pathlib
import re
import shutil
import urllib.parse

import jinja2
import markdown_it
import markupsafe

from export.versions import (
    HANDLE,
    OTHER_FORMAT,
    VERSION,
    other_formats,
    published_handles,
    published_versions,
    read_manifest,
    version_paths,
)

# No path is ever made from other text than this matches, so no address leaves the folder.
ADDRESS = re.compile(rf"/({HANDLE})(?:/({VERSION})(\.tar\.gz|\.md|\.json|{OTHER_FORMAT})?)?/?")
LONGEST_ADDRESS = 255  # bytes that file systems allow in a name
FILES = {
    ".tar.gz": ("archive", "application/gzip"),
    ".md": ("card", "text/markdown; charset=utf-8"),
    ".json": ("manifest", "application/json"),
}
CHUNK = 1 << 20  # bytes read at a time, so that an archive never lies in memory as a whole
TEMPLATES = pathlib.Path(__file__).parent / "cards"


def make_server(modules_dir, host: str = "127.0.0.1", port: int = 0):
    """Returns a server, ready for `serve_forever()`; its address is `server_address`.

    Args:
      modules_dir: the folder that `python -m export convert` fills.
      host: address to listen on; the default answers this machine alone.
      port: 0 takes any free port.

    Raises:
      ValueError: there is no such folder.
    """
    root = pathlib.Path(modules_dir).resolve()
    if not root.is_dir():
        raise ValueError(
            "Argument `modules_dir` must be a folder of modules; `python -m export convert` makes "
            f"one. Received: {modules_dir}"
        )
    handler = type("Handler", (_Handler,), {"root": root})
    return http.server.ThreadingHTTPServer((host, port), handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    root: pathlib.Path
    timeout = 60  # seconds of silence after which a client is let go

    def do_GET(self):
        try:
            self._answer()
        except ConnectionError:  # the client left
            self.close_connection = True

    do_HEAD = do_GET

    def _answer(self):
        try:
            address = urllib.parse.urlsplit(self.path)
        except ValueError:
            return self.send_error(http.HTTPStatus.BAD_REQUEST)
        path = urllib.parse.unquote(address.path)
        if path == "/":
            return self._send_page("Modules", _index(self.root))
        match = ADDRESS.fullmatch(path)
        if not match or len(path) > LONGEST_ADDRESS:
            return self.send_error(http.HTTPStatus.NOT_FOUND)
        handle, version, suffix = match.groups()
        versions = published_versions(self.root, handle)
        if version is None and versions:
            query = f"?{address.query}" if address.query else ""
            return self._redirect(f"/{handle}/{versions[-1]}{query}")
        if version is None or int(version) not in versions:
            return self.send_error(http.HTTPStatus.NOT_FOUND)
        formats = urllib.parse.parse_qs(address.query).get("tf-hub-format")
        if formats == ["compressed"]:
            suffix = ".tar.gz"
        return self._send_version(handle, int(version), suffix)

    def _send_version(self, handle, version, suffix):
        paths = version_paths(self.root, handle, version)
        if not all(path.resolve().is_relative_to(self.root) for path in paths.values()):
            return self.send_error(http.HTTPStatus.NOT_FOUND)  # a link that leads elsewhere
        if suffix is None:
            if not paths["card"].is_file() or not paths["archive"].is_file():
                return self.send_error(http.HTTPStatus.NOT_FOUND)
            text = paths["card"].read_text(encoding="utf-8") + _files(self.root, handle, version)
            return self._send_page(f"{handle}/{version}", text)
        name, content_type = FILES.get(suffix, ("", "application/octet-stream"))
        path = paths["module"].with_name(f"{version}{suffix}")
        if not path.is_file() or not path.resolve().is_relative_to(self.root):
            return self.send_error(http.HTTPStatus.NOT_FOUND)
        with open(path, "rb") as file:
            headers = {"Content-Length": path.stat().st_size}
            if name == "archive":
                sha256 = read_manifest(self.root, handle, version)["archive"]["sha256"]
                headers["ETag"] = f'"{sha256}"'
            self._send_head(content_type, headers)
            if self.command == "GET":
                shutil.copyfileobj(file, self.wfile, CHUNK)

    def _send_page(self, title, text):
        content = _html(title, text).encode()
        self._send_head("text/html; charset=utf-8", {"Content-Length": len(content)})
        if self.command == "GET":
            self.wfile.write(content)

    def _send_head(self, content_type, headers):
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()

    def _redirect(self, location):
        self.send_response(http.HTTPStatus.FOUND)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _index(root) -> str:
    rows = [
        f"- [{handle}/{version}](/{handle}/{version})"
        for handle in published_handles(root)
        for version in reversed(published_versions(root, handle))
    ]
    return "\n".join(["# Modules", "", *(rows or ["None yet."])])


def _files(root, handle, version) -> str:
    """Returns the list of what can be fetched of a version, in Markdown."""
    paths = [version_paths(root, handle, version)["archive"], *other_formats(root, handle, version)]
    rows = [
        f"- [{path.name}](/{handle}/{path.name}), {path.stat().st_size:,} bytes" for path in paths
    ]
    return "\n".join(["", "## Files", "", *rows, ""])


def _html(title: str, text: str) -> str:
    # The tags of the documentation format are comments for machines.
    text = "".join(line for line in text.splitlines(True) if not line.startswith("<!--"))
    body = markdown_it.MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=jinja2.select_autoescape(["j2"])
    )
    return environment.get_template("page.html.j2").render(
        title=title, body=markupsafe.Markup(body)
    )
