"""Where the address of the store comes from, and who can see its password."""

import socket
import subprocess
import tempfile
import unittest

import world

PASSWORD = "password-of-the-store"


class StoreCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="csdk-e2e-")
        self.addCleanup(folder.cleanup)
        self.home = world.home(folder.name, "home")

    def key(self, *words, **variables):
        return subprocess.run([self.program, "key", *words], env=world.environment(self.home, variables), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_a_variable_names_the_store(self):
        store = self.home / "other.db"
        made = self.key("create", COMPUTESDK_GATEWAY_STORE=f"sqlite:{store}")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertTrue(store.exists())
        self.assertEqual(len(self.key("list", "--store", f"sqlite:{store}").stdout.splitlines()), 2)
        gateway = world.Gateway(self.program, self.home, "", {"COMPUTESDK_GATEWAY_STORE": f"sqlite:{store}"}, named=False)
        self.addCleanup(gateway.stop)
        self.assertEqual(gateway.ask("GET", "/v1/sandboxes", key=made.stdout.strip()).data, [])
        self.assertEqual(list(self.home.glob("gateway.db*")), [])

    def test_a_password_among_the_words_is_warned_of_and_never_repeated(self):
        with socket.socket() as nobody:  # bound, not listening: refused at once
            nobody.bind(("127.0.0.1", 0))
            address = f"redis://:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/x"  # no number of a database
            warned = self.key("list", "--store", address)
            quiet = self.key("list", COMPUTESDK_GATEWAY_STORE=address)
        for said in (warned, quiet):
            self.assertNotEqual(said.returncode, 0)
            self.assertNotIn(PASSWORD, said.stdout + said.stderr)
        self.assertIn("warning: --store shows its password", warned.stderr)
        self.assertIn("COMPUTESDK_GATEWAY_STORE", warned.stderr)
        self.assertNotIn("warning", quiet.stderr)
