/* ComputeSDK plug-in ABI, major 1.
 *
 * A provider is a shared object that exports exactly one symbol, csdk_plugin_entry_v1, and a manifest beside it. This
 * header is the whole contract: C11, self-contained, LP64 only. provider.hpp wraps it for C++20.
 *
 * Conventions, numbered so that errors and tests can name them:
 *
 *  1. Borrow only. Nothing allocated on one side is freed on the other. Arguments are lent to the plug-in until the
 *     call completes; results are pushed into host functions, which copy before they return.
 *  2. Structs that cross by pointer begin with `struct_size` (the writer's sizeof) and `flags` (`abi_minor` in tables).
 *     Fields are only ever appended. The reader copies min(theirs, ours) bytes into a zeroed local, once. Zero means
 *     "as before the field existed"; `reserved` is zero. Flag bits 16-31 are must-understand: an unknown one is
 *     answered with CSDK_UNIMPLEMENTED, never ignored. A copy is for reading: a function that takes its own struct as
 *     first argument (csdk_host, csdk_source) is called with the pointer that was given, never with a copy. Where the
 *     other side fills a struct (csdk_http_ext.next), its owner sets `struct_size` and no byte past it is written.
 *  3. Leaf types (csdk_str, csdk_bytes, csdk_strs, csdk_pair(s), csdk_option(s), csdk_ports, csdk_target) never grow,
 *     so arrays hold only leaves. No enum, bool, long, bit-field, union or va_list crosses.
 *  4. Text is UTF-8 with a length and no NUL at the end; `data` may be NULL only when `size` is 0. Bytes are never
 *     text.
 *  5. There are no sandbox handles. csdk_target{id, token} names a sandbox: `id` is the vendor's (1 to CSDK_ID_MAX
 *     bytes, any characters), `token` is whatever the plug-in wants back (up to CSDK_TOKEN_MAX bytes, kept secret, may
 *     be empty). Any operation may push a newer token (csdk_host.emit_token, csdk_sandbox_info.token).
 *  6. A call is a number (slot and generation), never a pointer. A late or double completion, or a write after the end,
 *     is answered with CSDK_CANCELLED and counted as misbehaviour; it is never undefined behaviour.
 *  7. An operation completes exactly once: by returning a status other than CSDK_PENDING, or, after it returned
 *     CSDK_PENDING, by csdk_host.complete from any thread (which may be before that return). Its pushes end before.
 *  8. Before it completes with a negative status the plug-in describes the failure with csdk_host.fail. A command's
 *     non-zero exit code is a result, not an error.
 *  9. Nothing thrown crosses. No descriptor crosses. Times are int64_t with the unit in the name: `_ms` are durations
 *     or wall-clock milliseconds since 1970-01-01T00:00Z, `_ns` are nanoseconds of CLOCK_MONOTONIC.
 * 10. A plug-in must not: call setenv, setlocale, chdir, umask, atexit or waitpid(-1); install signal handlers; open
 *     descriptors without CLOEXEC; write to descriptors 0-2; read credentials from the environment (they come in
 *     csdk_open_args.config).
 *
 * Every function below states, in these words:
 *   Threads:   `any` (concurrently, from any thread), `exclusive` (no other call into that provider runs),
 *              `inline` (any, but must not block or do I/O, and returns within 1 ms).
 *   Ownership: what is lent, by whom, for how long.
 *   Pushes:    which host functions deliver the result (operations only).
 *   Status:    the statuses with a meaning of their own; any other negative status may occur too.
 */
#ifndef COMPUTESDK_PLUGIN_H
#define COMPUTESDK_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX != 0xffffffffffffffffu
#error "the ComputeSDK plug-in ABI exists for 64-bit pointers only"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ version */

#define CSDK_ABI_MAJOR 1
#define CSDK_ABI_MINOR 0
/* While this is defined the ABI is a draft: plug-in and host refuse each other unless their draft numbers are equal. */
#define CSDK_ABI_DRAFT 1

/* Name of the one symbol a plug-in exports. */
#define CSDK_ENTRY_SYMBOL "csdk_plugin_entry_v1"
#if defined(__GNUC__)
#define CSDK_EXPORT __attribute__((visibility("default")))
#else
#define CSDK_EXPORT
#endif

/* ------------------------------------------------------------------------------------------------ limits */

#define CSDK_ID_MAX 256u               /* bytes of a sandbox, process, snapshot or template id */
#define CSDK_TOKEN_MAX 4096u           /* bytes of a sandbox token */
#define CSDK_INLINE_INPUT_MAX 1048576u /* bytes of input given inline; more comes through a csdk_source */
#define CSDK_HIGH_WATER 1048576u /* unread output bytes of one call after which write blocks or answers CSDK_PAUSE */

/* ------------------------------------------------------------------------------------------------ status */

typedef int32_t csdk_status;

#define CSDK_OK 0
/* Positive: not an error. */
#define CSDK_PENDING 1 /* the operation goes on; csdk_host.complete ends it */
#define CSDK_AGAIN 2   /* csdk_source.read: nothing there now */
#define CSDK_EOF 3     /* csdk_source.read, csdk_http.next: the end */
#define CSDK_PAUSE 4   /* csdk_host.write: taken, but stop reading until on_resume's function runs */
/* Negative: the sixteen canonical codes. */
#define CSDK_CANCELLED (-1)
#define CSDK_UNKNOWN (-2)
#define CSDK_INVALID_ARGUMENT (-3)
#define CSDK_DEADLINE_EXCEEDED (-4)
#define CSDK_NOT_FOUND (-5)
#define CSDK_ALREADY_EXISTS (-6)
#define CSDK_PERMISSION_DENIED (-7)
#define CSDK_RESOURCE_EXHAUSTED (-8)
#define CSDK_FAILED_PRECONDITION (-9)
#define CSDK_ABORTED (-10)
#define CSDK_OUT_OF_RANGE (-11)
#define CSDK_UNIMPLEMENTED (-12)
#define CSDK_INTERNAL (-13)
#define CSDK_UNAVAILABLE (-14)
#define CSDK_DATA_LOSS (-15)
#define CSDK_UNAUTHENTICATED (-16)

/* ------------------------------------------------------------------------------------------------ leaf types */

typedef struct csdk_str {
  const char* data;
  size_t size;
} csdk_str;

typedef struct csdk_bytes {
  const uint8_t* data;
  size_t size;
} csdk_bytes;

typedef struct csdk_strs {
  const csdk_str* items;
  size_t count;
} csdk_strs;

