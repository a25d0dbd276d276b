"""A live picture of the practice in the browser, by the viewer of rerun-sdk, for this machine alone."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import Image

from priorrl.msg import Episode, Goal, Metrics, Reward, RobotState
from priorrl_core.errors import ConfigError
from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import load_robot
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import force_of, picture_array, time_ns
from priorrl_nodes.qos import EPISODE, LATCHED, VIEW

HOST = "127.0.0.1"
_FORCE_M_PER_N = 0.005  # length of the drawn force


class Viewer(ManagedNode):
    """In: images, state, goal, reward, metrics, episodes. Out: a web page. Nothing depends on this node."""

    PARAMETERS = (
        Param("robot", "sawyer", "Robot profile."),
        Param("web_port", 9090, "Port of the web page.", 1, 65535),
        Param("grpc_port", 9876, "Port of the data behind the page.", 1, 65535),
        Param("rate_hz", 10.0, "Most pictures a second.", 0.1, 100.0),
        Param("memory_mb", 128, "Memory for pictures of the past; the oldest go first.", 16, 4096),
    )
    NICE = 10

    def setup(self) -> None:
        self.rr = _rerun()
        self.kinematics = Kinematics(load_robot(self.param("robot")))
        self.path: list[np.ndarray] = []
        self.last_s: dict[str, float] = {}
        self.results: list[bool] = []
        for name in ("web_port", "grpc_port"):
            check_port(self.param(name), name)
        self.config = tempfile.TemporaryDirectory(prefix="priorrl_viewer_")
        self.server = self._serve(Path(self.config.name))
        self._connect()
        self.make_subscription(Image, "camera/image_raw", lambda m: self.on_image("camera", m), VIEW)
        self.make_subscription(Image, "reconstruction", lambda m: self.on_image("reconstruction", m), VIEW)
        self.make_subscription(RobotState, "robot_state", self.on_state, VIEW)
        self.make_subscription(Reward, "reward", self.on_reward, VIEW)
        self.make_subscription(Metrics, "metrics", self.on_metrics, VIEW)
        self.make_subscription(Goal, "goal", self.on_goal, LATCHED)
        self.make_subscription(Episode, "episode", self.on_episode, EPISODE)
        self.get_logger().info(f"live picture: {self.url()}")

    def url(self) -> str:
        """Address for the browser."""
        data = f"rerun%2Bhttp%3A%2F%2F{HOST}%3A{self.param('grpc_port')}%2Fproxy"
        return f"http://{HOST}:{self.param('web_port')}?url={data}"

    def _serve(self, folder: Path) -> subprocess.Popen:
        """Rerun's own server, bound to this machine, with a configuration that sends no usage data; it ends
        with this process, also when that is killed."""
        program = _rerun_program()
        environment = {**os.environ, "XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        subprocess.run([program, "analytics", "disable"], env=environment, capture_output=True, check=False)
        return subprocess.Popen(
            [program, "--serve-web", "--bind", HOST, "--port", str(self.param("grpc_port")),
             "--web-viewer-port", str(self.param("web_port")),
             "--server-memory-limit", f"{self.param('memory_mb')}MB"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent)

    def _connect(self) -> None:
        end = time.monotonic() + 60.0
        while not _answers(self.param("grpc_port")):
            if self.server.poll() is not None or time.monotonic() > end:
                raise ConfigError("viewer: rerun's server did not start; try 'rerun --serve-web' by hand")
            time.sleep(0.05)
        self.rr.init("priorrl")
        self.rr.connect_grpc(f"rerun+http://{HOST}:{self.param('grpc_port')}/proxy")
        self.rr.send_blueprint(_blueprint())

    def teardown(self) -> None:
        server: subprocess.Popen | None = getattr(self, "server", None)
        if server is not None:
            self.rr.disconnect()
            server.terminate()
            try:
                server.wait(5.0)
            except subprocess.TimeoutExpired:
                server.kill()
            del self.server
        if hasattr(self, "config"):
            self.config.cleanup()

    # ---- what comes in ---------------------------------------------------------------------------
    def _due(self, what: str) -> bool:
        now = time.monotonic()
        if now - self.last_s.get(what, 0.0) < 1.0 / self.param("rate_hz"):
            return False
        self.last_s[what] = now
        return True

    def on_image(self, name: str, message: Image) -> None:
        if self._due(name):
            self._at(message)
            self.rr.log(f"images/{name}", self.rr.Image(picture_array(message)))

    def on_goal(self, goal: Goal) -> None:
        self.path.clear()
        self.rr.log("world/goal", self.rr.Points3D([np.asarray(goal.position_m)], radii=0.002,
                                                   colors=[0, 200, 0], labels=["believed goal"]))
        if goal.image.data:
            self.rr.log("images/goal", self.rr.Image(picture_array(goal.image)))

    def on_state(self, state: RobotState) -> None:
        """Arm as points and lines, the tip's path, the force as an arrow and a curve."""
        if not self._due("state"):
            return
        self._at(state)
        rr, points = self.rr, self.kinematics.frames(np.asarray(state.position_rad))[:, :3, 3]
        points = np.concatenate([np.zeros((1, 3)), points])
        force = force_of(state)
        self.path = [*self.path[-200:], points[-1]]
        rr.log("world/arm", rr.LineStrips3D([points], radii=0.012, colors=[160, 160, 170]))
        rr.log("world/joints", rr.Points3D(points, radii=0.018, colors=[200, 60, 60]))
        rr.log("world/path", rr.LineStrips3D([np.array(self.path)], radii=0.0005, colors=[255, 200, 0]))
        rr.log("world/force", rr.Arrows3D(origins=[points[-1]], vectors=[force * _FORCE_M_PER_N],
                                          colors=[0, 120, 255]))
        rr.log("curves/force_n", rr.Scalars(float(np.linalg.norm(force))))

    def on_reward(self, reward: Reward) -> None:
        if self._due("reward"):
            self._at(reward)
            self.rr.log("curves/probability", self.rr.Scalars(reward.probability))

    def on_metrics(self, metrics: Metrics) -> None:
        for name, value in zip(metrics.names, metrics.values, strict=True):
            self.rr.log(f"metrics/{name}", self.rr.Scalars(value))

    def on_episode(self, episode: Episode) -> None:
        self.results = [*self.results[-19:], bool(episode.success)]
        self.rr.log("curves/success_of_last_20", self.rr.Scalars(sum(self.results) / len(self.results)))

    def _at(self, message: Any) -> None:
        self.rr.set_time("arm", duration=time_ns(message.header.stamp) * 1e-9)


