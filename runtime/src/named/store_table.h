/* What the module computesdk-store offers: a small transactional store in one SQLite file. The module is a shared
 * object of its own, so that a program which uses no names maps neither SQLite nor the libraries around it. Runtime and
 * module are always of the same build; `version` guards against a stray one.
 *
 * Statuses: 0 done; 1 done, and the answer is "no" (nothing there, claim held by another, a condition did not hold);
 * -1 failed, and `fail` was told why. Every function may be called from any thread. Nothing thrown crosses. */
#ifndef COMPUTESDK_RUNTIME_STORE_TABLE_H
#define COMPUTESDK_RUNTIME_STORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CSDK_STORE_VERSION 1u
#define CSDK_STORE_SYMBOL "computesdk_store_table"

typedef struct csdk_store csdk_store;

typedef struct csdk_store_text {
  const char* data;
  size_t size;
} csdk_store_text;

/* StoreStep::Kind */
typedef struct csdk_store_step {
  int32_t kind;
  csdk_store_text key;
  csdk_store_text value;
} csdk_store_step;

/* Receives a failure's text; lent for the duration of the call. */
typedef struct csdk_store_fail {
  void* ctx;
  void (*say)(void* ctx, csdk_store_text why);
} csdk_store_fail;

typedef struct csdk_store_table {
  uint32_t size;
  uint32_t version;
  /* `file` ends with a NUL. The file is made with mode 0600 if need be; its folder must be there. */
  int32_t (*open)(const char* file, csdk_store** out, csdk_store_fail fail);
  void (*close)(csdk_store* store);
  int32_t (*get)(csdk_store* store, csdk_store_text key, void* ctx, void (*found)(void* ctx, csdk_store_text value),
                 csdk_store_fail fail);
  /* By key, ascending. */
  int32_t (*list)(csdk_store* store, csdk_store_text prefix, void* ctx,
                  void (*each)(void* ctx, csdk_store_text key, csdk_store_text value), csdk_store_fail fail);
  int32_t (*claim)(csdk_store* store, csdk_store_text key, csdk_store_text owner, int64_t now_ms, int64_t until_ms,
                   csdk_store_fail fail);
  int32_t (*apply)(csdk_store* store, const csdk_store_step* steps, size_t count, csdk_store_fail fail);
} csdk_store_table;

/* Type of the module's one symbol. */
typedef const csdk_store_table* (*csdk_store_table_fn)(void);

#ifdef __cplusplus
}
#endif

#endif