typedef struct csdk_pair {
  csdk_str key;
  csdk_str value;
} csdk_pair;

typedef struct csdk_pairs {
  const csdk_pair* items;
  size_t count;
} csdk_pairs;

/* Kinds of csdk_option: which of `i`, `d`, `s` holds the value. */
#define CSDK_OPTION_BOOL 1u  /* i: 0 or 1 */
#define CSDK_OPTION_I64 2u   /* i */
#define CSDK_OPTION_F64 3u   /* d */
#define CSDK_OPTION_STR 4u   /* s: UTF-8 */
#define CSDK_OPTION_BYTES 5u /* s */
#define CSDK_OPTION_JSON 6u  /* s: one JSON value that goes to the vendor as it is */

/* Flags of csdk_option. */
#define CSDK_OPTION_SECRET 1u     /* the value must never be shown or logged */
#define CSDK_OPTION_SECRET_REF 2u /* `s` is only the name by which csdk.http/1 puts the secret into a header */

/* One typed value. Keys are dotted lower-case words: `resources.vcpus`. */
typedef struct csdk_option {
  csdk_str key;
  uint32_t kind;
  uint32_t flags;
  int64_t i;
  double d;
  csdk_bytes s;
} csdk_option;

typedef struct csdk_options {
  const csdk_option* items;
  size_t count;
} csdk_options;

typedef struct csdk_ports {
  const uint16_t* items;
  size_t count;
} csdk_ports;

/* A sandbox: convention 5. */
typedef struct csdk_target {
  csdk_str id;
  csdk_bytes token;
} csdk_target;

/* ------------------------------------------------------------------------------------------------ calls */

/* Slot and generation of one running operation. 0 is never a call. */
typedef uint64_t csdk_call;

/* A function of the plug-in that the host runs. Must not block and must not call the function that registered it. A
 * host function that waits until a running fn has returned does not wait when fn itself calls it, so an on_cancel
 * function may complete its call.
 * Threads: any. Ownership: as the function that registers it says. Status: none. */
typedef void (*csdk_notify_fn)(void* ctx);

/* Input that the host holds and the plug-in pulls. Lent until the call completes. */
typedef struct csdk_source {
  uint32_t struct_size;
  uint32_t flags;
  void* ctx;
  int64_t size_hint; /* bytes that will come in all, -1 when unknown */

  /* Copies up to `capacity` bytes into `buffer` and sets `*out_size`. Never blocks.
   * Threads: any, one reader at a time. Ownership: `buffer` is the plug-in's, lent for the duration of this function.
   * Status: CSDK_OK with *out_size > 0; CSDK_AGAIN when nothing is there now; CSDK_EOF at the end; CSDK_CANCELLED. */
  csdk_status (*read)(const struct csdk_source* source, uint8_t* buffer, size_t capacity, size_t* out_size);

  /* Asks that `fn(ctx)` be run once, when read would answer something other than CSDK_AGAIN (which the call's
   * cancellation makes so); at once if that is so now. Replaces an earlier one; fn NULL removes it. After this function
   * or the completion returned, an earlier fn is not running and will not.
   * Threads: any. Ownership: `ctx` is lent until fn ran, was replaced or the call completed.
   * Status: CSDK_OK; CSDK_CANCELLED when the call is over. */
  csdk_status (*on_readable)(const struct csdk_source* source, csdk_notify_fn fn, void* ctx);
} csdk_source;

/* ------------------------------------------------------------------------------------------------ errors */

/* Class of a failure, where the status alone does not tell. */
#define CSDK_ERROR_PLAIN 0u
#define CSDK_ERROR_RATE_LIMIT 1u         /* too many requests; retry_after_ms if the vendor said so */
#define CSDK_ERROR_QUOTA 2u              /* an account limit; waiting does not help */
#define CSDK_ERROR_PLAN 3u               /* the account's plan does not include it */
#define CSDK_ERROR_STOPPED 4u            /* the sandbox exists but does not run; attach may wake it */
#define CSDK_ERROR_GONE 5u               /* the sandbox is no more; tells NOT_FOUND of it from that of a file */
#define CSDK_ERROR_CREDENTIAL_MISSING 6u /* a credential was not given */
#define CSDK_ERROR_CREDENTIAL_FORMAT 7u  /* a credential has the wrong form; nothing was sent */
#define CSDK_ERROR_CREDENTIAL_REFUSED 8u /* the vendor refused the credential */
#define CSDK_ERROR_NETWORK 9u            /* name resolution, connect, reset, proxy */
#define CSDK_ERROR_TLS 10u               /* certificate or handshake */
#define CSDK_ERROR_PROTOCOL 11u          /* an answer that could not be understood */
#define CSDK_ERROR_DISK_FULL 12u         /* no space, inodes or quota left inside the sandbox */
#define CSDK_ERROR_ISOLATION 13u         /* this machine cannot isolate as asked */
#define CSDK_ERROR_LIMIT 14u             /* a limit cannot be enforced as asked */

/* Flags of csdk_error. */
#define CSDK_ERROR_RETRYABLE 1u     /* repeating the same call is safe and may succeed */
#define CSDK_ERROR_MAYBE_APPLIED 2u /* the request may have taken effect */
#define CSDK_ERROR_ORPHAN_GONE 4u   /* with MAYBE_APPLIED: the plug-in made sure that nothing is left behind */

typedef struct csdk_error {
  uint32_t struct_size;
  uint32_t flags;         /* CSDK_ERROR_RETRYABLE | … */
  uint32_t error_class;   /* CSDK_ERROR_PLAIN … */
  int32_t http_status;    /* 0: none; may be 200 where the vendor hides failures inside an answer */
  int64_t retry_after_ms; /* 0: not said */
  csdk_str message;       /* one sentence: why it failed; no secret */
  csdk_str fix;           /* what to do about it, a command or variable to type; may be empty */
  csdk_str vendor_code;   /* the vendor's own code, e.g. "sandbox_stopped" */
  csdk_str raw;           /* the vendor's own text as it came; the host cuts it at 4 KiB */
  csdk_str request_id;    /* the vendor's request id */
} csdk_error;

/* ------------------------------------------------------------------------------------------------ results */

/* csdk_sandbox_info.status */
#define CSDK_SANDBOX_UNKNOWN 0u
#define CSDK_SANDBOX_STARTING 1u
#define CSDK_SANDBOX_RUNNING 2u
#define CSDK_SANDBOX_PAUSED 3u
#define CSDK_SANDBOX_STOPPED 4u
#define CSDK_SANDBOX_ERROR 5u

