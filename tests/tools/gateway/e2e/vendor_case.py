"""The provider E2B behind the gateway: its service is reached by name, under TLS and through a proxy, as a vendor's is."""

import concurrent.futures
import tempfile
import unittest

import world

E2B_KEY = "e2b_abcdef0123456789abcdef0123456789abcdef01"
WRONG_KEY = "e2b_ffffffffffffffffffffffffffffffffffffffff"
CARRIED = {"X-Provider": "e2b", "X-E2B-API-Key": E2B_KEY}


class Behind(unittest.TestCase):
    """A gateway before the vendor. Credentials come with requests; the gateway has none of its own."""

    def settings(self, folder):
        return ""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="csdk-e2e-")
        self.addCleanup(folder.cleanup)
        self.vendor = world.Simulator(self.simulator, folder.name, E2B_KEY)
        self.addCleanup(self.vendor.stop)
        self.proxy = world.Proxy(self.vendor.port)
        self.addCleanup(self.proxy.stop)
        self.gateway = world.Gateway(
            self.program, world.home(folder.name, "gateway"), self.settings(folder.name),
            {"E2B_DOMAIN": world.DOMAIN, "HTTPS_PROXY": f"http://127.0.0.1:{self.proxy.port}",
             "COMPUTESDK_CA_FILE": self.vendor.certificate})
        self.addCleanup(self.gateway.stop)

    def create(self, **options):
        return self.gateway.ask("POST", "/v1/sandboxes", {"timeout": 300000} | options, CARRIED).data

    @staticmethod
    def unless(status, answer):
        return None if answer.status == status else answer


