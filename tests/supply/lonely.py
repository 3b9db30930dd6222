"""`python lonely.py COMMAND...`: run a command where there is no network but loopback.

To be run as root of a network namespace of its own. Prints how often something in it asked for a
way out, native code included: https://docs.kernel.org/networking/snmp_counter.html
"""

import fcntl
import socket
import struct
import subprocess
import sys
from pathlib import Path

# From linux/sockios.h and linux/if.h.
SIOCSIFFLAGS = 0x8914
IFF_UP_RUNNING = 0x41


def start_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh22x", b"lo", IFF_UP_RUNNING)
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, request)


def asked_out() -> int:
    """The kernel's count of packets and connections for which there was no route."""
    lines = Path("/proc/self/net/snmp").read_text().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"])


if __name__ == "__main__":
    start_loopback()
    exit_code = subprocess.run(sys.argv[1:]).returncode
    print(asked_out())
    sys.exit(exit_code)