/* Network modes: csdk_create_args.network, csdk_sandbox_info.network. */
#define CSDK_NETWORK_DEFAULT 0u /* the provider's own default; in an info: not known */
#define CSDK_NETWORK_NONE 1u
#define CSDK_NETWORK_FULL 2u

typedef struct csdk_sandbox_info {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str id;
  csdk_bytes token; /* empty: keep the token that the host has */
  csdk_str name;
  uint32_t status;       /* CSDK_SANDBOX_… */
  uint32_t network;      /* CSDK_NETWORK_… as it really is */
  int64_t created_ms;    /* 0: not known */
  int64_t expires_ms;    /* 0: not known; -1: never */
  int64_t cpu_milli;     /* 0: not known; 1000 = one core */
  int64_t memory_bytes;  /* 0: not known */
  int64_t disk_bytes;    /* 0: not known */
  int64_t process_limit; /* 0: not known */
  csdk_str template_id;
  csdk_str image;
  csdk_str working_directory; /* where a command without cwd starts */
  csdk_str isolation;         /* what isolates it, e.g. "userns+seccomp+cgroup1" */
  csdk_pairs metadata;
  csdk_pairs limits;    /* limit -> "hard" | "soft" | "none"; keys memory, processes, cpu, disk, output, time */
  csdk_strs notices;    /* sentences the user should read once, e.g. that a limit is only soft here */
  csdk_str native_json; /* the vendor's own object, or empty; no secret */
} csdk_sandbox_info;

/* csdk_exit.kind */
#define CSDK_EXIT_CODE 1u    /* value: exit code 0-255 (126 not executable, 127 not found) */
#define CSDK_EXIT_SIGNAL 2u  /* value: signal number */
#define CSDK_EXIT_TIMEOUT 3u /* killed at timeout_ms; value: 0 */
#define CSDK_EXIT_UNKNOWN 4u /* the outcome cannot be known; value: 0 */

/* Flags of csdk_exit. */
#define CSDK_EXIT_MERGED 1u    /* stdout and stderr came as one stream */
#define CSDK_EXIT_LOSSY 2u     /* output is not byte-exact */
#define CSDK_EXIT_TRUNCATED 4u /* output beyond a limit was dropped */
#define CSDK_EXIT_MEMORY 8u    /* killed at the sandbox's memory limit */

typedef struct csdk_exit {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t kind;
  int32_t value;
} csdk_exit;

/* csdk_entry.type */
#define CSDK_ENTRY_OTHER 0u
#define CSDK_ENTRY_FILE 1u
#define CSDK_ENTRY_DIRECTORY 2u
#define CSDK_ENTRY_SYMLINK 3u

typedef struct csdk_entry {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str name; /* last component */
  csdk_str path; /* absolute */
  uint32_t type;
  uint32_t mode;       /* permission bits; 0 when not known */
  int64_t size;        /* bytes; -1 when not known */
  int64_t modified_ms; /* 0 when not known */
  csdk_str owner;
  csdk_str group;
  csdk_str link_target; /* symlinks only */
} csdk_entry;

typedef struct csdk_url {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str url;
  csdk_pairs headers; /* that a request to the URL must carry (preview tokens); values are secret */
  int64_t expires_ms; /* 0: as long as the sandbox */
} csdk_url;

/* csdk_process.state */
#define CSDK_PROCESS_RUNNING 1u
#define CSDK_PROCESS_ENDED 2u

typedef struct csdk_process {
  uint32_t struct_size;
  uint32_t flags;   /* CSDK_PROCESS_PTY */
  csdk_str id;      /* the vendor's process id, up to CSDK_ID_MAX bytes */
  csdk_str command; /* as a person reads it */
  csdk_str tag;     /* given at start */
  uint32_t state;
  uint32_t exit_kind; /* CSDK_EXIT_… when ended */
  int32_t exit_value;
  uint32_t reserved;
  int64_t pid;        /* inside the sandbox; 0 when not known */
  int64_t started_ms; /* 0 when not known */
} csdk_process;

typedef struct csdk_snapshot {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str id;
  csdk_str name;
  csdk_str sandbox_id; /* that it was made of; may be empty */
  int64_t created_ms;
  int64_t size_bytes; /* -1 when not known */
  csdk_pairs metadata;
} csdk_snapshot;

typedef struct csdk_template {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str id;
  csdk_str name;
  csdk_str description;
  uint32_t
      state; /* CSDK_SANDBOX_STARTING while it is being built, CSDK_SANDBOX_RUNNING when usable, CSDK_SANDBOX_ERROR */
  uint32_t reserved;
  int64_t created_ms;
} csdk_template;

typedef struct csdk_progress {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str phase;   /* one word, stable: "pull", "boot", "upload" */
  csdk_str message; /* for a person; may be empty */
  int64_t done;
  int64_t total; /* 0 when not known */
} csdk_progress;

/* ------------------------------------------------------------------------------------------------ the host */

/* Log levels. */
#define CSDK_LOG_DEBUG 1u
#define CSDK_LOG_INFO 2u
#define CSDK_LOG_WARN 3u
#define CSDK_LOG_ERROR 4u

/* Output streams of csdk_host.write. */
#define CSDK_STREAM_STDOUT 1u /* also a PTY's output and output that came merged */
#define CSDK_STREAM_STDERR 2u
#define CSDK_STREAM_DATA 3u /* fs_read and port/1 dial */
#define CSDK_STREAM_END 4u  /* port/1 dial, an empty chunk: the port sends no more, the other direction may go on */

