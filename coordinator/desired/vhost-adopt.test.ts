import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatVhost, parseVhostDraft, type VhostDraft } from '../../shared/model/vhost.js';
import { adoptSites, type Adoptable, type AdoptOptions } from './vhost-adopt.js';
import type { SiteDirective } from './vhost-adopt-tree.js';

/** The directives of a text, as nginx takes it apart. */
function directives(text: string): SiteDirective[] {
  const found: SiteDirective[] = [];
  let words: string[] = [];
  let depth = 0;
  let line = 1;
  let begun = 1;
  for (const [token] of text.matchAll(/\n|#[^\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[;{}]|(?:\$\{|\\.|[^\s;{}])+/g)) {
    if (token === '\n') line += 1;
    else if (token === ';' || token === '{') {
      found.push({ line: begun, depth, words, block: token === '{' });
      if (token === '{') depth += 1;
      words = [];
    } else if (token === '}') depth -= 1;
    else if (!token.startsWith('#')) {
      if (words.length === 0) begun = line;
      words.push(/^["']/.test(token) ? token.slice(1, -1) : token);
    }
  }
  return found;
}

const usual: AdoptOptions = { cert: undefined, users: [], isHost: (name) => name === 'app1' };
const adopt = (text: string, options: Partial<AdoptOptions> = {}): Adoptable => adoptSites(directives(text), { ...usual, ...options });
const lost = ({ misfits }: Adoptable): string[] => misfits.filter(({ matters }) => matters).map(({ line, text, reason }) => `${String(line)}: ${text} ${reason}`);
/** What is not the usual of a site. */
const short = ({ sites }: Adoptable): unknown[] => sites.map(shortSite);

function shortSite(site: VhostDraft): unknown {
  const { name, aliases, listens, routes, ...rest } = formatVhost(site);
  const said = Object.entries(rest).filter(([key, value]) => !(value === false || value === 0 || value === '' || value === null || (Array.isArray(value) && value.length === 0) || (key === 'bodyLimitBytes' && value === 104_857_600)));
  const shortRoutes = routes.map(({ prefix, ...route }) => [prefix, Object.fromEntries(Object.entries(route).filter(([, value]) => !(value === false || value === null || (Array.isArray(value) && value.length === 0))))]);
  return { name, ...(aliases.length === 0 ? {} : { aliases }), listens: listens.map(({ address, port, tls }) => `${address}:${String(port)}${tls ? '/tls' : ''}`), ...Object.fromEntries(said), routes: Object.fromEntries(shortRoutes) as unknown };
}

const to = (address: string, port: number) => ({ address, port, socket: '', host: '' });
const socket = (path: string) => ({ address: '', port: 0, socket: path, host: '' });

describe('sites of the real world', () => {
  it('a program behind, with the headers of an upgrade, and certbot’s lines', () => {
    const found = adopt(`
      map $http_upgrade $connection_upgrade { default upgrade; '' close; }
      upstream app { server 127.0.0.1:3000 fail_timeout=0; keepalive 8; }
      server {
        server_name app.example.org www.app.example.org;
        client_max_body_size 50m;
        access_log /var/log/nginx/app.log;
        location / {
          proxy_pass http://app;
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header X-Real-IP $remote_addr;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_read_timeout 300s;
        }
        listen [::]:443 ssl ipv6only=on; # managed by Certbot
        listen 443 ssl; # managed by Certbot
        ssl_certificate /etc/letsencrypt/live/app.example.org/fullchain.pem; # managed by Certbot
        ssl_certificate_key /etc/letsencrypt/live/app.example.org/privkey.pem; # managed by Certbot
        include /etc/letsencrypt/options-ssl-nginx.conf; # managed by Certbot
        ssl_dhparam /etc/letsencrypt/ssl-dhparams.pem; # managed by Certbot
      }
      server {
        if ($host = www.app.example.org) {
          return 301 https://$host$request_uri;
        } # managed by Certbot
        if ($host = app.example.org) {
          return 301 https://$host$request_uri;
        } # managed by Certbot
        listen 80;
        listen [::]:80;
        server_name app.example.org www.app.example.org;
        return 404; # managed by Certbot
      }`);
    expect(short(found)).toEqual([
      {
        name: 'app.example.org', aliases: ['www.app.example.org'], listens: [':80', ':443/tls'], redirectHttps: true, bodyLimitBytes: 52_428_800,
        routes: { '/': { proxy: { to: to('127.0.0.1', 3000), tls: false, hostHeader: '' }, websocket: true, timeout: { seconds: 300, nanos: 0 } } },
      },
    ]);
    expect(lost(found)).toEqual([expect.stringMatching(/^21: ssl_certificate .* certificates of others stay theirs/)]);
    const named = adopt('server { listen 443 ssl; server_name a.example.org; ssl_certificate /x; ssl_certificate_key /y; location / { proxy_pass http://10.0.0.1:1; proxy_set_header Host $http_host; } }', { cert: 'wild' });
    expect([lost(named), named.sites.map(({ cert }) => cert)]).toEqual([[], ['wild']]);
  });

  it('PHP by PHP-FPM', () => {
    const found = adopt(`
      server {
        listen 80 default_server;
        server_name wiki.example.org;
        root /var/www/wiki;
        index index.php index.html;
        location / { try_files $uri $uri/ /index.php?$args; }
        location ~ \\.php$ {
          include snippets/fastcgi-php.conf;
          fastcgi_pass unix:/run/php/php8.2-fpm.sock;
          fastcgi_read_timeout 120;
          fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        }
        location ~ /\\.ht { deny all; }
        location = /favicon.ico { log_not_found off; access_log off; }
        location /private { deny all; }
        location ^~ /images/ { alias /srv/pictures/; }
        location ~* \\.(js|css)$ { expires max; }
      }`);
    expect(short(found)).toEqual([
      {
        name: 'wiki.example.org', listens: [':80'], defaultServer: true,
        routes: {
          '/': { php: { folder: '/var/www/wiki', socket: '/run/php/php8.2-fpm.sock', frontController: '/index.php', denied: [] }, timeout: { seconds: 120, nanos: 0 } },
          '/images': { static: { folder: '/srv/pictures' } },
          '/private': { status: { code: 403, text: '' } },
        },
      },
    ]);
    expect(lost(found)).toEqual(['18: location ~* \\.(js|css)$ { a route is for a path and all below it; patterns and named locations are no part of the model']);
  });

  it('files, with a page for every other path', () => {
    const found = adopt(`
      server {
        listen 80; listen [::]:80;
        server_name spa.example.org;
        root /srv/spa/dist;
        add_header X-Frame-Options DENY always;
        gzip on; gzip_types text/css;
        location / { try_files $uri $uri/ /index.html; }
        location /docs/ { alias /srv/docs/; try_files $uri $uri/ =404; }
        location /api/ { proxy_pass http://127.0.0.1:8000/; proxy_set_header Host $host; }
        error_page 500 502 503 504 /50x.html;
        location = /50x.html { root /usr/share/nginx/html; }
      }`);
    const header = [{ name: 'X-Frame-Options', value: 'DENY' }];
    expect(short(found)).toEqual([
      {
        name: 'spa.example.org', listens: [':80'],
        routes: {
          '/': { spa: { folder: '/srv/spa/dist' }, headers: header },
          '/docs': { static: { folder: '/srv/docs' }, headers: header },
          '/api': { proxy: { to: to('127.0.0.1', 8000), tls: false, hostHeader: '' }, stripPrefix: true, headers: header },
        },
      },
    ]);
    expect(lost(found)).toEqual([]);
  });

  it('everything to TLS, with a way for an authority, and HSTS', () => {
    const found = adopt(`
      server {
        listen 80; server_name example.org;
        location /.well-known/acme-challenge/ { root /var/www/acme; }
        location / { return 301 https://$host$request_uri; }
      }
      server {
        listen 443 ssl http2; server_name example.org;
        ssl_certificate /a; ssl_certificate_key /b; ssl_protocols TLSv1.2 TLSv1.3;
        add_header Strict-Transport-Security "max-age=31536000" always;
        return 301 https://www.example.org$request_uri;
      }`, { cert: 'example' });
    expect(short(found)).toEqual([
      {
        name: 'example.org', listens: [':80', ':443/tls'], redirectHttps: true, hstsS: 31_536_000, cert: 'example',
        routes: { '/': { redirect: { to: 'https://www.example.org', code: 301, keepPath: true } } },
      },
    ]);
    expect(lost(found)).toEqual(['4: location /.well-known/acme-challenge/ { what an authority asks for before it renews a certificate is not answered any more']);
  });

  it('uwsgi by a Unix socket', () => {
    const found = adopt(`
      upstream django { server unix:///run/uwsgi/app/jobs/socket; }
      server {
        listen 80;
        server_name jobs.example.org;
        charset utf-8;
        client_max_body_size 75M;
        location /static { alias /srv/jobs/static; }
        location / { uwsgi_pass django; include /etc/nginx/uwsgi_params; uwsgi_read_timeout 5m; }
      }`);
    expect(short(found)).toEqual([
      {
        name: 'jobs.example.org', listens: [':80'], bodyLimitBytes: 78_643_200,
        routes: { '/': { uwsgi: socket('/run/uwsgi/app/jobs/socket'), timeout: { seconds: 300, nanos: 0 } }, '/static': { static: { folder: '/srv/jobs/static' } } },
      },
    ]);
    expect(lost(found)).toEqual(['6: charset utf-8; the model has no word for it']);
  });

  it('blocks that a machine wrote, one after the other in one file', () => {
    const block = (name: string, address: string): string => `
      server {
        listen 80;
        server_name ${name} www.${name};
        access_log /var/log/nginx/${name}.access.log;
        location / {
          proxy_pass http://${address}:80;
          include proxy_params;
        }
      }`;
    const found = adopt(`${block('one.example.org', '10.0.3.11')}${block('two.example.org', 'app1')}${block('three.example.org', 'nowhere')}`);
    expect(short(found)).toEqual(['one', 'two'].map((name, index) => ({
      name: `${name}.example.org`, aliases: [`www.${name}.example.org`], listens: [':80'],
      routes: { '/': { proxy: { to: index === 0 ? to('10.0.3.11', 80) : { ...to('', 80), host: 'app1' }, tls: false, hostHeader: '' } } },
    })));
    expect(lost(found)).toEqual([
      expect.stringMatching(/^20: server \{ nothing of what it answers fits/), expect.stringMatching(/^25: proxy_pass http:\/\/nowhere:80; "nowhere" is no host of the inventory/),
    ]);
  });

  it('an old redirection by rewrite, in front of two programs', () => {
    const found = adopt(`
      server { listen 80; listen [::]:80; server_name open.example.com; location / { rewrite ^ https://$server_name$request_uri ; } }
      server {
        listen 443 ssl; listen [::]:443 ssl; server_name open.example.com;
        ssl_certificate /etc/ssl/certs/ssl-cert-snakeoil.pem; ssl_certificate_key /etc/ssl/private/ssl-cert-snakeoil.key; ssl_session_cache shared:SSL:10m;
        include /etc/nginx/openslides/*.locations;
        location /api/ { proxy_pass http://localhost:5000; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto "https"; }
        location / { proxy_pass http://localhost:4200; proxy_set_header Host $host; }
      }`, { cert: 'open' });
    expect(short(found)).toMatchObject([{ listens: [':80', ':443/tls'], redirectHttps: true, routes: { '/': { proxy: { to: to('127.0.0.1', 4200) } }, '/api': { proxy: { to: to('127.0.0.1', 5000) } } } }]);
    expect(lost(found)).toEqual(['6: include /etc/nginx/openslides/*.locations; what stands in that file is not known here']);
  });
});

describe('what does not fit is told by its line', () => {
  const inServer = (text: string): string => `server { listen 80; server_name a.example.org;\n${text}\n}`;
  const proxy = 'location / { proxy_pass http://127.0.0.1:1; proxy_set_header Host $host; }';
  it.each<[string, RegExp]>([
    ['auth_basic "x"; auth_basic_user_file /etc/nginx/htpasswd;' + proxy, /passwords of others are not read/],
    ['location / { proxy_pass http://$backend; }', /made of variables/],
    ['location /a/ { proxy_pass http://127.0.0.1:1/b/; }', /would see \/b\/ instead of \/a\//],
    ['location / { proxy_pass http://127.0.0.1:1; proxy_set_header X-Key secret; proxy_set_header Host $host; }', /no other headers are set/],
    ['location / { proxy_pass http://pool; }', /no host of the inventory/],
    ['location / { try_files $uri @app; root /srv/x; } location @app { proxy_pass http://127.0.0.1:1; }', /patterns and named locations/],
    ['location ~ \\.php$ { fastcgi_pass 127.0.0.1:9000; } root /srv/x;', /PHP-FPM is reached by its Unix socket/],
    ['limit_req zone=one burst=5;' + proxy, /the model has no word for it/],
    ['allow 10.0.0.0/8; deny 10.0.0.1; allow all;' + proxy, /networks are allowed one by one/],
    ['add_header X-Server $hostname;' + proxy, /has no variables/],
    ['location / { root /srv/$host; }', /no variables in its path/],
    ['if ($http_user_agent ~ bot) { return 403; }' + proxy, /a site has no conditions/],
    ['rewrite ^/old/(.*)$ /new/$1 last;' + proxy, /paths are not rewritten/],
    ['error_page 404 /404.html;' + proxy, /pages of errors/],
    ['location / { return 303 /x; }', /a fixed answer has a code/],
    ['set_real_ip_from 10.0.0.0/8;' + proxy, /the model has no word for it/],
    ['location /x { location /x/y { return 404; } root /srv/x; }' + proxy, /a location in a location/],
  ])('%s', (text, says) => {
    const found = adopt(inServer(text));
    expect(lost(found).join('\n')).toMatch(says);
    expect(found.misfits.filter(({ matters }) => matters).every(({ line }) => line === 2 || line === 1)).toBe(true);
  });

  it('names that no site can have, and listens that none can have', () => {
    expect(lost(adopt('server {\nlisten 80;\nserver_name ~^www\\d+\\.example$ a.example.org;\nreturn 404;\n}'))).toEqual([expect.stringMatching(/^3: server_name .* names are domain names/)]);
    expect(lost(adopt('server {\nlisten unix:/run/x;\nserver_name a.example.org;\nreturn 404;\n}'))).toEqual([expect.stringMatching(/^2: listen unix/)]);
    expect(lost(adopt('server {\nlisten 80 default_server;\nserver_name _;\nreturn 444;\n}'))).toEqual([expect.stringMatching(/^1: server \{ a site has a name/)]);
    expect(lost(adopt('server {\nlisten 192.0.2.1:80;\nlisten [::]:80;\nserver_name a.example.org;\nreturn 404;\n}'))).toEqual([expect.stringMatching(/^2: listen .* port 80 is on all addresses/)]);
  });

  it('a site that answers otherwise without TLS', () => {
    const found = adopt('server {\nlisten 80;\nserver_name a.example.org b.example.org;\nreturn 410;\n}\nserver {\nlisten 443 ssl;\nserver_name a.example.org;\nreturn 404;\n}');
    expect(lost(found)).toEqual([expect.stringMatching(/^1: server \{ b\.example\.org is reached without TLS only/)]);
  });

  it('users that the operator names take the place of those of the file', () => {
    const users = [{ name: 'ada', hash: `$2b$12$${'a'.repeat(53)}` }];
    const found = adopt(inServer(`auth_basic "x"; auth_basic_user_file /x; ${proxy} location /open { auth_basic off; return 200 "hello"; }`), { users });
    expect(lost(found)).toEqual([]);
    expect(found.sites[0]?.users).toEqual(users);
    expect(found.sites[0]?.routes.map(({ prefix, open }) => [prefix, open])).toEqual([['/', false], ['/open', true]]);
  });

  it('whatever stands in a file: no line of it is no error, and every site is one', () => {
    const word = fc.constantFrom('server', 'listen', 'server_name', 'location', 'proxy_pass', 'root', 'alias', 'return', 'rewrite', 'if', 'upstream', 'try_files', 'add_header', 'allow', 'deny', 'uwsgi_pass', 'fastcgi_pass', 'include', 'index');
    const argument = fc.oneof(
      fc.constantFrom('/', '=', '~', '^~', '@x', '80', '[::]:443', 'ssl', 'a.example.org', '_', 'http://127.0.0.1:80/', 'http://unix:/run/x:/', '$uri', '=404', '/index.html', 'unix:/run/x', '301', 'https://$host$request_uri', '\\.php$', '($host', '=', 'all', '/srv/x', '^', 'permanent'),
      fc.string({ maxLength: 8 }),
    );
    const row = fc.record({ line: fc.integer({ min: 1, max: 50 }), depth: fc.integer({ min: 0, max: 4 }), words: fc.tuple(word, fc.array(argument, { maxLength: 4 })).map(([first, rest]) => [first, ...rest]), block: fc.boolean() });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), (rows) => {
        const found = adoptSites([{ line: 1, depth: 0, words: ['server'], block: true }, { line: 2, depth: 1, words: ['server_name', 'a.example.org'], block: false }, ...rows.map((each) => ({ ...each, depth: each.depth + 1 }))], usual);
        for (const each of found.sites) expect(parseVhostDraft(formatVhost(each))).toEqual(each);
        expect(found.misfits.every(({ text, reason }) => text !== '' && reason !== '')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('a text that is no configuration has no sites, and hostile ones only misfits', () => {
    expect(adopt('')).toEqual({ sites: [], misfits: [] });
    expect(short(adopt('server { server_name "a;b" ../../etc; location /../x { root /etc; } }'))).toEqual([]);
    expect(adopt('server { server_name a.example.org; location / { root /srv/../etc; } }').sites).toEqual([]);
  });
});
