"""Rows for the measurements, written by SQL: the same content for us and for the peers."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REQUEST = '{"name":"shop-home","minProvisionedTPS":1,"solutionVersionArn":"arn:aws:personalize:us-east-1:123456789012:solution/shop/1"}'

# A finished run with one step is about 1 KB in our API. run_id(n): sortable, of the form of our ids.
FUNCTIONS = """
CREATE OR REPLACE FUNCTION bench_id(prefix text, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT prefix || '_01' || lpad(n::text, 24, '0') $$;
"""


def finished_runs(first, count, steps=1, config="NULL"):
    """SQL for finished runs with their steps and edges."""
    return f"""
INSERT INTO runs (id, config, config_version, kind, state, result, trigger, options, claims, open_steps, total_steps, created_by, created_at,
    started_at, finished_at, updated_at)
SELECT bench_id('run', n), {config}, NULL, 'apply', 'succeeded', 'changed', 'api', '{{}}', '{{}}', 0, {steps}, 'bench', now() - interval '1 hour',
    now() - interval '1 hour', now(), now() FROM generate_series({first}, {first + count - 1}) n;
INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, pointer, state, request, arn, aws_status, attempt, looks, result,
    intent_state, intent_op, intent_name, sends, last_mark_at, created_at, started_at, finished_at)
SELECT bench_id('stp', n * 100 + k), bench_id('run', n), k, 'campaign', 'ensure', 'shop-home-' || k, 'campaign/shop-home-' || k,
    '/solutions/0/campaigns/0', 'succeeded', '{REQUEST}', 'arn:aws:personalize:us-east-1:123456789012:campaign/shop-home-' || k, 'ACTIVE', 1,
    3, 'created', 'saved', 'create', 'shop-home-' || k, 1, now() - interval '30 minutes', now() - interval '1 hour',
    now() - interval '40 minutes', now() - interval '10 minutes'
    FROM generate_series({first}, {first + count - 1}) n, generate_series(1, {steps}) k;
INSERT INTO step_edges (needs_id, step_id) SELECT bench_id('stp', n * 100 + k), bench_id('stp', n * 100 + k + 1)
    FROM generate_series({first}, {first + count - 1}) n, generate_series(1, {steps} - 1) k;
"""


def run_id(prefix, n):
    return f"{prefix}_01{n:024d}"


def random_run_lua(count, prefix="/runs/"):
    return f"""
math.randomseed(os.time())
function request()
   return wrk.format('GET', string.format('{prefix}run_01%024d', math.random(1, {count})))
end
"""


def chain(first, count, steps=10, kind="schema", verb="observe", state="queued", extra_columns="", extra_values=""):
    """SQL for runs whose steps each need the one before."""
    return f"""
INSERT INTO runs (id, kind, state, options, claims, open_steps, total_steps, trigger)
SELECT bench_id('run', n), 'observe', '{state}', '{{}}', '{{}}', {steps}, {steps}, 'api' FROM generate_series({first}, {first + count - 1}) n;
INSERT INTO steps (id, run_id, ordinal, kind, verb, name, resource_key, state, blocked_by{extra_columns})
SELECT bench_id('stp', n * 100 + k), bench_id('run', n), k, '{kind}', '{verb}', 'b' || n || '-' || k, '{kind}/b' || n || '-' || k, 'blocked',
    CASE WHEN k = 1 THEN 0 ELSE 1 END{extra_values} FROM generate_series({first}, {first + count - 1}) n, generate_series(1, {steps}) k;
INSERT INTO step_edges (needs_id, step_id) SELECT bench_id('stp', n * 100 + k), bench_id('stp', n * 100 + k + 1)
    FROM generate_series({first}, {first + count - 1}) n, generate_series(1, {steps} - 1) k;
"""