typedef struct csdk_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void* ctx; /* the host's own */

  /* Logs one line about `call` (0: none). Rate-limited; secrets are masked by the host.
   * Threads: any. Ownership: `message` is lent for the duration of this function. Status: none. */
  void (*log)(const struct csdk_host* host, csdk_call call, uint32_t level, csdk_str message);

  /* Nanoseconds of CLOCK_MONOTONIC. Threads: any. Ownership: nothing is lent. Status: none. */
  int64_t (*now_mono_ns)(const struct csdk_host* host);

  /* Wall-clock milliseconds since 1970. Threads: any. Ownership: nothing is lent. Status: none. */
  int64_t (*now_wall_ms)(const struct csdk_host* host);

  /* Absolute monotonic deadline of the call; 0 when there is none or the call is over.
   * Threads: any. Ownership: nothing is lent. Status: none. */
  int64_t (*deadline_ns)(const struct csdk_host* host, csdk_call call);

  /* 1 when the call was cancelled or is over, else 0. Threads: any. Ownership: nothing is lent. Status: none. */
  int32_t (*is_cancelled)(const struct csdk_host* host, csdk_call call);

  /* Registers the one function that is run when the call is cancelled: once, at once if it is already. Replaces an
   * earlier one; fn NULL removes it. After this function or the completion returned, an earlier fn is not running and
   * will not; so hold no lock here that fn takes.
   * Threads: any. Ownership: `ctx` is lent until the call completes or fn is replaced.
   * Status: CSDK_OK; CSDK_CANCELLED when the call is over. */
  csdk_status (*on_cancel)(const struct csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx);

  /* Registers the one function that is run once when the host can take output again, after write answered CSDK_PAUSE;
   * at once if it can. Replaces an earlier one; fn NULL removes it. After this function or the completion returned, an
   * earlier fn is not running and will not.
   * Threads: any. Ownership: `ctx` is lent until fn ran, was replaced or the call completed.
   * Status: CSDK_OK; CSDK_CANCELLED when the call is over. */
  csdk_status (*on_resume)(const struct csdk_host* host, csdk_call call, csdk_notify_fn fn, void* ctx);

  /* Ends a call for which the operation returned CSDK_PENDING.
   * Threads: any. Ownership: what the call was lent ends here.
   * Status: CSDK_OK; CSDK_CANCELLED when the call was over already (counted as misbehaviour). */
  csdk_status (*complete)(const struct csdk_host* host, csdk_call call, csdk_status status);

  /* Describes why the call is about to fail. The last description before completion counts.
   * Threads: any. Ownership: `error` is lent for the duration of this function. Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*fail)(const struct csdk_host* host, csdk_call call, const csdk_error* error);

  /* Says how far a long operation is. Threads: any. Ownership: `progress` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*progress)(const struct csdk_host* host, csdk_call call, const csdk_progress* progress);

  /* Hands over a newer token for the sandbox of this call. Of two calls at once, the one that started later wins.
   * Threads: any. Ownership: `token` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_INVALID_ARGUMENT above CSDK_TOKEN_MAX; CSDK_CANCELLED. */
  csdk_status (*emit_token)(const struct csdk_host* host, csdk_call call, csdk_bytes token);

  /* Pushes a sandbox: one item of a list, or the result. A create that takes several steps pushes the sandbox as soon
   * as the vendor gave it an id, with CSDK_SANDBOX_STARTING, so that it is known should the host die; the last one
   * counts.
   * Threads: any. Ownership: `info` is lent for the duration of this function. Status: CSDK_OK; CSDK_CANCELLED (stop
   * listing); CSDK_INVALID_ARGUMENT for an id of 0 or above CSDK_ID_MAX bytes. */
  csdk_status (*emit_sandbox)(const struct csdk_host* host, csdk_call call, const csdk_sandbox_info* info);

  /* Pushes one directory entry or the result of fs_stat. Threads: any.
   * Ownership: `entry` is lent for the duration of this function. Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*emit_entry)(const struct csdk_host* host, csdk_call call, const csdk_entry* entry);

  /* Pushes the URL of a port. Threads: any. Ownership: `url` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*emit_url)(const struct csdk_host* host, csdk_call call, const csdk_url* url);

  /* Pushes a process. Threads: any. Ownership: `process` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*emit_process)(const struct csdk_host* host, csdk_call call, const csdk_process* process);

  /* Pushes a snapshot. Threads: any. Ownership: `snapshot` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*emit_snapshot)(const struct csdk_host* host, csdk_call call, const csdk_snapshot* snapshot);

  /* Pushes a template. Threads: any. Ownership: `item` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*emit_template)(const struct csdk_host* host, csdk_call call, const csdk_template* item);

  /* Pushes the JSON answer of vendor-call/1. Threads: any. Ownership: `json` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_INVALID_ARGUMENT when it is not one JSON value; CSDK_CANCELLED. */
  csdk_status (*emit_json)(const struct csdk_host* host, csdk_call call, csdk_str json);

  /* Pushes output. One call's output is pushed by one thread at a time, in order; a chunk may split a character. In a
   * plug-in whose manifest says "threading": "blocking" this blocks while more than CSDK_HIGH_WATER bytes are unread;
   * with "async" it never blocks, always takes the bytes and answers CSDK_PAUSE above that mark.
   * Threads: any. Ownership: `data` is lent for the duration of this function.
   * Status: CSDK_OK; CSDK_PAUSE; CSDK_CANCELLED (stop the command). */
  csdk_status (*write)(const struct csdk_host* host, csdk_call call, uint32_t stream, csdk_bytes data);

  /* Pushes how the command ended, after its last output and once.
   * Threads: any. Ownership: `exit` is lent for the duration of this function. Status: CSDK_OK; CSDK_CANCELLED. */
  csdk_status (*exit)(const struct csdk_host* host, csdk_call call, const csdk_exit* exit);

  /* A table of host functions by versioned id ("csdk.timer/1"), or NULL.
   * Threads: any. Ownership: the table lives as long as the process. Status: none. */
  const void* (*extension)(const struct csdk_host* host, csdk_str id);
} csdk_host;

/* What the host tells csdk_plugin_entry_v1. */
typedef struct csdk_host_info {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t draft; /* CSDK_ABI_DRAFT of the host; 0 once the ABI is frozen */
  uint32_t reserved;
  csdk_str host_name;
  csdk_str host_version;
  void* ctx;
  /* Says why the entry function is about to return NULL.
   * Threads: any. Ownership: `reason` is lent for the duration of this function. Status: none. */
  void (*refuse)(void* ctx, csdk_str reason);
} csdk_host_info;

/* ------------------------------------------------------------------------------------------------ arguments */

typedef struct csdk_open_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_options config; /* keys of the manifest's `config`; secrets carry CSDK_OPTION_SECRET */
} csdk_open_args;

/* Flags of csdk_create_args; the high ones are must-understand. */
#define CSDK_CREATE_DIE_WITH_HOST 1u                /* hint: end the sandbox with this process */
#define CSDK_CREATE_NETWORK 0x00010000u             /* `network` must be met or refused */
#define CSDK_CREATE_REQUIRE_HARD_LIMITS 0x00020000u /* refuse rather than enforce a limit softly */
#define CSDK_CREATE_ISOLATION_NONE 0x00040000u      /* the caller asked by name to run unisolated */
#define CSDK_CREATE_LIMITS 0x00080000u              /* a resource limit below was asked for: meet it or refuse */

