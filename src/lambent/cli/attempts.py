"""What a hostile function tries first, as code for a real sandbox; every one of these has to be refused."""

# Runs what it is sent, in one scope for all: the value of `got`, or what was raised.
HANDLER = """
import os, socket, subprocess, sys

def handler(event, context):
    scope = globals()
    scope["got"] = None
    try:
        exec(event, scope)
    except BaseException as error:
        return {"refused": type(error).__name__, "text": str(error)}
    return {"got": scope["got"]}
"""
# Python tells of a limit that it may not raise by a ValueError, which is for mistakes elsewhere.
LIMIT = """
import resource
try:
    resource.setrlimit(resource.{}, {})
except ValueError as error:
    raise PermissionError(str(error))
"""
# How the kernel says no. Anything else (a NameError, say) is an attempt that did not take place.
REFUSALS = frozenset(
    {
        "BlockingIOError",
        "ConnectionRefusedError",
        "FileNotFoundError",
        "NotADirectoryError",
        "OSError",
        "PermissionError",
        "ProcessLookupError",
        "TimeoutError",
    }
)

FILES = {
    "read the host's passwords": "got = open('/etc/shadow').read()",
    "read the host's name": "got = open('/etc/hostname').read()",
    "list root's folder": "got = os.listdir('/root')",
    "list the users' folders": "got = os.listdir('/home')",
    "list the host's state": "got = os.listdir('/var/lib')",
    "list the host's sockets": "got = os.listdir('/run')",
    "climb out of the root": "got = os.listdir('/proc/self/cwd/../../../../../../home')",
    "reach the host's root through init": "got = os.listdir('/proc/1/root/')",
    "reach init's working folder": "got = os.listdir('/proc/1/cwd/')",
    "reach a file by a link": "os.symlink('/etc/shadow', '/tmp/link'); got = open('/tmp/link').read()",
    "change the code": "open('/var/task/handler.py', 'w')",
    "add to the code": "open('/var/task/new.py', 'w')",
    "make the code writable": "os.chmod('/var/task/handler.py', 0o777)",
    "change the interpreter": "open('/var/lang/bin/python3', 'w')",
    "add to the libraries": "open('/var/runtime/boto3.py', 'w')",
    "change the runtime": "open('/.lambent/python/bootstrap.py', 'w')",
    "change init": "open('/.lambent/init', 'r+b')",
    "add a layer": "open('/opt/new', 'w')",
    "write to the root folder": "open('/new', 'w')",
    "make a folder for others": "os.mkdir('/dev/shared')",
    "add a user": "open('/etc/passwd', 'a')",
    "trust another resolver": "open('/etc/resolv.conf', 'w')",
    "read the kernel's log": "got = open('/dev/kmsg').read(1)",
    "read the disk": "got = open('/dev/vda', 'rb').read(1)",
    "read physical memory": "got = open('/dev/mem', 'rb').read(1)",
    "take a loop device": "got = open('/dev/loop-control')",
    "make a network device": "got = open('/dev/net/tun', 'r+b')",
    "start a virtual machine": "got = open('/dev/kvm', 'r+b')",
    "make a file system": "got = open('/dev/fuse', 'r+b')",
    "open a terminal": "got = open('/dev/ptmx')",
    "look into sysfs": "got = os.listdir('/sys/kernel')",
    "look at the control groups": "got = os.listdir('/sys/fs/cgroup')",
    "write to another memory": "open('/proc/1/mem', 'r+b')",
}

PRIVILEGES = {
    "become root": "os.setuid(0)",
    "take another group": "os.setgroups([0])",
    "become the neighbour": "os.setuid(os.getuid() + 1)",
    "change a file's owner": "open('/tmp/mine', 'w').close(); os.chown('/tmp/mine', 0, 0)",
    "give a program capabilities": (
        "open('/tmp/mine', 'w').close()\n"
        "os.setxattr('/tmp/mine', 'security.capability', bytes.fromhex('0100000200ffffff' + '0' * 24))"
    ),
    "map users": "os.write(os.open('/proc/self/uid_map', os.O_WRONLY), b'0 0 1')",
    "leave through chroot": "os.chroot('/tmp')",
    "make a device": "os.mknod('/tmp/disk', 0o060666, os.makedev(8, 0))",
    "make a device in memory": "os.mknod('/dev/shm/disk', 0o060666, os.makedev(8, 0))",
    "change a kernel setting": "open('/proc/sys/kernel/core_pattern', 'w').write('|/tmp/x')",
    "change its network's settings": "open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')",
    "choose the next process id": "os.write(os.open('/proc/sys/kernel/ns_last_pid', os.O_WRONLY), b'1000')",
    "press a magic key": "open('/proc/sysrq-trigger', 'w').write('b')",
    "set the clock": "import time; time.clock_settime(time.CLOCK_REALTIME, 0)",
    "name the host": "socket.sethostname('mine')",
    "open more files than AWS allows": LIMIT.format("RLIMIT_NOFILE", (1024, 4096)),
    "have its crash written down": LIMIT.format("RLIMIT_CORE", (1 << 20, 1 << 20)),
    "hand its crash to the host": LIMIT.format("RLIMIT_CORE", (0, 0)),
    "run in real time": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
    "be more important": "os.nice(-5)",
}

PROCESSES = {
    "read init's environment": "got = open('/proc/1/environ').read()",
    "read init's memory": "got = open('/proc/1/mem', 'rb').read(1)",
    "read init's descriptors": "got = os.listdir('/proc/1/fd')",
    "signal a process of the host": "os.kill(31000, 0)",
    "stop init": "os.kill(1, 15)",
    "kill init": "os.kill(1, 9)",
    "be spared when memory ends": "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-1000')",
}

SOCKETS = {
    "make a raw packet socket": "socket.socket(17, socket.SOCK_RAW)",
    "make a raw IP socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "use the kernel's crypto": "socket.socket(38, socket.SOCK_SEQPACKET)",
    "use vsock": "socket.socket(40, socket.SOCK_STREAM)",
    "use bluetooth": "socket.socket(31, socket.SOCK_STREAM)",
    "use express data paths": "socket.socket(44, socket.SOCK_RAW)",
    "load a protocol: SCTP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)",
    "load a protocol: DCCP": "socket.socket(socket.AF_INET, 6, 33)",
    "load a protocol: L2TP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 115)",
    "put the kernel's TLS under TCP": "socket.socket().setsockopt(6, 31, b'tls')",
    "talk to netfilter": "socket.socket(16, socket.SOCK_RAW, 12)",
    "listen to the kernel's events": "socket.socket(16, socket.SOCK_RAW, 15)",
    "configure its network": (
        "s = socket.socket(16, socket.SOCK_RAW, 0)\n"
        "s.send(bytes.fromhex('200000001000050001000000000000000000000001000000ffffffffffffffff'))\n"
        "code = -int.from_bytes(s.recv(100)[16:20], 'little', signed=True)\n"
        "if code: raise OSError(code, os.strerror(code))"
    ),
    "reach the host's loopback": "socket.create_connection(('127.0.0.1', 22), 2)",
    "reach the metadata address": "socket.create_connection(('169.254.169.254', 80), 2)",
}

QUICK = {**FILES, **PRIVILEGES, **PROCESSES, **SOCKETS}
