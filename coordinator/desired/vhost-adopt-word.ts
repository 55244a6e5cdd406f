import type { SiteNode } from './vhost-adopt-tree.js';

/** Directives by which a web server works, and that clients see nothing of that matters: Reeve has its own way, or the usual one does. */
const own: ReadonlySet<string> = new Set([
  'access_log', 'error_log', 'log_not_found', 'log_subrequest', 'keepalive_timeout', 'keepalive_requests', 'sendfile', 'tcp_nopush', 'tcp_nodelay', 'aio', 'directio', 'server_tokens', 'resolver',
  'resolver_timeout', 'http2', 'client_body_buffer_size', 'client_header_buffer_size', 'large_client_header_buffers', 'client_body_timeout', 'client_header_timeout', 'send_timeout', 'client_body_temp_path',
  'reset_timedout_connection', 'server_name_in_redirect', 'port_in_redirect', 'types_hash_max_size', 'server_names_hash_bucket_size', 'variables_hash_max_size', 'fastcgi_index',
  'fastcgi_split_path_info', 'fastcgi_keep_conn', 'fastcgi_intercept_errors', 'proxy_request_buffering', 'uwsgi_request_buffering', 'fastcgi_request_buffering', 'proxy_http_version', 'merge_slashes',
  'ssl_protocols', 'ssl_ciphers', 'ssl_prefer_server_ciphers', 'ssl_dhparam', 'ssl_ecdh_curve', 'ssl_stapling', 'ssl_stapling_verify', 'ssl_stapling_file', 'ssl_trusted_certificate', 'ssl_buffer_size',
  'ssl_early_data', 'ssl_conf_command', 'ssl_certificate_key', 'log_format', 'limit_req_zone', 'limit_conn_zone', 'proxy_cache_path', 'fastcgi_cache_path', 'geo', 'map', 'map_hash_bucket_size',
  'upstream', 'keepalive', 'zone',
]);

const ownFamilies = /^(?:gzip|open_file_cache|ssl_session|(?:proxy|uwsgi|fastcgi)_(?:buffers|buffer_size|busy_buffers_size|max_temp_file_size|temp_file_write_size|temp_path|connect_timeout|send_timeout|next_upstream|headers_hash|socket_keepalive|ignore_client_abort|ssl_(?:server_name|session_reuse|protocols|ciphers)))(?:_|$)/;

/** Whether a directive is one that clients see nothing of that matters. */
export function isOwnWay({ name }: SiteNode): boolean {
  return own.has(name) || ownFamilies.test(name);
}

/** Files of Debian and of certbot that are included for what Reeve does anyway. */
const knownIncludes = /(?:^|\/)(?:fastcgi_params|fastcgi\.conf|snippets\/fastcgi-php\.conf|uwsgi_params|scgi_params|proxy_params|mime\.types|letsencrypt\/options-ssl-nginx\.conf|snippets\/(?:ssl|tls)[a-z0-9._-]*\.conf)$/;

/** Whether an included file is known to hold nothing else than what Reeve does anyway. */
export function isKnownInclude({ args }: SiteNode): boolean {
  return knownIncludes.test(args[0] ?? '');
}

/** Parameters of CGI that every program behind Reeve gets. */
const gatewayParams: ReadonlySet<string> = new Set([
  'QUERY_STRING', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'REQUEST_URI', 'PATH_INFO', 'PATH_TRANSLATED', 'DOCUMENT_ROOT', 'DOCUMENT_URI', 'SERVER_PROTOCOL', 'REQUEST_SCHEME', 'HTTPS', 'REMOTE_ADDR',
  'REMOTE_PORT', 'SERVER_ADDR', 'SERVER_PORT', 'SERVER_NAME', 'SCRIPT_FILENAME', 'SCRIPT_NAME', 'GATEWAY_INTERFACE', 'SERVER_SOFTWARE', 'REDIRECT_STATUS', 'HTTP_PROXY', 'HTTP_HOST', 'Host', 'UWSGI_SCHEME',
  'X-Real-IP', 'X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Protocol',
]);

/** Whether a parameter for a program behind is one that it gets anyway. A value without variables is one that somebody chose. */
export function isGatewayParam({ args }: SiteNode): boolean {
  const [name = '', value = ''] = args;
  return gatewayParams.has(name) && (value.includes('$') || value === '' || /^(?:https?|on|200)$/.test(value));
}

/** A size as a web server writes it (`50m`), bytes; undefined: it is none. */
export function siteSize(text: string): number | undefined {
  const match = /^([0-9]{1,12})([kKmMgG]?)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * ({ k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(match[2] ?? '').toLowerCase()] ?? 1);
  return bytes > 2 ** 40 ? undefined : bytes;
}

/** A time as a web server writes it (`60`, `60s`, `5m`, `1h 30m` not), whole seconds; undefined: it is none. */
export function siteSeconds(text: string): number | undefined {
  const match = /^([0-9]{1,6})([smhd]?)$/.exec(text);
  if (match === null) return undefined;
  const seconds = Number(match[1]) * ({ m: 60, h: 3600, d: 86_400 }[match[2] ?? ''] ?? 1);
  return seconds >= 1 && seconds <= 86_400 ? seconds : undefined;
}
