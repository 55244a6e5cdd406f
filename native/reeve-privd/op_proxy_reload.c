/* proxy.reload: the configuration is tested as it is, and nginx reads it again. */
#include "vhost_set.h"

uint16_t op_proxy_reload(struct call *c) {
  uint16_t status = vhost_engine(c, true);
  if (!status) status = vhost_test_now(c);
  return status ? status : vhost_reload(c);
}
