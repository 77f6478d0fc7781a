#!/usr/bin/env python3
"""links.py ROOT   every relative link of a Markdown page leads to a file, every path of the repository that it names is
there, and every test that it names as `Suite.name` stands in a source below tests/. NAME in a path is a placeholder.
"""

import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:tests|plugins|plugin_api|registry|runtime|tools|docs|cmake|\.ci)/[\w./-]+)`")
TEST = re.compile(r"`(\w+)\.(\w+)`")


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    pages = [page for page in root.glob("**/*.md") if not page.is_relative_to(root / "build")]
    names = set()
    for source in (root / "tests").rglob("*.cpp"):
        for found in re.finditer(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", source.read_text(), re.M):
            names.add(found.groups())
    suites = {suite for suite, _ in names}
    complaints = []
    for page in pages:
        text = page.read_text()
        for found in LINK.finditer(text):
            target = found.group(1)
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                complaints.append(f"{page.relative_to(root)}: link to {target}, which is not there")
        for found in PATH.finditer(text):
            if "NAME" not in found.group(1) and not (root / found.group(1)).exists():
                complaints.append(f"{page.relative_to(root)}: names {found.group(1)}, which is not there")
        for suite, name in TEST.findall(text):
            if (suite in suites or suite.endswith("Test")) and (suite, name) not in names:
                complaints.append(f"{page.relative_to(root)}: names the test {suite}.{name}, which does not exist")
    print("\n".join(complaints))
    print(f"{len(pages)} pages, {len(complaints)} complaints")
    sys.exit(1 if complaints or not pages else 0)


if __name__ == "__main__":
    main()
