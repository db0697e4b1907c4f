// Every operation of Personalize's control plane with @aws-sdk/client-personalize, against the simulator.
// The last test fails when the client knows an operation that none of the others called.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as sdk from '@aws-sdk/client-personalize';
import { PutObjectCommand, CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

import { ACCOUNT, REGION, ROLE, startSimulator, until } from './kit.mjs';

const RECIPE = 'arn:aws:personalize:::recipe/';
const called = new Set();
let simulator, client, count = 0;
const shop = {}; // what the tests build on one another

const name = (prefix) => `${prefix}-${++count}`;
function caller(of) {
  return async (operation, input = {}) => {
    const answer = await of().send(new sdk[`${operation}Command`](input));
    assert.equal(answer.$metadata.httpStatusCode, 200);
    assert.match(answer.$metadata.requestId, /^[0-9a-f-]{36}$/);
    called.add(operation); // only what succeeded counts
    return answer;
  };
}
const call = caller(() => client);
const fails = (promise, code) => assert.rejects(promise, (error) => {
  assert.equal(error.name, code);
  assert.ok(sdk[code] === undefined || error instanceof sdk[code]);
  assert.equal(error.$metadata.httpStatusCode, 400);
  return true;
});
// Describes until the status is final.
const settled = async (kind, arn, wanted = 'ACTIVE') => {
  const member = kind[0].toLowerCase() + kind.slice(1);
  const last = await until(async () => (await call(`Describe${kind}`, { [`${member}Arn`]: arn }))[member],
    (r) => !/PENDING|IN_PROGRESS|IN PROGRESS|STOPPING/.test(r.status));
  assert.equal(last.status, wanted, last.failureReason);
  assert.ok(Math.abs(last.creationDateTime - Date.now()) < 600_000);
  return last;
};
// Reads a list to its end; every row must be there once.
const listed = async (operation, input, member, arn) => {
  const rows = [];
  let nextToken;
  do {
    const page = await call(operation, { ...input, nextToken, maxResults: 2 });
    assert.ok(page[member].length <= 2);
    rows.push(...page[member]);
    nextToken = page.nextToken;
  } while (nextToken);
  assert.equal(rows.filter((r) => Object.values(r).includes(arn)).length, 1, `${arn} once in ${JSON.stringify(rows)}`);
  return rows;
};

const schemaText = (record, fields) => JSON.stringify({
  type: 'record', name: record, namespace: 'com.amazonaws.personalize.schema', version: '1.0',
  fields: fields.map(([field, type = 'string', more = {}]) => ({ name: field, type, ...more })),
});
const INTERACTIONS = schemaText('Interactions', [['USER_ID'], ['ITEM_ID'], ['TIMESTAMP', 'long'], ['EVENT_TYPE']]);
const ITEMS = schemaText('Items', [['ITEM_ID'], ['GENRE', 'string', { categorical: true }]]);

function interactions() { // two tastes: even users like even items
  const lines = ['USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE'];
  for (let u = 0; u < 60; u++)
    for (let n = 0; n < 25; n++)
      lines.push(`u${u},i${((u * 7 + n * n * 3 + n) % 20) * 2 + (u % 2)},${1700000000 + u * 1000 + n},${n % 5 ? 'View' : 'Purchase'}`);
  return lines.join('\n') + '\n';
}

async function fillBucket(s) {
  const s3 = s.client(S3Client, { forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: 'data' }));
  const items = Array.from({ length: 40 }, (_, i) => `i${i},${i % 2 ? 'drama' : 'comedy'},${i}.5`).join('\n');
  const files = { 'interactions.csv': interactions(), 'items.csv': `ITEM_ID,GENRE,PRICE\n${items}\n`, 'users.csv': 'USER_ID\nu1\nu2\n',
    'batch/in.json': '{"userId": "u1"}\n', 'segments/in.json': '{"itemId": "i2"}\n' };
  for (const [Key, Body] of Object.entries(files)) await s3.send(new PutObjectCommand({ Bucket: 'data', Key, Body }));
  s3.destroy();
}

before(async () => {
  simulator = await startSimulator('--time-scale', '0');
  client = simulator.client(sdk.PersonalizeClient);
  await fillBucket(simulator);
});
after(async () => {
  client.destroy();
  assert.equal(await simulator.stop(), 0);
});

