#!/usr/bin/env python3
"""Turns the API models (model/*.json) into one C file of constant tables.

Usage: generate.py OUT.c NAME=MODEL.json...   NAME is the C suffix: personalize -> service_personalize.
Needs Python 3 only. Regular expressions become position automata (Glushkov), see service_pattern.h.
"""
import json
import sys
import unicodedata

TYPES = {t: "SHAPE_" + t.upper() for t in
         "structure list map string integer long float double boolean timestamp".split()}
MAX_POSITIONS = 64
UNBOUNDED = 200  # a repetition count above this is left to the shape's length limit


def ranges_of(predicate):
    """Code point ranges for which predicate holds, surrogates left out."""
    out, start = [], None
    for c in range(0x110000):
        inside = not 0xD800 <= c <= 0xDFFF and predicate(c)
        if inside and start is None:
            start = c
        elif not inside and start is not None:
            out.append((start, c - 1))
            start = None
    if start is not None:
        out.append((start, 0x10FFFF))
    return out


PROPERTIES = {}


def property_ranges(name):
    """The ranges of \\p{NAME}."""
    if name not in PROPERTIES:
        if name == "ASCII":
            PROPERTIES[name] = [(0, 127)]
        elif name in ("L", "Z", "N"):
            PROPERTIES[name] = ranges_of(lambda c: unicodedata.category(chr(c))[0] == name)
        else:
            raise SystemExit(f"generate.py: unknown property \\p{{{name}}}")
    return PROPERTIES[name]


def normalise(ranges):
    out = []
    for a, b in sorted(ranges):
        if out and a <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(b, out[-1][1]))
        else:
            out.append((a, b))
    return tuple(out)


LINE_ENDS = (0x0A, 0x0D, 0x85, 0x2028, 0x2029)
DOT = normalise([(a + 1, b - 1) for a, b in zip((-1,) + LINE_ENDS, LINE_ENDS + (0x110000,)) if a + 1 <= b - 1])
ESCAPES = {"d": [(48, 57)], "w": [(48, 57), (65, 90), (95, 95), (97, 122)], "n": [(10, 10)], "t": [(9, 9)]}


