// The little S3 of the simulator with @aws-sdk/client-s3: what it signs, streams and expects differs from boto3.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';

import * as s3 from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

import { ACCOUNT, MIB, REGION, startSimulator } from './kit.mjs';

let simulator, client;
const Bucket = 'js-bucket';

const send = (operation, input = {}) => client.send(new s3[`${operation}Command`](input));
const md5 = (data) => `"${createHash('md5').update(data).digest('hex')}"`;
const bytes = async (Key, more = {}) =>
  Buffer.from(await (await send('GetObject', { Bucket, Key, ...more })).Body.transformToByteArray());
const fails = (promise, name, status) => assert.rejects(promise, (error) => {
  assert.equal(error.name, name);
  assert.equal(error.$metadata.httpStatusCode, status);
  assert.ok(error.$metadata.requestId);
  return true;
});

before(async () => {
  simulator = await startSimulator();
  client = simulator.client(s3.S3Client, { forcePathStyle: true });
  await send('CreateBucket', { Bucket });
});
after(async () => {
  client.destroy();
  assert.equal(await simulator.stop(), 0);
});

test('buckets', async () => {
  await send('CreateBucket', { Bucket: 'js-other', CreateBucketConfiguration: { LocationConstraint: 'eu-west-1' } });
  const listed = await send('ListBuckets');
  assert.deepEqual(listed.Buckets.map((b) => b.Name), [Bucket, 'js-other']);
  assert.equal(listed.Owner.ID, ACCOUNT);
  assert.ok(Math.abs(listed.Buckets[0].CreationDate - Date.now()) < 120_000);
  assert.equal((await send('HeadBucket', { Bucket })).BucketRegion, REGION);
  assert.equal((await send('GetBucketLocation', { Bucket: 'js-other' })).LocationConstraint, 'eu-west-1');
  await send('PutObject', { Bucket: 'js-other', Key: 'k', Body: 'x' });
  await fails(send('DeleteBucket', { Bucket: 'js-other' }), 'BucketNotEmpty', 409);
  await send('DeleteObject', { Bucket: 'js-other', Key: 'k' });
  await send('DeleteBucket', { Bucket: 'js-other' });
  await fails(send('HeadBucket', { Bucket: 'js-other' }), 'NotFound', 404);
  await fails(send('ListObjectsV2', { Bucket: 'js-other' }), 'NoSuchBucket', 404);
  await fails(send('CreateBucket', { Bucket: 'js..bad' }), 'InvalidBucketName', 400);
});

test('put, get, head, delete', async () => {
  const put = await send('PutObject', { Bucket, Key: 'a.csv', Body: 'hello', ContentType: 'text/csv', Metadata: { colour: 'green' } });
  assert.equal(put.ETag, md5('hello'));
  assert.equal(put.ChecksumCRC32, 'NhCmhg==');
  const got = await send('GetObject', { Bucket, Key: 'a.csv' });
  assert.equal(await got.Body.transformToString(), 'hello');
  assert.deepEqual([got.ContentType, got.Metadata, got.ContentLength, got.ETag], ['text/csv', { colour: 'green' }, 5, md5('hello')]);
  const head = await send('HeadObject', { Bucket, Key: 'a.csv' });
  assert.equal(+head.LastModified, +got.LastModified);
  await assert.rejects(send('GetObject', { Bucket, Key: 'a.csv', IfNoneMatch: put.ETag }),
    (error) => error.$metadata.httpStatusCode === 304);
  await fails(send('GetObject', { Bucket, Key: 'a.csv', IfMatch: '"z"' }), 'PreconditionFailed', 412);
  await send('DeleteObject', { Bucket, Key: 'a.csv' });
  await fails(send('GetObject', { Bucket, Key: 'a.csv' }), 'NoSuchKey', 404);
  await fails(send('HeadObject', { Bucket, Key: 'a.csv' }), 'NotFound', 404);
});

