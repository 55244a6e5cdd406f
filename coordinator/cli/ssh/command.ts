/**
 * Every command that is ever sent over SSH. sshd(8) gives a command to the login shell of the account, which cannot be avoided; so these are constants, of
 * words that every shell reads alike, and nothing from outside is ever put into one: files, tokens and passwords go by standard input.
 */

/** Presets of the policy that can be put in place. */
export const presets = ['observe', 'minimal', 'web', 'standard', 'full'] as const;

/** A preset of the policy. */
export type Preset = (typeof presets)[number];

/** Where uploaded packages lie until they are installed; root's own. */
export const uploadFolder = '/var/cache/reeve-install';

/** What sudo(8) asks with, so that a password is written to nothing but its question. */
export const sudoPrompt = 'reeve-sudo-password:';

/** Looking at a machine; nothing of it alters anything. */
export const looking = {
  uid: '/usr/bin/id -u',
  os: '/bin/cat /etc/os-release',
  architecture: '/usr/bin/dpkg --print-architecture',
  libc: '/usr/bin/getconf GNU_LIBC_VERSION',
  systemd: '/bin/ls -d /run/systemd/system',
  disk: '/bin/df -Pk /usr /var',
  installed: '/usr/bin/dpkg --status reeve-runtime reeve-agent',
  identity: '/bin/cat /var/lib/reeve-agent/identity/current/identity.json',
  policy: '/usr/bin/sha256sum /etc/reeve/policy /usr/share/reeve/policy/observe /usr/share/reeve/policy/minimal /usr/share/reeve/policy/web /usr/share/reeve/policy/standard /usr/share/reeve/policy/full',
  active: '/bin/systemctl is-active reeve-agent.service',
} as const;

/** Uploading and installing. */
export const installing = {
  folder: `/usr/bin/install -d -m 700 ${uploadFolder}`,
  put: {
    'reeve-runtime': `/bin/dd of=${uploadFolder}/reeve-runtime.deb bs=64k conv=fsync status=none`,
    'reeve-agent': `/bin/dd of=${uploadFolder}/reeve-agent.deb bs=64k conv=fsync status=none`,
  },
  /** Reads `HASH  PATH` lines. */
  check: '/usr/bin/sha256sum --check --strict --status',
  /** Needs nothing but the files. */
  install: `/usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C /usr/bin/dpkg --install ${uploadFolder}/reeve-runtime.deb ${uploadFolder}/reeve-agent.deb`,
  /** Where that fails: waits for another apt, finishes what was interrupted, and fetches what is missing. */
  configure: '/usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C /usr/bin/dpkg --configure --pending',
  resolve: `/usr/bin/env DEBIAN_FRONTEND=noninteractive LC_ALL=C /usr/bin/apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 ${uploadFolder}/reeve-runtime.deb ${uploadFolder}/reeve-agent.deb`,
  clear: `/bin/rm -rf ${uploadFolder}`,
} as const;

/** Putting a preset of the policy in place, in one step: a copy beside it, then a rename. */
export const policyCopy: Readonly<Record<Preset, string>> = {
  observe: '/usr/bin/install -m 644 /usr/share/reeve/policy/observe /etc/reeve/policy.new',
  minimal: '/usr/bin/install -m 644 /usr/share/reeve/policy/minimal /etc/reeve/policy.new',
  web: '/usr/bin/install -m 644 /usr/share/reeve/policy/web /etc/reeve/policy.new',
  standard: '/usr/bin/install -m 644 /usr/share/reeve/policy/standard /etc/reeve/policy.new',
  full: '/usr/bin/install -m 644 /usr/share/reeve/policy/full /etc/reeve/policy.new',
};

/** The rename of that. */
export const policyPut = '/bin/mv /etc/reeve/policy.new /etc/reeve/policy';

/** Joining and starting. */
export const joining = {
  /** Reads the token. */
  join: '/usr/bin/reeve-agent join',
  enable: '/bin/systemctl enable --quiet reeve-privd.socket reeve-agent.service',
  socket: '/bin/systemctl start reeve-privd.socket',
  /** Ends when the agent says that it is ready. */
  restart: '/bin/systemctl restart reeve-agent.service',
} as const;

/** How a command becomes root's. */
export type Elevation = 'none' | 'sudo' | 'sudo with password';

/** A command of the table as another account than root has to start it. */
export function elevated(command: string, elevation: Elevation): string {
  switch (elevation) {
    case 'none':
      return command;
    case 'sudo':
      return `sudo -n ${command}`;
    case 'sudo with password':
      // -k: what sudo remembers does not count, so that it always asks, and the password is never read by the command instead.
      return `sudo -k -S -p ${sudoPrompt} ${command}`;
  }
}