typedef struct csdk_create_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str name; /* wanted by the user; may be empty */
  csdk_str template_id;
  csdk_str image;
  csdk_str snapshot_id;
  csdk_str runtime; /* "node", "python", … ; may be empty */
  csdk_str working_directory;
  csdk_pairs env; /* of every command */
  csdk_pairs metadata;
  csdk_ports ports;      /* that will be asked for with sandbox_url */
  int64_t timeout_ms;    /* lifetime; 0: the provider's default; -1: none */
  int64_t cpu_milli;     /* 0: default; 1000 = one core */
  int64_t memory_bytes;  /* 0: default */
  int64_t disk_bytes;    /* 0: default */
  int64_t process_limit; /* 0: default */
  uint32_t network;      /* CSDK_NETWORK_… */
  uint32_t reserved;
  csdk_str idempotency_key; /* unique to this create; a label by which the plug-in finds an orphan */
  csdk_options options;     /* vendor options, checked against the manifest's options_schema */
} csdk_create_args;

/* sandbox_inspect, sandbox_attach, sandbox_destroy, sandbox_release, lifetime pause and resume. */
typedef struct csdk_target_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
} csdk_target_args;

typedef struct csdk_list_args {
  uint32_t struct_size;
  uint32_t flags;
  int64_t limit;       /* at most so many; 0: all */
  csdk_pairs metadata; /* only those that carry all of these; the host filters again */
} csdk_list_args;

typedef struct csdk_url_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  uint32_t port; /* 1-65535 */
  uint32_t reserved;
  csdk_str protocol; /* "http", "https", "ws", "wss"; empty: the provider's own */
} csdk_url_args;

typedef struct csdk_exec_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  csdk_strs argv;            /* run without a shell; exactly one of `argv` and `command` is given */
  csdk_str command;          /* run by the sandbox's shell */
  csdk_str cwd;              /* absolute; empty: the sandbox's working directory */
  csdk_pairs env;            /* added to the sandbox's */
  csdk_bytes input;          /* the whole stdin, up to CSDK_INLINE_INPUT_MAX bytes; exclusive with `source` */
  const csdk_source* source; /* stdin that streams; NULL: `input`, and with that empty an stdin at its end */
  int64_t timeout_ms;        /* of the command: it is killed and ends as CSDK_EXIT_TIMEOUT; 0: none */
  csdk_options options;
} csdk_exec_args;

/* Flags of csdk_fs_args. */
#define CSDK_FS_PARENTS 1u   /* fs_mkdir, fs_write: make missing parents */
#define CSDK_FS_RECURSIVE 2u /* fs_remove: a directory with its contents */
#define CSDK_FS_NO_FOLLOW 4u /* fs_stat: of a symlink itself */

typedef struct csdk_fs_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  csdk_str path;    /* absolute, or relative to the sandbox's working directory */
  csdk_str to_path; /* fs_rename */
  int64_t offset;   /* fs_read: first byte */
  int64_t length;   /* fs_read: at most so many bytes; -1: to the end */
  uint32_t mode;    /* fs_write, fs_mkdir: permission bits; 0: default */
  uint32_t reserved;
  csdk_bytes input;          /* fs_write: the whole content, up to CSDK_INLINE_INPUT_MAX bytes */
  const csdk_source* source; /* fs_write: content that streams; NULL: `input` */
} csdk_fs_args;

/* ------------------------------------------------------------------------------------------------ the plug-in */

/* The plug-in's own state between provider_open and provider_close. */
typedef struct csdk_provider csdk_provider;

/* Every operation has this shape: Threads: any. Ownership: `args` and all it points to is lent until the call
 * completes; `provider` outlives the call. Status: CSDK_PENDING when it goes on, CSDK_UNIMPLEMENTED when it is not
 * supported, else the outcome. A slot that is NULL or lies past struct_size, here or in the table of an extension, is
 * answered by the host with CSDK_UNIMPLEMENTED. */
typedef struct csdk_plugin {
  uint32_t struct_size;
  uint32_t abi_minor;
  uint32_t draft; /* CSDK_ABI_DRAFT of the plug-in, at this place in every draft; 0 once the ABI is frozen */
  uint32_t reserved;
  csdk_str name; /* as in the manifest */
  csdk_str version;

  /* Makes a provider from its configuration. May be called several times with different configurations.
   * Threads: inline. Ownership: `host` lives as long as the process; `args` is lent for the duration of this function;
   * `*out` is the plug-in's until provider_close. Status: CSDK_OK; CSDK_INVALID_ARGUMENT or CSDK_UNAUTHENTICATED for a
   * missing or malformed key (described with csdk_host.fail); never CSDK_PENDING. */
  csdk_status (*provider_open)(const csdk_host* host, csdk_call call, const csdk_open_args* args, csdk_provider** out);

  /* Ends a provider: joins its threads, closes its connections. Sandboxes live on. No operation of it is running; a
   * call that is still pending has been cancelled, and the plug-in completes it before this returns.
   * Threads: exclusive, the last call. Ownership: `provider` ends here. Status: none. */
  void (*provider_close)(csdk_provider* provider);

  /* Creates a sandbox and completes when it can run commands. Cancelled or failing, it destroys what it had begun; what
   * it could not destroy it reports with CSDK_ERROR_MAYBE_APPLIED.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox; progress.
   * Status: CSDK_OK; CSDK_RESOURCE_EXHAUSTED; CSDK_UNAUTHENTICATED; CSDK_UNIMPLEMENTED for an option it cannot meet. */
  csdk_status (*sandbox_create)(csdk_provider* provider, csdk_call call, const csdk_create_args* args);

  /* Looks a sandbox up without waking, extending or changing it. An empty token works wherever the vendor gives the
   * token again.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*sandbox_inspect)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);

  /* Makes a sandbox ready for commands again; may boot or resume it and may take minutes.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox; progress.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*sandbox_attach)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);

  /* Lists sandboxes, all pages.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox for each.
   * Status: CSDK_OK; CSDK_UNIMPLEMENTED when the vendor cannot list. */
  csdk_status (*sandbox_list)(csdk_provider* provider, csdk_call call, const csdk_list_args* args);

  /* Ends a sandbox for good. Idempotent: one that is gone is a success.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK. */
  csdk_status (*sandbox_destroy)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);

  /* A hint that nobody in this process holds the sandbox any more: close sessions with it. The sandbox lives on.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK. */
  csdk_status (*sandbox_release)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);

  /* Gives the URL under which a port of the sandbox is reached.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_url.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_FAILED_PRECONDITION for a port that had to be declared at create. */
  csdk_status (*sandbox_url)(csdk_provider* provider, csdk_call call, const csdk_url_args* args);

  /* Runs a command to its end. Cancelled, it kills the command with all its descendants.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: write, as the output comes; exit, once.
   * Status: CSDK_OK whatever the exit code; CSDK_NOT_FOUND (sandbox); CSDK_FAILED_PRECONDITION (stopped sandbox). */
  csdk_status (*exec)(csdk_provider* provider, csdk_call call, const csdk_exec_args* args);

  /* Reads a file. Threads: any. Ownership: `args` is lent until the call completes. Pushes: write (CSDK_STREAM_DATA);
   * before that, if it is large and its size is known, progress with that as `total`, so that room is made at once.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_INVALID_ARGUMENT for what is not a regular file. */
  csdk_status (*fs_read)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Writes a whole file; readers see the old content or the new, never a part.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: progress.
   * Status: CSDK_OK; CSDK_RESOURCE_EXHAUSTED (CSDK_ERROR_DISK_FULL); CSDK_INVALID_ARGUMENT. */
  csdk_status (*fs_write)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Lists a directory. Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_entry for each.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_INVALID_ARGUMENT for what is not a directory. */
  csdk_status (*fs_list)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Describes one path. Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_entry.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*fs_stat)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Makes a directory; with CSDK_FS_PARENTS an existing one is a success.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing.
   * Status: CSDK_OK; CSDK_ALREADY_EXISTS; CSDK_NOT_FOUND (parent). */
  csdk_status (*fs_mkdir)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Removes a file, a symlink (not what it points to), an empty directory, or with CSDK_FS_RECURSIVE a tree.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_FAILED_PRECONDITION for a directory that is not empty. */
  csdk_status (*fs_remove)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* Renames `path` to `to_path`, replacing a file there.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK; CSDK_NOT_FOUND.
   */
  csdk_status (*fs_rename)(csdk_provider* provider, csdk_call call, const csdk_fs_args* args);

  /* A table of plug-in functions by versioned id ("csdk.process/1", "com.example.gpu/1"), or NULL.
   * Threads: inline. Ownership: the table lives as long as the process. Status: none. */
  const void* (*extension)(csdk_str id);
} csdk_plugin;