const importData = async (datasetArn, key) => {
  const { datasetImportJobArn } = await call('CreateDatasetImportJob', { jobName: name('import'), datasetArn, roleArn: ROLE,
    dataSource: { dataLocation: `s3://data/${key}` } });
  await settled('DatasetImportJob', datasetImportJobArn);
  return datasetImportJobArn;
};

test('schemas, groups, datasets', async () => {
  const { schemaArn } = await call('CreateSchema', { name: name('schema'), schema: INTERACTIONS });
  assert.equal((await call('DescribeSchema', { schemaArn })).schema.schema, INTERACTIONS);
  const { schemaArn: itemSchema } = await call('CreateSchema', { name: name('schema'), schema: ITEMS });
  const { schemaArn: unused } = await call('CreateSchema', { name: name('schema'), schema: INTERACTIONS });
  await listed('ListSchemas', {}, 'schemas', schemaArn);
  await call('DeleteSchema', { schemaArn: unused });
  await fails(call('DescribeSchema', { schemaArn: unused }), 'ResourceNotFoundException');

  const groupName = name('group');
  shop.group = (await call('CreateDatasetGroup', { name: groupName, tags: [{ tagKey: 'a', tagValue: '1' }] })).datasetGroupArn;
  assert.equal(shop.group, `arn:aws:personalize:${REGION}:${ACCOUNT}:dataset-group/${groupName}`);
  assert.ok((await settled('DatasetGroup', shop.group)).creationDateTime instanceof Date);
  await fails(call('CreateDatasetGroup', { name: groupName }), 'ResourceAlreadyExistsException');
  await fails(call('CreateDatasetGroup', { name: '-bad' }), 'InvalidInputException');
  await listed('ListDatasetGroups', {}, 'datasetGroups', shop.group);

  shop.dataset = (await call('CreateDataset', { name: name('dataset'), schemaArn, datasetGroupArn: shop.group, datasetType: 'Interactions' })).datasetArn;
  shop.items = (await call('CreateDataset', { name: name('dataset'), schemaArn: itemSchema, datasetGroupArn: shop.group, datasetType: 'Items' })).datasetArn;
  await settled('Dataset', shop.dataset);
  await listed('ListDatasets', { datasetGroupArn: shop.group }, 'datasets', shop.items);
  await fails(call('DeleteSchema', { schemaArn }), 'ResourceInUseException');
  const wider = schemaText('Items', [['ITEM_ID'], ['GENRE', 'string', { categorical: true }], ['PRICE', ['null', 'float']]]);
  const { schemaArn: widerArn } = await call('CreateSchema', { name: name('schema'), schema: wider });
  assert.equal((await call('UpdateDataset', { datasetArn: shop.items, schemaArn: widerArn })).datasetArn, shop.items);
  const updated = await until(async () => (await call('DescribeDataset', { datasetArn: shop.items })).dataset,
    (d) => d.latestDatasetUpdate?.status === 'ACTIVE');
  assert.equal(updated.schemaArn, widerArn);
});

test('import, export, deletion', async () => {
  const job = await importData(shop.dataset, 'interactions.csv');
  await importData(shop.items, 'items.csv');
  await listed('ListDatasetImportJobs', { datasetArn: shop.dataset }, 'datasetImportJobs', job);
  const { datasetExportJobArn } = await call('CreateDatasetExportJob', { jobName: name('export'), datasetArn: shop.dataset, roleArn: ROLE,
    ingestionMode: 'ALL', jobOutput: { s3DataDestination: { path: 's3://data/export/' } } });
  assert.equal((await settled('DatasetExportJob', datasetExportJobArn)).ingestionMode, 'ALL');
  await listed('ListDatasetExportJobs', { datasetArn: shop.dataset }, 'datasetExportJobs', datasetExportJobArn);
  const { dataDeletionJobArn } = await call('CreateDataDeletionJob', { jobName: name('deletion'), datasetGroupArn: shop.group, roleArn: ROLE,
    dataSource: { dataLocation: 's3://data/users.csv' } });
  assert.equal((await settled('DataDeletionJob', dataDeletionJobArn, 'COMPLETED')).numDeleted, 2);
  await listed('ListDataDeletionJobs', { datasetGroupArn: shop.group }, 'dataDeletionJobs', dataDeletionJobArn);
});