def _end_with_parent() -> None:
    """Linux: the child gets SIGTERM when its parent dies (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def check_port(port: int, name: str) -> None:
    """ConfigError if ``port`` is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigError(f"viewer: port {port} is in use ({error.strerror}); stop what uses it or set "
                              f"parameter '{name}' to another") from error


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0


def _rerun() -> Any:
    if importlib.util.find_spec("rerun") is None:
        raise ConfigError("viewer: rerun-sdk is not installed; run 'pip install rerun-sdk' or start without "
                          "the live picture")
    import rerun

    return rerun


def _rerun_program() -> str:
    """The program itself, not its Python wrapper, which would leave it behind when it is killed."""
    package = importlib.util.find_spec("rerun_cli")
    if package is not None and package.submodule_search_locations:
        program = Path(package.submodule_search_locations[0]) / "rerun"
        if program.is_file():
            return str(program)
    found = shutil.which("rerun")
    if found is None:
        raise ConfigError("viewer: the program 'rerun' is not installed; run 'pip install rerun-sdk'")
    return found


def _blueprint() -> Any:
    """What the page shows at first: arm and images above, curves below."""
    import rerun.blueprint as rrb

    images = [rrb.Spatial2DView(origin=f"images/{n}", name=n) for n in ("camera", "reconstruction", "goal")]
    curves = [rrb.TimeSeriesView(origin=f"curves/{n}", name=n) for n in (
        "force_n", "probability", "success_of_last_20")]
    return rrb.Blueprint(
        rrb.Vertical(rrb.Horizontal(rrb.Spatial3DView(origin="world", name="arm"), *images),
                     rrb.Horizontal(*curves, rrb.TimeSeriesView(origin="metrics", name="learning")),
                     row_shares=[3, 2]),
        collapse_panels=True)


def main() -> int:
    return run(lambda: Viewer("viewer"))


if __name__ == "__main__":
    raise SystemExit(main())
