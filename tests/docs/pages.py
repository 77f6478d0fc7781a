"""The examples of the documentation: fenced blocks of Markdown pages, with what the comment above them says.

  <!-- not run: REASON -->         the block below is not tested
  <!-- prints: TEXT -->            the C++ program below writes this line to stdout
  <!-- statements -->              the C++ block below stands inside a function that has `compute` and `sandbox`
"""

import dataclasses
import pathlib
import re

FENCE = re.compile(r"^(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclasses.dataclass
class Block:
    page: pathlib.Path
    line: int  # of the first line inside the fence
    language: str
    note: str  # the comment above, or empty
    text: str

    @property
    def tested(self):
        return not self.note.startswith("not run:")

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page, language):
    text = pathlib.Path(page).read_text()
    for found in FENCE.finditer(text):
        if found["language"] == language:
            line = text.count("\n", 0, found.start("text")) + 1
            yield Block(pathlib.Path(page), line, language, found["note"] or "", found["text"])