class Regex:
    """Recursive descent over the subset that the models use; builds positions, first, last and follow sets."""

    def __init__(self, text, limit):
        self.text, self.at, self.limit = text, 0, limit
        self.classes, self.follow = [], []
        tree = self.alternation()
        if self.at != len(text):
            raise SystemExit(f"generate.py: cannot read pattern {text!r} at {self.at}")
        self.nullable, self.first, self.last = self.build(tree)
        if len(self.classes) > MAX_POSITIONS:
            raise SystemExit(f"generate.py: pattern {text!r} needs {len(self.classes)} positions")

    def peek(self):
        return self.text[self.at] if self.at < len(self.text) else ""

    def take(self):
        self.at += 1
        return self.text[self.at - 1]

    def alternation(self):
        options = [self.sequence()]
        while self.peek() == "|":
            self.take()
            options.append(self.sequence())
        return ("alt", options)

    def sequence(self):
        items = []
        while self.peek() and self.peek() not in "|)":
            c = self.peek()
            if (c == "^" and self.at == 0) or (c == "$" and self.at == len(self.text) - 1):
                self.take()  # every pattern is anchored at both ends
                continue
            items.append(self.repeat(self.atom()))
        return ("seq", items)

    def repeat(self, atom):
        while self.peek() and self.peek() in "*+?{":
            c = self.take()
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1), "{": (0, 0)}[c]
            if c == "{":
                end = self.text.index("}", self.at)
                parts = self.text[self.at:end].split(",")
                self.at = end + 1
                low = int(parts[0])
                high = low if len(parts) == 1 else int(parts[1]) if parts[1] else None
            if high is not None and high > UNBOUNDED:
                if self.limit is None or self.limit > high:
                    raise SystemExit(f"generate.py: {self.text!r}: the count {high} has no length limit beside it")
                high = None
            atom = ("rep", atom, low, high)
        return atom

    def atom(self):
        c = self.take()
        if c == "(":
            tree = self.alternation()
            if self.take() != ")":
                raise SystemExit(f"generate.py: unbalanced group in {self.text!r}")
            return tree
        if c == "[":
            return ("class", self.bracket())
        if c == ".":
            return ("class", DOT)
        if c == "\\":
            return ("class", normalise(self.escape()))
        return ("class", ((ord(c), ord(c)),))

    def escape(self):
        c = self.take()
        if c == "p":
            end = self.text.index("}", self.at)
            name = self.text[self.at + 1:end]
            self.at = end + 1
            return property_ranges(name)
        if c == "x":
            code = int(self.text[self.at:self.at + 2], 16)
            self.at += 2
            return [(code, code)]
        if c in ESCAPES:
            return ESCAPES[c]
        if c.isalnum():
            raise SystemExit(f"generate.py: unknown escape \\{c} in {self.text!r}")
        return [(ord(c), ord(c))]

    def bracket(self):
        ranges = []
        while self.peek() != "]":
            c = self.take()
            here = self.escape() if c == "\\" else [(ord(c), ord(c))]
            single = len(here) == 1 and here[0][0] == here[0][1]
            if single and self.peek() == "-" and self.text[self.at + 1] != "]":
                self.take()
                d = self.take()
                to = self.escape() if d == "\\" else [(ord(d), ord(d))]
                here = [(here[0][0], to[0][1])]
            ranges += here
        self.take()
        return normalise(ranges)

    def build(self, tree):
        """(nullable, first, last) of a tree; fills follow."""
        kind = tree[0]
        if kind == "class":
            self.classes.append(tree[1])
            self.follow.append(0)
            bit = 1 << (len(self.classes) - 1)
            return False, bit, bit
        if kind == "seq":
            return self.chain([self.build_lazy(t) for t in tree[1]])
        if kind == "alt":
            parts = [self.build(t) for t in tree[1]]
            return (any(p[0] for p in parts), self.union(p[1] for p in parts), self.union(p[2] for p in parts))
        _, inner, low, high = tree
        copies = [self.build_lazy(inner) for _ in range(low)]
        if high is None:
            copies.append(lambda: self.star(inner))
        else:
            copies += [lambda: self.optional(inner)] * (high - low)
        return self.chain(copies)

    def build_lazy(self, tree):
        return lambda: self.build(tree)

    def star(self, inner):
        _, first, last = self.build(inner)
        self.link(last, first)
        return True, first, last

    def optional(self, inner):
        _, first, last = self.build(inner)
        return True, first, last

    def chain(self, parts):
        nullable, first, last = True, 0, 0
        for part in parts:
            n, f, l = part()
            self.link(last, f)
            if nullable:
                first |= f
            last = l | (last if n else 0)
            nullable = nullable and n
        return nullable, first, last

    @staticmethod
    def union(masks):
        out = 0
        for m in masks:
            out |= m
        return out

    def link(self, last, first):
        for i in range(len(self.follow)):
            if last >> i & 1:
                self.follow[i] |= first


def quote(text):
    return json.dumps(text, ensure_ascii=True)


class Writer:
    def __init__(self):
        self.lines, self.classes, self.patterns = [], {}, {}

    def add(self, *lines):
        self.lines.extend(lines)

    def class_index(self, ranges):
        return self.classes.setdefault(ranges, len(self.classes))

    def pattern(self, text, limit):
        if text not in self.patterns:
            regex = Regex(text, limit)
            n = len(self.patterns)
            self.patterns[text] = n
            indexes = ", ".join(str(self.class_index(c)) for c in regex.classes)
            follow = ", ".join(f"{f:#x}u" for f in regex.follow)
            self.add(f"static const uint16_t pattern_{n}_classes[] = {{ {indexes} }};",
                     f"static const uint64_t pattern_{n}_follow[] = {{ {follow} }};",
                     f"static const struct service_pattern pattern_{n} = {{ {regex.first:#x}u, {regex.last:#x}u, "
                     f"{str(regex.nullable).lower()}, {len(regex.classes)}, pattern_{n}_classes, pattern_{n}_follow }};")
        return f"&pattern_{self.patterns[text]}"

    def write_classes(self):
        rows = []
        for ranges, n in self.classes.items():
            low = sum(1 << c for a, b in ranges for c in range(a, min(b, 127) + 1))
            high = [(max(a, 128), b) for a, b in ranges if b >= 128]
            if high:
                text = ", ".join(f"{{ {a:#x}, {b:#x} }}" for a, b in high)
                self.add(f"static const struct service_range class_{n}_ranges[] = {{ {text} }};")
            rows.append(f"    {{ {{ {low & 2**64 - 1:#x}u, {low >> 64:#x}u }}, "
                        f"{f'class_{n}_ranges' if high else 'NULL'}, {len(high)} }},")
        self.add("const struct service_class service_classes[] = {", *rows, "};")


def members_of(shape):
    required = shape.get("req", [])
    for name, ref in shape["members"].items():
        yield name, ref["shape"] if isinstance(ref, dict) else ref, name in required


