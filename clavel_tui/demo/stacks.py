"""The stacks of the demo's fleet: their files in the repository, and what they ran before. Every name in them is invented."""

from __future__ import annotations

from dataclasses import dataclass, field

REGISTRY: dict[str, dict[str, object]] = {
    "registry.demo/edge-proxy:2": {"version": "2.9.1"},
    "registry.demo/app:stable": {"version": "2.0.0"},
    "registry.demo/zerotier-controller:1": {"version": "1.14.2"},
    # The newest one wants another database: an update to it goes bad, and returns by itself.
    "registry.demo/uptime:latest": {"version": "4.0.0", "health": "bad"},
    "registry.demo/queue:7": {"version": "7.4.1"},
    "registry.demo/worker:stable": {"version": "5.2.0"},
    "registry.demo/migrate:stable": {"version": "5.2.0", "oneshot": True},
    "registry.demo/inference:cuda12": {"version": "0.19.0"},
    "registry.demo/gateway:1": {"version": "1.6.0"},
    "registry.demo/pihole:latest": {"version": "2026.10.0"},
    "registry.demo/metrics:3": {"version": "3.8.0"},
    "registry.demo/node-stats:1": {"version": "1.9.1"},
    "registry.demo/camera:1": {"version": "1.4.0"},
}
"""What the registry has now, by reference."""


@dataclass(frozen=True)
class Past:
    """A release: how many days ago it was last seen to run, its versions by reference, files that were different, its health."""

    days: float
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    health: str = "healthy"


@dataclass(frozen=True)
class DemoStack:
    """A stack of one unit. ``past``: oldest first; the last one runs. ``by_hand``: files that somebody changed on the unit."""

    name: str
    files: dict[str, str]
    past: tuple[Past, ...]
    by_hand: dict[str, str] = field(default_factory=dict)
    settings: str = ""
    """More lines of unit.toml."""


WEB = """\
# The public site: a proxy in front, the app behind it.
services:
  proxy:
    image: registry.demo/edge-proxy:2
    restart: unless-stopped
    ports: ["80:80", "443:443"]
    volumes:
      - ./Edgefile:/etc/edge/Edgefile:ro
      - certificates:/var/lib/edge
    healthcheck:
      test: ["CMD", "edge", "healthy"]
      interval: 10s
  app:
    image: registry.demo/app:stable
    restart: unless-stopped
    env_file: app.env
    depends_on: [proxy]
    healthcheck:
      test: ["CMD", "app", "healthz"]
      interval: 10s
volumes:
  certificates:
"""
EDGEFILE = """\
site.demo {
    encode zstd gzip
    reverse_proxy app:8080
}
"""
ZEROTIER = """\
services:
  controller:
    image: registry.demo/zerotier-controller:1
    restart: unless-stopped
    volumes:
      - ./data:/var/lib/controller
    healthcheck:
      test: ["CMD", "controller", "status"]
"""
UPTIME = """\
services:
  uptime:
    image: registry.demo/uptime:latest
    restart: unless-stopped
    ports: ["127.0.0.1:3001:3001"]
    volumes:
      - ./data:/app/data
    healthcheck:
      test: ["CMD", "uptime", "healthy"]
      interval: 5s
"""
BATCH = """\
# Nightly jobs: a queue, its worker, and a migration that runs once.
services:
  queue:
    image: registry.demo/queue:7
    restart: unless-stopped
    healthcheck:
      test: ["CMD", "queue", "ping"]
  migrate:
    image: registry.demo/migrate:stable
    depends_on: [queue]
  worker:
    image: registry.demo/worker:stable
    restart: unless-stopped
    depends_on: [queue, migrate]
    environment:
      CONCURRENCY: 16
      LOG_LEVEL: info
    healthcheck:
      test: ["CMD", "worker", "alive"]
"""
INFERENCE = """\
services:
  gateway:
    image: registry.demo/gateway:1
    restart: unless-stopped
    depends_on: [model]
    healthcheck:
      test: ["CMD", "gateway", "healthy"]
  model:
    image: registry.demo/inference:cuda12
    restart: unless-stopped
    shm_size: 8gb
    volumes:
      - ./models:/models
    healthcheck:
      test: ["CMD", "model", "ready"]
      start_period: 60s
"""
PIHOLE = """\
services:
  dns:
    image: registry.demo/pihole:latest
    restart: unless-stopped
    network_mode: host
    volumes:
      - ./blocklists.txt:/etc/pihole/blocklists.txt:ro
      - ./data:/etc/pihole/state
    healthcheck:
      test: ["CMD", "dig", "+short", "@127.0.0.1", "pi.hole"]
"""
METRICS = """\
services:
  metrics:
    image: registry.demo/metrics:3
    restart: unless-stopped
    volumes:
      - ./scrape.yaml:/etc/metrics/scrape.yaml:ro
      - series:/var/lib/metrics
    healthcheck:
      test: ["CMD", "metrics", "ready"]
  node:
    image: registry.demo/node-stats:1
    restart: unless-stopped
    pid: host
volumes:
  series:
"""
SCRAPE = """\
interval: 30s
targets:
  - node:9100
"""
CAMERA = """\
services:
  camera:
    image: registry.demo/camera:1
    restart: unless-stopped
    devices: ["/dev/video0:/dev/video0"]
    volumes:
      - ./recordings:/recordings
    healthcheck:
      test: ["CMD", "camera", "frame"]
"""

