/* A provider in plain C11: no C++ runtime, nothing but plugin.h and POSIX threads. Its sandboxes are entries of a table
 * in memory and its commands are played: `echo WORDS`, `sleep SECONDS`, `false`. What it shows is the shape: structs
 * copied at the boundary, described errors, output in chunks, an operation that goes on after its function returned,
 * cancellation, and locks that are never held while the host is called. */
#define _POSIX_C_SOURCE 200809L
#include <computesdk/plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SANDBOXES 16
#define MAX_SLEEPERS 32

/* ------------------------------------------------------------------------------------------------ state */

typedef struct sandbox {
  char id[32]; /* empty: the entry is free */
  int64_t created_ms;
} sandbox;

/* A pending `sleep`. `ctx` of its cancellation function, so it stays where it is until its call has completed. */
typedef struct sleeper {
  struct csdk_provider* provider;
  csdk_call call; /* 0: the entry is free */
  int armed, cancelled;
  int64_t wake_ns, timeout_ns, deadline_ns; /* the last two: INT64_MAX when there is none */
} sleeper;

struct csdk_provider {
  csdk_host host;        /* as far as this plug-in knows it */
  const csdk_host* self; /* what its functions take */
  pthread_mutex_t lock;  /* everything below */
  pthread_cond_t changed;
  pthread_t worker;
  int worker_runs, closing;
  unsigned next_id;
  sandbox sandboxes[MAX_SANDBOXES];
  sleeper sleepers[MAX_SLEEPERS];
};

/* ------------------------------------------------------------------------------------------------ small tools */

static csdk_str text(const char* string) { return (csdk_str){string, strlen(string)}; }

static int equals(csdk_str a, const char* b) { return a.size == strlen(b) && memcmp(a.data, b, a.size) == 0; }

/* Copies min(theirs, ours) bytes into the zeroed `ours`; 0 when `theirs` is no struct of the ABI. */
static int take(void* ours, size_t size, const void* theirs) {
  uint32_t their_size = 0;
  memset(ours, 0, size);
  if (theirs) memcpy(&their_size, theirs, sizeof their_size);
  if (their_size < 8) return 0;
  memcpy(ours, theirs, their_size < size ? their_size : size);
  return 1;
}

static csdk_status fail(const csdk_provider* provider, csdk_call call, csdk_status status, csdk_error error) {
  error.struct_size = sizeof error;
  provider->host.fail(provider->self, call, &error);
  return status;
}

/* Copies arguments; refuses must-understand flags, of which this provider knows none. */
#define TAKE_ARGS(ours, theirs)                                                                   \
  if (!take(&(ours), sizeof(ours), theirs)) return CSDK_INVALID_ARGUMENT;                         \
  if ((ours).flags & 0xffff0000u) {                                                               \
    return fail(provider, call, CSDK_UNIMPLEMENTED,                                               \
                (csdk_error){.message = text("this provider does not know a flag of the call")}); \
  }

static csdk_status emit(const csdk_provider* provider, csdk_call call, const sandbox* box) {
  csdk_sandbox_info info = {.struct_size = sizeof info, .id = text(box->id), .status = CSDK_SANDBOX_RUNNING};
  info.created_ms = box->created_ms;
  info.isolation = text("none: commands are only played");
  return provider->host.emit_sandbox(provider->self, call, &info);
}

/* The entry with that id, or NULL. The lock is held. */
static sandbox* find(csdk_provider* provider, csdk_str id) {
  for (int i = 0; i < MAX_SANDBOXES; ++i) {
    if (provider->sandboxes[i].id[0] && equals(id, provider->sandboxes[i].id)) return &provider->sandboxes[i];
  }
  return NULL;
}

/* Copies the sandbox of a call out of the table, or describes that there is none. */
static csdk_status lookup(csdk_provider* provider, csdk_call call, csdk_target target, sandbox* out) {
  pthread_mutex_lock(&provider->lock);
  const sandbox* found = find(provider, target.id);
  if (found) *out = *found;
  pthread_mutex_unlock(&provider->lock);
  if (found) return CSDK_OK;
  return fail(provider, call, CSDK_NOT_FOUND,
              (csdk_error){.error_class = CSDK_ERROR_GONE, .message = text("there is no such sandbox")});
}

/* ------------------------------------------------------------------------------------------------ sandboxes */