test('a stream travels aws-chunked with a checksum in the trailer', async () => {
  const data = randomBytes(300_000);
  for (const ChecksumAlgorithm of [undefined, 'SHA256', 'CRC32C', 'SHA1']) {
    await send('PutObject', { Bucket, Key: 'stream', ContentLength: data.length, ChecksumAlgorithm,
      Body: Readable.from([data.subarray(0, 100_000), data.subarray(100_000)]) });
    const got = await send('GetObject', { Bucket, Key: 'stream', ChecksumMode: 'ENABLED' }); // the SDK compares
    assert.ok(data.equals(Buffer.from(await got.Body.transformToByteArray())));
    assert.equal(got.ContentEncoding, undefined);
  }
});

test('a wrong checksum is refused', async () => {
  await fails(send('PutObject', { Bucket, Key: 'bad', Body: 'x', ChecksumCRC32: 'AAAAAA==' }), 'BadDigest', 400);
  await fails(send('PutObject', { Bucket, Key: 'bad', Body: 'x', ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }), 'BadDigest', 400);
  await fails(send('HeadObject', { Bucket, Key: 'bad' }), 'NotFound', 404);
});

test('ranges', async () => {
  await send('PutObject', { Bucket, Key: 'r', Body: '0123456789' });
  const got = await send('GetObject', { Bucket, Key: 'r', Range: 'bytes=2-4' });
  assert.deepEqual([got.$metadata.httpStatusCode, got.ContentRange, await got.Body.transformToString()], [206, 'bytes 2-4/10', '234']);
  assert.equal((await bytes('r', { Range: 'bytes=-3' })).toString(), '789');
  await fails(send('GetObject', { Bucket, Key: 'r', Range: 'bytes=10-' }), 'InvalidRange', 416);
});

test('odd keys', async () => {
  const keys = ['a//b', '/lead', 'trail/', '../x', '%2F', '100%', 'a b', 'a+b', '~t', 'ümläut/日本語', 'q?u=e&r#y', '<&>"\'', "(*)'!", 'x'.repeat(1024)];
  for (const Key of keys) {
    await send('PutObject', { Bucket, Key, Body: Key });
    assert.equal((await bytes(Key)).toString(), Key);
    await send('CopyObject', { Bucket, Key: 'copy', CopySource: encodeURIComponent(`${Bucket}/${Key}`) });
    assert.equal((await bytes('copy')).toString(), Key);
    const listed = await send('ListObjectsV2', { Bucket, Prefix: Key });
    assert.equal(listed.Contents[0].Key, Key);
    const url = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key }));
    // fetch() normalises "//.." itself, so that key is left to the clients that do not.
    if (!Key.includes('..')) assert.equal(await (await fetch(url)).text(), Key);
    const told = await send('DeleteObjects', { Bucket, Delete: { Objects: [{ Key }, { Key: 'copy' }] } });
    assert.deepEqual([told.Deleted.map((d) => d.Key), told.Errors], [[Key, 'copy'], undefined]);
  }
});

test('presigned put', async () => {
  const url = await getSignedUrl(client, new s3.PutObjectCommand({ Bucket, Key: 'signed' }), { unhoistableHeaders: new Set() });
  assert.equal((await fetch(url, { method: 'PUT', body: 'x' })).status, 200);
  assert.equal((await bytes('signed')).toString(), 'x');
  assert.equal((await fetch(url.replace('signed?', 'stolen?'), { method: 'PUT', body: 'x' })).status, 403);
});

test('lists in pages', async () => {
  const keys = Array.from({ length: 25 }, (_, i) => `p/${i % 5}/k${String(i).padStart(2, '0')}`).sort();
  await Promise.all(keys.map((Key) => send('PutObject', { Bucket, Key, Body: '' })));
  const seen = [];
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 10 }, { Bucket, Prefix: 'p/' })) {
    assert.ok(page.KeyCount <= 10);
    seen.push(...page.Contents.map((o) => o.Key));
  }
  assert.deepEqual(seen, keys);
  const rolled = [];
  for await (const page of s3.paginateListObjectsV2({ client, pageSize: 2 }, { Bucket, Prefix: 'p/', Delimiter: '/' }))
    rolled.push(...page.CommonPrefixes.map((c) => c.Prefix));
  assert.deepEqual(rolled, ['p/0/', 'p/1/', 'p/2/', 'p/3/', 'p/4/']);
  const first = await send('ListObjects', { Bucket, Prefix: 'p/', MaxKeys: 20 });
  const rest = await send('ListObjects', { Bucket, Prefix: 'p/', Marker: first.Contents.at(-1).Key });
  assert.deepEqual([first.IsTruncated, rest.IsTruncated, rest.Contents.length], [true, false, 5]);
  await fails(send('ListObjectsV2', { Bucket, ContinuationToken: '?' }), 'InvalidArgument', 400);
});