test('solutions, versions, metrics', async () => {
  shop.solution = (await call('CreateSolution', { name: name('solution'), datasetGroupArn: shop.group, performAutoTraining: false,
    recipeArn: `${RECIPE}aws-user-personalization` })).solutionArn;
  await settled('Solution', shop.solution);
  await listed('ListSolutions', { datasetGroupArn: shop.group }, 'solutions', shop.solution);
  shop.version = (await call('CreateSolutionVersion', { solutionArn: shop.solution })).solutionVersionArn;
  assert.ok((await settled('SolutionVersion', shop.version)).trainingHours > 0);
  await listed('ListSolutionVersions', { solutionArn: shop.solution }, 'solutionVersions', shop.version);
  const { metrics } = await call('GetSolutionMetrics', { solutionVersionArn: shop.version });
  assert.ok(metrics.coverage > 0 && metrics.precision_at_5 >= 0);
  await call('UpdateSolution', { solutionArn: shop.solution, performAutoTraining: true,
    solutionUpdateConfig: { autoTrainingConfig: { schedulingExpression: 'rate(3 days)' } } });
  const solution = await until(async () => (await call('DescribeSolution', { solutionArn: shop.solution })).solution,
    (s) => s.latestSolutionUpdate?.status === 'ACTIVE');
  assert.equal(solution.solutionConfig.autoTrainingConfig.schedulingExpression, 'rate(3 days)');
});

test('campaigns', async () => {
  const { campaignArn } = await call('CreateCampaign', { name: name('campaign'), solutionVersionArn: shop.version, minProvisionedTPS: 1 });
  await settled('Campaign', campaignArn);
  await listed('ListCampaigns', { solutionArn: shop.solution }, 'campaigns', campaignArn);
  await call('UpdateCampaign', { campaignArn, minProvisionedTPS: 2 });
  const campaign = await until(async () => (await call('DescribeCampaign', { campaignArn })).campaign,
    (c) => c.latestCampaignUpdate?.status === 'ACTIVE');
  assert.equal(campaign.minProvisionedTPS, 2);
  await call('DeleteCampaign', { campaignArn });
  await until(() => call('DescribeCampaign', { campaignArn }).then(() => null, (e) => e.name), (e) => e === 'ResourceNotFoundException');
});