class VendorCase(Behind):
    def test_a_sandbox_from_its_start_to_its_end(self):
        box = self.create(metadata={"team": "a"}, envs={"GREETING": "hello"})
        self.assertEqual(box["provider"], "e2b")
        self.assertEqual(box["metadata"], {"team": "a"})
        self.assertEqual(len(self.vendor.sandboxes()), 1)
        vendor_id = self.vendor.sandboxes()[0]
        self.proxy.refused = "18080-"
        refused = world.until(lambda: self.unless(503, self.gateway.daemon(box, "GET", "/health")), "an answer")
        self.assertEqual((refused.status, refused.json["code"]), (502, "network"))
        self.assertIn("the proxy refused with HTTP 403", refused.json["error"])
        self.proxy.refused = None
        self.gateway.ready(box)
        ran = self.gateway.run(box, "echo $GREETING; echo $E2B_SANDBOX_ID; exit 3")
        self.assertEqual((ran["exit_code"], ran["stdout"]), (3, f"hello\n{vendor_id}\n"))
        self.assertIn(f"api.{world.DOMAIN}:443", self.proxy.asked)
        self.assertIn(f"18080-{vendor_id}.{world.DOMAIN}:443", self.proxy.asked)
        refused = self.gateway.ask("POST", box["url"] + "/run/command", {"command": "true"},
                                   {"Authorization": "Bearer " + world.KEY}, key=None)
        self.assertEqual(refused.status, 401)
        self.assertEqual(self.gateway.ask("DELETE", f"/v1/sandboxes/{box['sandboxId']}").data["sandboxId"], box["sandboxId"])
        self.assertEqual(self.vendor.sandboxes(), [])
        self.assertEqual(self.gateway.ask("GET", f"/v1/sandboxes/{box['sandboxId']}").status, 404)
        self.assertEqual(self.gateway.daemon(box, "GET", "/health").status, 404)

    def test_a_kept_connection_that_has_ended_costs_nobody_a_failure(self):
        daemon = world.Daemon(self.vendor.certificate, self.vendor.private)
        self.addCleanup(daemon.stop)
        self.proxy.others["18080-"] = daemon.port
        box = self.gateway.ready(self.create())
        for number in range(3):
            kept = len(daemon.connections)
            self.assertEqual(self.gateway.run(box, "one")["connection"], kept)  # the one of before
            daemon.drop()
            world.until(lambda: not self.proxy.alive.intersection(self.proxy.apart), "its end has passed the proxy")
            # A request with a body is sent once only.
            self.assertEqual(self.gateway.run(box, "two")["connection"], kept + 1, number)

    def test_keys_are_the_vendors_to_judge_and_nobodys_to_read(self):
        def create(headers):
            return self.gateway.ask("POST", "/v1/sandboxes", {}, headers)
        wrong = create({"X-Provider": "e2b", "X-E2B-API-Key": WRONG_KEY})
        self.assertEqual((wrong.status, wrong.json["code"], wrong.json["provider"]), (502, "auth_rejected", "e2b"))
        self.assertIn("E2B", wrong.json["error"])
        absent = create({"X-Provider": "e2b"})
        self.assertEqual((absent.status, absent.json["code"]), (400, "auth_missing"))
        self.assertIn("E2B_API_KEY", absent.text)
        # What cannot be a key of E2B's stands for none, and the name for the default provider, unless the body names it.
        stand_in = {"X-Provider": "e2b", "X-E2B-API-Key": "sk_0123456789abcdef"}
        malformed = self.gateway.ask("POST", "/v1/sandboxes", {"provider": "e2b"}, stand_in)
        self.assertEqual((malformed.status, malformed.json["code"]), (400, "auth_format"))
        carried = create(stand_in)
        self.assertEqual((carried.status, carried.data["provider"]), (200, "local"))
        self.assertEqual(self.gateway.ask("DELETE", f"/v1/sandboxes/{carried.data['sandboxId']}").status, 200)
        self.assertEqual(self.vendor.sandboxes(), [])
        box = self.gateway.ready(self.create())
        self.gateway.stop()
        written = self.gateway.written()
        self.assertIn(box["sandboxId"].encode(), written)
        for secret in (E2B_KEY, WRONG_KEY, "sk_0123456789abcdef", world.KEY, box["token"]):
            self.assertNotIn(secret.encode(), written)
            self.assertNotIn(secret, wrong.text + absent.text + malformed.text)
        self.gateway.start()

    def test_credentials_are_asked_for_again_after_a_restart(self):
        box = self.gateway.ready(self.create())
        path = f"/v1/sandboxes/{box['sandboxId']}"
        self.gateway.restart()
        # Where the daemon is is known; nobody has to be asked.
        self.assertEqual(self.gateway.run(box, "echo still here")["stdout"], "still here\n")
        longer = self.gateway.ask("POST", path + "/extend", {"duration": 900000})
        self.assertEqual((longer.status, longer.json["code"]), (400, "auth_missing"))
        self.assertIn("credential headers", longer.json["fix"])
        self.assertEqual(self.gateway.ask("GET", path).data["sandboxId"], box["sandboxId"])
        ended = self.gateway.ask("DELETE", path)
        self.assertEqual((ended.status, ended.json["code"]), (400, "auth_missing"))
        self.assertEqual(self.gateway.run(box, "echo untouched")["stdout"], "untouched\n")
        self.assertEqual(self.gateway.ask("GET", path, headers=CARRIED).data["sandboxId"], box["sandboxId"])
        self.gateway.ask("POST", path + "/extend", {"duration": 900000}).data
        self.gateway.ask("DELETE", path).data
        self.assertEqual(self.vendor.sandboxes(), [])

    def test_snapshots(self):
        box = self.gateway.ready(self.create())
        self.gateway.run(box, "echo kept > /home/user/file")
        taken = self.gateway.ask("POST", "/v1/snapshots", {"sandboxId": box["sandboxId"], "name": "one",
                                                           "metadata": {"n": 1}}).data
        self.assertEqual((taken["provider"], taken["sandboxId"], taken["name"], taken["metadata"]),
                         ("e2b", box["sandboxId"], "one", {"n": 1}))
        self.assertRegex(taken["createdAt"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual(self.gateway.ask("GET", "/v1/snapshots").data, [taken])
        again = self.gateway.ready(self.create(snapshotId=taken["id"]))
        self.assertEqual(self.gateway.run(again, "cat /home/user/file")["stdout"], "kept\n")
        unknown = self.gateway.ask("POST", "/v1/sandboxes", {"snapshotId": "snap0"}, CARRIED)
        self.assertEqual((unknown.status, unknown.json["code"]), (400, "invalid_argument"))
        self.assertIn("there is no snapshot snap0", unknown.json["error"])
        self.assertEqual(self.gateway.ask("DELETE", f"/v1/snapshots/{taken['id']}", headers=CARRIED).data["id"], taken["id"])
        self.assertEqual(self.gateway.ask("GET", "/v1/snapshots").data, [])
        self.assertEqual(self.gateway.ask("DELETE", f"/v1/snapshots/{taken['id']}", headers=CARRIED).status, 404)
        self.assertEqual(self.gateway.ask("POST", "/v1/snapshots", {"sandboxId": "sb0"}).status, 404)
        self.assertEqual(self.gateway.ask("POST", "/v1/snapshots", {}).status, 400)


class SlowVendorCase(Behind):
    """Calls that make a sandbox are answered before the vendor has made it."""

    def settings(self, folder):
        return 'patience = "400ms"\n'

    def test_a_name_that_another_makes_slowly(self):
        self.vendor.ask("POST", "/_sim/faults", {"path": "/v2/sandboxes", "method": "POST", "delay_ms": 3000})
        body = {"name": "app", "timeout": 300000}

        def ask(_):
            return self.gateway.ask("POST", "/v1/sandboxes/find-or-create", body, CARRIED).data
        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            early = list(clients.map(ask, range(4)))
        self.assertEqual({box["status"] for box in early}, {"creating"})
        self.assertEqual(len({box["sandboxId"] for box in early}), 1)
        self.assertEqual({box["url"] for box in early}, {f"http://127.0.0.1:{self.gateway.port}/s/{early[0]['sandboxId']}"})
        self.assertEqual(self.gateway.ask("GET", f"/v1/sandboxes/{early[0]['sandboxId']}").data["status"], "creating")
        self.assertEqual(self.gateway.daemon(early[0], "GET", "/health").status, 503)
        for box in early:
            self.gateway.ready(box)
        found = ask(0)
        self.assertEqual((found["status"], found["sandboxId"]), ("running", early[0]["sandboxId"]))
        self.assertEqual(len(self.vendor.sandboxes()), 1)


class IsolatedVendorCase(Behind):
    """The same provider as a third party would hand it out: in a folder of its own, trusted by nobody."""

    def settings(self, folder):
        return f'provider_paths = ["{world.drop(self.library, folder)}"]\n'

    def test_it_serves_from_a_process_of_its_own(self):
        box = self.gateway.ready(self.create())
        self.assertTrue([name for name in self.gateway.children() if name.endswith("computesdk-plugin-host")])
        self.assertEqual(self.gateway.run(box, "cat /proc/sys/kernel/ostype")["stdout"], "Linux\n")
        self.assertEqual([each["sandboxId"] for each in self.gateway.ask("GET", "/v1/sandboxes").data], [box["sandboxId"]])
        self.gateway.ask("DELETE", f"/v1/sandboxes/{box['sandboxId']}").data
        self.assertEqual(self.vendor.sandboxes(), [])
