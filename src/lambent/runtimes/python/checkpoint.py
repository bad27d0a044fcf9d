"""The two places where a process's memory is left and entered: machine code that all forks of a zygote share.

`freeze` stops a process where it is, for somebody else to copy its memory. `resume` makes a fresh fork of the
same zygote that process: it works off a table of system calls, which lay the copy over its own memory, and
goes on behind `freeze`. Code and table lie at addresses that every fork of the zygote has, and nobody copies.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from typing import Any, List, Tuple

MACHINES = ("x86_64",)
CODE_BYTES = 4096
DATA_BYTES = 4096  # the stack pointer of the frozen process, and a byte that it waits for
TABLE_BYTES = 16 * 1024 * 1024
STEP = struct.Struct("=QQQQQQQQ")  # number, six arguments, result
LAST = 2**64 - 1  # stands for a number: here is the stack pointer to go on with
FAILED = 97  # the exit status when a step had another result

_LEAVE = bytes.fromhex(
    "53 55 41 54 41 55 41 56 41 57"  # push rbx, rbp, r12, r13, r14, r15
    "48 83 ec 08 0f ae 1c 24 d9 7c 24 04"  # sub rsp, 8; stmxcsr [rsp]; fnstcw [rsp + 4]
    "49 89 f4"  # mov r12, rsi
)
_WAIT = bytes.fromhex(
    "48 89 20 48 89 c6"  # mov [rax], rsp; mov rsi, rax
    "ba 01 00 00 00 b8 01 00 00 00 0f 05"  # write(edi, data, 1): its memory stands still from here
    "44 89 e7 48 83 c6 08 ba 01 00 00 00 31 c0 0f 05"  # read(r12d, data + 8, 1): until the copy is made
    "31 c0 eb 05"  # xor eax, eax; jmp over the next
)
_ENTER = bytes.fromhex("b8 01 00 00 00")  # mov eax, 1
_RETURN = bytes.fromhex(
    "0f ae 14 24 d9 6c 24 04 48 83 c4 08"  # ldmxcsr [rsp]; fldcw [rsp + 4]; add rsp, 8
    "41 5f 41 5e 41 5d 41 5c 5d 5b c3"  # pop r15, r14, r13, r12, rbp, rbx; ret
)
_BEGIN = bytes.fromhex("48 89 fb")  # mov rbx, rdi
_NEXT = bytes.fromhex("48 8b 03 48 83 f8 ff")  # mov rax, [rbx]; cmp rax, -1
_CALL = bytes.fromhex(
    "48 8b 7b 08 48 8b 73 10 48 8b 53 18 4c 8b 53 20 4c 8b 43 28 4c 8b 4b 30"  # rdi, rsi, rdx, r10, r8, r9
    "0f 05 48 3b 43 38"  # syscall; cmp rax, [rbx + 56]
)
_STEP = bytes.fromhex("48 83 c3 40")  # add rbx, 64
_STACK = bytes.fromhex("48 8b 63 08")  # mov rsp, [rbx + 8]
_FAIL = bytes.fromhex("bf 61 00 00 00 b8 e7 00 00 00 0f 05")  # exit_group(FAILED)


class Checkpoint:
    """Made once in a zygote, before it forks."""

    def __init__(self) -> None:
        reserved = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        self._code = mmap.mmap(-1, CODE_BYTES, reserved, mmap.PROT_READ | mmap.PROT_WRITE)
        self._data = mmap.mmap(-1, DATA_BYTES + TABLE_BYTES, reserved, mmap.PROT_READ | mmap.PROT_WRITE)
        code, self.data = _address(self._code), _address(self._data)
        self.table = self.data + DATA_BYTES
        self.places: List[Tuple[int, int]] = [
            (code, code + CODE_BYTES),
            (self.data, self.data + DATA_BYTES + TABLE_BYTES),
        ]
        program, resume_at = _program(self.data)
        self._code.write(program)
        libc: Any = ctypes.CDLL(None)
        libc.mprotect(ctypes.c_void_p(code), CODE_BYTES, mmap.PROT_READ | mmap.PROT_EXEC)
        # Holding the interpreter's lock: who goes on has it as whoever was frozen.
        self._freeze = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int)(code)
        self._resume = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(code + resume_at)

    def freeze(self, tell: int, wait: int) -> bool:
        """Write a byte to `tell` and stand still until `wait` ends; True in a process resumed here."""
        return bool(self._freeze(tell, wait))

    def resume(self, read: Any) -> None:
        """`read` fills the buffer that it is given with a table; never returns."""
        with memoryview(self._data)[DATA_BYTES:] as table:
            read(table)
        self._resume(self.table)


def _address(area: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(area))


def _program(data: int) -> Tuple[bytes, int]:
    """The code, and where in it `resume` begins."""
    freeze = _LEAVE + b"\x48\xb8" + struct.pack("<Q", data) + _WAIT
    enter = len(freeze)
    freeze += _ENTER + _RETURN
    begin = len(freeze)
    loop = begin + len(_BEGIN)
    code = freeze + _BEGIN + _NEXT
    steps = len(_CALL) + 2 + len(_STEP) + 2  # with a jump of two bytes behind each
    code += b"\x74" + struct.pack("b", steps) + _CALL  # je done
    code += b"\x75" + struct.pack("b", len(_STEP) + 2 + len(_STACK) + 5) + _STEP  # jne fail
    code += b"\xeb" + struct.pack("b", loop - len(code) - 2)
    code += _STACK
    code += b"\xe9" + struct.pack("<i", enter - len(code) - 5)
    return code + _FAIL, begin


def available() -> bool:
    return platform.machine() in MACHINES