static csdk_status sandbox_create(csdk_provider* provider, csdk_call call, const csdk_create_args* theirs) {
  csdk_create_args args;
  TAKE_ARGS(args, theirs);
  if (args.env.count + args.template_id.size + args.image.size + args.snapshot_id.size + args.working_directory.size) {
    return fail(provider, call, CSDK_UNIMPLEMENTED,
                (csdk_error){.message = text("a sandbox is only played here: it has no template, image or directory")});
  }
  sandbox made = {.id = ""};
  pthread_mutex_lock(&provider->lock);
  for (int i = 0; i < MAX_SANDBOXES && !made.id[0]; ++i) {
    if (provider->sandboxes[i].id[0]) continue;
    snprintf(made.id, sizeof made.id, "example-%u", ++provider->next_id);
    made.created_ms = provider->host.now_wall_ms(provider->self);
    provider->sandboxes[i] = made;
  }
  pthread_mutex_unlock(&provider->lock);
  if (!made.id[0]) {
    return fail(provider, call, CSDK_RESOURCE_EXHAUSTED,
                (csdk_error){.flags = CSDK_ERROR_RETRYABLE,
                             .error_class = CSDK_ERROR_RATE_LIMIT,
                             .http_status = 429,
                             .retry_after_ms = 1500,
                             .message = text("16 sandboxes are the most that this provider has"),
                             .fix = text("destroy one, or wait"),
                             .vendor_code = text("too_many_sandboxes")});
  }
  return emit(provider, call, &made);
}

static csdk_status sandbox_inspect(csdk_provider* provider, csdk_call call, const csdk_target_args* theirs) {
  csdk_target_args args;
  TAKE_ARGS(args, theirs);
  sandbox found;
  const csdk_status status = lookup(provider, call, args.target, &found);
  return status < 0 ? status : emit(provider, call, &found);
}

static csdk_status sandbox_list(csdk_provider* provider, csdk_call call, const csdk_list_args* theirs) {
  csdk_list_args args;
  TAKE_ARGS(args, theirs);
  sandbox copy[MAX_SANDBOXES]; /* the host may call back while it takes an item */
  pthread_mutex_lock(&provider->lock);
  memcpy(copy, provider->sandboxes, sizeof copy);
  pthread_mutex_unlock(&provider->lock);
  int64_t count = 0;
  for (int i = 0; i < MAX_SANDBOXES && (args.limit == 0 || count < args.limit); ++i) {
    if (!copy[i].id[0]) continue;
    const csdk_status status = emit(provider, call, &copy[i]);
    if (status < 0) return status;
    ++count;
  }
  return CSDK_OK;
}

static csdk_status sandbox_destroy(csdk_provider* provider, csdk_call call, const csdk_target_args* theirs) {
  csdk_target_args args;
  TAKE_ARGS(args, theirs);
  pthread_mutex_lock(&provider->lock);
  sandbox* found = find(provider, args.target.id);
  if (found) memset(found, 0, sizeof *found);
  pthread_mutex_unlock(&provider->lock);
  return CSDK_OK;
}

/* ------------------------------------------------------------------------------------------------ pending sleeps */

static int64_t monotonic_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t earliest(const sleeper* item) {
  int64_t at = item->wake_ns;
  if (item->timeout_ns < at) at = item->timeout_ns;
  return item->deadline_ns < at ? item->deadline_ns : at;
}

static csdk_status push_exit(const csdk_provider* provider, csdk_call call, uint32_t kind, int32_t value) {
  const csdk_exit result = {.struct_size = sizeof result, .kind = kind, .value = value};
  return provider->host.exit(provider->self, call, &result);
}

/* Ends one sleep. The lock is not held: completing waits for a running cancellation function, which takes it. */
static void finish(csdk_provider* provider, const sleeper* item, int cancelled, int64_t now) {
  csdk_status status = CSDK_OK;
  if (cancelled) {
    status = CSDK_CANCELLED;
  } else if (item->deadline_ns <= now) {
    status = fail(provider, item->call, CSDK_DEADLINE_EXCEEDED, (csdk_error){.message = text("the sleep is longer")});
  } else if (item->timeout_ns <= now) {
    status = push_exit(provider, item->call, CSDK_EXIT_TIMEOUT, 0);
  } else {
    status = push_exit(provider, item->call, CSDK_EXIT_CODE, 0);
  }
  provider->host.complete(provider->self, item->call, status);
}

