// A port for a nats-server that must come back on the same one, so that the system's own choice (-1) is no help.

import { type AddressInfo, createServer } from 'node:net';

/** A port of this machine on which nobody listens, at the moment. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((listening, failed) => probe.once('error', failed).listen(0, '127.0.0.1', () => listening()));
  const { port } = probe.address() as AddressInfo; // of TCP, and listening
  await new Promise<void>((closed) => probe.close(() => closed()));
  return port;
}
