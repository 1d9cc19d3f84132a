// Writes down what a process does to the files of one folder, and makes chosen calls fail.
// Loaded with LD_PRELOAD; Linux with glibc only. The environment says what to do:
//
//   FAULTS_ROOT  the folder; everything else is let through untouched
//   FAULTS_LOG   what was done is appended here, as records (below)
//   FAULTS_SAID  what the process writes to this file is taken down, so that it stands in order with the rest
//   FAULTS_RULE  optional: `<error> <which call> <how many>`, e.g. `eio 17 1` for the 17th call that can fail so
//
// A record is a `struct record`, a name and bytes. One lock is held over a call and its record, so that the order of the
// records is the order of the calls. Writes through maps are not seen: LMDB makes them to its lock file only.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, REMOVE, RENAME, SAID, FAULT };

struct record {
    uint32_t kind, flags; // flags: 1 = a folder (CREATE), durable (WRITE), failed (SYNC), exchanged (RENAME)
    uint64_t a, b;        // inodes of folders and files, offsets, lengths
    uint32_t name_len, data_len;
};

// What an error can happen to.
enum { OPEN = 1, MAKE = 2, READ = 4, PUT = 8, CUT = 16, FLUSH = 32, NAMES = 64, LIST = 128, LOCK = 256, MAP = 512, SEEK = 1024 };
enum mode { NONE, EIO_, ENOSPC_, EINTR_, SHORT, LATE, KILL };

static const struct { const char *name; enum mode mode; int calls; } modes[] = {
    {"eio", EIO_, OPEN | MAKE | READ | PUT | CUT | FLUSH | NAMES | LIST | LOCK | MAP | SEEK},
    {"enospc", ENOSPC_, MAKE | PUT | CUT | FLUSH | NAMES},
    {"eintr", EINTR_, OPEN | MAKE | READ | PUT | CUT | FLUSH | LOCK},
    {"short", SHORT, READ | PUT},            // half of what was asked for
    {"late", LATE, PUT | FLUSH | NAMES},     // done, and yet reported as failed
    {"kill", KILL, MAKE | PUT | CUT | FLUSH | NAMES}, // the process ends there; a write is done but not durable
};

#define MAX_FD 4096
static struct file { ino_t ino; char watched, said, durable; char label[32]; } files[MAX_FD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *said;
static size_t root_len;
static int log_fd = -1;
static enum mode mode;
static int calls;
static long long seen, first, count;

#define REAL(result, name, ...)                                       \
    static result (*real)(__VA_ARGS__);                               \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int real_open(const char *path, int flags, mode_t perm) {
    REAL(int, open64, const char *, int, ...);
    return real(path, flags, perm);
}

static ssize_t real_writev(int fd, const struct iovec *iov, int n) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return real(fd, iov, n);
}

static off_t real_lseek(int fd, off_t to, int whence) {
    REAL(off_t, lseek, int, off_t, int);
    return real(fd, to, whence);
}

static int real_close(int fd) {
    REAL(int, close, int);
    return real(fd);
}

__attribute__((constructor)) static void start(void) {
    const char *log = getenv("FAULTS_LOG"), *rule = getenv("FAULTS_RULE");
    root = getenv("FAULTS_ROOT");
    said = getenv("FAULTS_SAID");
    if (!root || !log || !said) return;
    root_len = strlen(root);
    // A number that nothing else opens.
    int fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    real_close(fd);
    char name[16];
    if (rule && sscanf(rule, "%15s %lld %lld", name, &first, &count) == 3)
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
            if (!strcmp(modes[i].name, name)) mode = modes[i].mode, calls = modes[i].calls;
}

static void record(enum kind kind, int flags, uint64_t a, uint64_t b, const void *name, size_t name_len,
                   const struct iovec *data, int n, size_t len) {
    struct record head = {kind, flags, a, b, name_len, 0};
    struct iovec out[IOV_MAX] = {{&head, sizeof head}, {(void *)name, name_len}};
    int used = 2;
    for (int i = 0; i < n && len > 0; i++, used++) {
        out[used] = data[i];
        if (out[used].iov_len > len) out[used].iov_len = len;
        len -= out[used].iov_len;
        head.data_len += out[used].iov_len;
    }
    ssize_t all = sizeof head + name_len + head.data_len;
    if (real_writev(log_fd, out, used) != all) abort(); // a log with a hole proves nothing
}