/* The entry symbol. Returns a static table, or NULL after `info->refuse`. Allocates, spawns, opens and reads nothing.
 * Threads: inline. Ownership: `info` is lent for the duration of this function; the table lives as long as the process.
 * Status: none. */
typedef const csdk_plugin* (*csdk_plugin_entry_fn)(const csdk_host_info* info);
CSDK_EXPORT const csdk_plugin* csdk_plugin_entry_v1(const csdk_host_info* info);

/* ------------------------------------------------------------------------------- plug-in extension: process/1 */

#define CSDK_EXT_PROCESS "csdk.process/1"

/* Flags of csdk_process_start_args and csdk_process. */
#define CSDK_PROCESS_STDIN 1u        /* stdin stays open for write_stdin */
#define CSDK_PROCESS_PTY 0x00010000u /* a terminal of `columns` x `rows`; must-understand */

typedef struct csdk_process_start_args {
  uint32_t struct_size;
  uint32_t flags;
  const csdk_exec_args* exec; /* `source` is NULL: stdin comes through write_stdin */
  uint32_t columns;           /* PTY; 0: 80 */
  uint32_t rows;              /* PTY; 0: 24 */
  csdk_str tag;               /* to find it by in list */
} csdk_process_start_args;

/* Flags of csdk_process_args. */
#define CSDK_PROCESS_EOF 1u   /* write_stdin: close stdin after the bytes */
#define CSDK_PROCESS_GROUP 2u /* signal: the command with every descendant */
/* attach: completes after the kept output, with an exit of CSDK_EXIT_UNKNOWN if the command runs on; must-understand */
#define CSDK_PROCESS_KEPT_ONLY 0x00010000u

typedef struct csdk_process_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  csdk_str process_id; /* empty in list */
  csdk_bytes input;    /* write_stdin */
  int32_t signal;      /* signal: Linux number */
  uint32_t columns;    /* resize */
  uint32_t rows;       /* resize */
  uint32_t reserved;
  int64_t offset; /* attach: skip so many bytes of the kept output, both streams counted; -1: only what comes now */
} csdk_process_args;

typedef struct csdk_process_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Starts a command that goes on when the call has completed, and when this process ends.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_process. Status: CSDK_OK. */
  csdk_status (*start)(csdk_provider* provider, csdk_call call, const csdk_process_start_args* args);

  /* Lists commands that were started so, also by other processes. Threads: any.
   * Ownership: `args` is lent until the call completes. Pushes: emit_process for each. Status: CSDK_OK. */
  csdk_status (*list)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);

  /* Streams a command's output until it ends; ending the call leaves the command running. Threads: any.
   * Ownership: `args` is lent until the call completes. Pushes: write; exit. Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*attach)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);

  /* Waits for the end without output. Threads: any. Ownership: `args` is lent until the call completes. Pushes: exit.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_DEADLINE_EXCEEDED. */
  csdk_status (*wait)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);

  /* Writes to stdin or the terminal, all of it. Threads: any. Ownership: `args` is lent until the call completes.
   * Pushes: nothing. Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_FAILED_PRECONDITION when stdin is closed. */
  csdk_status (*write_stdin)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);

  /* Sends a signal; to one that has ended is a success. Threads: any.
   * Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*signal)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);

  /* Changes a terminal's size. Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing.
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_FAILED_PRECONDITION when it has no terminal. */
  csdk_status (*resize)(csdk_provider* provider, csdk_call call, const csdk_process_args* args);
} csdk_process_ext;

/* ------------------------------------------------------------------------------- plug-in extension: port/1 */

#define CSDK_EXT_PORT "csdk.port/1"

typedef struct csdk_dial_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  uint32_t port;
  uint32_t reserved;
  const csdk_source* source; /* bytes to the port; its end closes that direction only */
} csdk_dial_args;

typedef struct csdk_port_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Connects to a TCP port inside the sandbox and carries bytes both ways until both directions ended.
   * Threads: any. Ownership: `args` is lent until the call completes. Pushes: write: an empty CSDK_STREAM_DATA chunk
   * when the connection stands, then data, then an empty CSDK_STREAM_END chunk when the port sends no more.
   * Status: CSDK_OK; CSDK_UNAVAILABLE when nothing listens. */
  csdk_status (*dial)(csdk_provider* provider, csdk_call call, const csdk_dial_args* args);
} csdk_port_ext;

