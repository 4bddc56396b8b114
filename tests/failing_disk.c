/* Preloaded into a process: from one change of a folder on, the system says no, as a full disk does.
 *
 * fail_at(folder, nth, code, lasting): the change of that number fails with that errno, and with `lasting` all after it; a write
 * that fails has written its first half. 0 turns it off. changes(): how many were asked for since then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char watched[PATH_MAX];
static long made, fatal;
static int code, lasting;

void fail_at(const char *folder, long nth, int error, int stays) {
    strncpy(watched, folder, sizeof watched - 1);
    made = 0, fatal = nth, code = error, lasting = stays;
}

long changes(void) { return made; }

static int within(const char *path) {
    size_t length = strlen(watched);
    return length && path && !strncmp(path, watched, length) && (path[length] == '/' || !path[length]);
}

static int fails(const char *path) {
    if (!within(path)) return 0;
    long number = __sync_add_and_fetch(&made, 1);
    return fatal && (number == fatal || (lasting && number > fatal));
}

static int fails_open_file(int file) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = watched[0] ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0) return 0;
    path[length] = 0;
    return fails(path);
}

static int refuse(void) {
    errno = code;
    return -1;
}

ssize_t write(int file, const void *content, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    if (!fails_open_file(file)) return real(file, content, size);
    if (size > 1) real(file, content, size / 2);
    return refuse();
}

int fsync(int file) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fsync");
    return fails_open_file(file) ? refuse() : real(file);
}

int rename(const char *from, const char *to) {
    static int (*real)(const char *, const char *);
    if (!real) real = dlsym(RTLD_NEXT, "rename");
    return fails(to) ? refuse() : real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    static int (*real)(const char *, mode_t);
    if (!real) real = dlsym(RTLD_NEXT, "mkdir");
    return fails(path) ? refuse() : real(path, mode);
}

#define OPENS(name)                                                      \
    int name(const char *path, int flags, ...) {                         \
        static int (*real)(const char *, int, ...);                      \
        if (!real) real = dlsym(RTLD_NEXT, #name);                       \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;        \
        va_end(rest);                                                    \
        return flags & O_CREAT && fails(path) ? refuse() : real(path, flags, mode); \
    }

OPENS(open)
OPENS(open64)
