"""Reads plugin.h: its structs, constants and commented functions.

The header is written plainly (one declarator a line, no nested struct), and this parser stops with a message at
anything else, so nothing is skipped in silence.
"""
import re
from collections import namedtuple

Struct = namedtuple("Struct", "name fields")
Field = namedtuple("Field", "name type")  # type: as it stands in a cast, e.g. "void (*)(void *)"
Function = namedtuple("Function", "owner name comment operation")

FUNCTION = re.compile(r"^(?P<result>[\w\s*]+?)\(\s*\*\s*(?P<name>\w+)\s*\)\s*(?P<params>\(.*\))$", re.S)
PLAIN = re.compile(r"^(?P<type>[\w\s*]*[\s*])(?P<name>\w+)$", re.S)
STRUCT = re.compile(r"typedef struct (\w+) \{(.*?)\n\} (\w+);", re.S)


class HeaderError(Exception):
    pass


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def parse_field(owner, text):
    text = " ".join(text.split())
    match = FUNCTION.match(text)
    if match:
        return Field(match["name"], f"{match['result'].strip()} (*){match['params']}")
    match = PLAIN.match(text)
    if not match or "," in text or "[" in text:
        raise HeaderError(f"{owner}: cannot read the field '{text}'")
    return Field(match["name"], match["type"].strip())


def structs(text):
    found = []
    for name, body, again in STRUCT.findall(without_comments(text)):
        if name != again:
            raise HeaderError(f"struct {name} is typedef'ed as {again}")
        found.append(Struct(name, [parse_field(name, part) for part in body.split(";") if part.strip()]))
    seen = len(re.findall(r"\bstruct\s+\w+\s*\{", without_comments(text)))
    if seen != len(found):
        raise HeaderError(f"{seen} structs in the header, {len(found)} understood")
    return found


def constants(text):
    """Numeric macros that never change. The minor and the draft number do."""
    text = without_comments(text).replace("\\\n", " ")
    found = re.findall(r"^#define[ \t]+(CSDK_\w+)[ \t]+(\(?-?[0-9][0-9A-Fa-fxu]*\)?)[ \t]*$", text, re.M)
    return [(name, value) for name, value in found if name not in ("CSDK_ABI_MINOR", "CSDK_ABI_DRAFT")]


def strings(text):
    return re.findall(r'^#define[ \t]+(CSDK_\w+)[ \t]+"([^"]*)"', without_comments(text), re.M)


def functions(text):
    """Every function of a struct, function type and exported function, with the comment right before it."""
    found = []
    for match in STRUCT.finditer(text):
        owner, body = match[1], match[2]
        for part in re.finditer(r"(?P<comment>(?:/\*(?:[^*]|\*(?!/))*\*/)?)\s*(?P<code>[^;/]*\(\s*\*\s*(?P<name>\w+)\)[^;]*);", body):
            operation = "csdk_provider* provider, csdk_call call" in " ".join(part["code"].split())
            found.append(Function(owner, part["name"], part["comment"], operation))
    for match in re.finditer(r"(/\*(?:[^*]|\*(?!/))*\*/)\s*\ntypedef [^;{]*\(\*(\w+)\)\([^;]*\);", text):
        found.append(Function("", match[2], match[1], False))
    expected = len(re.findall(r"\(\s*\*\s*\w+\s*\)\s*\(", without_comments(text)))
    if expected != len(found):
        raise HeaderError(f"{expected} functions in the header, {len(found)} understood")
    return found
