import { describe, expect, it } from 'vitest';
import { formatWireTarget, type VhostTarget } from './vhost-route.js';
import { formatTarget, parseTarget } from './vhost-target.js';

const address = (port: number): { kind: 'address'; address: string; port: number } => ({ kind: 'address', address: '10.0.0.5', port });

describe('where a route leads', () => {
  it.each<[string, VhostTarget]>([
    ['http://10.0.0.5:8080', { kind: 'proxy', to: address(8080), tls: false }],
    ['https://web1:8443', { kind: 'proxy', to: { kind: 'host', host: 'web1', port: 8443 }, tls: true }],
    ['http://[fd00::5]:80', { kind: 'proxy', to: { kind: 'address', address: 'fd00::5', port: 80 }, tls: false }],
    ['unix:/run/app.sock', { kind: 'proxy', to: { kind: 'socket', path: '/run/app.sock' }, tls: false }],
    ['https+unix:/run/app.sock', { kind: 'proxy', to: { kind: 'socket', path: '/run/app.sock' }, tls: true }],
    ['uwsgi:10.0.0.5:3031', { kind: 'uwsgi', to: address(3031) }],
    ['uwsgi:/run/u.sock', { kind: 'uwsgi', to: { kind: 'socket', path: '/run/u.sock' } }],
    ['fastcgi:web1.example:9000', { kind: 'fastcgi', to: { kind: 'host', host: 'web1.example', port: 9000 } }],
    ['php:/srv/www,socket=/run/php.sock', { kind: 'php', folder: '/srv/www', socket: '/run/php.sock', frontController: undefined, denied: [] }],
    ['php:/srv/www,socket=/run/php.sock,front=/index.php,deny=/a,deny=/b', { kind: 'php', folder: '/srv/www', socket: '/run/php.sock', frontController: '/index.php', denied: ['/a', '/b'] }],
    ['static:/srv/www', { kind: 'static', folder: '/srv/www' }],
    ['spa:/srv/app', { kind: 'spa', folder: '/srv/app' }],
    ['redirect:https://www.example.org/x?y=a,b:c', { kind: 'redirect', to: 'https://www.example.org/x?y=a,b:c', code: 301, keepPath: false }],
    ['redirect:308:/new', { kind: 'redirect', to: '/new', code: 308, keepPath: false }],
    ['redirect:keep-path:https://a.example', { kind: 'redirect', to: 'https://a.example', code: 301, keepPath: true }],
    ['redirect:302,keep-path:https://a.example:8443', { kind: 'redirect', to: 'https://a.example:8443', code: 302, keepPath: true }],
    ['status:404', { kind: 'status', code: 404, text: '' }],
    ['status:410:Gone: for "good"', { kind: 'status', code: 410, text: 'Gone: for "good"' }],
  ])('%s is read, and written so', (text, target) => {
    expect(parseTarget('--to', text)).toEqual(target);
    expect(formatTarget(target)).toBe(text);
  });

  it('may leave out the usual port, and end in a slash', () => {
    expect(parseTarget('--to', 'http://10.0.0.5/')).toEqual({ kind: 'proxy', to: address(80), tls: false });
    expect(parseTarget('--to', 'https://web1')).toEqual({ kind: 'proxy', to: { kind: 'host', host: 'web1', port: 443 }, tls: true });
    expect(parseTarget('--to', 'uwsgi:unix:/run/u.sock')).toEqual({ kind: 'uwsgi', to: { kind: 'socket', path: '/run/u.sock' } });
  });

  it.each([
    '', 'web1', '10.0.0.5:8080', 'ftp://a', 'http:', 'http://', 'http://10.0.0.5:8080/path', 'http://user@10.0.0.5', 'http://10.0.0.5:0', 'http://10.0.0.5:65536', 'http://10.0.0.05', 'http://0.0.0.0', 'http://[fe80::1]', 'http://[::ffff:10.0.0.5]', 'http://localhost:3000', 'http://Web1',
    'http://fd00::5', 'http://a:b:80', 'unix:run/app.sock', 'unix:/run/../x', 'uwsgi:10.0.0.5', 'uwsgi:', 'php:/srv/www', 'php:/srv/www,socket=', 'php:/srv/www,socket=/a,socket=/b', 'php:/srv/www,socket=/a,front=/x.html', 'php:/srv/www,socket=/a,other=1', 'php:/srv/www?socket=/a', 'static:srv', 'spa:/',
    'redirect:', 'redirect:www.example.org', 'redirect:303:/x', 'redirect:keep-path,302:/x', 'status:', 'status:99', 'status:301', 'status:302:/x', 'status:304', 'status:444', 'status:499', 'status:600', 'status:0404', 'http://10.0.0.5\n', 'http://$host', 'http://10.0.0.5"; }',
  ])('%j is refused with the field', (text) => {
    expect(() => parseTarget('--to', text)).toThrow(expect.objectContaining({ fields: expect.objectContaining({ field: '--to' }) as object }) as Error);
  });

  it('tells what stands for the host itself', () => {
    expect(() => parseTarget('--to', 'http://localhost:3000')).toThrow('127.0.0.1');
  });

  it('goes over the wire', () => {
    expect(formatWireTarget(parseTarget('--to', 'https://web1:8443'))).toEqual({ proxy: { to: { address: '', port: 8443, socket: '', host: 'web1' }, tls: true, hostHeader: '' } });
  });
});