/* The plug-in's own thread: completes sleeps as they come due, all of them when the provider closes. */
static void* work(void* argument) {
  csdk_provider* provider = argument;
  pthread_mutex_lock(&provider->lock);
  for (;;) {
    const int64_t now = monotonic_ns();
    int64_t next = INT64_MAX;
    int waiting = 0;
    sleeper* due = NULL;
    for (int i = 0; i < MAX_SLEEPERS && !due; ++i) {
      sleeper* item = &provider->sleepers[i];
      if (!item->armed) continue;
      ++waiting;
      if (item->cancelled || provider->closing || earliest(item) <= now) due = item;
      if (earliest(item) < next) next = earliest(item);
    }
    if (due) {
      const int cancelled = due->cancelled || provider->closing;
      due->armed = 0;
      pthread_mutex_unlock(&provider->lock);
      finish(provider, due, cancelled, now);
      pthread_mutex_lock(&provider->lock);
      due->call = 0;
    } else if (provider->closing) {
      break;
    } else if (waiting) {
      const struct timespec until = {.tv_sec = next / 1000000000, .tv_nsec = next % 1000000000};
      pthread_cond_timedwait(&provider->changed, &provider->lock, &until);
    } else {
      pthread_cond_wait(&provider->changed, &provider->lock);
    }
  }
  pthread_mutex_unlock(&provider->lock);
  return NULL;
}

static void cancel_sleep(void* ctx) {
  sleeper* item = ctx;
  pthread_mutex_lock(&item->provider->lock);
  item->cancelled = 1;
  pthread_cond_signal(&item->provider->changed);
  pthread_mutex_unlock(&item->provider->lock);
}

static csdk_status start_sleep(csdk_provider* provider, csdk_call call, double seconds, int64_t timeout_ms) {
  const int64_t now = monotonic_ns();
  const int64_t deadline = provider->host.deadline_ns(provider->self, call);
  sleeper* item = NULL;
  pthread_mutex_lock(&provider->lock);
  if (!provider->worker_runs) provider->worker_runs = pthread_create(&provider->worker, NULL, work, provider) == 0;
  for (int i = 0; i < MAX_SLEEPERS && !item && provider->worker_runs; ++i) {
    if (provider->sleepers[i].call == 0) item = &provider->sleepers[i];
  }
  if (item) {
    *item = (sleeper){.provider = provider,
                      .call = call,
                      .wake_ns = now + (int64_t)(seconds * 1e9),
                      .timeout_ns = timeout_ms > 0 ? now + timeout_ms * 1000000 : INT64_MAX,
                      .deadline_ns = deadline ? deadline : INT64_MAX};
  }
  pthread_mutex_unlock(&provider->lock);
  if (!item) {
    return fail(provider, call, CSDK_RESOURCE_EXHAUSTED, (csdk_error){.message = text("too many sleeps at once")});
  }
  provider->host.on_cancel(provider->self, call, cancel_sleep, item);
  pthread_mutex_lock(&provider->lock);
  item->armed = 1; /* from here on the worker may complete the call, even before this function returns */
  pthread_cond_signal(&provider->changed);
  pthread_mutex_unlock(&provider->lock);
  return CSDK_PENDING;
}

/* ------------------------------------------------------------------------------------------------ commands */

static csdk_status write_out(const csdk_provider* provider, csdk_call call, uint32_t stream, csdk_str data) {
  return provider->host.write(provider->self, call, stream, (csdk_bytes){(const uint8_t*)data.data, data.size});
}

/* The words after the first, joined: of `argv`, or of `command`, which is not run by a shell here. */
static void split(const csdk_exec_args* args, csdk_str* name, char* rest, size_t capacity) {
  size_t used = 0;
  rest[0] = 0;
  for (size_t i = 1; i < args->argv.count && used < capacity; ++i) {
    const csdk_str word = args->argv.items[i];
    used += (size_t)snprintf(rest + used, capacity - used, "%s%.*s", i > 1 ? " " : "", (int)word.size, word.data);
  }
  if (args->argv.count > 0) {
    *name = args->argv.items[0];
    return;
  }
  const char* space = args->command.size ? memchr(args->command.data, ' ', args->command.size) : NULL;
  const size_t length = space ? (size_t)(space - args->command.data) : args->command.size;
  *name = (csdk_str){args->command.data, length};
  if (space) snprintf(rest, capacity, "%.*s", (int)(args->command.size - length - 1), space + 1);
}

