#!/usr/bin/env python3
"""programs.py FOLDER PAGE…   writes the C++ examples of these pages into FOLDER, one source each.

A block with `main` becomes PAGE_LINE.cpp; beside it PAGE_LINE.expected holds what it must print, if the page says so.
A block marked `<!-- statements -->` becomes the body of a function in PAGE_LINE.part.cpp, to be compiled only.
"""

import pathlib
import sys

from pages import blocks

BODY = """#include <computesdk/computesdk.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <span>
#include <thread>
namespace cs = computesdk;
using namespace std::chrono_literals;
void example(computesdk::Compute& compute, computesdk::Sandbox& sandbox);
void example([[maybe_unused]] computesdk::Compute& compute, [[maybe_unused]] computesdk::Sandbox& sandbox) {
#line %d "%s"
%s}
"""


def main():
    folder = pathlib.Path(sys.argv[1])
    count = 0
    for page in map(pathlib.Path, sys.argv[2:]):
        for block in blocks(page, "cpp"):
            stem = f"{page.stem}_{block.line}"
            if block.note == "statements":
                (folder / f"{stem}.part.cpp").write_text(BODY % (block.line, page, block.text))
            elif block.tested and "int main(" in block.text:
                (folder / f"{stem}.cpp").write_text(f'#line {block.line} "{page}"\n{block.text}')
                if block.note.startswith("prints: "):
                    (folder / f"{stem}.expected").write_text(block.note.removeprefix("prints: ") + "\n")
            else:
                continue
            count += 1
    if not count:
        sys.exit("no C++ example found in these pages")


if __name__ == "__main__":
    main()