/* ------------------------------------------------------------------------------- plug-in extension: snapshot/1 */

#define CSDK_EXT_SNAPSHOT "csdk.snapshot/1"

typedef struct csdk_snapshot_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;   /* create: of this sandbox; list: only of it, or id empty for all */
  csdk_str snapshot_id; /* remove */
  csdk_str name;        /* create; may be empty */
  csdk_pairs metadata;  /* create */
} csdk_snapshot_args;

typedef struct csdk_snapshot_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Keeps the sandbox's disk; csdk_create_args.snapshot_id starts from it. Threads: any.
   * Ownership: `args` is lent until the call completes. Pushes: emit_snapshot; emit_token. Status: CSDK_OK. */
  csdk_status (*create)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args);

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_snapshot for each. Status: CSDK_OK.
   */
  csdk_status (*list)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args);

  /* Idempotent. Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK. */
  csdk_status (*remove)(csdk_provider* provider, csdk_call call, const csdk_snapshot_args* args);
} csdk_snapshot_ext;

/* ------------------------------------------------------------------------------- plug-in extension: template/1 */

#define CSDK_EXT_TEMPLATE "csdk.template/1"

typedef struct csdk_template_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str template_id; /* inspect, remove */
  csdk_str name;        /* build */
  csdk_options options; /* build: vendor options */
} csdk_template_args;

typedef struct csdk_template_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_template for each. Status: CSDK_OK.
   */
  csdk_status (*list)(csdk_provider* provider, csdk_call call, const csdk_template_args* args);

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_template.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*inspect)(csdk_provider* provider, csdk_call call, const csdk_template_args* args);

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_template; progress. Status: CSDK_OK.
   */
  csdk_status (*build)(csdk_provider* provider, csdk_call call, const csdk_template_args* args);

  /* Idempotent. Threads: any. Ownership: `args` is lent until the call completes. Pushes: nothing. Status: CSDK_OK. */
  csdk_status (*remove)(csdk_provider* provider, csdk_call call, const csdk_template_args* args);
} csdk_template_ext;

/* ------------------------------------------------------------------------------- plug-in extension: named/1 */

#define CSDK_EXT_NAMED "csdk.named/1"

typedef struct csdk_named_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str name_space;
  csdk_str name;
  const csdk_create_args* create; /* find_or_create: when there is none */
} csdk_named_args;

typedef struct csdk_named_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*find)(csdk_provider* provider, csdk_call call, const csdk_named_args* args);

  /* Atomic: of any number of callers at once, one creates and all get the same sandbox. Threads: any.
   * Ownership: `args` is lent until the call completes. Pushes: emit_sandbox; progress. Status: CSDK_OK. */
  csdk_status (*find_or_create)(csdk_provider* provider, csdk_call call, const csdk_named_args* args);
} csdk_named_ext;

/* ------------------------------------------------------------------------------- plug-in extension: lifetime/1 */

#define CSDK_EXT_LIFETIME "csdk.lifetime/1"

/* csdk_lifetime_ext.extend_meaning: what the vendor does with the duration. */
#define CSDK_EXTEND_FROM_NOW 1u      /* the end becomes now + duration; may shorten */
#define CSDK_EXTEND_ADDED 2u         /* the end moves by the duration */
#define CSDK_EXTEND_IDLE 3u          /* the duration counts from the last activity */
#define CSDK_EXTEND_FROM_CREATION 4u /* the end becomes created + duration */

typedef struct csdk_extend_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target;
  int64_t duration_ms; /* the user's wish: the sandbox lives at least so long from now, and no shorter than before */
} csdk_extend_args;

typedef struct csdk_lifetime_ext {
  uint32_t struct_size;
  uint32_t abi_minor;
  uint32_t extend_meaning; /* CSDK_EXTEND_… */
  uint32_t reserved;

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox (expires_ms).
   * Status: CSDK_OK; CSDK_NOT_FOUND; CSDK_OUT_OF_RANGE beyond the vendor's limit. */
  csdk_status (*extend)(csdk_provider* provider, csdk_call call, const csdk_extend_args* args);

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox; emit_token.
   * Status: CSDK_OK, also when it is paused already. */
  csdk_status (*pause)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);

  /* Threads: any. Ownership: `args` is lent until the call completes. Pushes: emit_sandbox; emit_token.
   * Status: CSDK_OK, also when it runs already. */
  csdk_status (*resume)(csdk_provider* provider, csdk_call call, const csdk_target_args* args);
} csdk_lifetime_ext;

/* ------------------------------------------------------------------------------- plug-in extension: vendor-call/1 */

#define CSDK_EXT_VENDOR_CALL "csdk.vendor-call/1"

typedef struct csdk_vendor_call_args {
  uint32_t struct_size;
  uint32_t flags;
  csdk_target target; /* id empty: of the provider as a whole */
  csdk_str operation;
  csdk_str json; /* one JSON value; empty: none */
} csdk_vendor_call_args;

typedef struct csdk_vendor_call_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* The escape hatch: what only this vendor can do. Threads: any. Ownership: `args` is lent until the call completes.
   * Pushes: emit_json. Status: CSDK_OK; CSDK_UNIMPLEMENTED for an operation it does not know. */
  csdk_status (*call)(csdk_provider* provider, csdk_call call, const csdk_vendor_call_args* args);
} csdk_vendor_call_ext;

/* ------------------------------------------------------------------------------- host extension: timer/1 */

#define CSDK_EXT_TIMER "csdk.timer/1"

typedef struct csdk_timer_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Runs `fn(ctx)` once, `delay_ns` from now, unless the call completes first. With `fn` NULL the timer is an event
   * (CSDK_HTTP_TIMER) of csdk_http_ext.next instead. Threads: any.
   * Ownership: `ctx` is lent until fn ran, cancel returned or the call completed. `*out_timer` is never 0.
   * Status: CSDK_OK; CSDK_CANCELLED when the call is over; CSDK_RESOURCE_EXHAUSTED; CSDK_INVALID_ARGUMENT for `fn` NULL
   * where the host has no csdk.http/1. */
  csdk_status (*start)(const csdk_host* host, csdk_call call, int64_t delay_ns, csdk_notify_fn fn, void* ctx,
                       uint64_t* out_timer);

  /* After it returned fn is not running and will not. Must not be called from within fn. Threads: any.
   * Ownership: `ctx` is the plug-in's again. Status: CSDK_OK; CSDK_NOT_FOUND when it ran already. */
  csdk_status (*cancel)(const csdk_host* host, csdk_call call, uint64_t timer);
} csdk_timer_ext;

