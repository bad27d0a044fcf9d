"""The system calls that a function may make, as a seccomp filter; also loaded inside zygotes.

What is missing from the table answers ENOSYS, as a kernel would that lacks it, so that libraries fall back.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import typing

from lambent.sandbox import syscalls

# name:number on x86_64:number on aarch64 (which lacks what has a newer form). Left out are, on purpose: what
# mounts, loads, traces, reboots or reads other processes, namespaces, keyrings, bpf, perf, io_uring,
# userfaultfd, old aio, personality, NUMA placement, and `sync`, which makes the whole machine wait.
ALLOWED = """
read:0:63 write:1:64 open:2: close:3:57 stat:4: fstat:5:80 lstat:6: poll:7: lseek:8:62 mmap:9:222
mprotect:10:226 munmap:11:215 brk:12:214 rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139
ioctl:16:29 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66 access:21: pipe:22: select:23:
sched_yield:24:124 mremap:25:216 msync:26:227 mincore:27:232 shmget:29:194 shmat:30:196
shmctl:31:195 dup:32:23 dup2:33: pause:34: nanosleep:35:101 getitimer:36:102 alarm:37: setitimer:38:103
getpid:39:172 sendfile:40:71 connect:42:203 accept:43:202 sendto:44:206 recvfrom:45:207 sendmsg:46:211
recvmsg:47:212 shutdown:48:210 bind:49:200 listen:50:201 getsockname:51:204 getpeername:52:205
getsockopt:55:209 fork:57: vfork:58: execve:59:221 exit:60:93 wait4:61:260 kill:62:129
uname:63:160 semget:64:190 semop:65:193 semctl:66:191 shmdt:67:197 msgget:68:186 msgsnd:69:189 msgrcv:70:188
msgctl:71:187 fcntl:72:25 flock:73:32 fsync:74:82 fdatasync:75:83 truncate:76:45 ftruncate:77:46
getdents:78: getcwd:79:17 chdir:80:49 fchdir:81:50 rename:82: mkdir:83: rmdir:84: creat:85: link:86:
unlink:87: symlink:88: readlink:89: chmod:90: fchmod:91:52 chown:92: fchown:93:55 lchown:94: umask:95:166
gettimeofday:96:169 getrlimit:97:163 getrusage:98:165 sysinfo:99:179 times:100:153 getuid:102:174
getgid:104:176 setuid:105:146 setgid:106:144 geteuid:107:175 getegid:108:177 setpgid:109:154 getppid:110:173
getpgrp:111: setsid:112:157 setreuid:113:145 setregid:114:143 getgroups:115:158 setgroups:116:159
setresuid:117:147 getresuid:118:148 setresgid:119:149 getresgid:120:150 getpgid:121:155 setfsuid:122:151
setfsgid:123:152 getsid:124:156 capget:125:90 capset:126:91 rt_sigpending:127:136 rt_sigtimedwait:128:137
rt_sigqueueinfo:129:138 rt_sigsuspend:130:133 sigaltstack:131:132 utime:132: mknod:133: statfs:137:43
fstatfs:138:44 getpriority:140:141 setpriority:141:140 sched_setparam:142:118 sched_getparam:143:121
sched_setscheduler:144:119 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 sched_rr_get_interval:148:127 mlock:149:228 munlock:150:229 mlockall:151:230
munlockall:152:231 prctl:157:167 arch_prctl:158: gettid:186:178 readahead:187:213
setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10
listxattr:194:11 llistxattr:195:12 flistxattr:196:13 removexattr:197:14 lremovexattr:198:15
fremovexattr:199:16 tkill:200:130 time:201: futex:202:98 sched_setaffinity:203:122 sched_getaffinity:204:123
epoll_create:213: getdents64:217:61 set_tid_address:218:96 restart_syscall:219:128 semtimedop:220:192
fadvise64:221:223 timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_getoverrun:225:109
timer_delete:226:111 clock_gettime:228:113 clock_getres:229:114 clock_nanosleep:230:115 exit_group:231:94
epoll_wait:232: epoll_ctl:233:21 tgkill:234:131 utimes:235: get_mempolicy:239:236 mq_open:240:180
mq_unlink:241:181 mq_timedsend:242:182 mq_timedreceive:243:183 mq_notify:244:184 mq_getsetattr:245:185
waitid:247:95 ioprio_get:252:31 inotify_init:253: inotify_add_watch:254:27 inotify_rm_watch:255:28
openat:257:56 mkdirat:258:34 mknodat:259:33 fchownat:260:54 futimesat:261: newfstatat:262:79 unlinkat:263:35
renameat:264:38 linkat:265:37 symlinkat:266:36 readlinkat:267:78 fchmodat:268:53 faccessat:269:48
pselect6:270:72 ppoll:271:73 set_robust_list:273:99 get_robust_list:274:100 splice:275:76 tee:276:77
sync_file_range:277:84 vmsplice:278:75 utimensat:280:88 epoll_pwait:281:22 signalfd:282:
timerfd_create:283:85 eventfd:284: fallocate:285:47 timerfd_settime:286:86 timerfd_gettime:287:87
accept4:288:242 signalfd4:289:74 eventfd2:290:19 epoll_create1:291:20 dup3:292:24 pipe2:293:59
inotify_init1:294:26 preadv:295:69 pwritev:296:70 rt_tgsigqueueinfo:297:240 recvmmsg:299:243
syncfs:306:267 sendmmsg:307:269 getcpu:309:168 sched_setattr:314:274 sched_getattr:315:275
renameat2:316:276 seccomp:317:277 getrandom:318:278 memfd_create:319:279 execveat:322:281 membarrier:324:283
mlock2:325:284 copy_file_range:326:285 preadv2:327:286 pwritev2:328:287 pkey_mprotect:329:288
pkey_alloc:330:289 pkey_free:331:290 statx:332:291 rseq:334:293 pidfd_send_signal:424:424 pidfd_open:434:434
close_range:436:436 openat2:437:437 faccessat2:439:439 epoll_pwait2:441:441 landlock_create_ruleset:444:444
landlock_add_rule:445:445 landlock_restrict_self:446:446 futex_waitv:449:449 cachestat:451:451
fchmodat2:452:452 futex_wake:454:454 futex_wait:455:455 futex_requeue:456:456
"""

ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}  # AUDIT_ARCH_*, column
SPECIAL = {  # whose arguments are looked at
    "x86_64": {
        "clone": 56,
        "clone3": 435,
        "madvise": 28,
        "prlimit64": 302,
        "setrlimit": 160,
        "setsockopt": 54,
        "socket": 41,
        "socketpair": 53,
    },
    "aarch64": {
        "clone": 220,
        "clone3": 435,
        "madvise": 233,
        "prlimit64": 261,
        "setrlimit": 164,
        "setsockopt": 208,
        "socket": 198,
        "socketpair": 199,
    },
}
NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* that clone takes
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
NETLINK_ROUTE = 0  # getaddrinfo asks it for the addresses
PROTOCOLS = (0, 1, 6, 17, 58)  # IP's own, ICMP, TCP, UDP, ICMPv6; for others the kernel loads modules
SOL_TCP, TCP_ULP = 6, 31  # what runs on top of TCP in the kernel, such as its TLS
GIVES_BACK = (4, 24)  # MADV_DONTNEED, MADV_DONTNEED_LOCKED
RLIMIT_CORE = 4  # stays at 1, which alone keeps a crash from the host's handler

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NR, ARCH, ARGUMENT_0, ARGUMENT_1, ARGUMENT_2 = 0, 4, 16, 24, 32  # offsets in struct seccomp_data, low words
HIGH_WORD = 4  # behind a low one
SET_MODE_FILTER = 1


def refuse(code: int) -> int:
    return 0x00050000 | code


Instruction = typing.Tuple[int, int, int, int]  # noqa: UP006 (Python 3.8 evaluates it)
ALLOWED_CALL: Instruction = (RETURN, 0, 0, ALLOW)
REFUSED: Instruction = (RETURN, 0, 0, refuse(errno.EPERM))
NO_CALL: Instruction = (RETURN, 0, 0, refuse(errno.ENOSYS))
NO_FAMILY: Instruction = (RETURN, 0, 0, refuse(errno.EAFNOSUPPORT))


def allowed_numbers(machine: str) -> list[int]:
    column = ARCHITECTURES[machine][1]
    cells = (entry.split(":") for entry in ALLOWED.split())
    return sorted(int(cell[column]) for cell in cells if cell[column])


def ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Runs of neighbours, first and last."""
    found: list[tuple[int, int]] = []
    for n in numbers:
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


