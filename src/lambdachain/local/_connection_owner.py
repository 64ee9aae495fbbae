"""Which process owns the other end of a loopback connection; Linux only.

Other programs can read a secret in a process's environment, and a runtime client that accepts only a host and a port
cannot send one. So the Runtime API checks whether the process that made a connection belongs to the sandbox: its main
process, the descendants of that, and the remaining processes of its session.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Final, TypeAlias

from ._memory_limit import process_tree

Address: TypeAlias = tuple[str, int]

# From linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h: query one socket by its two addresses.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_HEADER: Final = struct.Struct("=IHHII")
_REQUEST: Final = struct.Struct("=BBBBI")
_ADDRESSES: Final = struct.Struct(">HH16s16s")
_ANY_INTERFACE_NO_COOKIE: Final = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
_ALL_STATES: Final = 0xFFFFFFFF
_INODE_AT: Final = _HEADER.size + 4 + _ADDRESSES.size + len(_ANY_INTERFACE_NO_COOKIE) + 16


def is_owned_by(root: int, client: Address, server: Address) -> bool | None:
    """Check whether a connection belongs to process *root* or to one of its descendants.

    Returns:
        ``None`` if it is unknown: no process holds the connection any more, or a process of the sandbox cannot be
        inspected, such as a program with capabilities. Once *root* has ended, a connection that nobody holds counts as
        its own: a process may end right after it has sent its response.
    """
    inode = socket_inode(client, server)
    # The kernel has no inode for a socket whose file is closed.
    if inode is None:
        return True if _has_ended(root) else None
    is_complete = True
    for pid in _sandbox_processes(root):
        has_socket = _has_socket(pid, inode)
        if has_socket:
            return True
        is_complete = is_complete and has_socket is not None
    # "No" is certain only if every process could be inspected.
    return False if is_complete else None


@cache
def is_supported() -> bool:
    """Check, on a connection to this process itself, whether the system reports the owner of a connection."""
    with suppress(OSError), socket.create_server(("127.0.0.1", 0)) as listener:
        server = listener.getsockname()
        with socket.create_connection(server) as client:
            inode = socket_inode(client.getsockname(), server)
            return inode is not None and _has_socket(os.getpid(), inode) is True
    return False


def socket_inode(client: Address, server: Address) -> int | None:
    """Return the inode of the socket at *client* that is connected to *server*; ``None`` if no process holds it."""
    with (
        # AttributeError: socket has no AF_NETLINK outside Linux.
        suppress(OSError, AttributeError),
        socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as diag,
    ):
        addresses = (socket.inet_aton(client[0]), socket.inet_aton(server[0]))
        query = (
            _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ALL_STATES)
            + _ADDRESSES.pack(client[1], server[1], *addresses)
            + _ANY_INTERFACE_NO_COOKIE
        )
        size = _HEADER.size + len(query)
        diag.send(_HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + query)
        reply = diag.recv(4_096)
        if _HEADER.unpack_from(reply)[1] == _SOCK_DIAG_BY_FAMILY:
            return struct.unpack_from("=I", reply, _INODE_AT)[0] or None
    return None


def _sandbox_processes(root: int) -> Iterator[int]:
    """Yield the processes of a sandbox: first the process tree, which nearly always has the owner, then the session."""
    with suppress(OSError):
        yield from process_tree(root)
    # A process whose parent has ended has left the tree, but not the session.
    for name in os.listdir("/proc"):  # noqa: PTH208 - names, not paths
        if name.isdigit() and _process_stat(int(name))[3:4] == [str(root)]:
            yield int(name)


def _has_socket(pid: int, inode: int) -> bool | None:
    """Check whether a process has a socket open; ``None`` if its file descriptors are not readable."""
    link = f"socket:[{inode}]"
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208 - as above
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/{pid}/fd/{descriptor}") == link:  # noqa: PTH115 - as above
                    return True
    except PermissionError:
        # The files of a zombie cannot be listed either, and it holds none.
        return False if _has_ended(pid) else None
    except OSError:
        pass
    return False


def _has_ended(pid: int) -> bool:
    return _process_stat(pid)[:1] in ([], ["Z"], ["X"])


def _process_stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the state on; an empty list if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
