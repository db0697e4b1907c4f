#!/usr/bin/python3
"""Writes openapi.yaml, as it is, as JSON and as a page, into a C file: embed_openapi.py openapi.yaml out.c"""
import json
import pathlib
import sys

import yaml

import openapi_page


def literal(name, data):
    rows = [data[i:i + 24] for i in range(0, len(data), 24)]
    body = "\n".join("    " + "".join(f"0x{b:02x}," for b in row) for row in rows)
    return (f"const char {name}[] = {{\n{body}\n    0x00\n}};\n"
            f"const size_t {name}_length = sizeof {name} - 1;\n")


def main():
    source, target = sys.argv[1:]
    with open(source, "rb") as f:
        text = f.read()
    document = yaml.safe_load(text)
    as_json = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    with open(target, "w", encoding="ascii") as f:
        f.write("/* Written from openapi.yaml by api/embed_openapi.py. */\n#include \"openapi.h\"\n\n")
        f.write(literal("openapi_yaml", text).replace("0x", "(char) 0x"))
        f.write(literal("openapi_json", as_json).replace("0x", "(char) 0x"))
        f.write(literal("openapi_page", openapi_page.render(document).encode()).replace("0x", "(char) 0x"))
        style = (pathlib.Path(__file__).parent / "docs.css").read_bytes()
        f.write(literal("openapi_style", style).replace("0x", "(char) 0x"))


main()
