// tests/api/load.mjs - clients of their own addresses, and how long others wait meanwhile.
import http from 'node:http';
import { Worker } from 'node:worker_threads';

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Requests from a loopback address of one's own, as another client, on connections that last.
export class Client {
  constructor(daemon, address, nr_connections = 32) {
    Object.assign(this, { daemon, address });
    this.agent = new http.Agent({ keepAlive: true, maxSockets: nr_connections, localAddress: address });
  }

  ask(method, path, body, headers = {}) {
    const begun = performance.now();
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          host: '127.0.0.1',
          port: this.daemon.port,
          method,
          path: path.startsWith('/') ? path : `/api/v1/${path}`,
          agent: this.agent,
          headers: {
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
        },
        (reply) => {
          let text = '';
          reply.on('data', (part) => (text += part));
          reply.on('end', () =>
            resolve({ status: reply.statusCode, headers: reply.headers, text, ms: performance.now() - begun }),
          );
          reply.on('error', reject);
        },
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  end() {
    this.agent.destroy();
  }
}

export function describe_times(times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  return { nr: sorted.length, p50: at(0.5), p99: at(0.99), max: sorted.at(-1) };
}

export const say_times = ({ nr, p50, p99, max }) =>
  `${nr} times: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;

// Asks /healthz every 10 ms, on a thread of its own, so that what this one does is not measured. Result: ends it.
export function watch_health(daemon) {
  const worker = new Worker(new URL('./load_health.mjs', import.meta.url), { workerData: { port: daemon.port } });
  const started = new Promise((resolve) => worker.once('message', resolve));
  return started.then(() => async () => {
    const told = new Promise((resolve) => worker.once('message', resolve));
    worker.postMessage('end');
    return describe_times(await told);
  });
}
