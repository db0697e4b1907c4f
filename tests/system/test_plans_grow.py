"""A server that began on an empty database goes on finding rows by their keys when the tables have grown.

The bug: a worker's session prepared its statements while the tables were small, PostgreSQL settled on plans that read whole tables, and kept
them for as long as the session lived: every checkpoint went through all steps, and the feed through all events, forty times a second.
"""
import time

from server_kit import config, wait_until
from test_access import sql

ROWS = 30_000
READ = "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relname IN ('steps', 'events')"
OLD_STEPS = """INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, state, finished_at)
    SELECT 'stp_old' || n, %s, n + 1000, 'schema', 'ensure', 'old', 'schema/old', 'succeeded', now() FROM generate_series(1, %s) n"""
OLD_EVENTS = """INSERT INTO events (id, seq, type, subject) SELECT 'evt_old' || n, last_seq + n, 'test.old', 'old' FROM event_counter,
    generate_series(1, %s) n"""


def test_what_the_engine_writes_reads_no_table_whole(start_server, name):
    server = start_server()
    server.put_data(name)
    first = server.apply(config(name))["run"]["id"]
    server.wait_run(first)
    for _ in range(4):  # every worker has settled on its plans
        server.wait_run(server.ok("POST", "/runs", json={"config": name, "kind": "observe"})["id"])
    sql(server, OLD_STEPS, first, ROWS)
    sql(server, OLD_EVENTS, ROWS)
    sql(server, "UPDATE event_counter SET last_seq = last_seq + %s", ROWS)
    wait_until(lambda: sql(server, "SELECT c.last_seq = o.last_seq FROM event_counter c, outbox_cursor o")[0][0], 30)
    time.sleep(1.5)  # sessions report what they read once a second
    before = dict(sql(server, READ))
    for _ in range(4):
        server.wait_run(server.ok("POST", "/runs", json={"config": name, "kind": "observe"})["id"])
    time.sleep(1.5)
    after = dict(sql(server, READ))
    assert after["steps"] - before["steps"] < ROWS, (before, after)
    assert after["events"] - before["events"] < ROWS, (before, after)
