/**
 * The error catalogue: every error that a person or a program can meet, in one place. The number travels in the helper's replies, the code in gRPC
 * error details and in `--json`; callers branch on the code, never on the text. docs/errors.md is generated from it, and a test asserts that
 * catalogue, documentation and the codes used in the source are the same set.
 */

/** How an error reaches a caller of the API: the name of a gRPC status (google.rpc.Code). */
export type StatusName =
  | 'INVALID_ARGUMENT' | 'FAILED_PRECONDITION' | 'NOT_FOUND' | 'ALREADY_EXISTS' | 'PERMISSION_DENIED' | 'UNAUTHENTICATED'
  | 'ABORTED' | 'RESOURCE_EXHAUSTED' | 'UNAVAILABLE' | 'DEADLINE_EXCEEDED' | 'UNIMPLEMENTED' | 'INTERNAL' | 'CANCELLED';

/** One row of the catalogue. */
export interface ErrorRow {
  /** Wire number in the helper's replies: 1 to 65535, never re-used. */
  readonly number: number;
  /** gRPC status it is sent as. */
  readonly status: StatusName;
  /** Exit code of the command line when this error ends a command: 1 a host said no, 2 the user's mistake, 3 unreachable, 70 ours. */
  readonly exit: 1 | 2 | 3 | 70;
  /** Template of the message; `{name}` is replaced by the value of that name. */
  readonly message: string;
  /** What to do about it; a template like the message. Empty: nothing the reader can do that the message does not say. */
  readonly remedy: string;
}

const row = (number: number, status: StatusName, exit: ErrorRow['exit'], message: string, remedy = ''): ErrorRow =>
  ({ number, status, exit, message, remedy });