test('filters, event trackers, metric attributions', async () => {
  const { filterArn } = await call('CreateFilter', { name: name('filter'), datasetGroupArn: shop.group,
    filterExpression: 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("Purchase")' });
  await settled('Filter', filterArn);
  await listed('ListFilters', { datasetGroupArn: shop.group }, 'Filters', filterArn);
  await call('DeleteFilter', { filterArn });
  const tracker = await call('CreateEventTracker', { name: name('tracker'), datasetGroupArn: shop.group });
  assert.equal((await settled('EventTracker', tracker.eventTrackerArn)).trackingId, tracker.trackingId);
  await listed('ListEventTrackers', { datasetGroupArn: shop.group }, 'eventTrackers', tracker.eventTrackerArn);
  await call('DeleteEventTracker', { eventTrackerArn: tracker.eventTrackerArn });
  const metric = { eventType: 'View', metricName: 'views', expression: 'SAMPLECOUNT()' };
  const { metricAttributionArn } = await call('CreateMetricAttribution', { name: name('attribution'), datasetGroupArn: shop.group,
    metrics: [metric], metricsOutputConfig: { roleArn: ROLE, s3DataDestination: { path: 's3://data/attribution/' } } });
  await settled('MetricAttribution', metricAttributionArn);
  await listed('ListMetricAttributions', { datasetGroupArn: shop.group }, 'metricAttributions', metricAttributionArn);
  await call('UpdateMetricAttribution', { metricAttributionArn, addMetrics: [{ ...metric, metricName: 'more' }], removeMetrics: ['views'] });
  await settled('MetricAttribution', metricAttributionArn);
  const { metrics } = await call('ListMetricAttributionMetrics', { metricAttributionArn });
  assert.deepEqual(metrics, [{ ...metric, metricName: 'more' }]);
  await call('DeleteMetricAttribution', { metricAttributionArn });
});

test('batch jobs', async () => {
  const output = { s3DataDestination: { path: 's3://data/out/' } };
  const { batchInferenceJobArn } = await call('CreateBatchInferenceJob', { jobName: name('batch'), solutionVersionArn: shop.version, roleArn: ROLE,
    numResults: 5, jobInput: { s3DataSource: { path: 's3://data/batch/in.json' } }, jobOutput: output });
  assert.equal((await settled('BatchInferenceJob', batchInferenceJobArn)).numResults, 5);
  await listed('ListBatchInferenceJobs', { solutionVersionArn: shop.version }, 'batchInferenceJobs', batchInferenceJobArn);
  const { solutionArn } = await call('CreateSolution', { name: name('solution'), datasetGroupArn: shop.group, performAutoTraining: false,
    recipeArn: `${RECIPE}aws-item-affinity` });
  await settled('Solution', solutionArn);
  const { solutionVersionArn } = await call('CreateSolutionVersion', { solutionArn });
  await settled('SolutionVersion', solutionVersionArn);
  const { batchSegmentJobArn } = await call('CreateBatchSegmentJob', { jobName: name('segment'), solutionVersionArn, roleArn: ROLE,
    jobInput: { s3DataSource: { path: 's3://data/segments/in.json' } }, jobOutput: output });
  await settled('BatchSegmentJob', batchSegmentJobArn);
  await listed('ListBatchSegmentJobs', { solutionVersionArn }, 'batchSegmentJobs', batchSegmentJobArn);
});

test('recommenders', async () => {
  const group = (await call('CreateDatasetGroup', { name: name('shop'), domain: 'ECOMMERCE' })).datasetGroupArn;
  await settled('DatasetGroup', group);
  const { schemaArn } = await call('CreateSchema', { name: name('schema'), schema: INTERACTIONS, domain: 'ECOMMERCE' });
  const { datasetArn } = await call('CreateDataset', { name: name('dataset'), schemaArn, datasetGroupArn: group, datasetType: 'Interactions' });
  await settled('Dataset', datasetArn);
  await importData(datasetArn, 'interactions.csv');
  const { recommenderArn } = await call('CreateRecommender', { name: name('recommender'), datasetGroupArn: group,
    recipeArn: `${RECIPE}aws-ecomm-recommended-for-you` });
  await settled('Recommender', recommenderArn);
  await listed('ListRecommenders', { datasetGroupArn: group }, 'recommenders', recommenderArn);
  await call('UpdateRecommender', { recommenderArn, recommenderConfig: { minRecommendationRequestsPerSecond: 2 } });
  await until(async () => (await call('DescribeRecommender', { recommenderArn })).recommender, (r) => r.latestRecommenderUpdate?.status === 'ACTIVE');
  await call('StopRecommender', { recommenderArn });
  await settled('Recommender', recommenderArn, 'INACTIVE');
  await call('StartRecommender', { recommenderArn });
  await settled('Recommender', recommenderArn);
  await call('StopRecommender', { recommenderArn });
  await settled('Recommender', recommenderArn, 'INACTIVE');
  await call('DeleteRecommender', { recommenderArn });
});

test('recipes and tags', async () => {
  const rows = await listed('ListRecipes', {}, 'recipes', `${RECIPE}aws-user-personalization`);
  assert.ok(rows.length >= 20);
  const { recipe } = await call('DescribeRecipe', { recipeArn: `${RECIPE}aws-user-personalization` });
  await call('DescribeAlgorithm', { algorithmArn: recipe.algorithmArn });
  await call('DescribeFeatureTransformation', { featureTransformationArn: recipe.featureTransformationArn });
  await call('TagResource', { resourceArn: shop.group, tags: [{ tagKey: 'b', tagValue: 'ä' }] });
  await call('UntagResource', { resourceArn: shop.group, tagKeys: ['a'] });
  assert.deepEqual((await call('ListTagsForResource', { resourceArn: shop.group })).tags, [{ tagKey: 'b', tagValue: 'ä' }]);
  await fails(call('ListTagsForResource', { resourceArn: `${shop.group}-absent` }), 'ResourceNotFoundException');
  await fails(call('ListDatasetGroups', { nextToken: 'zzz' }), 'InvalidNextTokenException');
});

test('a training can be stopped', async () => {
  const frozen = await startSimulator('--time-scale', '1');
  const slow = frozen.client(sdk.PersonalizeClient);
  const ask = caller(() => slow);
  const advance = (duration) => frozen.admin('clock', { advance: duration });
  try {
    await frozen.admin('clock', { freeze: true });
    await fillBucket(frozen);
    const { datasetGroupArn } = await ask('CreateDatasetGroup', { name: 'g' });
    await advance('1h');
    const { schemaArn } = await ask('CreateSchema', { name: 's', schema: INTERACTIONS });
    const { datasetArn } = await ask('CreateDataset', { name: 'd', schemaArn, datasetGroupArn, datasetType: 'Interactions' });
    await advance('1h');
    await ask('CreateDatasetImportJob', { jobName: 'j', datasetArn, roleArn: ROLE, dataSource: { dataLocation: 's3://data/interactions.csv' } });
    await advance('2h');
    const { solutionArn } = await ask('CreateSolution', { name: 'so', datasetGroupArn, performAutoTraining: false, recipeArn: `${RECIPE}aws-sims` });
    await advance('1h');
    const { solutionVersionArn } = await ask('CreateSolutionVersion', { solutionArn });
    await ask('StopSolutionVersionCreation', { solutionVersionArn });
    await advance('1h');
    assert.equal((await ask('DescribeSolutionVersion', { solutionVersionArn })).solutionVersion.status, 'CREATE STOPPED');
  } finally {
    slow.destroy();
    assert.equal(await frozen.stop(), 0);
  }
});

test('everything goes again', async () => {
  for (const { solutionArn } of (await call('ListSolutions', { datasetGroupArn: shop.group })).solutions)
    await call('DeleteSolution', { solutionArn });
  await until(() => call('ListSolutions', { datasetGroupArn: shop.group }), (l) => l.solutions.length === 0);
  await fails(call('DeleteDatasetGroup', { datasetGroupArn: shop.group }), 'ResourceInUseException');
  for (const { datasetArn } of (await call('ListDatasets', { datasetGroupArn: shop.group })).datasets)
    await call('DeleteDataset', { datasetArn });
  await until(() => call('ListDatasets', { datasetGroupArn: shop.group }), (l) => l.datasets.length === 0);
  await call('DeleteDatasetGroup', { datasetGroupArn: shop.group });
  await until(() => call('DescribeDatasetGroup', { datasetGroupArn: shop.group }).then(() => null, (e) => e.name),
    (e) => e === 'ResourceNotFoundException');
});

test('lists of more than a hundred, and the errors that are left', async () => {
  const names = Array.from({ length: 120 }, (_, i) => `many-${i}`);
  for (const schema of names) await call('CreateSchema', { name: schema, schema: INTERACTIONS });
  const pages = [];
  for await (const page of sdk.paginateListSchemas({ client }, {})) pages.push(page.schemas);
  assert.ok(pages.length >= 2 && pages.every((page) => page.length <= 100));
  const found = pages.flat().map((row) => row.name);
  assert.deepEqual(names.filter((schema) => !found.includes(schema)), []);
  const { nextToken } = await call('ListSchemas', { maxResults: 1 });
  await fails(call('ListDatasetGroups', { nextToken }), 'InvalidNextTokenException'); // it belongs to another list
  await simulator.admin('quotas', { schemas: found.length });
  await fails(call('CreateSchema', { name: 'one-too-many', schema: INTERACTIONS }), 'LimitExceededException');
  const { datasetGroupArn: resourceArn } = await call('CreateDatasetGroup', { name: name('tagged') });
  const tags = Array.from({ length: 51 }, (_, i) => ({ tagKey: `k${i}`, tagValue: '' }));
  await fails(call('TagResource', { resourceArn, tags }), 'TooManyTagsException');
  await fails(call('UntagResource', { resourceArn, tagKeys: tags.map((tag) => tag.tagKey) }), 'TooManyTagKeysException');
});

test('a stranger is refused', async () => {
  const stranger = simulator.client(sdk.PersonalizeClient, { credentials: { accessKeyId: 'test', secretAccessKey: 'wrong' } });
  await assert.rejects(stranger.send(new sdk.ListRecipesCommand({})), { name: 'InvalidSignatureException' });
  stranger.destroy();
});

test('every operation of the client was called with success', () => {
  const known = Object.keys(sdk).filter((key) => /^[A-Z].*Command$/.test(key) && key !== '$Command').map((key) => key.slice(0, -7));
  assert.ok(known.length >= 71);
  assert.deepEqual(known.filter((operation) => !called.has(operation)), []);
});