def program(machine: str, restored: bool = False) -> bytes:
    """The filter in classic BPF. What was `restored` from a snapshot may not give pages back."""
    special = {
        "clone": _clone(),
        "clone3": [NO_CALL],  # glibc falls back to clone, whose flags can be seen
        "prlimit64": _prlimit(),
        "setrlimit": [(LOAD, 0, 0, ARGUMENT_0), *_when((RLIMIT_CORE,), [REFUSED]), ALLOWED_CALL],
        "setsockopt": _setsockopt(),
        "socket": _socket(),
        "socketpair": _socketpair(),
        "madvise": _madvise(GIVES_BACK if restored else ()),
    }
    code: list[Instruction] = [
        (LOAD, 0, 0, ARCH),
        (JUMP_EQUAL, 1, 0, ARCHITECTURES[machine][0]),
        (RETURN, 0, 0, KILL),  # i386 calls by int 0x80 have other numbers
        (LOAD, 0, 0, NR),
        *_search(_segments(machine, special)),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _segments(machine: str, special: dict[str, list[Instruction]]) -> list[tuple[int, list[Instruction]]]:
    """What is done from each number on, until the next one's turn; x32 calls are beyond the last."""
    found: dict[int, list[Instruction]] = {0: [NO_CALL]}
    for first, last in ranges(allowed_numbers(machine)):
        found[first] = [ALLOWED_CALL]
        found[last + 1] = [NO_CALL]
    for name, then in special.items():
        number = SPECIAL[machine][name]
        before = found[max(first for first in found if first <= number)]
        found[number] = then
        found.setdefault(number + 1, before)
    return sorted(found.items())


def _search(segments: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Halves them until one is left: the kernel runs this for every number when the filter is installed."""
    if len(segments) == 1:
        return segments[0][1]
    middle = len(segments) // 2
    below, above = _search(segments[:middle]), _search(segments[middle:])
    return [(JUMP_AT_LEAST, len(below), 0, segments[middle][0]), *below, *above]


def _when(values: tuple[int, ...], then: list[Instruction]) -> list[Instruction]:
    """Run `then`, which returns on every way, when what was loaded is one of the values."""
    last = len(values) - 1
    return [
        *((JUMP_EQUAL, last - i, len(then) if i == last else 0, value) for i, value in enumerate(values)),
        *then,
    ]


def _clone() -> list[Instruction]:
    return [(LOAD, 0, 0, ARGUMENT_0), (JUMP_BITS, 1, 0, NAMESPACE_FLAGS), ALLOWED_CALL, REFUSED]


def _madvise(refused: tuple[int, ...]) -> list[Instruction]:
    """Allocators rely on zeros in pages that they gave back: here the snapshot would come to light again."""
    invalid = (RETURN, 0, 0, refuse(errno.EINVAL))
    return [(LOAD, 0, 0, ARGUMENT_2), *_when(refused, [invalid]), ALLOWED_CALL] if refused else [ALLOWED_CALL]


def _prlimit() -> list[Instruction]:
    """Asking for a limit is giving no new one."""
    asked = [(LOAD, 0, 0, ARGUMENT_2 + HIGH_WORD), *_when((0,), [ALLOWED_CALL]), REFUSED]
    core = [(LOAD, 0, 0, ARGUMENT_2), *_when((0,), asked), REFUSED]
    return [(LOAD, 0, 0, ARGUMENT_1), *_when((RLIMIT_CORE,), core), ALLOWED_CALL]


def _setsockopt() -> list[Instruction]:
    ulp = (RETURN, 0, 0, refuse(errno.ENOPROTOOPT))
    tcp = [(LOAD, 0, 0, ARGUMENT_2), *_when((TCP_ULP,), [ulp]), ALLOWED_CALL]
    return [(LOAD, 0, 0, ARGUMENT_1), *_when((SOL_TCP,), tcp), ALLOWED_CALL]


def _socket() -> list[Instruction]:
    no_protocol = (RETURN, 0, 0, refuse(errno.EPROTONOSUPPORT))
    internet = [(LOAD, 0, 0, ARGUMENT_2), *_when(PROTOCOLS, [ALLOWED_CALL]), no_protocol]
    netlink = [(LOAD, 0, 0, ARGUMENT_2), *_when((NETLINK_ROUTE,), [ALLOWED_CALL]), NO_FAMILY]
    return [
        (LOAD, 0, 0, ARGUMENT_0),
        *_when((AF_UNIX,), [ALLOWED_CALL]),
        *_when((AF_INET, AF_INET6), internet),
        *_when((AF_NETLINK,), netlink),
        NO_FAMILY,
    ]


def _socketpair() -> list[Instruction]:
    return [(LOAD, 0, 0, ARGUMENT_0), *_when((AF_UNIX,), [ALLOWED_CALL]), NO_FAMILY]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


class Filter:
    """A filter made ready once: to describe it takes Python longer than the kernel to install it."""

    def __init__(self, filter_program: bytes) -> None:
        self._described = _Program(len(filter_program) // 8, filter_program)
        self._address = ctypes.addressof(self._described)

    def install(self) -> None:
        """Bind this process and all its descendants for good. Needs no_new_privs."""
        syscalls.call("seccomp", SET_MODE_FILTER, 0, self._address)


def for_this_machine(restored: bool = False) -> Filter:
    return Filter(program(platform.machine(), restored))
