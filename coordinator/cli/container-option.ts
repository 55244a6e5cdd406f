/** Where a container comes from, and what no command alters. */
export const originOptions = {
  engine: { kind: 'value', value: 'ENGINE', text: 'What runs it (default: podman with --image, lxc with --archive, pct with --template)', choices: ['podman', 'lxc', 'pct'] },
  archive: { kind: 'value', value: 'SHA256', text: 'lxc: the root file system, an imported archive; see: reeve container image import' },
  template: { kind: 'value', value: 'STORAGE:vztmpl/FILE', text: 'pct: the template that it is made from' },
  storage: { kind: 'value', value: 'STORAGE', text: 'pct: where its root file system is' },
  id: { kind: 'value', value: 'NUMBER', text: 'pct: its number, 100 or more' },
  'ssh-key': { kind: 'list', value: 'FILE', text: 'lxc, pct: public keys that may log in as root from the start; may be repeated' },
} as const;

/** What a container is, as far as it can be altered. */
export const containerOptions = {
  image: { kind: 'value', value: 'IMAGE', text: 'podman: REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST; localhost/NAME:TAG for one that was imported. A tag is resolved once, on the host, and kept by digest' },
  env: { kind: 'list', value: 'NAME=VALUE', text: 'podman: a variable of its environment; may be repeated' },
  'env-file': { kind: 'value', value: 'FILE', text: 'podman: variables, a line each' },
  secret: { kind: 'list', value: 'NAME=FILE', text: 'podman: the file /run/secrets/NAME in it, from a file here; - for standard input. Only the host keeps it; may be repeated' },
  publish: { kind: 'list', value: '[ADDRESS:]PORT:INSIDE[/udp]', text: 'A port of the host that leads into it; lxc and pct: only with --idle; may be repeated' },
  volume: { kind: 'list', value: 'FOLDER:TARGET[:ro]', text: 'podman: a folder of the host, as far as its policy allows; may be repeated' },
  device: { kind: 'list', value: '/dev/NAME', text: 'podman: a device of the host, as far as its policy allows; may be repeated' },
  network: { kind: 'value', value: 'NETWORK', text: 'podman: a network of its own, or that of the host (default: bridge)', choices: ['bridge', 'host'] },
  bridge: { kind: 'value', value: 'INTERFACE', text: 'lxc, pct: the bridge that it is plugged into (default: lxcbr0, or vmbr0 with pct)' },
  address: { kind: 'value', value: 'CIDR', text: 'lxc, pct: its address on the bridge, e.g. 10.0.3.7/24 (default: by DHCP)' },
  gateway: { kind: 'value', value: 'ADDRESS', text: 'lxc, pct: the way out (default: none)' },
  ids: { kind: 'value', value: 'WHOSE', text: 'podman, lxc: root of it is an account that nobody else has, or root of the host, as far as its policy allows (default: own)', choices: ['own', 'host'] },
  restart: { kind: 'value', value: 'WHEN', text: 'podman, lxc: started again when it ends (default: always)', choices: ['no', 'on-failure', 'always'] },
  memory: { kind: 'value', value: 'SIZE', text: 'Most memory: 512M, 2G' },
  swap: { kind: 'value', value: 'SIZE', text: 'Most swap beside it' },
  cpu: { kind: 'value', value: 'PERCENT', text: 'Most processor time, in percent of one core: 150 is one and a half' },
  tasks: { kind: 'value', value: 'NUMBER', text: 'podman, lxc: most processes and threads' },
  disk: { kind: 'value', value: 'SIZE', text: 'pct: size of the root file system: 10G' },
  'health-cmd': { kind: 'list', value: 'WORD', text: 'podman: a command in it that ends with 0 when it is healthy; one text is split at spaces, or the option is repeated for each word' },
  'health-tcp': { kind: 'value', value: 'PORT', text: 'podman: it is healthy when this published port takes a connection' },
  'health-http': { kind: 'value', value: 'PORT/PATH', text: 'podman: it is healthy when this published port answers with 200 to 399' },
  'health-start': { kind: 'value', value: 'SECONDS', text: 'Longest time until it is healthy, 1 to 900 (default: 60); one that takes longer goes back to what was before' },
  'stop-seconds': { kind: 'value', value: 'SECONDS', text: 'How long it may take to end by itself, 0 to 600 (default: 10)' },
  idle: { kind: 'value', value: 'SECONDS', text: 'It sleeps until the first connection to a published port, and again after so long without one' },
  'no-boot': { kind: 'flag', text: 'It is not started with the host' },
} as const;

/** What takes an option back, where an empty value does not say it. */
export const containerUndoOptions = {
  boot: { kind: 'flag', text: 'It is started with the host' },
  'no-health': { kind: 'flag', text: 'It counts as healthy when it runs' },
  'no-command': { kind: 'flag', text: 'podman: the command of its image' },
} as const;

/** Options that cannot stand together. */
export const containerExclusive = [['health-cmd', 'health-tcp'], ['health-cmd', 'health-http'], ['health-tcp', 'health-http']] as const;

/** The same where something is altered. */
export const containerUndoExclusive = [['boot', 'no-boot'], ['health-cmd', 'no-health'], ['health-tcp', 'no-health'], ['health-http', 'no-health']] as const;