/** All errors by code. */
export const catalogue = {
  FIELD_INVALID: row(10, 'INVALID_ARGUMENT', 2, '{field} "{value}" is not allowed: {rule}'),
  FIELD_MISSING: row(11, 'INVALID_ARGUMENT', 2, '{field} is missing: {rule}'),
  FIELD_UNKNOWN: row(12, 'INVALID_ARGUMENT', 2, '{field} is not known here: {rule}'),
  FRAME_INVALID: row(13, 'INVALID_ARGUMENT', 70, 'The helper refused a malformed request: {rule}'),
  VERSION_UNSUPPORTED: row(14, 'FAILED_PRECONDITION', 1, 'Version {value} is not supported: {rule}', 'Upgrade the older side with apt.'),
  VERB_UNKNOWN: row(15, 'UNIMPLEMENTED', 1, 'The helper does not know verb {value}', 'Upgrade the agent package on the host.'),

  POLICY_DENIED: row(20, 'PERMISSION_DENIED', 1, 'The policy of host "{host}" does not allow {op} {args}', 'To allow it, root on the host adds this line with "reeve-agent policy edit": {line}'),
  POLICY_UNUSABLE: row(21, 'FAILED_PRECONDITION', 1, 'The policy of host "{host}" cannot be used, so only its status works: {reason}', 'Repair /etc/reeve/policy with "reeve-agent policy edit" on the host.'),
  POLICY_CHANGED: row(22, 'ABORTED', 1, 'The policy of host "{host}" changed since the plan was made', 'Plan again.'),

  STATE_MOVED: row(30, 'ABORTED', 1, 'Host "{host}" moved since the plan was made: {moved}', 'Plan again.'),
  GENERATION_STALE: row(31, 'ABORTED', 1, 'Generation {value} of {noun} is older than generation {wanted}, which host "{host}" already has'),
  EPOCH_STALE: row(32, 'FAILED_PRECONDITION', 1, 'This coordinator has epoch {value}, host "{host}" already obeys epoch {wanted}', 'Another coordinator of this fleet has taken over; stop this one.'),
  OPERATION_REUSED: row(33, 'ALREADY_EXISTS', 70, 'Operation {value} was used before for something else'),
  CONFIRM_UNKNOWN: row(35, 'NOT_FOUND', 1, 'Host "{host}" has no pending change {value}'),
  OPERATION_UNKNOWN: row(36, 'NOT_FOUND', 2, 'No operation {value} is known'),
  BUSY: row(37, 'RESOURCE_EXHAUSTED', 1, 'Too many requests at once: {rule}', 'Try again in a moment.'),
  CLOCK_SKEW: row(38, 'FAILED_PRECONDITION', 1, 'The clocks differ too much for changes: host "{host}" has {value}, the coordinator has {wanted}', 'Set the clock of the one that is wrong.'),
  INTERRUPTED: row(39, 'ABORTED', 1, 'The operation was interrupted before it began; nothing was changed', 'Run the command again.'),

  USER_RESERVED: row(40, 'INVALID_ARGUMENT', 2, 'Cannot use user name "{value}": {rule}'),
  USER_FOREIGN: row(41, 'FAILED_PRECONDITION', 1, 'User "{value}" exists on host "{host}" and was not made by Reeve', 'To manage its keys and lock: reeve user adopt {host} {value}'),
  USER_ABSENT: row(42, 'NOT_FOUND', 1, 'User "{value}" does not exist on host "{host}"'),
  USER_UID_TAKEN: row(43, 'FAILED_PRECONDITION', 1, 'Uid {value} on host "{host}" already belongs to "{owner}"'),
  USER_UID_RANGE_FULL: row(44, 'FAILED_PRECONDITION', 1, 'No free uid is left on host "{host}" in the range of its policy, {value}'),
  GROUP_ABSENT: row(45, 'FAILED_PRECONDITION', 1, 'Group "{value}" does not exist on host "{host}"'),
  GROUP_DANGEROUS: row(46, 'PERMISSION_DENIED', 1, 'Group "{value}" gives root-like power, and the policy of host "{host}" does not name it', 'To allow it, root on the host adds this line with "reeve-agent policy edit": allow group.member group={value}'),
  HOME_TAKEN: row(47, 'FAILED_PRECONDITION', 1, 'Home "{value}" on host "{host}" already exists', 'Move it away on the host, or choose another name.'),
  USER_PROCESSES_REMAIN: row(48, 'FAILED_PRECONDITION', 1, 'Processes of user "{value}" on host "{host}" do not end'),
  SHELL_ABSENT: row(49, 'FAILED_PRECONDITION', 1, 'Shell "{value}" is not in /etc/shells of host "{host}", or does not exist there'),
  USER_UID_FIXED: row(50, 'FAILED_PRECONDITION', 1, 'User "{value}" on host "{host}" has uid {owner}; the uid of an existing user is never changed'),
  USER_PROTECTED: row(51, 'PERMISSION_DENIED', 1, 'User "{value}" on host "{host}" is a system account: {rule}'),
  USER_KIND_FIXED: row(52, 'FAILED_PRECONDITION', 1, 'User "{value}" on host "{host}" is of kind "{owner}"; the kind of an existing user is never changed'),

  TOOL_FAILED: row(60, 'INTERNAL', 1, '{value} failed on host "{host}": {rule}'),
  TOOL_TIMEOUT: row(61, 'DEADLINE_EXCEEDED', 1, '{value} did not end in time on host "{host}" and was stopped'),
  AUDIT_UNWRITABLE: row(62, 'FAILED_PRECONDITION', 1, 'Audit records cannot be written on {where}, so nothing is changed: {reason}', 'Free space or repair the file system; Reeve recovers alone.'),
  SANDBOX_VIOLATION: row(63, 'INTERNAL', 1, 'The helper on host "{host}" was stopped by its own sandbox', 'Report this with the journal of reeve-privd.service.'),
  IO_FAILED: row(64, 'INTERNAL', 1, 'Input or output failed on host "{host}": {rule}'),
  HELPER_UNREACHABLE: row(65, 'UNAVAILABLE', 1, 'The helper on host "{host}" does not answer: {reason}', 'On the host: systemctl status reeve-privd.socket reeve-privd.service'),
  PATH_UNSAFE: row(66, 'FAILED_PRECONDITION', 1, 'Path "{value}" on host "{host}" is not safe to touch: {rule}'),
  LIMIT_EXCEEDED: row(67, 'RESOURCE_EXHAUSTED', 2, '{field} is too large: {rule}'),
  RATE_LIMITED: row(68, 'RESOURCE_EXHAUSTED', 1, 'Too many calls of {value}: {rule}', 'Wait and try again.'),

  IDENTITY_REFUSED: row(80, 'UNAUTHENTICATED', 1, 'The certificate was refused: {reason}'),
  ROLE_REFUSED: row(81, 'PERMISSION_DENIED', 2, 'Role "{value}" may not call {rule}', 'Ask an operator with that role.'),
  OPERATOR_UNKNOWN: row(82, 'PERMISSION_DENIED', 2, 'The local account "{value}" is not an operator', 'An admin runs: reeve operator add {value} --role viewer'),
  OPERATOR_DISABLED: row(83, 'PERMISSION_DENIED', 2, 'Operator "{value}" is disabled'),
  JOIN_REFUSED: row(84, 'PERMISSION_DENIED', 1, 'The coordinator refused this join: the token is unknown, used or expired', 'An operator runs "reeve host invite" again.'),
  READMIT_NEEDS_OPERATOR: row(85, 'FAILED_PRECONDITION', 1, 'The certificate of this host expired too long ago to come back without a question', 'An operator runs: reeve host readmit --all'),

  SELECTOR_INVALID: row(100, 'INVALID_ARGUMENT', 2, 'Selector "{value}" is not allowed: {rule}'),
  SELECTOR_EMPTY: row(101, 'NOT_FOUND', 2, 'Selector "{value}" matches no host', 'See: reeve host list'),
  HOST_UNKNOWN: row(102, 'NOT_FOUND', 2, 'No host "{value}" is known', 'See: reeve host list'),
  HOST_EXISTS: row(103, 'ALREADY_EXISTS', 2, 'A host "{value}" already exists'),
  HOST_UNREACHABLE: row(104, 'UNAVAILABLE', 3, 'Host "{host}" does not answer: {reason}', 'See: reeve host show {host}'),
  HOST_RETIRED: row(105, 'FAILED_PRECONDITION', 2, 'Host "{value}" is retired'),
  HOST_NOT_JOINED: row(106, 'FAILED_PRECONDITION', 3, 'Host "{host}" has not joined yet', 'Run the join command of "reeve host invite" on it.'),
  HOST_REVOKED: row(107, 'FAILED_PRECONDITION', 1, 'Host "{host}" is revoked', 'To let it join again: reeve host invite {host} --rejoin'),
  HOST_PARENT_LOOP: row(108, 'INVALID_ARGUMENT', 2, 'Host "{value}" cannot be its own ancestor'),
  HOST_HAS_CHILDREN: row(109, 'FAILED_PRECONDITION', 2, 'Host "{value}" is the parent of {rule}', 'Move or retire those first.'),
  USER_UNKNOWN: row(110, 'NOT_FOUND', 2, 'User "{value}" is not managed on {rule}'),
  USER_UID_CONFLICT: row(111, 'ALREADY_EXISTS', 2, 'Uid {value} is already wanted for user "{owner}" on host "{host}"'),
  PLAN_UNKNOWN: row(112, 'NOT_FOUND', 2, 'No plan "{value}" is stored for this command', 'Plan again.'),
  OPERATOR_EXISTS: row(113, 'ALREADY_EXISTS', 2, 'An operator "{value}" already exists'),
  OPERATOR_ABSENT: row(114, 'NOT_FOUND', 2, 'No operator "{value}" is known', 'See: reeve operator list'),
  OUTCOME_UNKNOWN: row(115, 'UNAVAILABLE', 3, 'The connection to host "{host}" broke after the request was sent; whether it was done is not known yet', 'Reeve asks the host again when it returns: reeve pending'),
  COORDINATOR_UNREACHABLE: row(116, 'UNAVAILABLE', 3, 'The coordinator does not answer on {value}: {reason}', 'See: systemctl status reeved'),
  DATABASE_UNSAFE: row(117, 'FAILED_PRECONDITION', 70, 'The database {value} cannot be used: {reason}', 'Restore the newest backup: reeved restore FILE'),
  NOT_INITIALISED: row(118, 'FAILED_PRECONDITION', 2, 'No coordinator is set up in {value}', 'Run: reeve init --address ADDRESS'),
  ALREADY_INITIALISED: row(119, 'ALREADY_EXISTS', 2, 'A coordinator is already set up in {value}'),
  CANCELLED: row(120, 'CANCELLED', 1, 'The command was cancelled; nothing was changed'),

  RELAY_NOT_CHILD: row(121, 'PERMISSION_DENIED', 1, 'Host "{value}" is not a child of host "{host}", which passes bytes to its children only', 'See its parent and link: reeve host show {value}'),
  RELAY_FAILED: row(122, 'UNAVAILABLE', 3, 'Host "{host}" cannot reach its child "{value}" at {where}: {reason}'),
  LINK_REFUSED: row(123, 'FAILED_PRECONDITION', 1, 'The coordinator does not reach host "{host}" by dial-out: its link is {value}', 'An operator runs: reeve host set {host} --link dial-out'),
  LINK_REPLACED: row(124, 'ABORTED', 1, 'A newer connection of host "{host}" took the place of this one', 'When this repeats, two machines have one identity: see "reeve host show {host}".'),

  SCOPE_REFUSED: row(130, 'PERMISSION_DENIED', 2, 'An operator whose scope is {value} may not {rule}', 'Ask an admin of the whole fleet.'),
  LOGIN_REFUSED: row(131, 'PERMISSION_DENIED', 1, 'The coordinator refused this login: the token is unknown, used or expired', 'An admin runs "reeve operator invite" again.'),
  LOGIN_MISSING: row(132, 'UNAVAILABLE', 3, 'No coordinator answers on this machine ({value}), and nobody is logged in to one elsewhere', 'Here: systemctl status reeved. Elsewhere: an admin runs "reeve operator invite NAME" and you "reeve login".'),
  LOGIN_ENDED: row(133, 'UNAUTHENTICATED', 2, 'The login of operator "{value}" ended {when}', 'An admin runs "reeve operator invite {value}" and you "reeve login".'),
  RECORD_REFUSED: row(135, 'UNAUTHENTICATED', 1, 'The signed record was refused: {reason}'),
  OPERATORS_OFF: row(134, 'FAILED_PRECONDITION', 2, 'This coordinator does not listen for operators on other machines', 'Take "operators-bind off" out of /etc/reeve/reeved.conf and run: systemctl restart reeved'),

  OPERATION_FORGOTTEN: row(150, 'FAILED_PRECONDITION', 1, 'Operation {value} is as old as operations that host "{host}" has forgotten, so it is not run: it may have been done before', 'Run the command again as a new operation. If that is refused too, compare the clocks: reeve host show {host}'),
  HOST_RELEASED: row(170, 'FAILED_PRECONDITION', 1, 'Host "{host}" was released and takes no changes any more', 'To manage it again: reeve host invite on the coordinator, and the line it prints on the host.'),
  RELEASE_MANAGED: row(171, 'FAILED_PRECONDITION', 1, 'Host "{host}" still has managed objects: {rule}', 'Let go of them first: reeve host release {host} --noun {noun}'),
  RELEASE_UNAPPLIED: row(172, 'FAILED_PRECONDITION', 1, 'What is wanted of noun {noun} on host "{host}" is not applied yet, and releasing it now would lose that', 'Apply it first: reeve apply --on {host} --noun {noun}'),
  HOST_RELEASING: row(173, 'FAILED_PRECONDITION', 2, 'Host "{host}" is being released', 'See: reeve pending --on {host}'),
  HOST_QUARANTINED: row(174, 'FAILED_PRECONDITION', 3, 'Host "{host}" is quarantined: {reason}', 'Run "reeve-agent reset" on the machine that is the copy, and join the other one again: reeve host invite {host} --rejoin'),

  HOST_HELD: row(160, 'FAILED_PRECONDITION', 3, 'Noun {noun} of host "{host}" is {text}', 'What is pending is applied when the hold ends. To end it now: {remedy}'),
  UNDO_NOTHING: row(162, 'NOT_FOUND', 1, 'Nothing of noun {noun} can be taken back: {rule}'),
  UNDO_GENERATION: row(163, 'NOT_FOUND', 2, 'Noun {noun} cannot be taken back to generation {value}: {rule}', 'See: reeve-agent undo {noun} --list'),
  UNDO_INTERRUPTED: row(164, 'UNAVAILABLE', 1, 'The agent ended before it answered; whether noun {noun} was taken back is not known yet', 'The agent finishes what it began when it starts again; then see: reeve-agent status'),
  HOST_HOLD_UNSUPPORTED: row(161, 'FAILED_PRECONDITION', 3, 'Nothing is applied to host "{host}" while it is held: its agent is too old to apply only what removes access', 'Upgrade the agent package on the host, or end the hold: reeve host hold {host} --end'),
  SSH_HOST_KEY_UNKNOWN: row(140, 'FAILED_PRECONDITION', 2, 'The SSH host key of {host} is not known: {value} ({type})', 'Compare it with what "ssh-keygen -lf /etc/ssh/ssh_host_{type}_key.pub" prints on the host itself, then add: --host-key {value}'),
  SSH_HOST_KEY_WRONG: row(141, 'FAILED_PRECONDITION', 1, 'The SSH host key of {host} is {value}, wanted {wanted}; nothing was sent to it', 'Somebody may be in between. If the host was installed anew, correct the key that you gave or its line in known_hosts.'),
  SSH_UNREACHABLE: row(142, 'UNAVAILABLE', 3, 'SSH to {host} failed: {reason}'),
  SSH_LOGIN_REFUSED: row(143, 'UNAUTHENTICATED', 1, 'SSH login to {host} as "{value}" was refused: {reason}', 'Try the same login with ssh(1).'),
  SUDO_REFUSED: row(144, 'PERMISSION_DENIED', 1, 'Account "{value}" on host "{host}" may not do this: {reason}', 'Log in as root, or as an account that sudo lets do everything, with --sudo.'),
  HOST_UNSUITABLE: row(145, 'FAILED_PRECONDITION', 1, 'Host "{host}" cannot run the agent: {rule}'),
  HOST_JOINED_ELSEWHERE: row(146, 'ALREADY_EXISTS', 1, 'The machine for host "{host}" has joined already: {rule}'),
  INSTALL_FAILED: row(147, 'INTERNAL', 1, 'Host "{host}" could not be taken in, at {value}: {rule}', 'Run the same command again: it goes on where this one stopped.'),
  PACKAGE_UNKNOWN: row(148, 'NOT_FOUND', 2, 'There is no package {value} here', 'Install reeve-agent-packages beside reeve-coordinator, or name a folder of .deb files with --package-dir.'),
  SSH_KEY_UNUSABLE: row(149, 'INVALID_ARGUMENT', 2, 'The SSH key {value} cannot be used: {rule}'),

  CONFIRM_PENDING: row(190, 'FAILED_PRECONDITION', 1, 'Host "{host}" still has an unconfirmed change of noun {noun}, which reverts at {when}', 'Wait until it is confirmed or reverted, then try again.'),
  CONFIRM_REVERTED: row(191, 'ABORTED', 1, 'The change of noun {noun} on host "{host}" was reverted: {reason}', 'Put right what is named, then: reeve apply --on {host} --noun {noun}'),
  KEY_FLOOR: row(192, 'FAILED_PRECONDITION', 1, 'Host "{host}" refuses to take keys of user "{value}" away: {rule}', 'If that is what you want, give the command --force.'),
  KEY_MANIFEST: row(193, 'FAILED_PRECONDITION', 1, 'The key manifest for host "{host}" is refused: {rule}'),
  KEY_FILE_FOREIGN: row(194, 'FAILED_PRECONDITION', 1, 'Key file "{value}" on host "{host}" was not made by Reeve', 'To take it over: reeve key adopt {host}'),
  KEY_ADOPT_LOSES: row(195, 'FAILED_PRECONDITION', 1, 'Adopting the keys of user "{value}" on host "{host}" would lose one that lets in now: {rule}'),
  KEY_UNMANAGED: row(196, 'NOT_FOUND', 1, 'No keys of host "{host}" are managed'),
  KEY_ROOT: row(197, 'PERMISSION_DENIED', 1, 'Keys of root are not managed on host "{host}"', 'To allow it, root on the host adds these lines with "reeve-agent policy edit": allow user.adopt system=yes, and: allow key.put root-keys=yes'),
  KEY_LINE: row(198, 'INVALID_ARGUMENT', 1, 'Line {value} of a key file was refused on host "{host}": {rule}'),
  SSHD_CHECK: row(199, 'FAILED_PRECONDITION', 1, 'Host "{host}" keeps its sshd as it was: {rule}', 'Repair the configuration of sshd on the host, then run the command again.'),
  SSHD_ABSENT: row(200, 'FAILED_PRECONDITION', 1, 'Host "{host}" has no sshd that Reeve could tell of its key files: {rule}'),
  PERSON_UNKNOWN: row(201, 'NOT_FOUND', 2, 'No person "{value}" is known', 'See: reeve person list'),
  PERSON_EXISTS: row(202, 'ALREADY_EXISTS', 2, 'A person "{value}" already exists'),
  KEY_UNKNOWN: row(203, 'NOT_FOUND', 2, 'No key "{value}" is known', 'See: reeve key list'),
  KEY_EXISTS: row(204, 'ALREADY_EXISTS', 2, 'Key {value} already belongs to {owner}'),
  GROUP_UNKNOWN: row(205, 'NOT_FOUND', 2, 'No group "{value}" is known', 'See: reeve group list'),
  GROUP_EXISTS: row(206, 'ALREADY_EXISTS', 2, 'A group "{value}" already exists'),
  GROUP_USED: row(207, 'FAILED_PRECONDITION', 2, 'Group "{value}" still has {rule}', 'Remove those first, or give the command --with-grants.'),
  GRANT_UNKNOWN: row(208, 'NOT_FOUND', 2, 'No grant {value} is known', 'See: reeve grant list'),
  GRANT_EXISTS: row(209, 'ALREADY_EXISTS', 2, 'The grant exists already: {value}', 'To alter its end: reeve grant set {value}'),
  PERSON_INACTIVE: row(210, 'FAILED_PRECONDITION', 2, 'Person "{value}" is revoked', 'To let them in again: reeve person set {value} --active'),

  NAT_RULE: row(211, 'FAILED_PRECONDITION', 1, 'Rule {value} of noun nat was refused on host "{host}": {rule}'),
  NAT_PORT_RESERVED: row(212, 'FAILED_PRECONDITION', 1, 'Port {value} of host "{host}" is never forwarded: {rule}', 'Forward another port.'),
  NAT_INTERFACE: row(213, 'FAILED_PRECONDITION', 1, 'Host "{host}" has no interface or address "{value}"', 'See on the host: ip address'),
  NAT_FOREIGN_CLAIM: row(214, 'FAILED_PRECONDITION', 1, '{value} of host "{host}" is claimed by a rule that Reeve did not make: {rule}', '{remedy}'),
  NAT_FOREIGN_DROP: row(215, 'FAILED_PRECONDITION', 1, 'What is forwarded from {value} of host "{host}" would be dropped by a rule that Reeve did not make: {rule}', '{remedy}'),
  NAT_FORWARDING: row(216, 'FAILED_PRECONDITION', 1, 'Host "{host}" would lose its IPv6 route through {value} when it forwards: it was learned from router advertisements', 'On the host, first and for good: net.ipv6.conf.{value}.accept_ra=2 (see sysctl.d(5))'),
  NAT_ABSENT: row(217, 'FAILED_PRECONDITION', 1, 'Host "{host}" has no nft(8): {rule}', 'Install the package nftables on the host.'),
  NAT_EXISTS: row(218, 'ALREADY_EXISTS', 2, '{value} of host "{host}" is forwarded already: {rule}', 'See: reeve nat list {host}'),
  NAT_UNKNOWN: row(219, 'NOT_FOUND', 2, 'Host "{host}" has no forward or masquerade {value}', 'See: reeve nat list {host}'),
  NAT_DESTINATION: row(220, 'FAILED_PRECONDITION', 2, 'Nothing of host "{host}" can be forwarded to "{value}": {rule}'),
  NAT_NO_WITNESS: row(221, 'FAILED_PRECONDITION', 2, 'Nobody outside could tell whether host "{host}" is still reached after the change: {rule}', 'Look yourself, and confirm it with "reeve nat confirm {host}": give the command --confirm manual.'),
  NAT_ADOPT: row(222, 'FAILED_PRECONDITION', 1, '{value} of host "{host}" cannot be taken over: {rule}', 'See: reeve nat adopt {host} --plan'),

  VHOST_PARKED: row(230, 'FAILED_PRECONDITION', 1, 'Site "{value}" of host "{host}" was refused, the others were not: {rule}'),
  VHOST_DRIFT: row(231, 'FAILED_PRECONDITION', 1, 'Site "{value}" of host "{host}" was altered by hand: {rule}', 'See: reeve vhost show {host} {value}. To write over it, give the command --overwrite.'),
  VHOST_ENGINE: row(232, 'FAILED_PRECONDITION', 1, 'The web server of host "{host}" cannot be used: {rule}', '{remedy}'),
  VHOST_RELOAD: row(233, 'FAILED_PRECONDITION', 1, 'The web server of host "{host}" did not take the new configuration, and the old one is in place again: {rule}', 'See on the host: journalctl -u nginx'),
  VHOST_PROBE: row(234, 'FAILED_PRECONDITION', 1, 'Site "{value}" of host "{host}" answered before the change and not after it, so that the change was undone: {rule}'),
  VHOST_FOREIGN: row(235, 'FAILED_PRECONDITION', 1, 'Site "{value}" of host "{host}" is configured by somebody else, too: {rule}', 'To take it over: reeve vhost adopt {host} {owner}'),
  VHOST_FOREIGN_FILE: row(236, 'FAILED_PRECONDITION', 1, 'File "{value}" of host "{host}" cannot be read as sites: {rule}'),
  VHOST_SNIPPET: row(237, 'FAILED_PRECONDITION', 1, 'Snippet "{value}" of host "{host}" cannot be used: {rule}', 'Root on the host puts it into /etc/reeve/snippets/{value}.conf and adds its hash to the policy.'),
  VHOST_CONTENT: row(238, 'FAILED_PRECONDITION', 1, 'The helper refused the file of site "{value}" of host "{host}": {rule}'),
  VHOST_EXISTS: row(239, 'ALREADY_EXISTS', 2, 'Host "{host}" has a site {value} already: {rule}', 'See: reeve vhost list {host}'),
  VHOST_UNKNOWN: row(240, 'NOT_FOUND', 2, 'Host "{host}" has no site "{value}"', 'See: reeve vhost list {host}'),
  VHOST_UPSTREAM: row(241, 'FAILED_PRECONDITION', 2, 'Nothing of host "{host}" can be passed on to "{value}": {rule}'),
  VHOST_ADOPT: row(242, 'FAILED_PRECONDITION', 1, 'File "{value}" of host "{host}" cannot be taken over: {rule}'),
  CERT_KEY: row(245, 'FAILED_PRECONDITION', 1, 'The key of certificate "{value}" cannot be used on host "{host}": {rule}'),
  CERT_CONTENT: row(246, 'INVALID_ARGUMENT', 2, 'Certificate "{value}" cannot be used: {rule}'),
  CERT_UNKNOWN: row(247, 'NOT_FOUND', 2, 'Host "{host}" has no certificate "{value}"', 'See: reeve cert list {host}'),
  CERT_EXISTS: row(248, 'ALREADY_EXISTS', 2, 'Host "{host}" has a certificate "{value}" already', 'To replace it: reeve cert set {host} {value}'),
  CERT_IN_USE: row(249, 'FAILED_PRECONDITION', 2, 'Certificate "{value}" of host "{host}" is used by {owner}'),
  CERT_DRIFT: row(250, 'FAILED_PRECONDITION', 1, 'Certificate "{value}" of host "{host}" was altered by hand', 'To write over it, give the command --overwrite.'),

  BACKUP_UNKNOWN: row(260, 'NOT_FOUND', 2, 'No backup job "{value}" is known', 'See: reeve backup list'),
  BACKUP_EXISTS: row(261, 'ALREADY_EXISTS', 2, 'A backup job "{value}" already exists', 'To alter it: reeve backup set {value}'),
  BACKUP_FOLDER: row(262, 'FAILED_PRECONDITION', 1, 'Folder "{value}" of host "{host}" cannot be used: {rule}', '{remedy}'),
  BACKUP_BUSY: row(263, 'FAILED_PRECONDITION', 2, 'Backup job "{value}" is running: {rule}', 'See: reeve backup log {value}. To end it: reeve backup cancel {value}'),
  BACKUP_IDLE: row(264, 'FAILED_PRECONDITION', 2, 'Backup job "{value}" does not run'),
  BACKUP_FAILED: row(265, 'FAILED_PRECONDITION', 1, '{value} on host "{host}" failed: {rule}'),
  BACKUP_FROZEN: row(266, 'FAILED_PRECONDITION', 2, 'The rotation of backup job "{value}" is frozen: {rule}', 'When the source is right: reeve backup set {value} --thaw'),
  BACKUP_RUN_UNKNOWN: row(267, 'NOT_FOUND', 2, 'Backup job "{value}" has no run {rule}', 'See: reeve backup log {value} --list'),
  SNAPSHOT_UNKNOWN: row(268, 'NOT_FOUND', 2, 'Backup job "{value}" has no snapshot {rule}', 'See: reeve backup snapshots {value}'),
  GRANT_REFUSED: row(269, 'PERMISSION_DENIED', 1, 'Host "{host}" refused the grant of a copy: {rule}'),

  CONTAINER_UNKNOWN: row(280, 'NOT_FOUND', 2, 'Host "{host}" has no container "{value}"', 'See: reeve container list --on {host}'),
  CONTAINER_EXISTS: row(281, 'ALREADY_EXISTS', 2, 'Host "{host}" has a container "{value}" already', 'To alter it: reeve container set {host} {value}'),
  CONTAINER_FOREIGN: row(282, 'FAILED_PRECONDITION', 1, 'Container "{value}" of host "{host}" was not made by Reeve', 'To take it over: reeve container adopt {host} {value}'),
  CONTAINER_ENGINE: row(283, 'FAILED_PRECONDITION', 1, 'Host "{host}" cannot have this container: {rule}', '{remedy}'),
  CONTAINER_IMAGE: row(284, 'FAILED_PRECONDITION', 1, 'Image "{value}" is not on host "{host}": {rule}', '{remedy}'),
  CONTAINER_ADDRESS: row(285, 'FAILED_PRECONDITION', 1, 'Address "{value}" cannot be given to a container of host "{host}": {rule}', '{remedy}'),
  CONTAINER_PORT: row(286, 'FAILED_PRECONDITION', 1, 'Port {value} of host "{host}" cannot be given to a container: {rule}'),
  CONTAINER_PLACE: row(287, 'FAILED_PRECONDITION', 1, 'Host "{host}" cannot give "{value}" to a container: {rule}', '{remedy}'),
  CONTAINER_UNHEALTHY: row(288, 'FAILED_PRECONDITION', 1, 'Container "{value}" of host "{host}" did not get healthy, so that it is as it was before: {rule}'),
  CONTAINER_FAILED: row(289, 'FAILED_PRECONDITION', 1, '{value} on host "{host}" failed: {rule}'),
  CONTAINER_FIXED: row(290, 'FAILED_PRECONDITION', 2, '{field} of container "{value}" of host "{host}" cannot be altered: {rule}', 'Remove it and add it anew.'),
  CONTAINER_DRIFT: row(291, 'FAILED_PRECONDITION', 1, 'Container "{value}" of host "{host}" was altered by hand: {rule}', 'To write over it: reeve container set {host} {value} --overwrite'),
  CONTAINER_ADOPT: row(292, 'FAILED_PRECONDITION', 1, 'Container "{value}" of host "{host}" cannot be taken over: {rule}'),
  CONTAINER_SNAPSHOT: row(293, 'NOT_FOUND', 2, 'Container "{value}" of host "{host}" has no snapshot "{rule}"', 'See: reeve container snapshot list {host} {value}'),

  UNIT_PROTECTED: row(300, 'PERMISSION_DENIED', 1, 'Unit "{value}" of host "{host}" is never restarted by Reeve, whatever the policy says: {rule}'),
  UNIT_FAILED: row(301, 'FAILED_PRECONDITION', 1, '{value} on host "{host}" failed: {rule}'),

  WEB_LOGIN_UNKNOWN: row(320, 'NOT_FOUND', 2, 'Nobody logs in to the status page as "{value}"', 'See: reeve web login list'),
  WEB_SESSION_ENDED: row(321, 'UNAUTHENTICATED', 2, 'There is no such session of the status page: {reason}', 'Log in to it.'),

  ALERT_ROUTE_UNKNOWN: row(310, 'NOT_FOUND', 2, 'No route "{value}" of alerts is known', 'See: reeve alert route list'),
  ALERT_MUTE_UNKNOWN: row(311, 'NOT_FOUND', 2, 'No mute "{value}" is known', 'See: reeve alert mutes'),
  ALERT_UNCONFIGURED: row(312, 'FAILED_PRECONDITION', 2, 'Alerts cannot be told to "{value}": {rule}', '{remedy}'),

  DATABASE_NEWER: row(180, 'FAILED_PRECONDITION', 70, 'The database {value} was written by reeve-coordinator {owner}, a newer one: {rule}', 'Install reeve-coordinator {owner} or a later one; the database was not touched.'),
  STATE_NEWER: row(181, 'FAILED_PRECONDITION', 1, 'The state in {value} was written by reeve-agent {owner}, a newer one: {rule}', 'Install reeve-agent {owner} or a later one; the state was not touched.'),
  AGENT_NOT_SERVING: row(182, 'UNAVAILABLE', 1, 'The agent does not serve: {reason}', 'See: systemctl status reeve-agent reeve-privd.socket reeve-privd'),

  INTERNAL: row(255, 'INTERNAL', 70, 'Reeve made a mistake; its log has the details under {correlation}', 'Please report it with that log.'),
} as const satisfies Record<string, ErrorRow>;

/** The code of an error: a key of the catalogue. */
export type ErrorCode = keyof typeof catalogue;