static csdk_status exec(csdk_provider* provider, csdk_call call, const csdk_exec_args* theirs) {
  csdk_exec_args args;
  TAKE_ARGS(args, theirs);
  sandbox box;
  csdk_status status = lookup(provider, call, args.target, &box);
  if (status < 0) return status;
  csdk_str name;
  char rest[4096];
  split(&args, &name, rest, sizeof rest);

  if (equals(name, "echo")) { /* two chunks */
    status = write_out(provider, call, CSDK_STREAM_STDOUT, text(rest));
    if (status >= 0) status = write_out(provider, call, CSDK_STREAM_STDOUT, text("\n"));
    return status < 0 ? status : push_exit(provider, call, CSDK_EXIT_CODE, 0);
  }
  if (equals(name, "sleep")) {
    char* end = rest;
    const double seconds = strtod(rest, &end);
    if (end != rest && *end == 0 && seconds >= 0 && seconds <= 86400) {
      return start_sleep(provider, call, seconds, args.timeout_ms);
    }
    status = write_out(provider, call, CSDK_STREAM_STDERR, text("sleep: invalid time interval\n"));
    return status < 0 ? status : push_exit(provider, call, CSDK_EXIT_CODE, 1);
  }
  if (equals(name, "false")) return push_exit(provider, call, CSDK_EXIT_CODE, 1);
  status = write_out(provider, call, CSDK_STREAM_STDERR, text("command not found\n"));
  return status < 0 ? status : push_exit(provider, call, CSDK_EXIT_CODE, 127);
}

/* ------------------------------------------------------------------------------------------------ the provider */

static csdk_status provider_open(const csdk_host* host, csdk_call call, const csdk_open_args* theirs,
                                 csdk_provider** out) {
  csdk_provider opening = {.self = host}, *provider = &opening;
  if (!take(&opening.host, sizeof opening.host, host) || !opening.host.extension) return CSDK_FAILED_PRECONDITION;
  csdk_open_args args;
  TAKE_ARGS(args, theirs);
  int has_token = 0;
  for (size_t i = 0; i < args.config.count; ++i) {
    if (equals(args.config.items[i].key, "token") && args.config.items[i].s.size > 0) has_token = 1;
  }
  if (!has_token) {
    return fail(provider, call, CSDK_UNAUTHENTICATED,
                (csdk_error){.error_class = CSDK_ERROR_CREDENTIAL_MISSING,
                             .message = text("the token is missing"),
                             .fix = text("export EXAMPLE_C_TOKEN=anything")});
  }
  provider = malloc(sizeof *provider);
  if (!provider) return CSDK_RESOURCE_EXHAUSTED;
  *provider = opening;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&provider->changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  pthread_mutex_init(&provider->lock, NULL);
  *out = provider;
  return CSDK_OK;
}

static void provider_close(csdk_provider* provider) {
  pthread_mutex_lock(&provider->lock);
  provider->closing = 1;
  pthread_cond_signal(&provider->changed);
  pthread_mutex_unlock(&provider->lock);
  if (provider->worker_runs) pthread_join(provider->worker, NULL);
  pthread_cond_destroy(&provider->changed);
  pthread_mutex_destroy(&provider->lock);
  free(provider);
}

static const void* extension(csdk_str id) {
  (void)id;
  return NULL;
}

static const csdk_plugin plugin = {
    .struct_size = sizeof plugin,
    .abi_minor = CSDK_ABI_MINOR,
    .draft = CSDK_ABI_DRAFT,
    .name = {"example_c", 9},
    .version = {"1.0.0", 5},
    .provider_open = provider_open,
    .provider_close = provider_close,
    .sandbox_create = sandbox_create,
    .sandbox_inspect = sandbox_inspect,
    .sandbox_list = sandbox_list,
    .sandbox_destroy = sandbox_destroy,
    .exec = exec,
    .extension = extension,
};

const csdk_plugin* csdk_plugin_entry_v1(const csdk_host_info* theirs) {
  csdk_host_info info;
  if (!take(&info, sizeof info, theirs)) return NULL;
  if (info.abi_major == CSDK_ABI_MAJOR && info.draft == CSDK_ABI_DRAFT) return &plugin;
  char reason[128];
  snprintf(reason, sizeof reason, "example_c speaks ABI %d draft %d, the host speaks ABI %u draft %u", CSDK_ABI_MAJOR,
           CSDK_ABI_DRAFT, (unsigned)info.abi_major, (unsigned)info.draft);
  if (info.refuse) info.refuse(info.ctx, text(reason));
  return NULL;
}
