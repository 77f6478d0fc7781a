#!/usr/bin/env python3
"""console.py BIN PAGE…   types the console examples of these pages as printed and compares what comes back.

A block is one shell session: `$ ` starts a command, the lines below are its output, stdout and stderr together. In the
output `…` stands for anything within a line, and for any lines where it is alone. BIN comes first in PATH; home, state
and run-time folders are new for each page and removed afterwards.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

from pages import blocks

MARK = "@@end-of-command@@"


def commands_of(text):
    """[(command, expected lines)] of a block."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], [])
        elif found:
            found[-1][1].append(line)
        else:
            sys.exit(f"a console block begins with '$ ', not with: {line}")
    return found


def matches(expected, actual):
    pattern = ""
    for line in expected:
        if line.strip() == "…":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ ]*\n"
    return re.fullmatch(pattern, actual if actual.endswith("\n") or not actual else actual + "\n")


def run_block(block, folder, environment):
    """Returns complaints."""
    commands = commands_of(block.text)
    script = f'end() {{ local code=$?; printf "{MARK}"; return $code; }}\nexec 2>&1\n'
    script += "".join(f"{command}\nend\n" for command, _ in commands)
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=120)
    outputs = done.stdout.decode(errors="replace").split(MARK)
    complaints = []
    for (command, expected), actual in zip(commands, outputs):
        if not matches(expected, actual):
            wanted = "\n".join(expected)
            complaints.append(f"{block}: $ {command}\n--- the page says\n{wanted}\n--- it printed\n{actual}")
    if len(outputs) != len(commands) + 1:
        complaints.append(f"{block}: the session ended after {len(outputs) - 1} of {len(commands)} commands")
    return complaints


def main():
    binaries, pages = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    complaints, count = [], 0
    for page in pages:
        with tempfile.TemporaryDirectory(prefix="computesdk-docs-") as folder:
            os.chmod(folder, 0o755)
            environment = {"PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
            for name, place in (("HOME", "home"), ("XDG_RUNTIME_DIR", "run"), ("XDG_STATE_HOME", "state"),
                                ("XDG_CONFIG_HOME", "config"), ("XDG_DATA_HOME", "data"), ("XDG_CACHE_HOME", "cache")):
                environment[name] = os.path.join(folder, place)
                os.mkdir(environment[name], 0o700)
            work = os.path.join(folder, "work")
            os.mkdir(work)
            try:
                for block in blocks(page, "console"):
                    if block.tested:
                        count += 1
                        complaints += run_block(block, work, environment)
            finally:
                subprocess.run([binaries / "computesdk", "rm", "--all"], env=environment, cwd=work,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("\n".join(complaints))
    print(f"{count} console examples, {len(complaints)} complaints")
    sys.exit(1 if complaints or not count else 0)


if __name__ == "__main__":
    main()
