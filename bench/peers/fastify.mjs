// Fastify with node-postgres: the API a Node team would write for the same work.
// usage: fastify.mjs DATABASE_URL BODY_FILE      prints "ready PORT"
import { readFileSync } from 'node:fs';
import fastify from 'fastify';
import pg from 'pg';

const [url, bodyFile] = process.argv.slice(2);
// Fastify's defaults with its logger off (its own advice for throughput); ours logs.
const app = fastify({ logger: false, bodyLimit: 1 << 20 });
const json = 'application/json; charset=utf-8';

if (bodyFile) {
  const body = readFileSync(bodyFile, 'utf8');
  app.get('/body', (request, reply) => { reply.type(json).send(body); });
}

if (url) {
  // Ten connections are node-postgres' default. Named statements are prepared once per connection, its advice for speed.
  const pool = new pg.Pool({ connectionString: url, max: 10 });

  app.get('/runs/:id', async (request, reply) => {
    const found = await pool.query({
      name: 'run', text: 'SELECT document::text FROM runs WHERE id = $1', values: [request.params.id] });
    if (!found.rows.length) return reply.code(404).send({ error: 'not found' });
    return reply.type(json).send(found.rows[0].document);
  });

  app.get('/runs', async (request, reply) => {
    const limit = Math.min(Number(request.query.limit ?? 50), 200);
    const found = await pool.query({
      name: 'runs', text: 'SELECT id, summary::text FROM runs ORDER BY id DESC LIMIT $1', values: [limit + 1] });
    const rows = found.rows.slice(0, limit);
    const next = found.rows.length > limit ? `"${rows.at(-1).id}"` : 'null';
    return reply.type(json).send(`{"items":[${rows.map((r) => r.summary).join(',')}],"next":${next}}`);
  });

  // ajv checks the document by its JSON Schema, as Fastify does for every route that has one.
  const text = { type: 'string', minLength: 1, maxLength: 63, pattern: '^[a-zA-Z0-9][a-zA-Z0-9_-]*$' };
  const named = (more = {}, required = ['name']) => ({ type: 'object', required, properties: { name: text, ...more } });
  const service = (more, required) => ({ type: 'object', required: ['serviceConfig'], properties: { serviceConfig: named(more, required) } });
  const list = (items) => ({ type: 'array', items });
  const schedule = { type: 'object', properties: { import: { type: 'string' } } };
  const dataset = { type: 'object', required: ['dataset', 'schema'], properties: {
    dataset: service(), schema: service({ schema: { type: 'object', required: ['type', 'name', 'fields'], properties: {
      fields: list({ type: 'object', required: ['name', 'type'], properties: { name: { type: 'string' } } }) } } }, ['name', 'schema']) } };
  const campaign = { ...service({ minProvisionedTPS: { type: 'integer', minimum: 1, maximum: 500 } }) };
  const document = { type: 'object', required: ['datasetGroup'], additionalProperties: false, properties: {
    datasetGroup: service(),
    datasets: { type: 'object', properties: { interactions: dataset, users: dataset, items: dataset } },
    filters: list(service({ filterExpression: { type: 'string', minLength: 1, maxLength: 2500 } }, ['name', 'filterExpression'])),
    solutions: list({ type: 'object', required: ['serviceConfig'], properties: {
      serviceConfig: named({ recipeArn: { type: 'string' } }), campaigns: list(campaign), schedules: schedule } }),
    eventTracker: service(), tags: list({ type: 'object' }) } };

  app.post('/configs', { schema: { body: document } }, async (request, reply) => {
    const name = request.body.datasetGroup.serviceConfig.name;
    const body = JSON.stringify(request.body);
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      const put = await client.query({ name: 'put', values: [name],
        text: 'INSERT INTO configs (name, version) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET version = configs.version + 1 RETURNING version' });
      await client.query({ name: 'version', values: [name, put.rows[0].version, body],
        text: 'INSERT INTO config_versions (config, version, document) VALUES ($1, $2, $3)' });
      await client.query('COMMIT');
      return reply.code(201).type(json).send(`{"name":"${name}","version":${put.rows[0].version},"document":${body}}`);
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  });
}

await app.listen({ host: '127.0.0.1', port: 0 });
console.log(`ready ${app.server.address().port}`);
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));
