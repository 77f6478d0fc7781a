"""A plug-in of a third party behind the gateway: its folder is named in the settings, and nobody said that it is trusted."""

import os
import pathlib
import tempfile
import unittest

import world


class PluginCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="csdk-e2e-")
        self.addCleanup(folder.cleanup)
        dropped = world.drop(self.library, folder.name)
        self.root = pathlib.Path(folder.name, "root")
        self.root.mkdir(mode=0o700)
        self.gateway = world.Gateway(
            self.program, world.home(folder.name, "gateway"),
            f'provider_paths = ["{dropped}"]\nrate_limit = 60\nmax_sandboxes = 2\n[options.shell]\nroot = "{self.root}"\n')
        self.addCleanup(self.gateway.stop)

    def ask(self, method, path, body=None, **more):
        return self.gateway.ask(method, path, body, **more)

    def create(self, **options):
        return self.ask("POST", "/v1/sandboxes", {"provider": "shell"} | options).data

    def failure(self, answer, status, code):
        """An error in the one form that they have."""
        self.assertEqual((answer.status, answer.json["code"], answer.json["success"]), (status, code, False), answer.text)
        self.assertIsInstance(answer.json["error"], str)
        return answer.json["error"]

    def test_a_third_partys_provider(self):
        box = self.create(metadata={"a": "b"})
        self.assertEqual((box["provider"], box["metadata"]), ("shell", {"a": "b"}))
        self.assertEqual(len(os.listdir(self.root)), 1)
        self.assertTrue([name for name in self.gateway.children() if name.endswith("computesdk-plugin-host")])
        self.assertEqual([each["sandboxId"] for each in self.ask("GET", "/v1/sandboxes").data], [box["sandboxId"]])
        self.assertEqual(self.ask("GET", f"/v1/sandboxes/{box['sandboxId']}").data["provider"], "shell")
        # It has no way to a port of a sandbox, and so none to a daemon: that is said, and none is started.
        said = self.failure(self.gateway.daemon(box, "POST", "/run/command", {"command": "true"}), 501, "unsupported")
        self.assertIn("Provider 'shell' does not support ports.", said)
        self.assertEqual(os.listdir(self.root / os.listdir(self.root)[0]), [])
        said = self.failure(self.ask("POST", "/v1/snapshots", {"sandboxId": box["sandboxId"]}), 501, "unsupported")
        self.assertIn("does not support snapshots", said)
        said = self.failure(self.ask("POST", f"/v1/sandboxes/{box['sandboxId']}/extend", {"duration": 7200000}), 501,
                            "unsupported")
        self.assertIn("This feature requires gateway provider with timeout extension support.", said)
        said = self.failure(self.ask("POST", "/v1/sandboxes", {"provider": "shell", "templateId": "t"}), 501, "unsupported")
        self.assertIn("template", said)
        said = self.failure(self.ask("POST", "/v1/sandboxes", {"provider": "nosuch"}), 400, "unknown_provider")
        self.assertIn("shell", said)
        self.ask("DELETE", f"/v1/sandboxes/{box['sandboxId']}").data
        self.assertEqual(os.listdir(self.root), [])
        self.assertEqual(self.ask("GET", "/v1/sandboxes").data, [])

    def test_a_provider_that_fails_to_end_one(self):
        box = self.create()
        kept = self.root.with_name("kept")
        self.root.rename(kept)
        self.root.write_text("no folder")
        refused = self.ask("DELETE", f"/v1/sandboxes/{box['sandboxId']}")
        self.assertGreaterEqual(refused.status, 500, refused.text)
        self.root.unlink()
        kept.rename(self.root)
        # The end that failed is nobody's: whoever asks again need not wait until the reaper tries.
        self.ask("DELETE", f"/v1/sandboxes/{box['sandboxId']}").data
        self.assertEqual(os.listdir(self.root), [])

    def test_limits(self):
        boxes = [self.create() for _ in range(2)]
        said = self.failure(self.ask("POST", "/v1/sandboxes", {"provider": "shell"}), 429, "quota_exceeded")
        self.assertIn("2", said)
        self.ask("DELETE", f"/v1/sandboxes/{boxes[0]['sandboxId']}").data
        self.create()
        # The rate is that of a key: ours has made 5 requests.
        answers = [self.ask("GET", "/v1/sandboxes") for _ in range(56)]
        self.assertEqual({answer.status for answer in answers[:55]}, {200})
        self.failure(answers[55], 429, "rate_limited")
        self.assertIn(int(answers[55].headers["Retry-After"]), range(1, 61))
        self.assertIs(answers[55].json["retryable"], True)
        self.assertGreater(answers[55].json["retry_after_ms"], 0)

    def test_keys(self):
        made = self.gateway.key_program("create", "--label", "e2e", "--workspace", "7").strip()
        self.assertEqual(self.ask("GET", "/v1/sandboxes", key=made).data, [])
        box = self.create()
        self.assertEqual(self.ask("GET", f"/v1/sandboxes/{box['sandboxId']}", key=made).status, 404, "another workspace's")
        listed = self.gateway.key_program("list").splitlines()[-1].split()
        self.assertEqual(listed[1], "7")
        self.gateway.key_program("revoke", listed[0])
        self.failure(self.ask("GET", "/v1/sandboxes", key=made), 401, "unauthorized")
        self.failure(self.ask("GET", "/v1/sandboxes", key=None), 401, "unauthorized")
        wrong = [self.ask("GET", "/v1/sandboxes", key=f"wrong-key-0123456789-{number}") for number in range(30)]
        self.assertEqual({answer.status for answer in wrong[:29]}, {401})  # the revoked one was the first of 30
        self.failure(wrong[29], 429, "rate_limited")
        self.assertIn(int(wrong[29].headers["Retry-After"]), range(1, 61))
        self.assertEqual(self.ask("GET", "/v1/sandboxes").status, 200, "a right key is not held up")
        written = self.gateway.written()
        for secret in (made, world.KEY, "wrong-key-0123456789"):
            self.assertNotIn(secret.encode(), written)

    def test_bodies(self):
        def create(body):
            return self.ask("POST", "/v1/sandboxes", body)
        for field, value in (("timeout", "soon"), ("timeout", -1), ("name", 5), ("metadata", []), ("envs", {"A": []}),
                             ("provider", 1), ("overlays", {}), ("servers", [1]), ("directory", "relative"),
                             ("snapshotId", {}), ("templateId", False)):
            said = self.failure(create({"provider": "shell"} | {field: value}), 400, "invalid_argument")
            self.assertIn(f'"{field}"', said)
        for body in (b"{", b"[]", b"\"text\"", b"\xff\xfe"):
            said = self.failure(create(body), 400, "invalid_argument")
            self.assertIn("JSON", said)
        for call, body in (("find-or-create", {}), ("find", {"name": ""})):
            answer = self.ask("POST", f"/v1/sandboxes/{call}", body)
            self.assertIn('"name"', self.failure(answer, 400, "invalid_argument"))
        box = self.create()
        for duration in (0, -5, "1h"):
            answer = self.ask("POST", f"/v1/sandboxes/{box['sandboxId']}/extend", {"duration": duration})
            self.assertIn('"duration"', self.failure(answer, 400, "invalid_argument"))
        large = self.ask("POST", "/v1/sandboxes", b'{"metadata":{"a":"' + b"a" * (5 << 20) + b'"}}')
        self.failure(large, 413, large.json["code"])
        own = f"/v1/sandboxes/{box['sandboxId']}"
        for method, path in (("GET", "/v1/nothing"), ("PUT", "/v1/sandboxes"), ("PATCH", own)):
            self.assertIn(path, self.failure(self.ask(method, path), 400, "unknown_endpoint"))
        self.assertEqual(self.ask("GET", "/nothing").status, 404)
        self.assertEqual(self.ask("GET", "//v1/sandboxes").status, 200, "a URL with a slash at its end, and a path")
        self.assertEqual(len(os.listdir(self.root)), 1)