test('copy and tags', async () => {
  await send('PutObject', { Bucket, Key: 'from', Body: 'data', Metadata: { k: 'v' }, Tagging: 'a=1&b=c%20d' });
  const told = await send('CopyObject', { Bucket, Key: 'to', CopySource: `${Bucket}/from` });
  assert.equal(told.CopyObjectResult.ETag, md5('data'));
  assert.deepEqual((await send('HeadObject', { Bucket, Key: 'to' })).Metadata, { k: 'v' });
  assert.deepEqual((await send('GetObjectTagging', { Bucket, Key: 'to' })).TagSet, [{ Key: 'a', Value: '1' }, { Key: 'b', Value: 'c d' }]);
  await send('CopyObject', { Bucket, Key: 'to', CopySource: `${Bucket}/from`, MetadataDirective: 'REPLACE', Metadata: { n: '1' } });
  assert.deepEqual((await send('HeadObject', { Bucket, Key: 'to' })).Metadata, { n: '1' });
  await fails(send('CopyObject', { Bucket, Key: 'to', CopySource: `${Bucket}/no` }), 'NoSuchKey', 404);
});

test('multipart by Upload', async () => {
  const data = randomBytes(13 * MIB + 5);
  const told = await new Upload({ client, params: { Bucket, Key: 'big', Body: Readable.from([data.subarray(0, 7 * MIB), data.subarray(7 * MIB)]) } }).done();
  assert.match(told.ETag, /^"[0-9a-f]{32}-3"$/);
  assert.ok(data.equals(await bytes('big')));
});

test('multipart by hand', async () => {
  const at = { Bucket, Key: 'hand' };
  const { UploadId } = await send('CreateMultipartUpload', { ...at, ChecksumAlgorithm: 'CRC32' });
  const one = await send('UploadPart', { ...at, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * MIB, 1) });
  assert.ok(one.ChecksumCRC32);
  await send('PutObject', { Bucket, Key: 'source', Body: 'tail' });
  const two = await send('UploadPartCopy', { ...at, UploadId, PartNumber: 2, CopySource: `${Bucket}/source`, CopySourceRange: 'bytes=0-3' });
  assert.deepEqual((await send('ListParts', { ...at, UploadId })).Parts.map((p) => [p.PartNumber, p.Size]), [[1, 5 * MIB], [2, 4]]);
  assert.deepEqual((await send('ListMultipartUploads', { Bucket })).Uploads.map((u) => u.UploadId), [UploadId]);
  const Parts = [{ PartNumber: 1, ETag: one.ETag, ChecksumCRC32: one.ChecksumCRC32 }, { PartNumber: 2, ETag: two.CopyPartResult.ETag }];
  const complete = (parts) => send('CompleteMultipartUpload', { ...at, UploadId, MultipartUpload: { Parts: parts } });
  await fails(complete([Parts[1], Parts[0]]), 'InvalidPartOrder', 400);
  await fails(complete([{ ...Parts[0], ChecksumCRC32: 'AAAAAA==' }, Parts[1]]), 'InvalidPart', 400);
  await complete(Parts);
  assert.equal((await bytes('hand', { Range: 'bytes=-5' })).toString('latin1'), '\x01tail');
  await fails(complete(Parts), 'NoSuchUpload', 404);
  const { UploadId: other } = await send('CreateMultipartUpload', at);
  await send('AbortMultipartUpload', { ...at, UploadId: other });
  await fails(send('ListParts', { ...at, UploadId: other }), 'NoSuchUpload', 404);
});

test('a stranger is refused', async () => {
  const stranger = simulator.client(s3.S3Client, { forcePathStyle: true, credentials: { accessKeyId: 'test', secretAccessKey: 'wrong' } });
  await fails(stranger.send(new s3.ListBucketsCommand({})), 'SignatureDoesNotMatch', 403);
  stranger.destroy();
});
