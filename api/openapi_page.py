"""openapi.yaml as one readable page of plain HTML: no script, no inline style, nothing from another site.

Used by embed_openapi.py; the style sheet is api/docs.css.
"""
import html
import json
import re

METHODS = ("get", "post", "put", "patch", "delete")


def esc(text):
    return html.escape(str(text), quote=True)


def prose(text):
    """Paragraphs and `code` of a description."""
    parts = [p for p in re.split(r"\n\s*\n", str(text).strip()) if p]
    return "".join("<p>%s</p>" % re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(p)) for p in parts)


def words(text):
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", esc(text or ""))


class Page:
    def __init__(self, document):
        self.document = document
        self.out = []

    def put(self, text):
        self.out.append(text)

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            target = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    # ---- schemas ----
    def type_words(self, schema):
        if not isinstance(schema, dict):
            return "any"
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return f'<a href="#schema-{esc(name)}">{esc(name)}</a>'
        if "const" in schema:
            return f"<code>{esc(json.dumps(schema['const']))}</code>"
        if "enum" in schema:
            return " | ".join(f"<code>{esc(v)}</code>" for v in schema["enum"])
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return " or ".join(self.type_words(s) for s in schema[key])
        if "allOf" in schema:
            return " and ".join(self.type_words(s) for s in schema["allOf"] if "$ref" in s or "type" in s) or "object"
        kind = schema.get("type", "object" if "properties" in schema else "any")
        if kind == "array":
            return "list of " + self.type_words(schema.get("items", {}))
        return esc(" or ".join(kind) if isinstance(kind, list) else kind)

    def limits(self, schema):
        names = {"minimum": "at least", "maximum": "at most", "minLength": "at least so many characters:",
                 "maxLength": "at most so many characters:", "default": "default", "pattern": "pattern", "format": "format",
                 "minItems": "at least so many:"}
        return ", ".join(f"{names[k]} {esc(schema[k])}" for k in names if isinstance(schema, dict) and k in schema)

    def properties(self, schema):
        schema = schema if isinstance(schema, dict) else {}
        members = dict(schema.get("properties", {}))
        required = set(schema.get("required", []))
        for part in schema.get("allOf", []):
            if "$ref" not in part:
                members.update(part.get("properties", {}))
                required |= set(part.get("required", []))
        if not members:
            return
        self.put("<table><thead><tr><th>member</th><th>type</th><th></th></tr></thead><tbody>")
        for name, member in members.items():
            note = ". ".join(x for x in (words(member.get("description", "")), self.limits(member)) if x)
            star = " <em>required</em>" if name in required else ""
            self.put(f"<tr><td><code>{esc(name)}</code>{star}</td><td>{self.type_words(member)}</td><td>{note}</td></tr>")
            nested = member.get("items", member) if isinstance(member, dict) else {}
            if isinstance(nested, dict) and nested.get("properties"):
                self.put('<tr><td colspan="3" class="nested">')
                self.properties(nested)
                self.put("</td></tr>")
        self.put("</tbody></table>")

    def example(self, media):
        if "example" in media:
            value = media["example"]
            text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False, default=str)
            self.put(f"<pre>{esc(text)}</pre>")

    def content(self, holder):
        for kind, media in holder.get("content", {}).items():
            self.put(f"<p><code>{esc(kind)}</code>: {self.type_words(media.get('schema', {}))}</p>")
            self.properties(media.get("schema", {}))
            self.example(media)

    # ---- operations ----
    def parameters(self, given):
        given = [self.resolve(p) for p in given]
        if not given:
            return
        self.put("<h4>Parameters</h4><table><thead><tr><th>name</th><th>in</th><th>type</th><th></th></tr></thead><tbody>")
        for p in given:
            note = ". ".join(x for x in (words(p.get("description", "")), self.limits(p["schema"])) if x)
            star = " <em>required</em>" if p.get("required") else ""
            self.put(f"<tr><td><code>{esc(p['name'])}</code>{star}</td><td>{esc(p['in'])}</td>"
                     f"<td>{self.type_words(p['schema'])}</td><td>{note}</td></tr>")
        self.put("</tbody></table>")

    def operation(self, method, path, op, shared):
        self.put(f'<section class="operation" id="{esc(op["operationId"])}">'
                 f'<h3><span class="method {method}">{method.upper()}</span> <code>{esc(path)}</code></h3>'
                 f'<p class="summary">{words(op["summary"])}</p>')
        self.put(prose(op.get("description", "")))
        self.put(f'<p class="scope">Scope: <code>{esc(op["x-scope"])}</code></p>')
        for sample in op.get("x-codeSamples", []):
            self.put(f"<pre class=\"curl\">{esc(sample['source'])}</pre>")
        self.parameters(shared + op.get("parameters", []))
        if "requestBody" in op:
            body = self.resolve(op["requestBody"])
            self.put("<h4>Body%s</h4>" % ("" if body.get("required") else " (may be empty)"))
            self.put(prose(body.get("description", "")))
            self.content(body)
        for status, answer in op["responses"].items():
            if status == "default" or (status[0] == "4" and "$ref" in answer):
                continue
            answer = self.resolve(answer)
            self.put(f"<details><summary><code>{esc(status)}</code> {words(answer['description'])}</summary>")
            for name, header in answer.get("headers", {}).items():
                self.put(f"<p>Header <code>{esc(name)}</code>: {words(self.resolve(header).get('description', ''))}</p>")
            self.content(answer)
            self.put("</details>")
        if op.get("x-problems"):
            links = ", ".join(f'<a href="#problem-{esc(c)}"><code>{esc(c)}</code></a>' for c in op["x-problems"])
            self.put(f"<p>Problems of its own: {links}</p>")
        self.put("</section>")

    def problems(self):
        self.put('<section id="problems"><h2>Problem codes</h2>'
                 "<p>Every operation can answer with those marked *, every write also with those marked +.</p>"
                 "<table><thead><tr><th>code</th><th>status</th><th>means</th></tr></thead><tbody>")
        for code, entry in self.document["x-problem-codes"].items():
            mark = "*" if code in self.document["x-problems-of-every-operation"] else \
                "+" if code in self.document["x-problems-of-every-write"] else ""
            status = entry["status"] if isinstance(entry["status"], list) else [entry["status"]]
            self.put(f'<tr id="problem-{esc(code)}"><td><code>{esc(code)}</code> {mark}</td>'
                     f"<td>{', '.join(map(str, status))}</td><td>{words(entry['means'])}</td></tr>")
        self.put("</tbody></table></section>")

    def schemas(self):
        self.put("<h2>Schemas</h2>")
        for name, schema in self.document["components"]["schemas"].items():
            self.put(f'<section class="schema" id="schema-{esc(name)}"><h3>{esc(name)}</h3>{prose(schema.get("description", ""))}')
            self.put(f"<p>{self.type_words(schema)} {self.limits(schema)}</p>")
            self.properties(schema)
            self.put("</section>")

    def render(self):
        info, by_tag = self.document["info"], {t["name"]: [] for t in self.document["tags"]}
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    by_tag[item[method]["tags"][0]].append((method, path, item[method], item.get("parameters", [])))
        self.put('<!doctype html><html lang="en"><head><meta charset="utf-8">'
                 '<meta name="viewport" content="width=device-width, initial-scale=1">'
                 f'<title>{esc(info["title"])} API</title><link rel="stylesheet" href="/docs/style.css"></head><body><nav>')
        self.put(f'<h1>{esc(info["title"])} <small>{esc(info["version"])}</small></h1>')
        for tag in self.document["tags"]:
            self.put(f'<h2>{esc(tag["name"])}</h2><ul>')
            for method, path, op, _ in by_tag[tag["name"]]:
                self.put(f'<li><a href="#{esc(op["operationId"])}"><span class="method {method}">{method.upper()}</span> '
                         + esc(path).replace("/", "<wbr>/") + "</a></li>")
            self.put("</ul>")
        self.put('<ul><li><a href="#problems">Problem codes</a></li></ul></nav><main>')
        self.put(f'<p class="summary">{words(info["summary"])}</p>{prose(info["description"])}')
        self.put('<p>The same for machines: <a href="/openapi.yaml">openapi.yaml</a>, <a href="/openapi.json">openapi.json</a>. '
                 "The curl lines want <code>URL=http://127.0.0.1:8080</code> and "
                 "<code>TOKEN=$(cat DATA_DIR/admin.token)</code>.</p>")
        for tag in self.document["tags"]:
            self.put(f'<h2 id="tag-{esc(tag["name"])}">{esc(tag["name"])}</h2>{prose(tag.get("description", ""))}')
            for entry in by_tag[tag["name"]]:
                self.operation(*entry)
        self.problems()
        self.schemas()
        self.put("</main></body></html>\n")
        return "\n".join(self.out)


def render(document):
    return Page(document).render()
