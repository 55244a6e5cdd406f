import { createHmac } from 'node:crypto';
import { request as requestPlain } from 'node:http';
import { request as requestTls } from 'node:https';
import { authorities } from './authority.js';
import type { NotifyConfig } from './config.js';
import { clean, renderJson, type Message, type Sent } from './message.js';
import { readSecretFile } from './secret-file.js';

/** Longest time that a call may take, from the first byte to the last, ms. */
const deadlineMs = 10_000;

/** Most of an answer that is read, bytes. */
const mostAnswerBytes = 4096;

/** Header with the signature of the body, `sha256=` and the HMAC in lower-case hex. */
export const signatureHeader = 'x-reeve-signature';

/** Header with the id of the message: one that was seen was seen. */
export const messageHeader = 'x-reeve-message';

/** The signature of a body. */
export function signBody(secret: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(body, 'utf8').digest('hex')}`;
}

/** Posts a message to a URL. Any answer of 2xx is well; a redirect is not followed: it would take the message where nobody said it may go. */
export async function postWebhook(config: Pick<NotifyConfig, 'webhookSecretFile' | 'caFile'>, url: string, message: Message): Promise<Sent> {
  try {
    const body = renderJson(message);
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'reeve',
      [messageHeader]: message.id,
      ...(config.webhookSecretFile === undefined ? {} : { [signatureHeader]: signBody(readSecretFile(config.webhookSecretFile), body) }),
    };
    const { status, text } = await post(url, { headers, ...(config.caFile === undefined ? {} : { ca: authorities(config.caFile) }) }, body);
    const answer = clean(`${String(status)} ${text}`);
    if (status >= 200 && status < 300) return { ok: true, answer };
    return { ok: false, problem: `it answered ${answer}`, permanent: status >= 300 && status < 500 && status !== 408 && status !== 425 && status !== 429 };
  } catch (error) {
    return { ok: false, problem: clean(error instanceof Error ? error.message : String(error)), permanent: false };
  }
}

function post(url: string, options: { headers: Record<string, string | number>; ca?: string[] }, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const settings = { method: 'POST', agent: false, signal: AbortSignal.timeout(deadlineMs), minVersion: 'TLSv1.2', ...options } as const;
    const call = (url.startsWith('https:') ? requestTls : requestPlain)(url, settings, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      const done = (): void => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).subarray(0, mostAnswerBytes).toString('utf8') });
      response.on('data', (part: Buffer) => {
        parts.push(part);
        bytes += part.length;
        if (bytes < mostAnswerBytes) return;
        done();
        call.destroy();
      });
      response.on('end', done);
      response.on('error', reject);
    });
    call.on('error', (error) => reject(error.name === 'AbortError' || error.name === 'TimeoutError' ? new Error(`no answer within ${String(deadlineMs / 1000)} s`) : error));
    call.end(body);
  });
}