def write_shapes(w, prefix, shapes, index):
    w.add(f"static const struct service_shape {prefix}_shapes[{len(shapes)}];")
    for name, s in sorted(shapes.items()):
        if s.get("members"):
            rows = ", ".join(f"{{ {quote(m)}, &{prefix}_shapes[{index[ref]}], {str(req).lower()} }}"
                             for m, ref, req in members_of(s))
            w.add(f"static const struct service_member {prefix}_{name}_members[] = {{ {rows} }};")
        if s.get("enum"):
            w.add(f"static const char *const {prefix}_{name}_values[] = {{ {', '.join(map(quote, s['enum']))} }};")
    rows = []
    for name, s in sorted(shapes.items()):
        f = [f".name = {quote(name)}", f".type = {TYPES[s['t']]}"]
        if "min" in s:
            f.append(f".has_min = true, .min = {s['min']}")
        if "max" in s:
            f.append(f".has_max = true, .max = {s['max']}")
        if s.get("sensitive"):
            f.append(".is_sensitive = true")
        if s.get("members"):
            f.append(f".members = {prefix}_{name}_members, .n_members = {len(s['members'])}")
        for key, field in (("key", "key"), ("val", "element"), ("of", "element")):
            if key in s:
                f.append(f".{field} = &{prefix}_shapes[{index[s[key]]}]")
        if s.get("pattern"):
            f.append(f".pattern = {quote(s['pattern'])}, .compiled = {w.pattern(s['pattern'], s.get('max'))}")
        if s.get("enum"):
            f.append(f".values = {prefix}_{name}_values, .n_values = {len(s['enum'])}")
        rows.append("    { " + ", ".join(f) + " },")
    w.add(f"static const struct service_shape {prefix}_shapes[{len(shapes)}] = {{", *rows, "};")


def page_key(name, op, shapes):
    """The list member of a List answer; the model names it where it defines a paginator."""
    if "page" in op:
        return op["page"]["result_key"]
    if name.startswith("List") and op.get("out") and "nextToken" in shapes[op["out"]]["members"]:
        return next(m for m in shapes[op["out"]]["members"] if m != "nextToken")
    return None


def write_operations(w, prefix, model, index):
    rows = []
    for name, op in sorted(model["operations"].items()):
        errors = op.get("errors", [])
        if errors:
            w.add(f"static const char *const {prefix}_{name}_errors[] = {{ {', '.join(map(quote, errors))} }};")
        shape = lambda s: f"&{prefix}_shapes[{index[s]}]" if s else "NULL"
        http = op.get("http", {"method": "POST", "requestUri": "/"})
        key = page_key(name, op, model["shapes"])
        rows.append(f"    {{ {quote(name)}, {shape(op.get('in'))}, {shape(op.get('out'))}, "
                    f"{f'{prefix}_{name}_errors' if errors else 'NULL'}, {len(errors)}, "
                    f"{str(bool(op.get('idempotent'))).lower()}, {quote(http['method'])}, {quote(http['requestUri'])}, "
                    f"{quote(key) if key else 'NULL'} }},")
    w.add(f"static const struct service_operation {prefix}_operations[] = {{", *rows, "};")


def write_model(w, prefix, model):
    shapes, meta = model["shapes"], model["metadata"]
    index = {name: i for i, name in enumerate(sorted(shapes))}
    write_shapes(w, prefix, shapes, index)
    write_operations(w, prefix, model, index)
    statuses = ", ".join(f"{{ {quote(k)}, {v} }}" for k, v in sorted(model["errorStatus"].items()))
    w.add(f"static const struct service_error_status {prefix}_statuses[] = {{ {statuses} }};",
          f"const struct service_model service_{prefix} = {{ {quote(meta['endpointPrefix'])}, "
          f"{quote(meta['targetPrefix']) if meta.get('targetPrefix') else 'NULL'}, {quote(meta['signingName'])}, "
          f"{prefix}_operations, {len(model['operations'])}, {prefix}_shapes, {len(shapes)}, "
          f"{prefix}_statuses, {len(model['errorStatus'])} }};")


def main():
    out, w = sys.argv[1], Writer()
    w.add("/* Generated by server/domain/model/generate.py from model/; do not edit. */",
          '#include "service_pattern.h"', '#include "steward/service_model.h"', "")
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        with open(path, encoding="utf-8") as f:
            write_model(w, name, json.load(f))
    w.write_classes()
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(w.lines) + "\n")


main()