/* ------------------------------------------------------------------------------- host extension: http/1 */

#define CSDK_EXT_HTTP "csdk.http/1"
#define CSDK_HTTP_CREDIT 262144u /* unacknowledged body bytes after which the host stops reading from the peer */

/* csdk_http_retry.mode */
#define CSDK_HTTP_RETRY_NONE 0u
#define CSDK_HTTP_RETRY_IF_NOT_SENT \
  1u /* only when no byte of the request reached the peer; 429 and 503 with Retry-After too */
#define CSDK_HTTP_RETRY_IDEMPOTENT 2u /* repeating is harmless: resets and `statuses` too */

typedef struct csdk_http_retry {
  uint32_t struct_size;
  uint32_t flags;
  uint32_t mode;
  uint32_t max_attempts; /* in all; 0: 3 */
  csdk_ports statuses;   /* HTTP statuses to repeat on */
  int64_t total_ms;      /* for all attempts; 0: to the call's deadline */
} csdk_http_retry;

/* Flags of csdk_http_request. */
#define CSDK_HTTP_BODY_STREAM 1u        /* the body follows through csdk_http_ext.write, up to CSDK_HTTP_FINAL */
#define CSDK_HTTP_WEBSOCKET 0x00010000u /* upgrade; messages follow both ways */

typedef struct csdk_http_request {
  uint32_t struct_size;
  uint32_t flags;
  csdk_str method; /* empty with CSDK_HTTP_WEBSOCKET */
  csdk_str url;    /* http, https; ws, wss; must match the manifest's egress list */
  csdk_pairs headers;
  csdk_pairs secret_headers; /* value with ${key}: the secret config value is put in by the host; auth origins only */
  csdk_strs subprotocols;    /* WebSocket; ${key} as above */
  csdk_bytes body;
  const csdk_http_retry* retry; /* NULL: none */
  int64_t connect_timeout_ms;   /* 0: 10 s */
  int64_t head_timeout_ms;      /* to the answer's head; 0: 60 s */
  int64_t idle_timeout_ms;      /* between bytes of the answer; 0: none */
  csdk_notify_fn on_event;      /* NULL: events are fetched with next; else run whenever one is there */
  void* on_event_ctx;
} csdk_http_request;

/* csdk_http_event.kind */
#define CSDK_HTTP_HEAD 1u     /* status, headers */
#define CSDK_HTTP_DATA 2u     /* data: part of the body, or of a WebSocket message */
#define CSDK_HTTP_END 3u      /* the body is complete; WebSocket: code and reason of the close */
#define CSDK_HTTP_FAILED 4u   /* error_class, message; MAYBE_APPLIED in flags */
#define CSDK_HTTP_WRITABLE 5u /* a write that answered CSDK_PAUSE may go on */
#define CSDK_HTTP_TIMER 6u    /* a timer of the call that has no function ran; request: its number */

/* Flags of csdk_http_event. */
#define CSDK_HTTP_TEXT 1u          /* WebSocket: a text message */
#define CSDK_HTTP_FINAL 2u         /* WebSocket: the last part of a message; write: of the body */
#define CSDK_HTTP_MAYBE_APPLIED 4u /* FAILED: the request may have reached the peer */

typedef struct csdk_http_event {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t request;
  uint32_t kind;
  int32_t status; /* HEAD: HTTP status; END of a WebSocket: close code; FAILED: the csdk_status that fits */
  csdk_pairs headers;
  csdk_bytes data;
  csdk_str message;
  uint32_t error_class;
  uint32_t attempts;
} csdk_http_event;

/* HTTP and WebSocket for plug-ins: pooled, verified TLS, proxy and CA settings, secrets by reference, the manifest's
 * egress list. A host that does not have it answers NULL from csdk_host.extension. */
typedef struct csdk_http_ext {
  uint32_t struct_size;
  uint32_t abi_minor;

  /* Begins a request that belongs to `call` and ends with it. Threads: any.
   * A request that may not go out, outside the egress list for one, fails with an event, which says why.
   * Ownership: `request` is lent for the duration of this function. Status: CSDK_OK; CSDK_RESOURCE_EXHAUSTED;
   * CSDK_CANCELLED when the call is over (not when it was cancelled: cleaning up may take a request). */
  csdk_status (*start)(const csdk_host* host, csdk_call call, const csdk_http_request* request, uint64_t* out_request);

  /* Waits for the next event of any request of the call, its timers, its cancellation or wake. The plug-in sets
   * out->struct_size. Threads: any, one waiter a call.
   * Ownership: `*out` points into memory of the host, valid until the next next() or the end of the call.
   * Status: CSDK_OK; CSDK_AGAIN after wake; CSDK_EOF when the call has no request and no timer left;
   * CSDK_DEADLINE_EXCEEDED at `deadline_ns` (0: the call's); CSDK_CANCELLED once when the call is cancelled, after
   * which next goes on so that the plug-in can clean up, and when the call is over. */
  csdk_status (*next)(const csdk_host* host, csdk_call call, int64_t deadline_ns, csdk_http_event* out);

  /* Sends body bytes or a WebSocket message (flags CSDK_HTTP_TEXT, CSDK_HTTP_FINAL). Threads: any.
   * Ownership: `data` is lent for the duration of this function. Status: CSDK_OK; CSDK_PAUSE; CSDK_NOT_FOUND. */
  csdk_status (*write)(const csdk_host* host, csdk_call call, uint64_t request, uint32_t flags, csdk_bytes data);

  /* Gives back credit for `size` consumed bytes. Threads: any. Ownership: nothing is lent.
   * Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*ack)(const csdk_host* host, csdk_call call, uint64_t request, size_t size);

  /* Ends a request at any point; a WebSocket is closed with `code` and `reason`. Threads: any.
   * Ownership: `reason` is lent for the duration of this function. Status: CSDK_OK; CSDK_NOT_FOUND. */
  csdk_status (*close)(const csdk_host* host, csdk_call call, uint64_t request, int32_t code, csdk_str reason);

  /* Makes the waiting next(), or the coming one, answer CSDK_AGAIN: for an on_readable or on_resume function, so that
   * one thread serves requests, stdin and output. Threads: any. Ownership: nothing is lent.
   * Status: CSDK_OK; CSDK_CANCELLED when the call is over. */
  csdk_status (*wake)(const csdk_host* host, csdk_call call);
} csdk_http_ext;

#ifdef __cplusplus
}
#endif

#endif /* COMPUTESDK_PLUGIN_H */
