import { createTransport, type Transporter } from 'nodemailer';
import type SMTPTransport from 'nodemailer/lib/smtp-transport/index.js';
import { authorities } from './authority.js';
import type { NotifyConfig, SmtpConfig } from './config.js';
import { clean, renderSubject, renderText, type Message, type Sent } from './message.js';
import { readSecretFile } from './secret-file.js';

/** Longest wait for each step of the conversation, ms. */
const waitMs = { connect: 10_000, greeting: 10_000, socket: 20_000 } as const;

/**
 * Sends a message as mail. A receiver tells a repetition by its Message-ID; what is over, and reminders, refer to the mail of the opening, so that they are shown in its thread. RFC
 * 3834: Auto-Submitted keeps automatic answers away.
 */
export async function sendMail(config: Pick<NotifyConfig, 'caFile'> & { readonly smtp: SmtpConfig }, to: string, message: Message): Promise<Sent> {
  const { smtp } = config;
  let transport: Transporter<SMTPTransport.SentMessageInfo> | undefined;
  try {
    transport = createTransport(transportOptions(config));
    const info = await transport.sendMail({ ...mailOf(message, smtp.from), to: { name: '', address: to } });
    return { ok: true, answer: clean(info.response) };
  } catch (error) {
    return { ok: false, problem: problemOf(error), permanent: isPermanent(error) };
  } finally {
    transport?.close();
  }
}

function transportOptions({ smtp, caFile }: Pick<NotifyConfig, 'caFile'> & { readonly smtp: SmtpConfig }): SMTPTransport.Options {
  return {
    host: smtp.host,
    port: smtp.port,
    secure: smtp.security === 'tls',
    requireTLS: smtp.security === 'starttls',
    ignoreTLS: smtp.security === 'plain',
    tls: { minVersion: 'TLSv1.2', ...(caFile === undefined ? {} : { ca: authorities(caFile) }) },
    ...(smtp.login === undefined ? {} : { auth: { user: smtp.login.user, pass: readSecretFile(smtp.login.passwordFile) } }),
    connectionTimeout: waitMs.connect,
    greetingTimeout: waitMs.greeting,
    socketTimeout: waitMs.socket,
    dnsTimeout: waitMs.connect,
    // Nothing in a message may name a file or a URL to be read.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** A mail without its receiver. */
export function mailOf(message: Message, from: string): { from: string; subject: string; text: string; date: Date; messageId: string; references: string[]; inReplyTo?: string; headers: Record<string, string> } {
  const domain = from.slice(from.indexOf('@') + 1);
  const mailId = (id: string): string => `<${id}@${domain}>`;
  const references = [...new Set(message.entries.flatMap(({ openedIn }) => (openedIn === undefined || openedIn === message.id ? [] : [mailId(openedIn)])))].slice(0, 20);
  const [first] = references;
  return {
    from,
    subject: renderSubject(message),
    text: renderText(message),
    date: new Date(message.madeAtMs),
    messageId: mailId(message.id),
    references,
    ...(first === undefined ? {} : { inReplyTo: first }),
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Reeve-Fleet': message.fleetId },
  };
}

function problemOf(error: unknown): string {
  return clean(error instanceof Error ? error.message : String(error));
}

/** A refusal for good (RFC 5321 4.2.1: 5yz), but not of the login: that is ours to repair. */
function isPermanent(error: unknown): boolean {
  const code = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : 0;
  return code >= 500 && code < 600 && code !== 530 && code !== 535;
}
