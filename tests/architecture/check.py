#!/usr/bin/env python3
"""check.py ROOT   fails when an arrow of docs/architecture.md points the wrong way.

Rules, each a function below: what a room may include, what it may link, what public headers may include, what start-up
time forbids, and that no test waits on the clock.
"""

import pathlib
import re
import sys

# Room -> rooms whose headers it may include, itself apart.
MAY_INCLUDE = {
    "plugin_api": set(),
    "plugins": {"plugin_api"},
    "registry": {"plugin_api"},
    "runtime": {"plugin_api", "registry"},
    "tools/plugin_host": {"plugin_api", "registry"},
    "tools/cli": {"plugin_api", "registry", "runtime"},
    "tools/serving": {"plugin_api", "registry"},
    "tools/sandboxd": {"plugin_api", "registry", "tools/serving"},
    "tools/gateway": {"plugin_api", "registry", "runtime", "tools/serving"},
}
SOURCE_SUFFIXES = {".c", ".cpp", ".h", ".hpp", ".inc"}
PUBLIC = ["plugin_api/include/computesdk", "registry/include/computesdk", "runtime/include/computesdk"]
PRIVATE_BELOW_PUBLIC = ["registry/include/computesdk/registry"]
# What plug-in authors may need of the system in the helper for subprocesses.
C_HEADERS = {"stddef.h", "stdint.h"}
POSIX_ALLOWED_IN = "plugin_api/include/computesdk/provider/subprocess.hpp"
# Poco and Beast are opened on first use: they are linked into these modules only, and into programs of their own, the gateway
# and the daemon.
MODULES = ("runtime/store_module", "registry/src/net/module", "tools/gateway/store", "tools/serving")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep)\s*\(|(?<![\w.>\"'])(::|std::)?sleep\s*\(")


def room_of(path):
    """The room that a path relative to the root lies in, or None."""
    for room in MAY_INCLUDE:
        if path.parts[: len(room.split("/"))] == tuple(room.split("/")):
            return room
    return None


class Tree:
    def __init__(self, root):
        self.root = root
        self.complaints = []
        self.files = sorted(
            path.relative_to(root)
            for room in (*MAY_INCLUDE, "tests")
            for path in (root / room).rglob("*")
            if path.suffix in SOURCE_SUFFIXES or path.name == "CMakeLists.txt")
        self.text = {path: (root / path).read_text(encoding="utf-8") for path in self.files}
        self.sources = [path for path in self.files if path.suffix in SOURCE_SUFFIXES]

    def complain(self, path, position, what):
        line = self.text[path].count("\n", 0, position) + 1
        self.complaints.append(f"{path}:{line}: {what}")

    def includes(self, path):
        for match in INCLUDE.finditer(self.text[path]):
            yield match.start(), match.group(2)

    def home_of(self, path, name):
        """The rooms in which an include could be found: its own folder first, then any include root."""
        if (self.root / path.parent / name).is_file():
            beside = (self.root / path.parent / name).resolve().relative_to(self.root)
            return {room_of(beside)} - {None}
        rooms = set()
        for room in MAY_INCLUDE:
            if room != "plugins" and any((self.root / room / top / name).is_file() for top in ("include", "src", "")):
                rooms.add(room)
        return rooms


def check_includes(tree):
    for path in tree.sources:
        room = room_of(path)
        if room is None:
            continue
        for position, name in tree.includes(path):
            homes = tree.home_of(path, name)
            if room == "plugins" and name.startswith("computesdk/"):
                if name not in ("computesdk/plugin.h", "computesdk/provider.hpp") \
                        and not name.startswith("computesdk/provider/"):
                    tree.complain(path, position, f"a plug-in sees plugin.h and provider.hpp only, not <{name}>")
            elif room == "plugins" and name.startswith(".."):
                target = (tree.root / path.parent / name).resolve().relative_to(tree.root)
                if target.parts[:2] not in (path.parts[:2], ("plugins", "common")):
                    tree.complain(path, position, f"a plug-in sees its own folder only, not {target}")
            elif homes and room not in homes and not homes & MAY_INCLUDE[room]:
                tree.complain(path, position, f"{room} must not include <{name}> of {', '.join(sorted(homes))}")


def check_links(tree):
    """Plug-ins link nothing of the rooms above; the registry knows no runtime."""
    forbidden = {
        "plugins": r"\b(csdk_registry\w*|csdk_runtime\w*|ComputeSDK::computesdk)\b",
        "plugin_api": r"\b(csdk_registry\w*|csdk_runtime\w*|ComputeSDK::computesdk)\b",
        "registry": r"\b(csdk_runtime\w*|ComputeSDK::computesdk|computesdk_local)\b",
        "runtime": r"\b(computesdk_local|computesdk_cli)\b",
    }
    for path in tree.files:
        room = room_of(path)
        if path.name == "CMakeLists.txt" and room in forbidden:
            code = re.sub(r"#.*", lambda found: " " * len(found.group()), tree.text[path])
            for match in re.finditer(forbidden[room], code):
                tree.complain(path, match.start(), f"{room} must not name {match.group()}")


def check_public_headers(tree):
    """Public headers: the standard library and each other. plugin.h: stddef.h and stdint.h."""
    inside = [pathlib.PurePath(folder) for folder in PRIVATE_BELOW_PUBLIC]
    for path in tree.sources:
        if not any(path.is_relative_to(folder) for folder in PUBLIC) or any(path.is_relative_to(f) for f in inside):
            continue
        for position, name in tree.includes(path):
            if name.startswith("computesdk/"):
                if name.startswith("computesdk/registry/"):
                    tree.complain(path, position, f"public header includes <{name}>, which is not installed")
                elif not any((tree.root / top / ".." / name).resolve().is_file() for top in PUBLIC):
                    tree.complain(path, position, f"public header includes <{name}>, which no public folder holds")
            elif path.name == "plugin.h":
                if name not in C_HEADERS:
                    tree.complain(path, position, f"plugin.h includes <{name}>")
            elif not re.fullmatch(r"[a-z_]+", name) and str(path) != POSIX_ALLOWED_IN:
                tree.complain(path, position, f"public header includes <{name}>, not of the standard library")


def check_start_up(tree):
    """What is linked into the command line tool and into `local` opens no iostream and no Poco."""
    for path in tree.sources:
        if room_of(path) is None or path.is_relative_to("plugin_api/examples"):
            continue
        for position, name in tree.includes(path):
            if name == "iostream":
                tree.complain(path, position, "<iostream> costs start-up time: use snprintf and write")
            if name.startswith(("Poco/", "boost/beast", "boost/asio")) and not any(map(path.is_relative_to, MODULES)):
                tree.complain(path, position, "Poco, Beast and Asio only in a module that is opened on first use")


def check_sleeps(tree):
    for path in tree.sources:
        if path.parts[0] != "tests":
            continue
        code = re.sub(r'//[^\n]*|"(\\.|[^"\\\n])*"', lambda found: " " * len(found.group()), tree.text[path])
        for match in SLEEP.finditer(code):
            tree.complain(path, match.start(), f"tests wait for the event, not for the clock: {match.group().strip()}")


def check_names(tree):
    for path in tree.files:
        for part in path.parts[:-1]:
            if part in ("utils", "util", "misc", "helpers"):
                tree.complain(path, 0, f"a folder called '{part}' says nothing about what is in it")


def main():
    tree = Tree(pathlib.Path(sys.argv[1]).resolve())
    for check in (check_includes, check_links, check_public_headers, check_start_up, check_sleeps, check_names):
        check(tree)
    for complaint in tree.complaints:
        print(complaint)
    if not tree.sources:
        sys.exit("no source found: wrong folder?")
    print(f"architecture: {len(tree.sources)} sources, {len(tree.complaints)} complaints")
    sys.exit(1 if tree.complaints else 0)


if __name__ == "__main__":
    main()