// Whether this call fails, and how. Called with the lock held.
static enum mode fault(int call, const char *name, const char *path) {
    if (!(calls & call)) return NONE;
    long long i = ++seen - first;
    if (i < 0 || i >= count) return NONE;
    char text[96];
    int len = snprintf(text, sizeof text, "%s %s", name, path ? path : "");
    record(FAULT, 0, seen, 0, text, len < (int)sizeof text ? len : (int)sizeof text - 1, NULL, 0, 0);
    return mode;
}

// As an errno; 0 if the call is to be made all the same.
static int failure(enum mode mode) {
    switch (mode) {
    case EIO_: return EIO;
    case ENOSPC_: return ENOSPC;
    case EINTR_: return EINTR;
    case KILL: kill(getpid(), SIGKILL); pause(); return 0;
    default: return 0;
    }
}

static const char *last(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static struct file *watched(int fd) {
    return log_fd >= 0 && fd >= 0 && fd < MAX_FD && files[fd].watched ? &files[fd] : NULL;
}

static int inside(int at, const char *path) {
    if (log_fd < 0) return 0;
    if (path[0] != '/') return watched(at) != NULL;
    return !strncmp(path, root, root_len) && (path[root_len] == 0 || path[root_len] == '/');
}

static ino_t inode(int at, const char *path) {
    struct stat st;
    return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino;
}

// The folder a name lies in.
static ino_t parent(int at, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return inode(at, ".");
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    return inode(at, folder);
}

#define FAIL(code) do { errno = (code); return -1; } while (0)
#define LOCKED pthread_mutex_lock(&lock)
// Leaves the lock with errno as it was.
#define DONE(result) do { int kept = errno; pthread_mutex_unlock(&lock); errno = kept; return result; } while (0)
#define DONE_FAILING(code) do { pthread_mutex_unlock(&lock); FAIL(code); } while (0)

// ---- opening and closing

static int open_at(int at, const char *path, int flags, mode_t perm) {
    REAL(int, openat64, int, const char *, int, ...);
    if (log_fd >= 0 && path[0] == '/' && !strcmp(path, said)) {
        int fd = real(at, path, flags, perm);
        if (fd >= 0 && fd < MAX_FD) files[fd] = (struct file){.said = 1};
        return fd;
    }
    if (!inside(at, path)) {
        int fd = real(at, path, flags, perm);
        if (fd >= 0 && fd < MAX_FD) files[fd].watched = files[fd].said = 0;
        return fd;
    }
    LOCKED;
    ino_t before = inode(at, path);
    int makes = (flags & O_CREAT) && !before;
    int code = failure(fault(makes ? MAKE : OPEN, "open", last(path)));
    if (code) DONE_FAILING(code);
    int fd = real(at, path, flags, perm);
    if (fd >= MAX_FD) abort();
    if (fd >= 0) {
        struct stat st;
        fstat(fd, &st);
        files[fd] = (struct file){.ino = st.st_ino, .watched = 1, .durable = (flags & (O_SYNC | O_DSYNC)) != 0};
        snprintf(files[fd].label, sizeof files[fd].label, "%s", last(path));
        if (makes) record(CREATE, 0, parent(at, path), st.st_ino, last(path), strlen(last(path)), NULL, 0, 0);
        else if (flags & O_TRUNC) record(TRUNCATE, 0, st.st_ino, 0, NULL, 0, NULL, 0, 0);
    }
    DONE(fd);
}

#define OPENER(name, at, ...)                                  \
    int name(__VA_ARGS__, ...) {                               \
        mode_t perm = 0;                                       \
        if (flags & (O_CREAT | O_TMPFILE)) {                   \
            va_list args;                                      \
            va_start(args, flags);                             \
            perm = va_arg(args, mode_t);                       \
            va_end(args);                                      \
        }                                                      \
        return open_at(at, path, flags, perm);                 \
    }
OPENER(open, AT_FDCWD, const char *path, int flags)
OPENER(open64, AT_FDCWD, const char *path, int flags)
OPENER(openat, at, int at, const char *path, int flags)
OPENER(openat64, at, int at, const char *path, int flags)
// What a fortified build calls instead.
int __open_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_at(AT_FDCWD, path, flags, 0); }

static void forget(int fd) {
    if (fd >= 0 && fd < MAX_FD) files[fd].watched = files[fd].said = 0;
}