_EDGE, _APP, _UPTIME = "registry.demo/edge-proxy:2", "registry.demo/app:stable", "registry.demo/uptime:latest"
_QUEUE, _WORKER, _MIGRATE = "registry.demo/queue:7", "registry.demo/worker:stable", "registry.demo/migrate:stable"
_METRICS, _NODE = "registry.demo/metrics:3", "registry.demo/node-stats:1"
_GATEWAY, _MODEL = "registry.demo/gateway:1", "registry.demo/inference:cuda12"

WEB_STACK = DemoStack(
    "web",
    {"compose.yaml": WEB, "Edgefile": EDGEFILE, "app.env": "APP_MODE=production\nAPP_SECRET=not-a-real-one\n"},
    (
        Past(62, {_EDGE: "2.8.4", _APP: "1.7.3"}, {"Edgefile": EDGEFILE.replace(" zstd", "")}),
        Past(27, {_EDGE: "2.9.1", _APP: "1.8.0"}),
        Past(6, {_EDGE: "2.9.1", _APP: "1.9.2"}),
    ),
)
ZEROTIER_STACK = DemoStack(
    "zerotier-controller",
    {"compose.yaml": ZEROTIER},
    (
        Past(140, {"registry.demo/zerotier-controller:1": "1.14.0"}),
        Past(33, {"registry.demo/zerotier-controller:1": "1.14.2"}),
    ),
    settings="confirm_seconds = 30\n",
)
UPTIME_STACK = DemoStack(
    "uptime",
    {"compose.yaml": UPTIME},
    (Past(90, {_UPTIME: "3.1.0"}), Past(41, {_UPTIME: "3.2.0"}, health="unwell"), Past(12, {_UPTIME: "3.2.1"})),
)
BATCH_STACK = DemoStack(
    "batch",
    {"compose.yaml": BATCH},
    (
        Past(48, {_QUEUE: "7.4.0", _WORKER: "5.0.3", _MIGRATE: "5.0.3"}, {"compose.yaml": BATCH.replace("16", "8")}),
        Past(9, {_QUEUE: "7.4.1", _WORKER: "5.1.0", _MIGRATE: "5.1.0"}),
    ),
    by_hand={"compose.yaml": BATCH.replace("LOG_LEVEL: info", "LOG_LEVEL: debug")},
)
INFERENCE_STACK = DemoStack(
    "inference",
    {"compose.yaml": INFERENCE},
    (Past(30, {_GATEWAY: "1.5.2", _MODEL: "0.17.1"}), Past(4, {_GATEWAY: "1.6.0", _MODEL: "0.18.0"})),
)
PIHOLE_STACK = DemoStack(
    "pihole",
    {"compose.yaml": PIHOLE, "blocklists.txt": "https://lists.demo/ads.txt\nhttps://lists.demo/trackers.txt\n"},
    (
        Past(100, {"registry.demo/pihole:latest": "2026.05.1"}, {"blocklists.txt": "https://lists.demo/ads.txt\n"}),
        Past(51, {"registry.demo/pihole:latest": "2026.07.0"}),
        Past(20, {"registry.demo/pihole:latest": "2026.09.2"}),
    ),
    settings='pre_update = "tar -cf ../pihole-before.tar data"\n',
)
CAMERA_STACK = DemoStack(
    "camera",
    {"compose.yaml": CAMERA},
    (Past(75, {"registry.demo/camera:1": "1.3.0"}), Past(15, {"registry.demo/camera:1": "1.4.0"})),
    settings='data = ["recordings"]\n',
)


def metrics_stack(days: float) -> DemoStack:
    """The same on two boxes, at its newest."""
    return DemoStack(
        "metrics",
        {"compose.yaml": METRICS, "scrape.yaml": SCRAPE},
        (
            Past(days + 70, {_METRICS: "3.7.2", _NODE: "1.9.0"}, {"scrape.yaml": SCRAPE.replace("30s", "60s")}),
            Past(days, {_METRICS: "3.8.0", _NODE: "1.9.1"}),
        ),
    )
