"""What the server really sends: its own statements, taken from PostgreSQL's log, for the limits that send them again."""
import json
import re
import time

EXECUTED = re.compile(r"^duration: [0-9.]+ ms  execute (?P<name>[^:]*): (?P<sql>.*)$", re.S)
PARAMETER = re.compile(r"\$\d+ = (NULL|'(?:[^']|'')*')")
ID = re.compile(r"\b((?:run|stp|evt)_[0-9A-Z]{18})[0-9A-Z]{8}\b")


def lines_of(pg, database):
    for path in sorted((pg.folder / "pglog").glob("*.json")):
        with open(path) as f:
            for line in f:
                entry = json.loads(line)
                if entry.get("dbname") == database:
                    yield entry


def record(bench, database, act, fresh="", wanted=lambda name: True):
    """Runs act() twice and gives back what its second run executed: [{"name", "sql", "params"}], in order.

    The first run lets the server prepare what it prepares once. In parameters the text `fresh` and the ends of our ids become
    eight @, which replay.c fills with something new each time."""
    pg = bench.pg
    act(0)
    pg.sql("postgres", "ALTER SYSTEM SET log_min_duration_statement = 0", "SELECT pg_reload_conf()")
    time.sleep(0.5)
    try:
        act(1)
        time.sleep(0.3)
    finally:
        pg.sql("postgres", "ALTER SYSTEM RESET log_min_duration_statement", "SELECT pg_reload_conf()")
    found = []
    for entry in lines_of(pg, database):
        match = EXECUTED.match(entry.get("message", ""))
        if not match or not wanted(match["name"]):
            continue
        params = [None if p == "NULL" else fill(p[1:-1].replace("''", "'"), fresh) for p in PARAMETER.findall(entry.get("detail") or "")]
        found.append({"name": match["name"], "sql": match["sql"], "params": params})
    if not found:
        raise RuntimeError(f"nothing was recorded in {database}")
    return found


def fill(text, fresh):
    return ID.sub(r"\1@@@@@@@@", text.replace(fresh, "@@@@@@@@") if fresh else text)