int close(int fd) {
    if (fd == log_fd && fd >= 0) return 0;
    forget(fd);
    return real_close(fd);
}

int closedir(DIR *dir) {
    REAL(int, closedir, DIR *);
    forget(dirfd(dir));
    return real(dir);
}

// ---- reading

#define READER(name, decl, args)                                                     \
    ssize_t name decl {                                                              \
        REAL(ssize_t, name, int, void *, size_t, ...);                               \
        struct file *file = watched(fd);                                             \
        if (!file) return real args;                                                 \
        LOCKED;                                                                      \
        enum mode how = fault(READ, "read", file->label);                             \
        int code = failure(how);                                                     \
        if (code) DONE_FAILING(code);                                                \
        if (how == SHORT && len > 1) len /= 2;                                       \
        ssize_t got = real args;                                                     \
        DONE(got);                                                                   \
    }
READER(read, (int fd, void *to, size_t len), (fd, to, len))
READER(pread, (int fd, void *to, size_t len, off_t at), (fd, to, len, at))
READER(pread64, (int fd, void *to, size_t len, off64_t at), (fd, to, len, at))

DIR *opendir(const char *path) {
    REAL(DIR *, opendir, const char *);
    if (!inside(AT_FDCWD, path)) return real(path);
    LOCKED;
    int code = failure(fault(LIST, "opendir", last(path)));
    if (code) {
        pthread_mutex_unlock(&lock);
        errno = code;
        return NULL;
    }
    DIR *dir = real(path);
    if (dir && dirfd(dir) < MAX_FD) files[dirfd(dir)] = (struct file){.ino = inode(AT_FDCWD, path), .watched = 1};
    DONE(dir);
}

struct dirent64 *readdir64(DIR *dir) {
    REAL(struct dirent64 *, readdir64, DIR *);
    struct file *file = watched(dirfd(dir));
    if (!file) return real(dir);
    LOCKED;
    int code = failure(fault(LIST, "readdir", file->label));
    if (code) {
        pthread_mutex_unlock(&lock);
        errno = code;
        return NULL;
    }
    struct dirent64 *entry = real(dir);
    DONE(entry);
}

// ---- writing

// `at` < 0: where the file stands.
static ssize_t put(int fd, const struct iovec *iov, int n, off_t at, const char *name) {
    REAL(ssize_t, pwritev64, int, const struct iovec *, int, off64_t);
    struct file *file = watched(fd);
    LOCKED;
    enum mode how = fault(PUT, name, file->label);
    if (how == KILL) {
        // Done, as others see it, and not durable.
    } else {
        int code = failure(how);
        if (code) DONE_FAILING(code);
    }
    struct iovec half = iov[0];
    if (how == SHORT && (n > 1 || iov[0].iov_len > 1)) {
        if (n == 1) half.iov_len /= 2;
        iov = &half;
        n = 1;
    }
    off_t start = at < 0 ? real_lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR) : at;
    ssize_t done = at < 0 ? real_writev(fd, iov, n) : real(fd, iov, n, at);
    if (done > 0)
        record(WRITE, file->durable && how != LATE && how != KILL, file->ino, start, NULL, 0, iov, n, done);
    if (how == KILL) failure(how);
    if (how == LATE) DONE_FAILING(EIO);
    DONE(done);
}

ssize_t writev(int fd, const struct iovec *iov, int n) {
    return watched(fd) ? put(fd, iov, n, -1, "writev") : real_writev(fd, iov, n);
}

ssize_t write(int fd, const void *from, size_t len) {
    REAL(ssize_t, write, int, const void *, size_t);
    struct iovec iov = {(void *)from, len};
    if (watched(fd)) return put(fd, &iov, 1, -1, "write");
    if (log_fd >= 0 && fd >= 0 && fd < MAX_FD && files[fd].said) {
        LOCKED;
        record(SAID, 0, 0, 0, NULL, 0, &iov, 1, len);
        pthread_mutex_unlock(&lock);
    }
    return real(fd, from, len);
}

