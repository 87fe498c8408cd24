"""The texts of error numbers and signals (LIBRARY 6.1, 6.2), one line for each number, counted from 0.

They are fixed here and not asked of the C library: the text is part of what a script computes, and a compiled script
runs where the library may be another one or speak another language.
"""

from __future__ import annotations

from pytrace.builtins.syscalls import syscall_names

TEXT_SIZE = 64
"""Bytes of each text as a value of the language, NUL included."""

_ERRORS = """
Success
Operation not permitted
No such file or directory
No such process
Interrupted system call
I/O error
No such device or address
Argument list too long
Exec format error
Bad file number
No child processes
Try again (operation would block)
Out of memory
Permission denied
Bad address
Block device required
Device or resource busy
File exists
Cross-device link
No such device
Not a directory
Is a directory
Invalid argument
File table overflow
Too many open files
Not a typewriter
Text file busy
File too large
No space left on device
Illegal seek
Read-only file system
Too many links
Broken pipe
Math argument out of domain of func
Math result not representable
Resource deadlock would occur
File name too long
No record locks available
Invalid system call number
Directory not empty
Too many symbolic links encountered
Unknown error
No message of desired type
Identifier removed
Channel number out of range
Level 2 not synchronized
Level 3 halted
Level 3 reset
Link number out of range
Protocol driver not attached
No CSI structure available
Level 2 halted
Invalid exchange
Invalid request descriptor
Exchange full
No anode
Invalid request code
Invalid slot
Unknown error
Bad font file format
Device not a stream
No data available
Timer expired
Out of streams resources
Machine is not on the network
Package not installed
Object is remote
Link has been severed
Advertise error
Srmount error
Communication error on send
Protocol error
Multihop attempted
RFS specific error
Not a data message
Value too large for defined data type
Name not unique on network
File descriptor in bad state
Remote address changed
Can not access a needed shared library
Accessing a corrupted shared library
.lib section in a.out corrupted
Attempting to link in too many shared libraries
Cannot exec a shared library directly
Illegal byte sequence
Interrupted system call should be restarted
Streams pipe error
Too many users
Socket operation on non-socket
Destination address required
Message too long
Protocol wrong type for socket
Protocol not available
Protocol not supported
Socket type not supported
Operation not supported on transport endpoint
Protocol family not supported
Address family not supported by protocol
Address already in use
Cannot assign requested address
Network is down
Network is unreachable
Network dropped connection because of reset
Software caused connection abort
Connection reset by peer
No buffer space available
Transport endpoint is already connected
Transport endpoint is not connected
Cannot send after transport endpoint shutdown
Too many references: cannot splice
Connection timed out
Connection refused
Host is down
No route to host
Operation already in progress
Operation now in progress
Stale file handle
Structure needs cleaning
Not a XENIX named type file
No XENIX semaphores available
Is a named type file
Remote I/O error
Quota exceeded
No medium found
Wrong medium type
Operation Canceled
Required key not available
Key has expired
Key has been revoked
Key was rejected by service
Owner died
State not recoverable
Operation not possible due to RF-kill
Memory page has hardware error
"""

_SIGNALS = """
Unknown signal 0
Hangup
Interrupt
Quit
Illegal instruction
Trace/breakpoint trap
Aborted
Bus error
Floating point exception
Killed
User defined signal 1
Segmentation fault
User defined signal 2
Broken pipe
Alarm clock
Terminated
Stack fault
Child exited
Continued
Stopped (signal)
Stopped
Stopped (tty input)
Stopped (tty output)
Urgent I/O condition
CPU time limit exceeded
File size limit exceeded
Virtual timer expired
Profiling timer expired
Window changed
I/O possible
Power failure
Bad system call
"""

ERROR_TEXTS: tuple[str, ...] = tuple(_ERRORS.strip("\n").split("\n"))
UNKNOWN_ERROR = "Unknown error"

SIGNAL_TEXTS: tuple[str, ...] = (
    *_SIGNALS.strip("\n").split("\n"),
    "Unknown signal 32",
    "Unknown signal 33",
    *(f"Real-time signal {number}" for number in range(31)),
)
"""32 and 33 belong to the thread library, 34 to 64 are SIGRTMIN and on."""
UNKNOWN_SIGNAL = "N/A"

UNKNOWN_SYSCALL = "Unknown syscall"


def error_text(number: int) -> str:
    """The text of an error number; its sign does not matter."""
    number = abs(number)
    return ERROR_TEXTS[number] if number < len(ERROR_TEXTS) else UNKNOWN_ERROR


def signal_text(number: int) -> str:
    return SIGNAL_TEXTS[number] if 0 <= number < len(SIGNAL_TEXTS) else UNKNOWN_SIGNAL


def syscall_text(number: int) -> str:
    """The name of a system call of this architecture."""
    return syscall_names().get(number, UNKNOWN_SYSCALL)


SIGNAL_NUMBERS: dict[str, int] = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
    "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20,
    "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "WINCH": 28, "POLL": 29, "SYS": 31,
}
"""The names that `signal` takes, without their SIG (numbers of x86-64 and arm64)."""


def signal_number(name: str) -> int | None:
    """The number for a name in any case. SIG may be left out unless the rest starts with S."""
    name = name.upper()
    if name.startswith("SIG"):
        return SIGNAL_NUMBERS.get(name[3:])
    return None if name.startswith("S") else SIGNAL_NUMBERS.get(name)
