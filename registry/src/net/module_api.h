/* The C table between the registry and its module computesdk-net, which is opened on first use.
 *
 * Both are built from one tree and carry the same version; a table of another version is refused. Everything else that
 * the two exchange are structs of plugin.h. Nothing thrown crosses, and nothing allocated on one side is freed on the
 * other. */
#ifndef COMPUTESDK_NET_MODULE_API_H
#define COMPUTESDK_NET_MODULE_API_H

#include <computesdk/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CSDK_NET_VERSION 1u
#define CSDK_NET_SYMBOL "computesdk_net_table"

/* Flags of csdk_net_request, beside those of csdk_http_request. */
#define CSDK_NET_TLS 0x00000100u        /* https, wss */
#define CSDK_NET_PRIVATE_OK 0x00000200u /* loopback, link-local and private addresses may be connected to */

/* One request, checked and complete: egress was decided, secrets are in the headers. */
typedef struct csdk_net_request {
  uint32_t flags;
  uint32_t port;
  csdk_str method;
  csdk_str host;   /* name or address, without brackets */
  csdk_str target; /* path and query, begins with a slash */
  csdk_pairs headers;
  csdk_strs subprotocols;
  csdk_bytes body;
  csdk_http_retry retry;
  int64_t connect_timeout_ms;
  int64_t head_timeout_ms;
  int64_t idle_timeout_ms;
  int64_t deadline_ns; /* of the call, monotonic; 0: none. Limits the retries. */

  csdk_str proxy_host; /* empty: none */
  uint32_t proxy_port;
  uint32_t reserved;
  csdk_str proxy_authorization; /* value of the header; may be empty */
  csdk_str ca_file;             /* in place of the system's file; may be empty */
  csdk_str ca_dir;              /* in place of the system's folder; may be empty */
  csdk_str extra_ca_file;       /* beside the system's; may be empty */

  /* Where events go: on the module's thread, one at a time, in order; must not block. The event and what it points to
   * live until the function returns. `done` is the last of all and comes once. */
  void* ctx;
  void (*event)(void* ctx, const csdk_http_event* event);
  void (*done)(void* ctx);
} csdk_net_request;

/* A running request; lives until it was released and is done. */
typedef struct csdk_net_exchange csdk_net_exchange;

typedef struct csdk_net_counts {
  uint64_t requests;    /* attempts that got a connection */
  uint64_t connections; /* opened */
  uint64_t bytes_out;   /* above TLS */
  uint64_t bytes_in;
} csdk_net_counts;

typedef struct csdk_net_table {
  uint32_t version;
  uint32_t reserved;
  /* Begins a request; `request` is lent for the duration of this function. NULL: no memory or no threads, then neither
   * event nor done is called. */
  csdk_net_exchange* (*start)(const csdk_net_request* request);
  /* CSDK_OK or CSDK_PAUSE; after the end of the request the bytes are dropped. */
  csdk_status (*write)(csdk_net_exchange* exchange, uint32_t flags, csdk_bytes data);
  void (*ack)(csdk_net_exchange* exchange, size_t size);
  /* Ends the request: no event follows but done. `code` 0: a WebSocket closes normally. */
  void (*close)(csdk_net_exchange* exchange, int32_t code, csdk_str reason);
  void (*release)(csdk_net_exchange* exchange);
  void (*counts)(csdk_net_counts* out);
  /* Closes the connections that no request uses. For tests. */
  void (*drop_idle)(void);
} csdk_net_table;

/* Type of the function CSDK_NET_SYMBOL. The table lives as long as the process. */
typedef const csdk_net_table* (*csdk_net_table_fn)(void);

#ifdef __cplusplus
}
#endif

#endif /* COMPUTESDK_NET_MODULE_API_H */
