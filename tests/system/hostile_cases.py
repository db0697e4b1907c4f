"""What attackers send: raw requests, JSON texts, strings. Lists only; test_hostile.py sends them."""
import os

H = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n"
NL = b"\r\n"


def get(target, headers=b"", version=b"HTTP/1.1", host=H):
    return b"GET " + target + b" " + version + NL + host + CLOSE + headers + NL


def post(headers, body=b"", host=H):
    return b"POST /configs/validate HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\nAuthorization: TOKEN\r\n" + headers + NL + body


def chunks(body):
    return post(b"Transfer-Encoding: chunked\r\n", body)


LIVE = get(b"/livez")
BAD, OK_OR_BAD, GONE = {400}, {200, 400}, {400, 505, None}
TE = b"Transfer-Encoding: "
CL = b"Content-Length: "
EMPTY = b"0\r\n\r\n"

# name, bytes, statuses that are right for the first answer; None: closed without one. Behind each the test puts a whole second
# request that would leave a trace; it must never be carried out, unless the case says that the first is whole ("&"): then once.
HTTP = [
    # framing: two readers, two lengths
    ("both lengths", post(CL + b"5\r\n" + TE + b"chunked\r\n", EMPTY), BAD),
    ("both lengths, the other order", post(TE + b"chunked\r\n" + CL + b"5\r\n", EMPTY), BAD),
    ("length twice, equal", post(CL + b"2\r\n" + CL + b"2\r\n", b"{}"), BAD),
    ("length twice, different", post(CL + b"2\r\n" + CL + b"0\r\n", b"{}"), BAD),
    ("length twice, once in small letters", post(CL + b"2\r\ncontent-length: 0\r\n", b"{}"), BAD),
    ("length 2, 2", post(CL + b"2, 2\r\n", b"{}"), BAD),
    ("length 2,2", post(CL + b"2,2\r\n", b"{}"), BAD),
    ("length +2", post(CL + b"+2\r\n", b"{}"), BAD),
    ("length -1", post(CL + b"-1\r\n", b"{}"), BAD),
    ("length -0", post(CL + b"-0\r\n", b""), BAD),
    ("length 0x2", post(CL + b"0x2\r\n", b"{}"), BAD),
    ("length 2.0", post(CL + b"2.0\r\n", b"{}"), BAD),
    ("length 2e0", post(CL + b"2e0\r\n", b"{}"), BAD),
    ("length 2 2", post(CL + b"2 2\r\n", b"{}"), BAD),
    ("length '2;'", post(CL + b"2;\r\n", b"{}"), BAD),
    ("length in quotes", post(CL + b'"2"\r\n', b"{}"), BAD),
    ("length of nothing", post(CL + b"\r\n", b""), BAD),
    ("length of blanks", post(CL + b"   \r\n", b""), BAD),
    ("length x", post(CL + b"x\r\n", b""), BAD),
    ("length in Arabic digits", post(CL + "٢".encode() + NL, b"{}"), BAD),
    ("length 2^31", post(CL + b"2147483648\r\n"), {413}),
    ("length 2^63", post(CL + b"9223372036854775808\r\n"), {400, 413}),
    ("length 2^64", post(CL + b"18446744073709551616\r\n"), {400, 413}),
    ("length 2^64 + 2", post(CL + b"18446744073709551618\r\n", b"{}"), {400, 413}),
    ("length of 400 digits", post(CL + b"9" * 400 + NL), {400, 413}),
    ("space before the colon", post(b"Content-Length : 2\r\n", b"{}"), BAD),
    ("tab before the colon", post(b"Content-Length\t: 2\r\n", b"{}"), BAD),
    ("space before the name", post(CL + b"2\r\n Content-Length: 0\r\n", b"{}"), BAD),
    ("nul in the name", post(b"Content-Length\x00: 2\r\n", b"{}"), BAD),
    ("nul in the value", post(CL + b"2\x00\r\n", b"{}"), BAD),
    ("vertical tab in the value", post(TE + b"\x0bchunked\r\n", EMPTY), BAD),
    ("form feed in the value", post(TE + b"chunked\x0c\r\n", EMPTY), BAD),
    ("underscore for the hyphen", post(b"Content_Length: 2\r\n" + CL + b"0\r\n", b""), {200, 400, 415}, "&"),
    ("te xchunked", post(TE + b"xchunked\r\n", EMPTY), BAD),
    ("te chunked, chunked", post(TE + b"chunked, chunked\r\n", EMPTY), BAD),
    ("te chunked twice", post(TE + b"chunked\r\n" + TE + b"chunked\r\n", EMPTY), BAD),
    ("te gzip, chunked", post(TE + b"gzip, chunked\r\n", EMPTY), BAD),
    ("te chunked, identity", post(TE + b"chunked, identity\r\n", EMPTY), BAD),
    ("te identity", post(TE + b"identity\r\n" + CL + b"2\r\n", b"{}"), BAD),
    ("te in quotes", post(TE + b'"chunked"\r\n', EMPTY), BAD),
    ("te chunked;q=1", post(TE + b"chunked;q=1\r\n", EMPTY), BAD),
    ("te of nothing", post(TE + b"\r\n", EMPTY), BAD),
    ("te folded", post(TE + b"\r\n chunked\r\n", EMPTY), BAD),
    ("te cut by a bare cr", post(TE + b"chunk\red\r\n", EMPTY), BAD),
    ("te on HTTP/1.0", post(TE + b"chunked\r\n", EMPTY).replace(b"HTTP/1.1", b"HTTP/1.0"), BAD),
    ("te in a GET", get(b"/livez", TE + b"chunked\r\n") + b"0\r\nX: y\r\n\r\n", {200, 400}),
    ("length in a GET", get(b"/livez", CL + b"5\r\n") + b"hello", {400}),
    ("length in a HEAD", get(b"/livez", CL + b"5\r\n").replace(b"GET", b"HEAD") + b"hello", {400}),
    ("length in an OPTIONS", get(b"/configs", CL + b"5\r\n").replace(b"GET", b"OPTIONS") + b"hello", {204, 400}),
    # chunks
    ("chunk size -1", chunks(b"-1\r\n"), BAD),
    ("chunk size +2", chunks(b"+2\r\n{}\r\n" + EMPTY), BAD),
    ("chunk size 0x2", chunks(b"0x2\r\n{}\r\n" + EMPTY), BAD),
    ("chunk size of nothing", chunks(b"\r\n{}\r\n" + EMPTY), BAD),
    ("chunk size g", chunks(b"g\r\n{}\r\n" + EMPTY), BAD),
    ("chunk size with a blank before it", chunks(b" 2\r\n{}\r\n" + EMPTY), BAD),
    ("chunk size of 17 digits", chunks(b"fffffffffffffffff\r\n"), {400, 413}),
    ("chunk size 2^64 - 1", chunks(b"ffffffffffffffff\r\n" + b" " * 1_100_000), {400, 413}),
    ("chunk size 2^63", chunks(b"8000000000000000\r\n" + b" " * 1_100_000), {400, 413}),
    ("chunk longer than it says", chunks(b"2\r\n{}}\r\n" + EMPTY), BAD),
    ("chunk shorter than it says", chunks(b"4\r\n{}\r\n" + EMPTY), BAD),
    ("chunk ended by nothing", chunks(b"2\r\n{}" + EMPTY), BAD),
    ("chunk extension of 3,000 bytes", chunks(b"2;" + b"a" * 3000 + b"\r\n{}\r\n" + EMPTY), {200, 400, 413, 431}, "&"),
    ("chunk extension with a bare cr", chunks(b"2;a\rb\r\n{}\r\n" + EMPTY), {200, 400}, "&"),
    ("chunks of one byte", chunks(b"1\r\n \r\n" * 20000 + EMPTY), {200}, "&"),
    ("a trailer that frames", chunks(b"2\r\n{}\r\n0\r\nContent-Length: 5\r\nTransfer-Encoding: x\r\n\r\n"), {200, 400}, "&"),
    # the request line
    ("no target", b"GET HTTP/1.1\r\n" + H + NL, GONE | {404}),
    ("no version", b"GET /livez\r\n" + H + NL, GONE),
    ("http/0.9", b"GET /livez\r\n", GONE),
    ("version 1.2", get(b"/livez", version=b"HTTP/1.2"), {400, 505}),
    ("version 1.10", get(b"/livez", version=b"HTTP/1.10"), {400, 505}),
    ("version 2.0", get(b"/livez", version=b"HTTP/2.0"), {400, 505}),
    ("version 0.9", get(b"/livez", version=b"HTTP/0.9"), {400, 505}),
    ("version in small letters", get(b"/livez", version=b"http/1.1"), {400, 505}),
    ("version with a tail", get(b"/livez", version=b"HTTP/1.1x"), {400, 505}),
    ("version with a blank behind it", get(b"/livez", version=b"HTTP/1.1 "), {400, 505}),
    ("two blanks before the target", b"GET  /livez HTTP/1.1\r\n" + H + NL, BAD),
    ("two blanks before the version", b"GET /livez  HTTP/1.1\r\n" + H + NL, {200, 400}),
    ("tab for the blank", b"GET\t/livez HTTP/1.1\r\n" + H + NL, {400, 404, None}),
    ("blank before the method", b" GET /livez HTTP/1.1\r\n" + H + NL, {400, None}),
    ("blank in the target", get(b"/li vez"), BAD),
    ("bare lf everywhere", LIVE.replace(b"\r\n", b"\n"), BAD),
    ("bare lf behind the request line", b"GET /livez HTTP/1.1\n" + H + CLOSE + NL, BAD),
    ("bare lf behind a header", b"GET /livez HTTP/1.1\r\nHost: localhost\n" + CLOSE + NL, BAD),
    ("bare lf at the end", b"GET /livez HTTP/1.1\r\n" + H + CLOSE + b"\n", BAD),
    ("lf cr", b"GET /livez HTTP/1.1\n\r" + H + CLOSE + NL, {400, None}),
    ("bare cr", b"GET /livez HTTP/1.1\r\n" + H + b"X: a\rb\r\n" + CLOSE + NL, BAD),
    ("cr cr lf", b"GET /livez HTTP/1.1\r\r\n" + H + CLOSE + NL, {400, 505, None}),
    ("trace", get(b"/livez").replace(b"GET", b"TRACE"), {405}),
    ("connect", b"CONNECT localhost:80 HTTP/1.1\r\n" + H + CLOSE + NL, BAD),
    ("a method nobody knows", get(b"/livez").replace(b"GET", b"BREW"), {405}),
    ("method in small letters", get(b"/livez").replace(b"GET", b"get"), {405}),
    ("method with a control byte", get(b"/livez").replace(b"GET", b"G\x01T"), BAD),
    ("method with a nul", get(b"/livez").replace(b"GET", b"G\x00T"), BAD | {405, None}),
    ("method with 8-bit bytes", get(b"/livez").replace(b"GET", "GÉT".encode()), BAD),
    ("method of 3,000 bytes", get(b"/livez").replace(b"GET", b"G" * 3000), {400, 405, 414, 431}),
    ("method of punctuation", get(b"/livez").replace(b"GET", b"!#$%&'*"), {405}),
    # targets
    ("absolute uri", get(b"http://localhost/livez"), BAD),
    ("absolute uri of another host", get(b"http://evil.example/livez"), BAD),
    ("authority", get(b"localhost:80"), BAD),
    ("star in a GET", get(b"*"), BAD),
    ("no slash at the begin", get(b"livez"), BAD),
    ("two slashes", get(b"//livez"), {404}),
    ("two slashes and a host", get(b"//evil.example/livez"), {404}),
    ("dot segment", get(b"/./livez"), {400, 404}),
    ("dot dot", get(b"/configs/../livez"), BAD),
    ("dot dot at the end", get(b"/configs/.."), BAD),
    ("escaped dot dot", get(b"/configs/%2e%2e/livez"), BAD),
    ("half-escaped dot dot", get(b"/configs/.%2E/livez"), BAD),
    ("twice-escaped dot dot", get(b"/configs/%252e%252e/livez"), {401, 404}),
    ("escaped slash", get(b"/configs%2flivez"), BAD),
    ("escaped backslash", get(b"/configs%5clivez"), BAD),
    ("backslash", get(b"/configs\\livez"), BAD),
    ("backslash dot dot", get(b"/configs\\..\\livez"), BAD),
    ("path parameters", get(b"/livez;a=b"), {404}),
    ("path parameters and dot dot", get(b"/configs/..;/livez"), {400, 401, 404}),
    ("escaped nul", get(b"/livez%00"), BAD),
    ("escaped nul and a suffix", get(b"/livez%00.html"), BAD),
    ("escaped nul in the query", get(b"/livez?a=%00"), BAD),
    ("raw nul", get(b"/live\x00z"), {400, 404}),
    ("raw 8-bit bytes", get("/lïvez".encode()), BAD),
    ("overlong utf-8", get(b"/%c0%ae%c0%ae/livez"), {400, 404}),
    ("overlong utf-8, raw", get(b"/\xc0\xae\xc0\xae/livez"), BAD),
    ("no utf-8", get(b"/configs/%ff%fe"), {400, 401, 404}),
    ("escaped crlf", get(b"/configs/a%0d%0aSet-Cookie:%20a=b"), {400, 401, 404}),
    ("escaped crlf in the query", get(b"/livez?a=%0d%0aX:%20y"), {400}),
    ("broken escape", get(b"/configs/%zz"), BAD),
    ("escape cut off", get(b"/configs/%2"), BAD),
    ("fragment", get(b"/livez#x"), BAD),
    ("question marks", get(b"/livez????"), {200, 400}),
    ("target of 5 KiB", get(b"/" + b"a" * 5000), {414}),
    ("target of 64 KiB", get(b"/" + b"a" * 65536), {414}),
    ("query of 64 KiB", get(b"/livez?" + b"a" * 65536), {414}),
    # libmicrohttpd reads parameters and cookies into a pool; when that was full it went on in memory that it had given away
    ("600 parameters", get(b"/livez?" + b"&".join(b"a%d" % i for i in range(600))), {400, 414}),
    ("1,300 parameters", get(b"/livez?" + b"&".join(b"%d" % (i % 10) for i in range(1300))), {400, 414}),
    ("2,000 cookies", get(b"/livez", b"Cookie: " + b"; ".join(b"a%d=b" % i for i in range(1200)) + NL), {200, 431}),
    ("100 headers of cookies", get(b"/livez", b"Cookie: a=b; c=d; e=f; g=h; i=j; k=l\r\n" * 80), {200, 431}),
    ("a control byte", get(b"/livez\x07"), BAD),
    ("del", get(b"/livez\x7f"), BAD),
    # headers
    ("no host", b"GET /livez HTTP/1.1\r\n" + CLOSE + NL, BAD),
    ("two hosts", get(b"/livez", b"Host: evil.example\r\n"), BAD),
    ("two equal hosts", get(b"/livez", H), BAD),
    ("empty host", get(b"/livez", host=b"Host: \r\n"), {400, 421}),
    ("another host", get(b"/livez", host=b"Host: evil.example\r\n"), {421}),
    ("two hosts in one", get(b"/livez", host=b"Host: localhost, evil.example\r\n"), {400, 421}),
    ("host with a path", get(b"/livez", host=b"Host: localhost/evil\r\n"), {400, 421}),
    ("host with a user", get(b"/livez", host=b"Host: evil@localhost\r\n"), {400, 421}),
    ("host with a port of letters", get(b"/livez", host=b"Host: localhost:evil\r\n"), {400, 421}),
    ("host with a port too large", get(b"/livez", host=b"Host: localhost:99999999\r\n"), {400, 421}),
    ("host 127.1", get(b"/livez", host=b"Host: 127.1\r\n"), {421}),
    ("host 0x7f000001", get(b"/livez", host=b"Host: 0x7f000001\r\n"), {421}),
    ("host with a dot behind it", get(b"/livez", host=b"Host: localhost.\r\n"), {421}),
    ("host localhost.evil", get(b"/livez", host=b"Host: localhost.evil.example\r\n"), {421}),
    ("host with a blank", get(b"/livez", host=b"Host: local host\r\n"), {400, 421}),
    ("host of 5,000 bytes", get(b"/livez", host=b"Host: " + b"a" * 5000 + NL), {400, 421}),
    ("header without a colon", get(b"/livez", b"garbage\r\n"), BAD),
    ("header without a name", get(b"/livez", b": x\r\n"), BAD),
    ("header name with junk", get(b"/livez", b"X(y): z\r\n"), BAD),
    ("header name with a blank", get(b"/livez", b"X y: z\r\n"), BAD),
    ("header name with 8-bit bytes", get(b"/livez", "Ñ: z\r\n".encode()), BAD),
    ("header value with a control byte", get(b"/livez", b"X: a\x07b\r\n"), BAD),
    ("header value with esc", get(b"/livez", b"X: \x1b[2J\r\n"), BAD),
    ("folded header", get(b"/livez", b"X: a\r\n b\r\n"), BAD),
    ("fold before any header", b"GET /livez HTTP/1.1\r\n x: y\r\n" + H + NL, BAD),
    ("fold of the last header", b"GET /livez HTTP/1.1\r\n" + H + CL + b"0\r\n 5\r\n" + NL, BAD),
    ("two authorizations", get(b"/configs", b"Authorization: a\r\nAuthorization: TOKEN\r\n"), BAD),
    ("two content types", post(CL + b"2\r\nContent-Type: text/plain\r\n", b"{}"), BAD),
    ("header of 100 kB", get(b"/livez", b"X: " + b"a" * 100_000 + NL), {431}),
    *[(f"header of {n} bytes", get(b"/livez", b"X: " + b"a" * n + NL), {431}) for n in (11_000, 15_500, 15_750, 16_000, 16_200, 17_000)],
    ("header name of 100 kB", get(b"/livez", b"a" * 100_000 + b": x\r\n"), {431}),
    ("10,000 headers", get(b"/livez", b"A: b\r\n" * 10_000), {431}),
    ("authorization of 10 kB", get(b"/configs", b"Authorization: Bearer " + b"a" * 10_000 + NL), {401, 431}),
    ("request id with 8-bit bytes", get(b"/livez", "X-Request-Id: ÿ\r\n".encode()), {200}),
    ("request id of 9,000 bytes", get(b"/livez", b"X-Request-Id: " + b"a" * 9000 + NL), {200, 431}),
    ("1,000 ranges", get(b"/openapi.yaml", b"Range: bytes=" + b",".join([b"0-0"] * 1000) + NL), {200}),
    ("range from behind", get(b"/openapi.yaml", b"Range: bytes=-1\r\n"), {200}),
    ("upgrade to h2c", get(b"/livez", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"), {200}),
    ("upgrade to websocket", get(b"/livez", b"Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), {200}),
    ("expect something else", get(b"/livez", b"Expect: 200-ok\r\n"), {200, 400, 417}),
    ("expect twice", post(CL + b"2\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", b"{}"), BAD),
    ("expect, and a body too large", post(CL + b"99999999\r\nExpect: 100-continue\r\n"), {413}),
    ("another host by X-Forwarded-Host", get(b"/livez", b"X-Forwarded-Host: evil.example\r\nX-Original-URL: /tokens\r\n"), {200}),
    ("another method by header", get(b"/livez", b"X-HTTP-Method-Override: DELETE\r\n"), {200}),
    ("hop-by-hop authorization", get(b"/configs", b"Authorization: TOKEN\r\n").replace(CLOSE, b"Connection: close, Authorization\r\n"), {200}),
    ("an encoded body", post(CL + b"22\r\nContent-Encoding: gzip\r\n", b"\x1f\x8b\x08" + b"\x00" * 19), {415}, "&"),
    ("a body of 100 MB", post(CL + b"104857600\r\n", b"{"), {413}),
    # other protocols
    ("http/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", GONE),
    ("tls hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200).replace(b"\n", b"") + NL, GONE),
    ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n", GONE),
    ("smtp", b"EHLO localhost\r\nMAIL FROM:<a@b>\r\n", GONE),
    ("socks 5", b"\x05\x01\x00\r\n", GONE),
    ("proxy protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + LIVE, GONE),
    ("redis", b"*1\r\n$4\r\nPING\r\n", GONE),
    ("nuls and an empty line", b"\x00" * 1000 + b"\r\n\r\n", {201, 400, None}, "&"),
    ("empty lines", b"\r\n" * 5000, {201, 400, None}, "&"),
    ("blank lines", b" \r\n \r\n", {None, 400}),
    ("a line that never ends", b"A" * 200_000, {400, 414, 431, None}),
]

FINE = b'{"config":"none","kind":"import"}'
SYNTAX, MEANING, EITHER = {400}, {422}, {400, 422}


def inside(value):
    return b'{"config":' + value + b',"kind":"import"}'


# name, body of POST /runs, statuses that are right.
JSON = [
    ("nothing", b"", {400, 415}), ("blanks", b" \t\r\n", SYNTAX), ("null", b"null", MEANING), ("true", b"true", MEANING),
    ("a number", b"1", MEANING), ("a string", b'"x"', MEANING), ("a list", b"[]", MEANING), ("a word", b"nil", SYNTAX),
    ("an open object", b"{", SYNTAX), ("an open list", b"[", SYNTAX), ("an open string", b'{"a":"', SYNTAX), ("closed twice", FINE + b"}", SYNTAX),
    ("something behind it", FINE + b" x", SYNTAX), ("a second document", FINE + FINE, SYNTAX), ("a nul behind it", FINE + b"\x00", SYNTAX),
    ("a comma too many", b'{"a":1,}', SYNTAX), ("a comma too few", b'{"a":1 "b":2}', SYNTAX), ("two commas", b'{"a":1,,"b":2}', SYNTAX),
    ("no colon", b'{"a" 1}', SYNTAX), ("no value", b'{"a":}', SYNTAX), ("no key", b"{:1}", SYNTAX), ("a number for a key", b"{1:2}", SYNTAX),
    ("no quotes", b"{a:1}", SYNTAX), ("single quotes", b"{'a':1}", SYNTAX), ("a comment", b"{/*x*/}", SYNTAX), ("a line comment", b"{}//x", SYNTAX),
    ("a hash comment", b"#x\n{}", SYNTAX), ("depth 33", b"[" * 33 + b"]" * 33, SYNTAX), ("depth 33 of objects", b'{"a":' * 33 + b"1" + b"}" * 33, SYNTAX),
    ("depth 2,048", b"[" * 2048 + b"]" * 2048, SYNTAX), ("depth 500,000", b"[" * 500_000 + b"]" * 500_000, SYNTAX),
    ("a million brackets", b"[" * 1_000_000, SYNTAX), ("brackets and braces", b'[{"a":' * 150_000, SYNTAX),
    ("a million closing brackets", b"]" * 1_000_000, SYNTAX), ("deep inside a string", inside(b'"' + b"[" * 40 + b'"'), MEANING),
    ("a key twice", b'{"config":"a","config":"b","kind":"import"}', SYNTAX),
    ("a key twice, once escaped", b'{"config":"a","\\u0063onfig":"b","kind":"import"}', SYNTAX),
    ("a key twice, inside", b'{"a":{"b":1,"b":2}}', SYNTAX), ("an empty key twice", b'{"":1,"":2}', SYNTAX),
    ("an empty key", b'{"":1}', MEANING), ("__proto__", b'{"__proto__":{"admin":true},"config":"none","kind":"import"}', MEANING),
    ("constructor", b'{"constructor":{"prototype":{}}}', MEANING), ("a key of 900,000 bytes", b'{"' + b"k" * 900_000 + b'":1}', MEANING),
    ("100,000 keys", b"{" + b",".join(b'"k%d":1' % i for i in range(80_000)) + b"}", EITHER),
    ("keys that look alike", '{"\u00e9":1,"e\u0301":2}'.encode(), MEANING),
    ("broken utf-8: ff", inside(b'"\xff"'), SYNTAX), ("broken utf-8: cut", inside(b'"\xe2\x82"'), SYNTAX),
    ("broken utf-8: overlong slash", inside(b'"\xc0\xaf"'), SYNTAX), ("broken utf-8: overlong nul", inside(b'"\xc0\x80"'), SYNTAX),
    ("broken utf-8: surrogate", inside(b'"\xed\xa0\x80"'), SYNTAX), ("broken utf-8: above 10ffff", inside(b'"\xf4\x90\x80\x80"'), SYNTAX),
    ("broken utf-8: five bytes", inside(b'"\xf8\x88\x80\x80\x80"'), SYNTAX), ("broken utf-8 in a key", b'{"\xff":1}', SYNTAX),
    ("latin-1", "{\"config\":\"é\"}".encode("latin-1"), SYNTAX), ("utf-16", FINE.decode().encode("utf-16"), SYNTAX),
    ("utf-16 without a mark", FINE.decode().encode("utf-16-le"), SYNTAX), ("utf-32", FINE.decode().encode("utf-32"), SYNTAX),
    ("byte order mark", b"\xef\xbb\xbf" + FINE, SYNTAX), ("byte order mark inside", inside("\"\ufeff\"".encode()), MEANING),
    ("lone high surrogate", inside(b'"\\ud800"'), SYNTAX), ("lone low surrogate", inside(b'"\\udc00"'), SYNTAX),
    ("surrogates in the wrong order", inside(b'"\\udc00\\ud800"'), SYNTAX), ("a high surrogate and a letter", inside(b'"\\ud800a"'), SYNTAX),
    ("escaped nul", inside(b'"a\\u0000b"'), SYNTAX), ("escaped nul in a key", b'{"a\\u0000b":1}', SYNTAX), ("raw nul", inside(b'"a\x00b"'), SYNTAX),
    ("raw newline", inside(b'"a\nb"'), SYNTAX), ("raw tab", inside(b'"a\tb"'), SYNTAX), ("raw esc", inside(b'"\x1b"'), SYNTAX),
    ("escape x", inside(b'"\\x41"'), SYNTAX), ("escape of two digits", inside(b'"\\u41"'), SYNTAX), ("escape g", inside(b'"\\u00g1"'), SYNTAX),
    ("escape at the end", b'{"a":"\\', SYNTAX), ("line separator", inside("\"\u2028\"".encode()), MEANING),
    ("right-to-left override", inside("\"\u202eshop\"".encode()), MEANING), ("no-break space outside", "\u00a0{}".encode(), SYNTAX),
    ("form feed outside", b"\x0c{}", SYNTAX), ("1e400", inside(b"1e400"), EITHER), ("-1e400", inside(b"-1e400"), EITHER),
    ("1e-400", inside(b"1e-400"), EITHER), ("1e999999999", inside(b"1e999999999"), EITHER), ("2^53 + 1", inside(b"9007199254740993"), MEANING),
    ("2^63", inside(b"9223372036854775808"), EITHER), ("2^64 + 1", inside(b"18446744073709551617"), EITHER), ("-2^63 - 1", inside(b"-9223372036854775809"), EITHER),
    ("a million digits", inside(b"9" * 1_000_000), EITHER), ("a million decimals", inside(b"0." + b"1" * 1_000_000), EITHER),
    ("leading zero", inside(b"01"), SYNTAX), ("plus", inside(b"+1"), SYNTAX), ("no digit before the point", inside(b".5"), SYNTAX),
    ("no digit behind the point", inside(b"1."), SYNTAX), ("no exponent", inside(b"1e"), SYNTAX), ("minus", inside(b"-"), SYNTAX),
    ("minus zero", inside(b"-0"), MEANING), ("hexadecimal", inside(b"0x10"), SYNTAX), ("NaN", inside(b"NaN"), SYNTAX),
    ("Infinity", inside(b"Infinity"), SYNTAX), ("True", inside(b"True"), SYNTAX), ("undefined", inside(b"undefined"), SYNTAX),
    ("300,000 numbers", inside(b"[" + b"1," * 300_000 + b"1]"), MEANING), ("a string of 900,000 bytes", inside(b'"' + b"a" * 900_000 + b'"'), MEANING),
    ("a string of escapes", inside(b'"' + b"\\u0041" * 150_000 + b'"'), MEANING), ("1 MiB and a byte", b" " * (1 << 20) + b"1", {413}),
    ("an object for a string", inside(b'{"a":1}'), MEANING), ("a list for a string", inside(b'["none"]'), MEANING), ("true for a string", inside(b"true"), MEANING),
    ("a form", b"config=none&kind=import", SYNTAX), ("xml", b"<a/>", SYNTAX), ("yaml", b"config: none\nkind: import", SYNTAX),
]


def sql_strings():
    """500 strings that something between a client and a row might take for more than text."""
    seeds = [
        "'", "''", "'''", '"', '""', "`", "\\", "\\\\", "\\'", "\\\"", ";", "--", "-- -", "#", "/*", "*/", "/**/", "$1", "$2", "$$", "$a$x$a$", "%", "%%", "_",
        "%s", "%n%n%n%n", "%d", "%x", "%p", "%1$s", "${x}", "#{x}", "{{7*7}}", "{0}", "$(id)", "`id`", "|id", "&&id", "; id", "\\copy", "\\!", "\\.", "\\N", "NULL", "null",
        "true", "nan", "infinity", "-infinity", "0", "-1", "1e999", "0x00", "1/0", "' OR 1=1 --", "' OR '1'='1", "') OR ('1'='1", "1 OR 1=1", "admin'--",
        "'; DROP TABLE runs; --", "'); DELETE FROM configs; --", "' UNION SELECT * FROM tokens --", "'; COPY tokens TO PROGRAM 'id'; --",
        "COPY tokens FROM STDIN", "'; SELECT pg_sleep(30); --", "' || pg_sleep(30) || '", "(SELECT version())", "'||(SELECT secret_sha256 FROM tokens)||'",
        "'; SET ROLE steward_owner; --", "'; NOTIFY steward_events; --", "E'\\x27'", "U&'\\0027'", "B'1'", "X'1F'", "::text", "$1::int", "CAST(1 AS text)",
        "array[1]", "{a,b}", '{"a","b"}', "{NULL}", "{}", "[]", "[1,2)", "(1,2)", "<a,b>", "'{\"a\":1}'::jsonb", "\\x27", "\\u0027", "&#39;", "&quot;", "%27", "%2527",
        "＇", "ʼ", "’", "‘", "′", "″", "“", "”", "ˮ", "；", "－－", "﹣﹣", "\u00a0", "\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\u0301", "é", "é",
        "ı", "ſ", "K", "İ", "ß", "ﷺ", "𝕊𝔼𝕃𝔼ℂ𝕋", "🎬", "👨‍👩‍👧‍👦", "\U0010ffff", "\ud7ff", "\ue000", "\t", "\n", "\r\n", "\x01", "\x1f", "\x7f", "\x85", "\x1b[2J",
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "../../etc/passwd", "..\\..\\", "/etc/passwd", "C:\\", "file:///etc/passwd",
        "http://169.254.169.254/", "a" * 60, "'" * 60, "\\" * 60, "%" * 60, " ", "  lead", "trail  ", "Robert'); DROP TABLE students;--",
    ]
    shapes = ["{}", "x{}", "{}x", "x{}x", "'{}'", "{}{}"]
    out = []
    for shape in shapes:
        out += [shape.replace("{}", s) for s in seeds]
    out = list(dict.fromkeys(s for s in out if len(s.encode()) <= 100))
    return out


SQL = sql_strings()
assert len(SQL) >= 500 and len(JSON) >= 60 and len(HTTP) >= 40
