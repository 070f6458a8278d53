"""A slow, lossy cable in user space, for kernels without sch_netem.

It stands between a host's port and the bridge: a packet socket on the port, a TAP device in the
bridge, and a heap of frames held back until their time. Both ends carry the virtio_net header, so a
frame whose checksum or segments the kernel left for later passes through unharmed.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

from .network import BRIDGE
from .plan import Plan
from .shell import enter_netns, run

TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
OFFLOAD_CHECKSUM_AND_TSO = 0x01 | 0x02 | 0x04
ETH_P_ALL = 3
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
LARGEST_FRAME = 70000


def open_port(host: str) -> socket.socket:
    """Take the host's port out of the bridge and read and write its frames."""
    run("ip", "link", "set", host, "nomaster", "promisc", "on")
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    port.bind((host, 0))
    port.setblocking(False)
    return port


def open_tap(host: str) -> int:
    """Put a TAP device into the bridge in the port's place; it goes with this process."""
    name = f"{host}tap"
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    fcntl.ioctl(tap, TUNSETOFFLOAD, OFFLOAD_CHECKSUM_AND_TSO)
    run("ip", "link", "set", name, "master", BRIDGE, "up")
    return tap


class Relay:
    """Passes frames both ways, each after its delay, but those that are lost."""

    def __init__(self, port: socket.socket, tap: int, delay: float, loss: float, jitter: float) -> None:
        self.port, self.tap = port, tap
        self.delay, self.loss, self.jitter = delay, loss, jitter
        self.held: list[tuple[float, int, bool, bytes]] = []
        self.count = 0  # keeps frames of the same instant in order

    def run(self) -> None:
        """Relay until killed."""
        while True:
            wait = max(0.0, self.held[0][0] - time.monotonic()) if self.held else None
            ready, _, _ = select.select([self.tap, self.port.fileno()], [], [], wait)
            for end in ready:
                self.take(to_host=end == self.tap)
            while self.held and self.held[0][0] <= time.monotonic():
                self.give()

    def take(self, *, to_host: bool) -> None:
        """Read one frame and hold it back, or lose it."""
        try:
            frame = os.read(self.tap, LARGEST_FRAME) if to_host else self.port.recv(LARGEST_FRAME)
        except OSError:  # the cable is cut: there is nothing to read
            return
        if random.random() >= self.loss:
            self.count += 1
            due = time.monotonic() + self.delay + random.random() * self.jitter
            heapq.heappush(self.held, (due, self.count, to_host, frame))

    def give(self) -> None:
        """Pass on the frame whose time came first."""
        _, _, to_host, frame = heapq.heappop(self.held)
        try:
            if to_host:
                self.port.send(frame)
            else:
                os.write(self.tap, frame)
        except OSError:  # the cable is cut: the frame is lost
            return


def main(slot: str, host: str, ms: str, loss: str, jitter: str) -> None:
    """Relay the cable of one host of a lab."""
    enter_netns(Plan(int(slot)).switch)
    relay = Relay(open_port(host), open_tap(host), float(ms) / 1000, float(loss) / 100, float(jitter) / 1000)
    print("ready", flush=True)
    relay.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
