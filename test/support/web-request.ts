import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';

/** One request, byte for byte as it is wanted: fetch() sets Host and more by itself. */
export interface WebRequest {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  /** Pairs of names and values, in order; Host is `localhost:PORT` unless it is named. */
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

/** What was answered. */
export interface WebResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Asks over a connection of its own. */
export function ask({ port, method = 'GET', path, headers = [], body }: WebRequest): Promise<WebResponse> {
  const host = headers.some(([name]) => name.toLowerCase() === 'host') ? [] : ['Host', `localhost:${String(port)}`];
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, method, path, agent: false, setHost: false, headers: [...host, ...headers.flat()] }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      response.once('error', reject);
    });
    request.once('error', reject);
    request.end(body);
  });
}

/** Sends a form as a browser does from a page of the server itself. */
export function sendForm(port: number, path: string, fields: Readonly<Record<string, string>>, cookie = ''): Promise<WebResponse> {
  const body = new URLSearchParams(fields).toString();
  const headers: [string, string][] = [['Content-Type', 'application/x-www-form-urlencoded'], ['Content-Length', String(Buffer.byteLength(body))], ['Origin', 'null'], ['Sec-Fetch-Site', 'same-origin']];
  return ask({ port, method: 'POST', path, headers: cookie === '' ? headers : [...headers, ['Cookie', cookie]], body });
}

/** Sends bytes as they are, and answers all that comes until the other side closes. */
export function sendRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let said = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    socket.once('close', () => resolve(said));
    socket.once('error', reject);
  });
}

/** The token that the forms of a page carry. */
export function formTokenIn(page: string): string {
  const token = /name="form_token" value="([^"]+)"/.exec(page)?.[1];
  if (token === undefined) throw new Error('the page has no token of a form');
  return token;
}

/** What a page that follows the fleet was told. */
export interface Told {
  readonly event: string;
  readonly id: string;
}

/** A stream of server-sent events. */
export interface EventStream {
  readonly status: number;
  readonly told: Told[];
  /** Whether the other side has ended it. */
  readonly ended: () => boolean;
  close(): void;
}

/** Follows the fleet as a page does. Close it. */
export function follow(port: number, cookie: string, lastEventId?: string): Promise<EventStream> {
  const headers = { Host: `localhost:${String(port)}`, Cookie: cookie, Accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }) };
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path: '/live', agent: false, headers }, (response) => {
      const told: Told[] = [];
      let ended = false;
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const event = /^event: (.*)$/m.exec(block)?.[1];
          if (event !== undefined) told.push({ event, id: /^id: (.*)$/m.exec(block)?.[1] ?? '' });
        }
      });
      response.on('error', () => undefined);
      response.once('close', () => (ended = true));
      resolve({ status: response.statusCode ?? 0, told, ended: () => ended, close: () => request.destroy() });
    });
    request.once('error', reject);
    request.end();
  });
}
