/** The agent's side of reeve-carry (native/carry/README.md): a program that carries the bytes of a copy, so that they do not go through JavaScript. */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { framesOf, headBytes, kinds } from './frame.js';

/** Who the other side of a connection has to be, and what proves this one. */
export interface CarrySettings {
  readonly role: 'server' | 'client';
  /** The only name in the other certificate. */
  readonly uri: string;
  /** Fingerprint of the other key, hex. */
  readonly key: string;
  /** Unix ms. */
  readonly now: number;
  /** PEM. */
  readonly proof: { readonly key: string; readonly certificate: string; readonly root: string };
}

/** A reeve-carry that runs. */
export interface Carrier {
  /** What it says and is told. Close it to end it. */
  readonly control: Socket;
  /** Resolves when the other side is who it has to be; rejects with why it is not. */
  readonly proved: Promise<void>;
}

/** Starts the program with both connections, of which this process gives the one to the other side away. */
export function startCarrier(program: string, connection: Socket, job: Socket, settings: CarrySettings): Carrier {
  const child = spawn(program, [], { stdio: [connection, 'ignore', 'inherit', 'pipe', job], env: {}, cwd: '/' });
  const control = child.stdio[3] as Socket;
  control.on('error', () => undefined);
  connection.destroy();
  const proved = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(error));
    firstFrame(control).then(({ kind, text }) => {
      if (kind === kinds.connected) resolve();
      else reject(new Error(text));
    }, reject);
  });
  const { role, uri, key, now, proof } = settings;
  const fields = { role, uri, key, now: String(Math.floor(now / 1000)), private: proof.key, certificate: proof.certificate, root: proof.root };
  control.write(framesOf(kinds.settings, [Buffer.from(Object.entries(fields).map(([name, value]) => `${name}=${value}\0`).join(''))]));
  return { control, proved };
}

/** The one frame that it says before it is told to go. */
function firstFrame(control: Socket): Promise<{ readonly kind: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    let have = Buffer.alloc(0);
    const take = (bytes: Buffer): void => {
      have = Buffer.concat([have, bytes]);
      if (have.length < headBytes || have.length < have.readUInt32BE(0) + headBytes - 1) return;
      control.off('data', take);
      control.off('close', gone);
      control.pause();
      resolve({ kind: have.readUInt8(4), text: have.toString('utf8', headBytes) });
    };
    const gone = (): void => reject(new Error('the program that carries the bytes ended without a word'));
    control.on('data', take);
    control.once('close', gone);
  });
}
