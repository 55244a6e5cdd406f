import type { NotifyConfig } from './config.js';
import { runHook } from './hook.js';
import { sendMail } from './mail.js';
import type { Message, Sent } from './message.js';
import { postWebhook } from './webhook.js';

/** Where a message goes; of a person the address as it is now. */
export type Destination = { readonly way: 'mail'; readonly address: string } | { readonly way: 'webhook'; readonly url: string } | { readonly way: 'hook'; readonly hook: string };

/** Sends messages; never throws for what the other side does. */
export type Send = (destination: Destination, message: Message) => Promise<Sent>;

/** Sends as the configuration says. */
export function createSend(config: NotifyConfig): Send {
  return async (destination, message) => {
    switch (destination.way) {
      case 'mail':
        if (config.smtp === undefined) return { ok: false, problem: 'reeved.conf names no mail server (smtp)', permanent: false };
        return sendMail({ smtp: config.smtp, caFile: config.caFile }, destination.address, message);
      case 'webhook':
        return postWebhook(config, destination.url, message);
      case 'hook':
        return runHook(config.hookDir, destination.hook, message);
    }
  };
}