#define PWRITER(name, offset)                                                        \
    ssize_t name(int fd, const void *from, size_t len, offset at) {                  \
        REAL(ssize_t, name, int, const void *, size_t, offset);                      \
        struct iovec iov = {(void *)from, len};                                      \
        return watched(fd) ? put(fd, &iov, 1, at, #name) : real(fd, from, len, at);  \
    }
PWRITER(pwrite, off_t)
PWRITER(pwrite64, off64_t)

#define PWRITEVER(name, offset)                                                      \
    ssize_t name(int fd, const struct iovec *iov, int n, offset at) {                \
        REAL(ssize_t, name, int, const struct iovec *, int, offset);                 \
        return watched(fd) ? put(fd, iov, n, at, #name) : real(fd, iov, n, at);      \
    }
PWRITEVER(pwritev, off_t)
PWRITEVER(pwritev64, off64_t)

// Whoever copies files has another way, and that one is written down.
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags) {
    REAL(ssize_t, copy_file_range, int, off64_t *, int, off64_t *, size_t, unsigned);
    if (watched(out)) FAIL(ENOSYS);
    return real(in, in_at, out, out_at, len, flags);
}
ssize_t sendfile64(int out, int in, off64_t *at, size_t len) {
    REAL(ssize_t, sendfile64, int, int, off64_t *, size_t);
    if (watched(out)) FAIL(EINVAL);
    return real(out, in, at, len);
}

#define SEEKER(name, offset)                                                         \
    offset name(int fd, offset to, int whence) {                                     \
        REAL(offset, name, int, offset, int);                                        \
        struct file *file = watched(fd);                                             \
        if (!file) return real(fd, to, whence);                                      \
        LOCKED;                                                                      \
        int code = failure(fault(SEEK, "lseek", file->label));                        \
        if (code) DONE_FAILING(code);                                                \
        offset got = real(fd, to, whence);                                           \
        DONE(got);                                                                   \
    }
SEEKER(lseek, off_t)
SEEKER(lseek64, off64_t)

#define CUTTER(name, offset)                                                         \
    int name(int fd, offset len) {                                                   \
        REAL(int, name, int, offset);                                                \
        struct file *file = watched(fd);                                             \
        if (!file) return real(fd, len);                                             \
        LOCKED;                                                                      \
        int code = failure(fault(CUT, "ftruncate", file->label));                     \
        if (code) DONE_FAILING(code);                                                \
        int result = real(fd, len);                                                  \
        if (!result) record(TRUNCATE, 0, file->ino, len, NULL, 0, NULL, 0, 0);       \
        DONE(result);                                                                \
    }
CUTTER(ftruncate, off_t)
CUTTER(ftruncate64, off64_t)

#define ALLOCATOR(name, offset)                                                      \
    int name(int fd, int how, offset from, offset len) {                             \
        REAL(int, name, int, int, offset, offset);                                   \
        struct file *file = watched(fd);                                             \
        if (!file) return real(fd, how, from, len);                                  \
        LOCKED;                                                                      \
        if (!(how & FALLOC_FL_KEEP_SIZE)) abort(); /* a length would be a change */  \
        int code = failure(fault(CUT, "fallocate", file->label));                    \
        if (code) DONE_FAILING(code);                                                \
        int result = real(fd, how, from, len);                                       \
        DONE(result);                                                                \
    }
ALLOCATOR(fallocate, off_t)
ALLOCATOR(fallocate64, off64_t)

// ---- making durable

#define SYNCER(name)                                                                 \
    int name(int fd) {                                                               \
        REAL(int, name, int);                                                        \
        struct file *file = watched(fd);                                             \
        if (!file) return real(fd);                                                  \
        LOCKED;                                                                      \
        enum mode how = fault(FLUSH, #name, file->label);                             \
        int code = how == LATE ? EIO : failure(how);                                 \
        if (code) {                                                                  \
            if (code != EINTR) record(SYNC, 1, file->ino, 0, NULL, 0, NULL, 0, 0);   \
            DONE_FAILING(code);                                                      \
        }                                                                            \
        int result = real(fd);                                                       \
        record(SYNC, result != 0, file->ino, 0, NULL, 0, NULL, 0, 0);                \
        DONE(result);                                                                \
    }
SYNCER(fsync)
SYNCER(fdatasync)

int msync(void *at, size_t len, int flags) {
    REAL(int, msync, void *, size_t, int);
    if (log_fd >= 0) abort(); // nobody writes through a map here; if that changes, this has to learn it
    return real(at, len, flags);
}

// ---- names

static int make_dir(int at, const char *path, mode_t perm) {
    REAL(int, mkdirat, int, const char *, mode_t);
    if (!inside(at, path)) return real(at, path, perm);
    LOCKED;
    enum mode how = fault(NAMES, "mkdir", last(path));
    int code = failure(how);
    if (code) DONE_FAILING(code);
    int result = real(at, path, perm);
    if (!result) record(CREATE, 1, parent(at, path), inode(at, path), last(path), strlen(last(path)), NULL, 0, 0);
    if (!result && how == LATE) DONE_FAILING(EIO);
    DONE(result);
}
int mkdir(const char *path, mode_t perm) { return make_dir(AT_FDCWD, path, perm); }
int mkdirat(int at, const char *path, mode_t perm) { return make_dir(at, path, perm); }

static int remove_at(int at, const char *path, int flags) {
    REAL(int, unlinkat, int, const char *, int);
    if (!inside(at, path)) return real(at, path, flags);
    LOCKED;
    enum mode how = fault(NAMES, flags & AT_REMOVEDIR ? "rmdir" : "unlink", last(path));
    int code = failure(how);
    if (code) DONE_FAILING(code);
    ino_t folder = parent(at, path);
    int result = real(at, path, flags);
    if (!result) record(REMOVE, 0, folder, 0, last(path), strlen(last(path)), NULL, 0, 0);
    if (!result && how == LATE) DONE_FAILING(EIO);
    DONE(result);
}
int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }
int unlinkat(int at, const char *path, int flags) { return remove_at(at, path, flags); }

static int move(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    REAL(int, renameat2, int, const char *, int, const char *, unsigned);
    if (!inside(from_at, from) && !inside(to_at, to)) return real(from_at, from, to_at, to, flags);
    LOCKED;
    enum mode how = fault(NAMES, "rename", last(from));
    int code = failure(how);
    if (code) DONE_FAILING(code);
    ino_t source = parent(from_at, from), target = parent(to_at, to);
    int result = real(from_at, from, to_at, to, flags);
    char names[2 * NAME_MAX + 2];
    int len = snprintf(names, sizeof names, "%s/%s", last(from), last(to));
    if (!result) record(RENAME, (flags & RENAME_EXCHANGE) != 0, source, target, names, len, NULL, 0, 0);
    if (!result && how == LATE) DONE_FAILING(EIO);
    DONE(result);
}
int rename(const char *from, const char *to) { return move(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_at, const char *from, int to_at, const char *to) { return move(from_at, from, to_at, to, 0); }
int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return move(from_at, from, to_at, to, flags);
}

// ---- locks and maps

int flock(int fd, int how) {
    REAL(int, flock, int, int);
    struct file *file = watched(fd);
    if (!file) return real(fd, how);
    LOCKED;
    int code = failure(fault(LOCK, "flock", file->label));
    if (code) DONE_FAILING(code);
    pthread_mutex_unlock(&lock); // it may wait for another process
    return real(fd, how);
}

#define CONTROLLER(name)                                                             \
    int name(int fd, int command, ...) {                                             \
        REAL(int, name, int, int, ...);                                              \
        va_list args;                                                                \
        va_start(args, command);                                                     \
        void *argument = va_arg(args, void *);                                       \
        va_end(args);                                                                \
        struct file *file = watched(fd);                                             \
        if (!file || (command != F_SETLK && command != F_SETLKW)) return real(fd, command, argument); \
        LOCKED;                                                                      \
        int code = failure(fault(LOCK, "fcntl", file->label));                        \
        if (code) DONE_FAILING(code);                                                \
        pthread_mutex_unlock(&lock);                                                 \
        return real(fd, command, argument);                                          \
    }
CONTROLLER(fcntl)
CONTROLLER(fcntl64)

#define MAPPER(name, offset)                                                         \
    void *name(void *at, size_t len, int prot, int flags, int fd, offset from) {     \
        REAL(void *, name, void *, size_t, int, int, int, offset);                   \
        struct file *file = watched(fd);                                             \
        if (!file) return real(at, len, prot, flags, fd, from);                      \
        LOCKED;                                                                      \
        enum mode how = fault(MAP, "mmap", file->label);                              \
        pthread_mutex_unlock(&lock);                                                 \
        if (how != NONE) {                                                           \
            errno = ENOMEM;                                                          \
            return MAP_FAILED;                                                       \
        }                                                                            \
        return real(at, len, prot, flags, fd, from);                                 \
    }
MAPPER(mmap, off_t)
MAPPER(mmap64, off64_t)
