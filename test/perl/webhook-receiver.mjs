// A server that webhooks lead to, for tests: WebhookReceiver.pm starts it.
//
// What it does with a request says its path; the words behind that are free, so
// that tests can tell URLs apart:
//
//	/ok/...				200
//	/status/N/...		that status
//	/flaky/N/...		500 to the first N requests of each message, then 200
//	/busy/S/...			429 with Retry-After: S to the first request of each message
//	/redirect/...		302 to /ok/redirected
//	/to/URL				307 to that URL, which is percent-encoded
//	/again/...			301 to itself
//	/bomb/...			200, and a gigabyte of zeros in gzip
//	/slow/MS/...		200 after that many milliseconds
//	/hang/...			no answer
//	/close/...			the connection is closed
//	/garbage/...		what is no answer
//	/drip/...			200, and a body of which a byte comes now and then
//	/huge/...			200, and a body without an end
//	/short/...			200, and less than its Content-Length says
//	/head/...			a head without an end
//
// GET /requests has those that were made, unless GET /brief came before; /counts how
// many there were of each message; /totals how many requests and messages; /most how
// many of a path were open at a time.

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { gzipSync } from 'node:zlib';

const [, , keyFile, certFile, tlsVersion] = process.argv;
const requests = [];
const counts = new Map();			// path and message id -> requests
let total = 0;
const open = new Map();				// path -> requests not answered, and the most of them
let brief = false;

const misbehave = {
	hang() {},
	close(response) { response.socket.destroy(); },
	garbage(response) { response.socket.end('garbage\r\n\r\n'); },
	drip(response) {
		response.writeHead(200);
		const timer = setInterval(() => response.write('.'), 50);
		response.on('close', () => clearInterval(timer));
	},
	huge(response) {
		const piece = Buffer.alloc(16384, '.');
		const more = () => { while (response.write(piece)); };
		response.writeHead(200);
		response.on('drain', more);
		more();
	},
	short(response) {
		response.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort');
	},
	head(response) {
		const socket = response.socket;
		const more = () => { while (socket.writable && socket.write('X-More: of the same\r\n')); };
		socket.write('HTTP/1.1 200 OK\r\n');
		socket.on('drain', more);
		more();
	},
};

// A gigabyte of zeros in gzip, a megabyte.
let packed;
function bomb() {
	return packed ??= Buffer.concat(Array(64).fill(gzipSync(Buffer.alloc(16 * 1024 * 1024))));
}

const questions = {
	'/requests': () => requests,
	'/brief': () => brief = true,
	'/counts': () => [...counts].map(([key, n]) => [...key.split(' '), n]),
	'/totals': () => [total, counts.size],
	'/most': () => Object.fromEntries([...open].map(([key, o]) => [key, o.most])),
};

function answer(response, status, headers = {}) {
	response.writeHead(status, headers);
	response.end('{"received":true}');
}

function act(path, seen, response) {
	const [, what, argument] = path.split('/');

	if (misbehave[what]) misbehave[what](response);
	else if (what === 'status') answer(response, Number(argument));
	else if (what === 'flaky') answer(response, seen <= Number(argument) ? 500 : 200);
	else if (what === 'busy') answer(response, seen > 1 ? 200 : 429, { 'Retry-After': argument });
	else if (what === 'redirect') answer(response, 302, { Location: '/ok/redirected' });
	else if (what === 'to') answer(response, 307, { Location: decodeURIComponent(argument) });
	else if (what === 'again') answer(response, 301, { Location: path });
	else if (what === 'bomb') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb());
	else if (what === 'slow') setTimeout(() => answer(response, 200), Number(argument));
	else answer(response, 200);
}

function control(path, response) {
	response.end(JSON.stringify(questions[path]()));
}

function take(request, response) {
	const chunks = [];

	request.on('data', (chunk) => chunks.push(chunk));
	request.on('end', () => {
		if (request.url in questions) return control(request.url, response);

		const path = request.url;
		const id = request.headers['webhook-id'];
		const seen = (counts.get(`${path} ${id}`) ?? 0) + 1;
		counts.set(`${path} ${id}`, seen);
		total++;

		const concurrent = open.get(path) ?? { now: 0, most: 0 };
		open.set(path, concurrent);
		concurrent.most = Math.max(concurrent.most, ++concurrent.now);
		response.on('close', () => concurrent.now--);

		if (!brief)
			requests.push({ method: request.method, path, headers: request.headers,
				body: Buffer.concat(chunks).toString(), at: Date.now() });
		act(path, seen, response);
	});
}

const options = keyFile ? { key: readFileSync(keyFile), cert: readFileSync(certFile) } : {};
// An old version of TLS, and no other, for which OpenSSL has to lower its standards.
if (tlsVersion) Object.assign(options, { minVersion: tlsVersion, maxVersion: tlsVersion, ciphers: 'DEFAULT@SECLEVEL=0' });
const server = (keyFile ? https : http).createServer(options, take);

server.keepAliveTimeout = 60000;
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));		// the test is over
server.listen(0, '::', () => console.log(server.address().port));
