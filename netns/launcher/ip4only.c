/* ip4only [--die-with-parent] COMMAND [ARG...]: run a command in one fixed network namespace, as the caller and without
 * privileges.
 *
 * Installed root:speedmon 0750 with cap_sys_admin+ep by `speedmon setup-netns`. It reads no environment and one option,
 * with which the command is killed when the process that started it ends; NS_NAME and DIGEST are fixed when it is built (netns/launcher/install.py). Exit code: 125 refused, 126/127 as in a shell, else
 * the command's. netns/entry/inside.py is the same sequence for root: change both. Linux 5.9 or later, for close_range(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define HANDLE "/run/netns/" NS_NAME
#define PREPARED "/etc/netns/" NS_NAME
#define FIX "run: sudo speedmon setup-netns"
#define MORE_FILES "raise the limit of open files (ulimit -n)"
#define DIE_WITH_PARENT "--die-with-parent"
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* From linux/nsfs.h, linux/mount.h, linux/close_range.h and linux/capability.h, which musl lacks. */
enum { GET_USERNS = 0xb701, GET_NSTYPE = 0xb703, GET_OWNER_UID = 0xb704 };
enum { NR_OPEN_TREE = 428, NR_MOVE_MOUNT = 429, NR_CLOSE_RANGE = 436 }; /* the same on every architecture */
enum { CAP_SYS_ADMIN = 21, TREE_CLONE = 1, MOVE_FROM_DESCRIPTOR = 4, CAPABILITY_VERSION_3 = 0x20080522 };
enum { NSFS_MAGIC = 0x6e736673 };
struct capability_header { unsigned version; int pid; };
struct capability_words { unsigned effective, permitted, inheritable; };

/* By this text speedmon recognises its own program, and a current one, without running it. */
__attribute__((used)) static const char marker[] = "speedmon-launcher:" NS_NAME ":" DIGEST;
__attribute__((used)) static const char option_marker[] = "speedmon-launcher-option:" DIE_WITH_PARENT;

__attribute__((noreturn)) static void refuse(const char *what, const char *why, const char *fix)
{
    dprintf(STDERR_FILENO, NS_NAME ": %s: %s; %s\n", what, why, fix);
    _exit(125);
}

__attribute__((noreturn)) static void refuse_after_error(const char *what, const char *fix)
{
    if (errno == EMFILE || errno == ENFILE)
        refuse(what, "Too many open files", MORE_FILES); /* musl's words for it are others */
    refuse(what, strerror(errno), fix);
}

/* Files opened here must not become the command's stdin, stdout or stderr. */
static void complete_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            _exit(125);
}

/* A socket opened outside would stay in the outer network, IPv6 included. */
static void close_inherited_descriptors(void)
{
    if (syscall(NR_CLOSE_RANGE, 3U, ~0U, 0U) < 0)
        refuse_after_error("cannot close inherited descriptors", "Linux 5.9 or later is needed");
}

/* Which of the kernel's answers make it somebody else's, and which say that it could not be asked. */
static void require_network_namespace_of_root(int fd)
{
    uid_t owner = (uid_t)-1;
    int type = ioctl(fd, GET_NSTYPE);
    if (type < 0 && errno != ENOTTY)
        refuse_after_error(HANDLE, FIX);
    if (type != CLONE_NEWNET)
        refuse(HANDLE, "not a network namespace", FIX);
    int users = ioctl(fd, GET_USERNS);
    if (users < 0 && errno != EPERM)
        refuse_after_error(HANDLE, FIX);
    if (users < 0 || ioctl(users, GET_OWNER_UID, &owner) < 0 || owner != 0)
        refuse(HANDLE, "not a network namespace made by root, as seen from here", FIX);
}

/* The number in a line of /proc/self/status, such as "TracerPid:\t0"; 0 if it cannot be read. */
static unsigned long status_number(const char *name, int base)
{
    static char text[8192];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return 0;
    text[length] = '\0';
    char *line = strstr(text, name);
    return line ? strtoul(line + strlen(name), NULL, base) : 0;
}

static const char *why_not_permitted(void)
{
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return "the caller has no_new_privs, so file capabilities have no effect";
    if (status_number("TracerPid:", 10) != 0)
        return "it is traced (strace, gdb), so file capabilities have no effect";
    if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN, 0, 0, 0) == 0)
        return "cap_sys_admin is not in the caller's bounding set (a container or a service)";
    if (status_number("CapEff:", 16) >> CAP_SYS_ADMIN & 1)
        return "its capability is of a user namespace (a container), and the network namespace is not";
    return "this program has lost its file capability; " FIX;
}

/* A crash leaves an empty file that only root may read. */
static int is_plain_file(const char *path)
{
    struct statfs mount;
    int fd = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    return fd >= 0 && fstatfs(fd, &mount) == 0 && mount.f_type != NSFS_MAGIC;
}

