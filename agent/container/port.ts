import type { ErrorItem } from '../../shared/errors/error.js';
import type { ContainerPort } from '../../shared/model/container.js';
import { isIpv4 } from '../../shared/model/host.js';
import type { ListeningSocket } from '../host/host.js';

/** A port that a container has, or is going to have. */
export interface TakenPort {
  readonly port: Pick<ContainerPort, 'protocol' | 'address' | 'port'>;
  readonly name: string;
}

/** Whether two containers cannot have both of these ports. */
export function isSamePort(one: TakenPort['port'], other: TakenPort['port']): boolean {
  if (one.protocol !== other.protocol || one.port !== other.port || isIpv4(one.address) !== isIpv4(other.address)) return false;
  return one.address === other.address || [one.address, other.address].some((address) => address === '0.0.0.0' || address === '::');
}

/** Whether a socket stands in the way of a port: Linux lets one of :: have IPv4, too. */
function blocks(socket: ListeningSocket, port: TakenPort['port']): boolean {
  return isSamePort(socket, port) || (socket.protocol === port.protocol && socket.port === port.port && socket.address === '::');
}

/**
 * The ports that a container cannot have. `others`: of other containers as they are going to be. `held`: of containers as they are now, whose sockets are theirs.
 * `listening`: all sockets.
 */
export function portProblems(
  ports: readonly ContainerPort[],
  place: { readonly others: readonly TakenPort[]; readonly held: readonly TakenPort[]; readonly listening: readonly ListeningSocket[]; readonly hostName: string },
): readonly ErrorItem[] {
  return ports.flatMap((port) => {
    const problem = (rule: string): ErrorItem[] => [{ code: 'CONTAINER_PORT', fields: { host: place.hostName, value: `${String(port.port)}/${port.protocol} of ${port.address}`, rule } }];
    const other = place.others.find((taken) => isSamePort(taken.port, port));
    if (other !== undefined) return problem(`container "${other.name}" has it`);
    const socket = place.listening.find((one) => blocks(one, port) && !place.held.some((taken) => blocks(one, taken.port)));
    return socket === undefined ? [] : problem(`another program of the host listens on ${socket.address}`);
  });
}
