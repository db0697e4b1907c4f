"""Holds the whole event log of a server against the schemas it serves at /event-types."""
import jsonschema


def all_events(server):
    """From the oldest kept on."""
    path = "/events?after=0&limit=200"
    page = server.ok("GET", path)
    while True:
        yield from page["items"]
        if not page["next"]:
            return
        page = server.ok("GET", f"{path}&cursor={page['next']}")


def check_events(server):
    """{type: number of events}. Every event fits its schema, and its data has no member that the schema does not name."""
    schemas = {t["type"]: t["schema"] for t in server.ok("GET", "/event-types")["items"]}
    validators = {name: jsonschema.Draft202012Validator(schema) for name, schema in schemas.items()}
    seen = {}
    for event in all_events(server):
        assert event["type"] in schemas, f"{event['type']} is not in server/domain/event_types.c: {event}"
        problems = [f"{p.json_path}: {p.message}" for p in validators[event["type"]].iter_errors(event)]
        assert not problems, (event, problems)
        unnamed = set(event["data"]) - set(schemas[event["type"]]["properties"]["data"]["properties"])
        assert not unnamed, f"{event['type']}: server/domain/event_types.c does not name {sorted(unnamed)} of its data"
        seen[event["type"]] = seen.get(event["type"], 0) + 1
    return seen
