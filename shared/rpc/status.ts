import { Metadata, status as grpcStatus, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { catalogue } from '../errors/catalogue.js';
import { errorItems, isErrorCode, ReeveError, reeveError, type ErrorItem } from '../errors/error.js';
import { errorDetailsCodec } from './load.js';

const trailer = 'reeve-errors-bin';

/** Most errors one trailer carries, and most characters of one value. */
const limits = { errors: 100, value: 1024 };

/** What a failed call is answered with: the status of the first error, its code as text, and all details in the trailer. No stack, no path. */
export function toStatus(error: unknown, correlation: string): StatusObject {
  const items = errorItems(error, correlation).slice(0, limits.errors);
  const first = items[0]?.code ?? 'INTERNAL';
  const metadata = new Metadata();
  metadata.set(trailer, errorDetailsCodec().encode({ errors: items.map(toDetail), correlation }));
  return { code: grpcStatus[catalogue[first].status], details: first, metadata };
}

/** A catalogue item as the wire has it. */
export function toDetail(item: ErrorItem): { code: string; fields: Record<string, string> } {
  return { code: item.code, fields: Object.fromEntries(Object.entries(item.fields).map(([key, value]) => [key, value.slice(0, limits.value)])) };
}

/** Error details from the wire as catalogue items; what is not in the catalogue becomes INTERNAL. */
export function fromDetails(details: readonly { code: string; fields: Readonly<Record<string, string>> }[], correlation: string): ErrorItem[] {
  return details.slice(0, limits.errors).map(({ code, fields }) => {
    if (!isErrorCode(code)) return { code: 'INTERNAL', fields: { correlation } };
    return { code, fields: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value.slice(0, limits.value)])) };
  });
}

/**
 * The error of a failed call as a ReeveError. A call without our trailer never reached a handler's answer: `unreachable` makes the error for one that the
 * transport lost.
 */
export function fromServiceError(error: unknown, unreachable: (reason: string) => ReeveError): ReeveError {
  if (error instanceof ReeveError) return error;
  const failure = error as Partial<ServiceError>;
  const bytes = failure.metadata?.get(trailer)[0];
  if (Buffer.isBuffer(bytes)) {
    const details = errorDetailsCodec().decode(bytes);
    const correlation = details.correlation.slice(0, 64);
    return new ReeveError(fromDetails(details.errors, correlation), { cause: error, correlation });
  }
  switch (failure.code) {
    case grpcStatus.UNIMPLEMENTED:
      return reeveError('VERSION_UNSUPPORTED', { value: 'of the other side', rule: 'it does not offer this call' }, { cause: error });
    case grpcStatus.RESOURCE_EXHAUSTED:
      return reeveError('LIMIT_EXCEEDED', { field: 'the message', rule: 'at most 1 MiB' }, { cause: error });
    default:
      return unreachable(transportReason(failure));
  }
}

function transportReason(failure: Partial<ServiceError>): string {
  const text = failure.details ?? failure.message ?? 'the connection broke';
  if (failure.code === grpcStatus.DEADLINE_EXCEEDED) return 'no answer in time';
  if (failure.code === grpcStatus.CANCELLED) return 'the call was cancelled';
  const known = /(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ECONNRESET|ENOENT|EACCES)/.exec(text)?.[1];
  switch (known) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route';
    case 'ETIMEDOUT':
      return 'connection timed out';
    case 'ENOENT':
      return 'nothing listens there';
    case 'EACCES':
      return 'permission denied';
    default:
      return /certificate|CERT_|tls|ssl|handshake/i.test(text) ? `TLS refused: ${text.slice(0, 200)}` : 'the connection broke';
  }
}
