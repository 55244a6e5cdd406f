import { certEnds } from '../../shared/model/cert.js';
import type { AlertSeverity } from '../../shared/model/alert.js';
import { formatUtc } from '../../shared/model/time.js';
import type { Cause } from './alert.js';

/** A certificate and its life. */
export interface FedCert {
  /** Undefined: that of the coordinator itself. */
  readonly hostId: string | undefined;
  /** Empty: that of the agent, or of the coordinator, by which they know each other. */
  readonly name: string;
  /** Begin and end, unix ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** What to do; a sentence without a full stop. */
  readonly remedy: string;
}

/** Shares of a certificate's life that are left. */
const left = { warning: 1 / 4, error: 1 / 10 } as const;

/**
 * Certificates that should have been renewed by now: what renews itself does so with more of its life left, and what people replace should have been. By the fraction, so that a
 * life of 7 days and one of 10 years are judged alike; the days from which "reeve status" calls an installed one an error count as well.
 */
export function certificateCauses(certs: readonly FedCert[], now: number): Cause[] {
  return certs.flatMap((cert) => {
    const severity = severityOf(cert, now);
    if (severity === undefined) return [];
    const what = cert.name === '' ? (cert.hostId === undefined ? 'its own certificate' : 'the certificate of its agent') : `certificate ${cert.name}`;
    const over = cert.toMs <= now;
    return {
      kind: 'certificate',
      hostId: cert.hostId,
      subject: cert.name,
      severity,
      title: over ? `${what} has expired` : `${what} ends soon`,
      text: `${over ? 'it ended' : 'it ends'} ${formatUtc(cert.toMs)}; ${cert.remedy}`,
      sinceMs: over ? cert.toMs : Math.min(now, cert.toMs - (cert.toMs - cert.fromMs) * left.warning),
      folded: [],
    };
  });
}

function severityOf({ name, fromMs, toMs }: FedCert, now: number): AlertSeverity | undefined {
  const life = toMs - fromMs;
  const rest = toMs - now;
  if (life <= 0) return rest <= 0 ? 'error' : undefined;
  if (rest < life * left.error || rest <= 0 || (name !== '' && rest < certEnds.errorMs)) return 'error';
  return rest < life * left.warning ? 'warning' : undefined;
}
