import { run, type Fix } from './check.js';

/** What to do about a policy that cannot be used, by the word for its state (R31). `at` is the name of the host. */
export function policyFix(at: string, state: string): Fix {
  switch (state) {
    case 'missing':
      return run(at, 'install -m 644 -o root -g root /usr/share/reeve/policy/observe /etc/reeve/policy', 'Put one in place; presets are in /usr/share/reeve/policy.');
    case 'owner':
      return run(at, 'chown root:root /etc/reeve /etc/reeve/policy', 'It must belong to root.');
    case 'mode':
      return run(at, 'chmod go-w /etc/reeve /etc/reeve/policy', 'Look at what others may have written into it, and take their right away.');
    case 'unreadable':
      return run(at, 'chmod 755 /etc/reeve && chmod 644 /etc/reeve/policy', 'The agent has to read it.');
    case 'type':
      return run(at, 'rm /etc/reeve/policy && install -m 644 -o root -g root /usr/share/reeve/policy/observe /etc/reeve/policy', 'It must be a regular file.');
    default:
      return run(at, 'reeve-agent policy edit', 'Repair it.');
  }
}