static void join_namespace(void)
{
    int fd = open(HANDLE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ELOOP)
        refuse(HANDLE, "a symbolic link, not a network namespace", FIX);
    if (fd < 0 && errno == EACCES && is_plain_file(HANDLE))
        refuse(HANDLE, "not a network namespace", FIX);
    if (fd < 0)
        refuse_after_error(HANDLE, FIX);
    require_network_namespace_of_root(fd);
    if (setns(fd, CLONE_NEWNET) < 0)
        refuse_after_error("cannot join " HANDLE, why_not_permitted());
}

static void make_mounts_private(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("", "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        refuse_after_error("cannot make private mounts", FIX);
}

static int belongs_to_root_alone(int fd, mode_t type)
{
    struct stat file;
    return fstat(fd, &file) == 0 && (file.st_mode & S_IFMT) == type && file.st_uid == 0 && !(file.st_mode & 022);
}

/* On the name itself, even where it is a symlink: a mount on its target is lost when the host renames a new file there.
 * A file that the host lacks need not be replaced, except resolv.conf: without it, programs would ask 127.0.0.1. */
static void mount_over(int file, const char *target, int required)
{
    int tree = (int)syscall(NR_OPEN_TREE, file, "", TREE_CLONE | AT_EMPTY_PATH | O_CLOEXEC);
    if (tree >= 0 && syscall(NR_MOVE_MOUNT, tree, "", AT_FDCWD, target, MOVE_FROM_DESCRIPTOR) == 0)
        return;
    if (required || errno != ENOENT)
        refuse_after_error(target, "it must exist, to be replaced inside the namespace");
}

#define PAIR(file) {PREPARED "/" file, "/etc/" file}
static const struct { const char *prepared, *target; } files[] = {
    PAIR("resolv.conf"), PAIR("nsswitch.conf"), PAIR("hosts"), PAIR("gai.conf")};

static void say_no_resolver(void)
{
    dprintf(STDERR_FILENO, NS_NAME ": there is no " PREPARED "/resolv.conf, so the name servers are the host's; " FIX "\n");
}

/* Opened only now: files opened before unshare() belong to the old mount namespace and cannot be mounted. */
static void take_prepared_files(void)
{
    int folder = open(PREPARED, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0 && errno == ENOENT) {
        say_no_resolver();
        return;
    }
    if (folder < 0 && errno != ELOOP && errno != ENOTDIR)
        refuse_after_error(PREPARED, FIX);
    if (!belongs_to_root_alone(folder, S_IFDIR))
        refuse(PREPARED, "must be a directory that only root can write", FIX);
    for (size_t i = 0; i < COUNT(files); i++) {
        int file = openat(folder, files[i].prepared + sizeof PREPARED, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (file < 0 && errno == ENOENT) {
            if (i == 0)
                say_no_resolver();
            continue;
        }
        if (file < 0)
            refuse_after_error(files[i].prepared, FIX);
        if (!belongs_to_root_alone(file, S_IFREG))
            refuse(files[i].prepared, "must be a plain file that only root can write", FIX);
        mount_over(file, files[i].target, i == 0);
    }
}

/* nscd answers through a socket file, over the host's own network. */
static void hide_name_cache(void)
{
    if (mount("none", "/run/nscd", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=755") < 0 && errno != ENOENT)
        refuse_after_error("cannot hide /run/nscd", FIX);
}

static void drop_every_capability(void)
{
    struct capability_header header = {CAPABILITY_VERSION_3, 0};
    struct capability_words none[2] = {{0, 0, 0}, {0, 0, 0}}, left[2];
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_capset, &header, none) < 0)
        refuse_after_error("cannot drop privileges", "this is a fault of the system");
    if (syscall(SYS_capget, &header, left) < 0 || memcmp(left, none, sizeof none) != 0)
        refuse("cannot drop privileges", "the kernel kept some", "this is a fault of the system");
}

/* The last step: a change of privileges would undo it. A parent that has ended meanwhile is noticed by its id. */
static void die_with_parent(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        refuse_after_error("cannot tie the command to its parent", "this is a fault of the system");
    if (getppid() != parent)
        _exit(125);
}

int main(int argc, char **argv)
{
    pid_t parent = getppid();
    complete_standard_streams();
    int tied = argc > 1 && strcmp(argv[1], DIE_WITH_PARENT) == 0;
    char **command = argv + 1 + tied;
    if (argc < 2 + tied)
        refuse("usage", NS_NAME " COMMAND [ARGUMENT...]", "runs it in the IPv4-only network");
    if (getuid() != geteuid() || getgid() != getegid())
        refuse("this program", "must not be setuid or setgid", FIX);
    close_inherited_descriptors();
    join_namespace();
    make_mounts_private();
    take_prepared_files();
    hide_name_cache();
    drop_every_capability();
    if (tied)
        die_with_parent(parent);
    execvp(*command, command);
    int status = errno == ENOENT ? 127 : 126;
    dprintf(STDERR_FILENO, NS_NAME ": %s: %s\n", *command, strerror(errno));
    return status;
}
