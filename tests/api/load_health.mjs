// tests/api/load_health.mjs - a thread of load.mjs: how long /healthz takes, asked every 10 ms.
import http from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const agent = new http.Agent({ keepAlive: true, localAddress: '127.0.0.9' });
const times = [];
let running = true;

const ask = () =>
  new Promise((resolve) => {
    const begun = performance.now();
    http
      .get({ host: '127.0.0.1', port: workerData.port, path: '/healthz', agent }, (reply) => {
        reply.resume();
        reply.on('end', () => resolve(performance.now() - begun));
      })
      .on('error', () => resolve(performance.now() - begun));
  });

parentPort.on('message', () => (running = false));
await ask();
parentPort.postMessage('started');
while (running) {
  times.push(await ask());
  await new Promise((resolve) => setTimeout(resolve, 10));
}
agent.destroy();
parentPort.postMessage(times);
parentPort.close();
