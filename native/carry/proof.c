/* TLS 1.3 with the certificate of an agent on both ends, and that the other one is who it has to be: what agent/backup/data-port.ts demands, too. */
#include "carry.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define WHY 300

static void *said(char why[WHY], const char *what) {
  snprintf(why, WHY, "%s", what);
  return NULL;
}

static bool take_identity(SSL_CTX *ctx, const struct settings *s) {
  BIO *key = BIO_new_mem_buf(s->private, -1), *own = BIO_new_mem_buf(s->certificate, -1), *root = BIO_new_mem_buf(s->root, -1);
  EVP_PKEY *private = key ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
  X509 *certificate = own ? PEM_read_bio_X509(own, NULL, NULL, NULL) : NULL, *trusted = root ? PEM_read_bio_X509(root, NULL, NULL, NULL) : NULL;
  bool ok = private && certificate && trusted && SSL_CTX_use_certificate(ctx, certificate) == 1 && SSL_CTX_use_PrivateKey(ctx, private) == 1 && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), trusted) == 1;
  EVP_PKEY_free(private);
  X509_free(certificate);
  X509_free(trusted);
  BIO_free(key);
  BIO_free(own);
  BIO_free(root);
  return ok;
}

static SSL_CTX *context(const struct settings *s) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_method());
  if (!ctx) return NULL;
  X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), s->now);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  /* Nothing between a root and the certificates of agents. */
  SSL_CTX_set_verify_depth(ctx, 0);
  SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx, 1);
  SSL_CTX_set_default_read_buffer_len(ctx, 1u << 17);
  bool ok = SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1;
  if (ok && take_identity(ctx, s)) return ctx;
  SSL_CTX_free(ctx);
  return NULL;
}

/* The alternative names have to be that URI and nothing else. */
static bool is_named(X509 *certificate, const char *uri) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  GENERAL_NAME *one = names && sk_GENERAL_NAME_num(names) == 1 ? sk_GENERAL_NAME_value(names, 0) : NULL;
  ASN1_IA5STRING *text = one && one->type == GEN_URI ? one->d.uniformResourceIdentifier : NULL;
  bool ok = text && (size_t)ASN1_STRING_length(text) == strlen(uri) && !memcmp(ASN1_STRING_get0_data(text), uri, strlen(uri));
  GENERAL_NAMES_free(names);
  return ok;
}

static bool has_key(X509 *certificate, const char *wanted) {
  unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
  char hex[2 * EVP_MAX_MD_SIZE + 1];
  unsigned n = 0;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  bool ok = length > 0 && EVP_Digest(der, (size_t)length, digest, &n, EVP_sha256(), NULL) == 1;
  OPENSSL_free(der);
  for (unsigned i = 0; ok && i < n; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  return ok && !strcmp(hex, wanted);
}

/* Only for the uses of agents, and for that of its end. */
static bool is_for(X509 *certificate, bool server) {
  uint32_t uses = X509_get_extended_key_usage(certificate);
  return uses != UINT32_MAX && !(uses & ~(uint32_t)(XKU_SSL_SERVER | XKU_SSL_CLIENT)) && uses & (server ? XKU_SSL_SERVER : XKU_SSL_CLIENT);
}

static const char *problem(SSL *ssl, const struct settings *s) {
  X509 *shown = SSL_get0_peer_certificate(ssl);
  if (!shown || SSL_get_verify_result(ssl) != X509_V_OK) return "it shows no certificate of this fleet";
  if (!is_named(shown, s->uri)) return "it is for somebody else";
  if (!is_for(shown, !s->server)) return "its extended key usage is missing or wrong";
  if (X509_check_ca(shown) > 0) return "it is a certificate authority";
  return has_key(shown, s->key) ? NULL : "it has another key than the one of the grant";
}

static void explain(SSL *ssl, int error, char why[WHY]) {
  long verified = SSL_get_verify_result(ssl);
  unsigned long code = ERR_peek_error();
  const char *reason = verified != X509_V_OK ? X509_verify_cert_error_string(verified) : error == SSL_ERROR_SSL && code ? ERR_reason_error_string(code) : NULL;
  (void)said(why, reason ? reason : "the connection was closed");
}

/* Until `step` is done. */
static bool go(SSL *ssl, int (*step)(SSL *ssl), int64_t until, char why[WHY]) {
  for (int done; (done = step(ssl)) <= 0;) {
    int error = SSL_get_error(ssl, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      explain(ssl, error, why);
      return false;
    }
    struct pollfd wait[2] = {{CONN, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, 0}, {CONTROL, POLLRDHUP, 0}};
    int64_t left = until - carry_now_ms();
    if (left <= 0 || poll(wait, 2, (int)left) == 0) return said(why, "no answer in time");
    if (wait[1].revents) return said(why, "");
  }
  return true;
}

/* Who is dialled has the last word, when it has seen who dials: a handshake alone ends before that. */
static int greet(SSL *ssl) { return SSL_write(ssl, "+", 1); }
static int hear(SSL *ssl) {
  char byte;
  return SSL_read(ssl, &byte, 1);
}

SSL *prove(const struct settings *s, int ms, char why[WHY]) {
  int64_t until = carry_now_ms() + ms;
  SSL_CTX *ctx = context(s);
  SSL *ssl = ctx ? SSL_new(ctx) : NULL;
  SSL_CTX_free(ctx);
  bool ok = ssl && SSL_set_fd(ssl, CONN) == 1;
  if (!ok) (void)said(why, "the key or the certificate of this agent cannot be used");
  ok = ok && go(ssl, s->server ? SSL_accept : SSL_connect, until, why);
  const char *bad = ok ? problem(ssl, s) : NULL;
  if (bad) (void)said(why, bad);
  if (ok && !bad && go(ssl, s->server ? greet : hear, until, why)) return ssl;
  SSL_free(ssl);
  return NULL;
}
