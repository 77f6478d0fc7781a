"""What the tests of the gateway's program stand in: the gateway, E2B's simulator under TLS, the proxy that leads there."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

KEY = "key-of-the-gateway-0123456789"
DOMAIN = "box.test"  # E2B_DOMAIN; no name server knows it, the proxy does
PAUSE = threading.Event()  # never set: waiting for it is a pause of a poll


def until(condition, what, seconds=60, seen=()):
    """Polls until the condition's value is true, and answers it. What was last `seen` is said when it never is."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}; {list(dict.fromkeys(seen))[-3:]}")
        PAUSE.wait(0.02)


def environment(folder, more=None):
    """Of a program that sees nothing of the caller's configuration."""
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_STATE_HOME": str(folder / "state")}
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
        if name in os.environ:
            base[name] = os.environ[name]
    return base | (more or {})


def home(folder, name):
    """An empty home for one program."""
    made = pathlib.Path(folder, name)
    for path in (made, made / "run", made / "state"):
        path.mkdir(mode=0o700)
    return made


def drop(library, folder):
    """A plug-in in a folder of its own below `folder`, with the manifest that lies beside it."""
    library = pathlib.Path(library)
    dropped = pathlib.Path(folder, "providers")
    dropped.mkdir(mode=0o755)
    name = library.name.removeprefix("libcomputesdk_").removesuffix(".so")
    for file in (library, library.parent / f"{name}.provider.json"):
        shutil.copy(file, dropped)
    return dropped


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def data(self):
        assert self.status in (200, 201), (self.status, self.text)
        assert self.json["success"] is True, self.text
        return self.json["data"]


class Simulator:
    """E2B's service, as the hosts below DOMAIN."""

    def __init__(self, program, folder, key):
        self.home = home(folder, "simulator")
        self.certificate = str(self.home / "cert.pem")
        self.private = str(self.home / "key.pem")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", f"/CN={DOMAIN}", "-addext", f"subjectAltName=DNS:*.{DOMAIN}", "-keyout", self.private, "-out",
             self.certificate], check=True, stderr=subprocess.DEVNULL)
        # It ends with its standard input, that is with this process at the latest.
        self.process = subprocess.Popen(
            [program, "--certificate", self.certificate, "--key", self.private],
            env=environment(self.home, {"E2B_API_KEY": key}), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert "listening on " in line, f"the simulator did not start: {line!r}"
        self.port = int(line.rsplit(":", 1)[1])

    def ask(self, method, path, body=None):
        context = ssl.create_default_context(cafile=self.certificate)
        context.check_hostname = False
        with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=context)) as line:
            line.request(method, path, json.dumps(body) if body is not None else None)
            return Answer(line.getresponse())

    def sandboxes(self):
        return self.ask("GET", "/_sim/sandboxes").json

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


class Proxy:
    """An HTTP proxy that connects every CONNECT to one port of this machine, and remembers what was asked for."""

    def __init__(self, port):
        self.target = port
        self.asked = []
        self.refused = None  # how targets begin that it does not connect to
        self.others = {}  # how targets begin that lead to another port
        self.apart = set()  # connections to these
        self.alive = set()  # connections whose server has not ended
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return  # stopped
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return client.close()
            head += piece
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT", head
        self.asked.append(target)
        if self.refused and target.startswith(self.refused):
            with client:
                return client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        port = next((self.others[start] for start in self.others if target.startswith(start)), self.target)
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            if port != self.target:
                self.apart.add(server)
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=self.carry, args=(client, server), daemon=True)
            back.start()
            self.alive.add(server)
            self.carry(server, client)
            self.alive.remove(server)
            back.join()

    @staticmethod
    def carry(source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def stop(self):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


class Daemon:
    """Answers in the place of a sandbox's daemon, and keeps connections until it drops them."""

    def __init__(self, certificate, private):
        self.connections = []
        connections = self.connections

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                connections.append(self.connection)

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                text = json.dumps({"data": {"connection": connections.index(self.connection) + 1}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def drop(self):
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.drop()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Gateway:
    """The program, with a store of its own that outlives it."""

    def __init__(self, program, folder, settings="", more=None, named=True):
        """`more`: variables. `named`: its settings name the store."""
        self.program = program
        self.home = folder
        self.store = folder / "gateway.db"
        self.config = folder / "gateway.toml"
        self.config.write_text((f'store = "sqlite:{self.store}"\n' if named else "") + settings)
        self.config.chmod(0o600)
        self.environment = environment(folder, {"COMPUTESDK_GATEWAY_KEY": KEY} | (more or {}))
        self.port = 0
        self.log = []
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", self.program, "serve", "--config", str(self.config), "--listen",
             f"127.0.0.1:{self.port}", "--access-log"], env=self.environment, stderr=subprocess.PIPE, text=True)
        self.port = 0
        while not self.port:
            line = self.process.stderr.readline()
            assert line, f"the gateway ended before it listened: {self.log}"
            self.log.append(line)
            if "listening on http://" in line:
                self.port = int(line.split("listening on http://")[1].split(",")[0].split(":")[1])
        self.reading = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.reading.start()

    def ask(self, method, path, body=None, headers=None, key=KEY):
        """`body`: JSON, or bytes as they are. `path` may be the URL of a sandbox."""
        path = path.removeprefix(f"http://127.0.0.1:{self.port}")
        sent = {"Content-Type": "application/json"} | ({"X-ComputeSDK-API-Key": key} if key else {}) | (headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            line.request(method, path, body, sent)
            return Answer(line.getresponse())

    def daemon(self, box, method, path, body=None):
        """Asks a sandbox's daemon, as the client does: with the sandbox's own token."""
        return self.ask(method, box["url"] + path, body, {"Authorization": "Bearer " + box["token"]}, key=None)

    def ready(self, box):
        seen = []

        def answers():
            answer = self.daemon(box, "GET", "/health")
            seen.append(f"{answer.status} {answer.text}")
            return answer.status == 200
        until(answers, "the sandbox's daemon answers", seen=seen)
        return box

    def run(self, box, command):
        answer = self.daemon(box, "POST", "/run/command", {"command": command})
        assert answer.status == 200, (answer.status, answer.text)
        return answer.json["data"]

    def key_program(self, *words):
        """`computesdk-gateway key …` on the same store."""
        done = subprocess.run([self.program, "key", *words, "--config", str(self.config)], env=self.environment, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return done.stdout

    def children(self):
        """Command names of the processes that it started."""
        listed = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = " ".join(path.read_text() for path in listed).split()
        return [pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0] for pid in pids]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        self.reading.join()
        self.process.stderr.close()

    def restart(self):
        self.stop()
        self.start()

    def written(self):
        """Everything that it wrote: its log and the files of its store."""
        files = [path.read_bytes() for path in self.home.glob("gateway.db*")]
        return "".join(self.log).encode() + b"".join(files)
