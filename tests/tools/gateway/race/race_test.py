#!/usr/bin/env python3
"""race_test.py GATEWAY   two gateways on one Redis, over the provider `local`.

Clients ask both for the same names at once. In the middle one gateway is killed while it makes a sandbox, and Redis is
killed and started again. In the end each name means one sandbox, the provider has these and no others, and nothing is left
when they are destroyed.
"""

import collections
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

KEY = "key-of-the-race-0123456789"
NAMES = 4  # at once
CLIENTS = 8  # of each name
LEASE = 15  # seconds after which the place of a dead maker is taken
PAUSE = threading.Event()  # never set: waiting for it is a pause of a poll


def until(condition, what, seconds=60):
    """Polls until the condition's value is true, and answers it."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        PAUSE.wait(0.02)


class Redis:
    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir",
             self.folder, "--appendonly", "yes", "--save", "", "--logfile", os.path.join(self.folder, "redis.log")])
        until(lambda: self.ask("PING") == [b"PONG"], "redis-server answers")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def ask(self, *words):
        """The lines of an answer; for commands whose answer is flat. Empty when Redis is away."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as line:
                line.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
                answer = b""
                while piece := line.recv(65536):
                    answer += piece
        except OSError:
            return []
        lines = answer.removesuffix(b"+OK\r\n").split(b"\r\n")
        return [text.lstrip(b"+") for text in lines if text and text[:1] not in (b"*", b"$")]


class Gateway:
    def __init__(self, program, folder, redis, port=0):
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "XDG_RUNTIME_DIR": os.path.join(folder, "run"),
                       "XDG_STATE_HOME": os.path.join(folder, "state"), "COMPUTESDK_GATEWAY_KEY": KEY}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, "serve", "--listen", f"127.0.0.1:{port}", "--store",
             f"redis://127.0.0.1:{redis.port}/0", "--rate-limit", "0"], env=environment, stderr=subprocess.PIPE, text=True)
        self.port = port
        while not self.port:
            line = self.process.stderr.readline()
            assert line, "the gateway ended before it listened"
            if "listening on http://" in line:
                self.port = int(line.split("listening on http://")[1].split(",")[0].split(":")[1])
        threading.Thread(target=lambda: [sys.stderr.write(line) for line in self.process.stderr], daemon=True).start()
        until(self.healthy, "the gateway answers")

    def healthy(self):
        try:
            return self.call("GET", "/v1/sandboxes")[0] == 200
        except OSError:
            return False

    def call(self, method, path, body=None):
        """Status and JSON. OSError when it went away in the middle."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=40)
        try:
            line.request(method, path, json.dumps(body) if body is not None else None,
                         {"X-ComputeSDK-API-Key": KEY, "Content-Type": "application/json"})
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())
        except http.client.HTTPException as broken:
            raise OSError(str(broken)) from broken
        finally:
            line.close()

    def kill(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()


class Race:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.redis = Redis(folder)
        self.gateways = [Gateway(program, folder, self.redis), Gateway(program, folder, self.redis)]
        self.answers = collections.defaultdict(list)

    def ask(self, name, which):
        """As a client that tries again until it is told."""
        def once():
            try:
                status, answer = self.gateways[which].call(
                    "POST", "/v1/sandboxes/find-or-create", {"namespace": "race", "name": name, "timeout": 300000})
            except OSError:
                return None
            if status != 200 or answer["data"]["status"] != "running":
                assert status in (200, 201, 500, 502, 503, 504), (status, answer)
                return None
            return answer["data"]["sandboxId"]
        return name, until(once, f"an answer for {name}", 90)

    def boxes(self):
        """What the provider has."""
        folder = pathlib.Path(self.folder, "run/computesdk/local")
        return [entry.name for entry in folder.iterdir() if (entry / "meta.json").exists()] if folder.exists() else []

    def list(self):
        status, answer = self.gateways[1].call("GET", "/v1/sandboxes")
        assert status == 200, answer
        return answer["data"]

    def storm(self, trouble=None):
        """Everybody asks for new names; `trouble` is made while a sandbox is being made. Again with others when all were
        made between two looks."""
        while True:
            names = [f"app{len(self.answers) + number}" for number in range(NAMES)]
            with concurrent.futures.ThreadPoolExecutor(len(names) * CLIENTS) as clients:
                asked = [clients.submit(self.ask, name, number % 2) for name in names for number in range(CLIENTS)]
                made = trouble is None
                while not made and not all(one.done() for one in asked):
                    if self.redis.ask("KEYS", "computesdk:claim:*"):
                        trouble()
                        made = True
                for one in asked:
                    name, box = one.result()
                    self.answers[name].append(box)
            if made:
                return

    def gateway_dies(self):
        self.gateways[0].kill()
        self.gateways[0] = Gateway(self.program, self.folder, self.redis, self.gateways[0].port)

    def redis_dies(self):
        self.redis.kill()
        self.redis.start()

    def run(self):
        self.storm()
        self.storm(self.gateway_dies)
        self.storm(self.redis_dies)
        names = list(self.answers)
        for name in names:
            assert len(set(self.answers[name])) == 1, (name, self.answers[name])
        # All of them still mean the same, on both gateways.
        for name in names:
            for gateway in self.gateways:
                status, answer = gateway.call("POST", "/v1/sandboxes/find", {"namespace": "race", "name": name})
                assert status == 200 and answer["data"]["sandboxId"] == self.answers[name][0], (name, answer)
        # What the dead one left goes when its lease is over.
        until(lambda: len(self.boxes()) == len(names) == len(self.list()), "no sandbox but those of the names", LEASE + 30)
        parents = {box["metadata"]["parent_sandbox_id"] for box in self.list()}
        assert self.redis.ask("GET", "sandbox:namespace:0:race") == [parents.pop().encode()] and not parents
        for box in self.list():
            status, _ = self.gateways[0].call("DELETE", f"/v1/sandboxes/{box['sandboxId']}")
            assert status == 200
        until(lambda: not self.boxes(), "no sandbox is left")
        assert self.redis.ask("KEYS", "sandbox:*") == []

    def stop(self):
        try:
            for box in self.list():
                self.gateways[1].call("DELETE", f"/v1/sandboxes/{box['sandboxId']}")
        except (OSError, AssertionError):
            pass  # they end by their own timeout
        for gateway in self.gateways:
            gateway.kill(signal.SIGTERM)
        self.redis.kill()


def main():
    if not shutil.which("redis-server"):
        sys.exit("race_test: redis-server is not installed (.ci/install-packages test)")
    with tempfile.TemporaryDirectory(prefix="csdk-race-") as folder:
        for name in ("run", "state"):
            os.mkdir(os.path.join(folder, name), 0o700)
        race = Race(sys.argv[1], folder)
        try:
            race.run()
        finally:
            race.stop()
    print("two gateways, one Redis: every name one sandbox")


if __name__ == "__main__":
    main()
