#!/usr/bin/env python3
"""Each rule of check.py is broken once, in a small tree of its own, and must be reported; the rest of it must pass."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECK = pathlib.Path(__file__).with_name("check.py")

# A tree without faults: one file a room.
GOOD = {
    "plugin_api/include/computesdk/plugin.h": "#include <stddef.h>\n",
    "plugin_api/include/computesdk/provider.hpp": "#include <computesdk/plugin.h>\n#include <string>\n",
    "registry/include/computesdk/result.hpp": "#include <variant>\n",
    "registry/include/computesdk/registry/registry.hpp": "#include <computesdk/result.hpp>\n",
    "registry/src/load.cpp": '#include <computesdk/plugin.h>\n#include "load.hpp"\n',
    "registry/src/load.hpp": "",
    "runtime/include/computesdk/compute.hpp": "#include <computesdk/result.hpp>\n",
    "runtime/src/compute.cpp": "#include <computesdk/registry/registry.hpp>\n",
    "plugins/local/local.cpp": '#include <computesdk/provider.hpp>\n#include "engine/engine.hpp"\n',
    "plugins/local/engine/engine.hpp": "#include <unistd.h>\n",
    "tools/cli/main.cpp": "#include <computesdk/compute.hpp>\n",
    "tests/a_test.cpp": '#include <computesdk/compute.hpp>\n// sleep_for( in a comment\nconst char* s = "sleep(3)";\n',
}

BAD = [
    ("plugins/local/local.cpp", "#include <computesdk/result.hpp>\n", "plugin.h and provider.hpp only"),
    ("plugins/local/local.cpp", '#include "../acme/acme.hpp"\n', "its own folder only"),
    ("plugins/local/CMakeLists.txt", "target_link_libraries(a PRIVATE csdk_registry)\n", "must not name csdk_registry"),
    ("registry/src/load.cpp", "#include <computesdk/compute.hpp>\n", "registry must not include"),
    ("registry/CMakeLists.txt", "target_link_libraries(a PRIVATE csdk_runtime)\n", "must not name csdk_runtime"),
    ("plugin_api/include/computesdk/provider.hpp", "#include <computesdk/result.hpp>\n", "plugin_api must not include"),
    ("plugin_api/include/computesdk/plugin.h", "#include <stdbool.h>\n", "plugin.h includes <stdbool.h>"),
    ("runtime/include/computesdk/compute.hpp", "#include <unistd.h>\n", "not of the standard library"),
    ("runtime/include/computesdk/compute.hpp", "#include <computesdk/registry/registry.hpp>\n", "not installed"),
    ("runtime/src/compute.cpp", "#include <iostream>\n", "start-up"),
    ("registry/src/load.cpp", "#include <Poco/Net/NetSSL.h>\n", "only in a module"),
    ("tests/a_test.cpp", "void f() { std::this_thread::sleep_for(x); }\n", "not for the clock"),
    ("tests/a_test.cpp", "void f() { ::usleep(3); }\n", "not for the clock"),
    ("tests/a_test.cpp", "void f() { sleep(3); }\n", "not for the clock"),
    ("runtime/src/utils/text.cpp", "\n", "says nothing"),
]


def run(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return subprocess.run([sys.executable, CHECK, folder], capture_output=True, text=True)


class ArchitectureCheck(unittest.TestCase):
    def test_good_tree_passes(self):
        done = run(GOOD)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_each_fault_is_reported(self):
        for name, text, expected in BAD:
            with self.subTest(name=name, text=text):
                done = run({**GOOD, name: text})
                self.assertEqual(done.returncode, 1)
                self.assertEqual(len(done.stdout.splitlines()), 2, done.stdout)
                self.assertIn(expected, done.stdout.splitlines()[0])
                self.assertTrue(done.stdout.startswith(f"{name}:1: "), done.stdout)

    def test_empty_tree_is_refused(self):
        self.assertNotEqual(run({}).returncode, 0)


if __name__ == "__main__":
    unittest.main()
