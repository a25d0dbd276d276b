"""Serves ``run_episodes``: for each episode goal, reset, roll out, judge, store; repeats what was lost."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger

from priorrl.action import RunEpisodes
from priorrl.msg import (
    CartesianCommand,
    ControllerDone,
    Episode,
    EpisodeTruth,
    GateStatus,
    Latent,
    Metrics,
    ResidualCommand,
    Reward,
    RobotState,
)
from priorrl.srv import BeginEpisode, ProposeGoal, SetMode
from priorrl_core.data.run_index import closed_episodes
from priorrl_core.errors import UserError
from priorrl_core.tasks.kinds import OBSERVATIONS, load_kind
from priorrl_nodes.assembly import EpisodeAssembly
from priorrl_nodes.closing import Closing, Outcome, Refused, closed_outcomes
from priorrl_nodes.episode_script import Cancelled, EpisodeScript
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.patience import NodeLost, Patience
from priorrl_nodes.qos import CONTROL, EPISODE, LATCHED, STEPS
from priorrl_nodes.schedule import KINDS, Series

SERVICES = {
    "goal_proposer/propose": ProposeGoal,
    "controller/set_mode": SetMode,
    "simulator/zero_wrench": Trigger,
    "simulator/observe": Trigger,
    "safety_gate/rearm": Trigger,
}


class EpisodeManager(ManagedNode):
    """Callbacks fill ``assembly``; the script of an episode waits for them in a thread of its own."""

    PARAMETERS = (
        Param("task", "insertion", "Task: a name or a YAML file."),
        Param("connector", "", "Connector to practise; only written into the episodes."),
        Param("observation", "position", "What the policy of a plug task sees.", options=OBSERVATIONS),
        Param("run_dir", "", "Run folder; its closed episodes are not run again. Empty: no recorder."),
        Param("operator", "simulated", "Who re-arms the safety gate and sets up blocks.",
              options=("simulated", "person")),
        Param("judged", True, "Wait for the reward node's judgement of each step."),
        Param("stall_s", 5.0, "Nothing moves for so long: a node is taken for lost. Above 3 s, in which Fast DDS finds "
                              "a peer and repairs what a starved reader lost [s].", 0.2, 60.0),
        Param("patience_s", 60.0, "A service that is away for so long ends the action [s].", 1.0, 600.0),
        Param("trainer_patience_s", 600.0, "Wait so long for the trainer's version [s].", 1.0, 36000.0),
        Param("attempts", 20, "An episode is tried so many times at most.", 1, 1000),
        Param("policy_lag", 1, "Practice episode n runs the policy that learned from n - lag.", 0, 100),
    )

    def setup(self) -> None:
        self.kind = load_kind(self.param("task"), self.param("connector"), self.param("observation"))
        self.connector = self.kind.name if self.kind.residual else Path(self.param("connector")).stem
        self.run_dir = Path(self.param("run_dir")) if self.param("run_dir") else None
        self.judged, self.stall_s, self.attempts = (self.param(n) for n in ("judged", "stall_s", "attempts"))
        self.simulated_operator = self.param("operator") == "simulated"
        self.policy_lag, self.patience_s = self.param("policy_lag"), self.param("patience_s")
        self.trainer_patience_s = self.param("trainer_patience_s")
        self.patience = Patience(self._check)
        self.news = self.patience.news
        self.assembly: EpisodeAssembly | None = None
        self.done: ControllerDone | None = None
        self.fault, self.noted_s = "", 0.0
        self.busy = self.stopping = False
        self._practised = 0
        self._entities_of_manager()

    def _entities_of_manager(self) -> None:
        self.episode = self.make_publisher(Episode, "episode", EPISODE)
        self.closing = Closing(self.patience, self.episode.publish, self.run_dir is not None)
        self.truth = self.make_publisher(EpisodeTruth, "ground_truth/episode", EPISODE)
        self.metrics = self.make_publisher(Metrics, "metrics", CONTROL)
        hear = self.make_subscription
        hear(RobotState, "robot_state", self.on_state, STEPS)
        hear(ResidualCommand, "residual_command", self._into("on_command"), STEPS)
        hear(CartesianCommand, "safe_command", self._into("on_safe"), STEPS)
        hear(Image, "camera/image_raw", self._into("on_image"), STEPS)
        hear(Reward, "reward", self._into("on_reward", wake=True), STEPS)
        hear(EpisodeTruth, "ground_truth/insertion", self._into("on_truth", wake=True), STEPS)
        hear(Latent, "latent", self._into("on_latent", wake=True), STEPS)
        hear(ControllerDone, "controller/done", self.on_done, CONTROL)
        hear(GateStatus, "safety_gate/status", self.on_gate, LATCHED)
        hear(String, "recorder/closed", self.on_closed, EPISODE)
        services = dict(SERVICES)
        if self.sets_up():
            services["simulator/begin_episode"] = BeginEpisode
        if self.kind.tracked:
            hear(JointState, "objects", self._into("on_objects", wake=True), STEPS)
        self.clients_of = {name: self.make_client(kind, name) for name, kind in services.items()}
        server = ActionServer(
            self,
            RunEpisodes,
            "run_episodes",
            execute_callback=self._no_result,
            goal_callback=self.on_goal,
            handle_accepted_callback=self.on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=900,
        )
        self.own(lambda s: s.destroy(), server)

    def stop(self) -> None:
        with self.news:
            self.stopping = True
            self.news.notify_all()

    def start(self) -> None:
        self.stopping = False

    # ---- what comes in ---------------------------------------------------------------------------
    def _into(self, method: str, wake: bool = False) -> Callable[[Any], None]:
        def put(message: Any) -> None:
            with self.news:
                if self.assembly is not None:
                    getattr(self.assembly, method)(message)
                    if wake or self.done is not None:
                        self.news.notify_all()

        return put

    def on_state(self, state: RobotState) -> None:
        with self.news:
            if state.executed_seq:
                self.patience.touch()
            if self.assembly is not None:
                self.assembly.on_state(state)

    def on_done(self, done: ControllerDone) -> None:
        with self.news:
            self.done = done
            self.news.notify_all()

    def on_gate(self, status: GateStatus) -> None:
        with self.news:
            self.fault = "" if status.armed else status.fault
            self.news.notify_all()

    def on_closed(self, message: String) -> None:
        self.closing.on_closed(message.data)

    # ---- the action ------------------------------------------------------------------------------
    def on_goal(self, goal: RunEpisodes.Goal) -> GoalResponse:
        problem = self._problem(goal)
        if problem:
            self.get_logger().error(f"run_episodes is refused: {problem}")
            return GoalResponse.REJECT
        self.busy = True
        return GoalResponse.ACCEPT

    def _problem(self, goal: RunEpisodes.Goal) -> str:
        if not self.active:
            return "the episode manager is not active; activate it"
        if self.busy:
            return "another goal is under way; cancel it or wait"
        if goal.kind not in KINDS:
            return f"unknown kind '{goal.kind}'; valid: {', '.join(KINDS)}"
        if not 0.0 <= goal.blend <= 1.0:
            return f"blend is {goal.blend}; give 0 to 1"
        return "" if goal.policy else "no policy is named; give base, offline, online or a search"

    def on_accepted(self, handle: Any) -> None:
        """Episodes run in their own thread, so that this one goes on hearing; the goal ends through
        ``execute``, which is the only way to hand over a result."""
        threading.Thread(target=self._serve, args=(handle,), daemon=True, name="episodes").start()

    def _no_result(self, handle: Any) -> RunEpisodes.Result:
        raise RuntimeError("goals end through _serve")

    def _serve(self, handle: Any) -> None:
        result, end = RunEpisodes.Result(true_successes=-1), "abort"
        try:
            self._run_all(handle, result)
            end = "succeed"
        except Cancelled:
            result.message, end = "cancelled", "canceled"
        except (Refused, NodeLost, UserError) as error:
            result.message = str(error)
            self.get_logger().error(f"run_episodes ends: {error}")
        except Exception:
            result.message = traceback.format_exc().strip().splitlines()[-1]
            self.get_logger().error(traceback.format_exc())
        self.begin(None)
        self.busy = False

        def finish(goal: Any) -> RunEpisodes.Result:
            getattr(goal, "canceled" if goal.is_cancel_requested else end)()
            return result

        handle.execute(finish)

    def _run_all(self, handle: Any, result: RunEpisodes.Result) -> None:
        goal, self.goal_handle = handle.request, handle
        series = Series(goal.kind, goal.policy, goal.scenario, goal.seed)
        known = closed_outcomes(self.run_dir, series) if self.run_dir else {}
        if known:
            self.get_logger().info(f"{len(known)} episodes of this series are closed already")
        first = next((i for i in range(goal.count) if i not in known), 0)
        script = EpisodeScript(self, series, goal.blend, goal.deterministic, first)
        self._practised = len(closed_episodes(self.run_dir, "practice")) if self.run_dir else self._practised
        self.closing.forget()
        for index in range(goal.count):
            outcome = known.get(index)
            if outcome is None:
                begun = time.monotonic()
                outcome = script.run(index)
                self.closing.wait(1, self.patience_s, self.stall_s)
                self._practised += goal.kind == "practice"
                self._report(outcome, goal.kind, begun)
            self._add(result, outcome)
            self._feedback(handle, result, outcome)
        self.closing.wait(0, self.patience_s, self.stall_s)

    def _add(self, result: RunEpisodes.Result, outcome: Outcome) -> None:
        result.episodes += 1
        result.judged_successes += outcome.success
        if outcome.inserted is not None:
            result.true_successes = max(result.true_successes, 0) + outcome.inserted

    def _feedback(self, handle: Any, result: RunEpisodes.Result, outcome: Outcome) -> None:
        handle.publish_feedback(
            RunEpisodes.Feedback(
                episode=outcome.index,
                judged_successes=result.judged_successes,
                true_successes=result.true_successes,
                probability=outcome.probability,
                peak_force_n=outcome.peak_force_n,
                policy_version=outcome.policy_version,
            )
        )

    def _report(self, outcome: Outcome, kind: str, begun_s: float) -> None:
        part = "expl" if kind == "practice" else "eval"
        values = {
            f"{part}/episode": outcome.index,
            f"{part}/success": outcome.success,
            f"{part}/probability": outcome.probability,
            f"{part}/peak_force_n": outcome.peak_force_n,
            f"{part}/policy_version": outcome.policy_version,
            "sys/steps_per_s": self.kind.horizon / (time.monotonic() - begun_s),
        }
        out = Metrics(names=list(values), values=[float(v) for v in values.values()])
        out.header.stamp = self.get_clock().now().to_msg()
        self.metrics.publish(out)

    # ---- what the script uses --------------------------------------------------------------------
    def begin(self, assembly: EpisodeAssembly | None) -> Any:
        with self.news:
            self.assembly = assembly
        return assembly

    def practised(self) -> int:
        """Practice episodes that are closed or on their way to the recorder."""
        return self._practised

    def sets_up(self) -> bool:
        """Whether the simulator changes the bench between episodes; on hardware a person does."""
        return self.kind.residual and self.param("operator") == "simulated"

    def truth_is_published(self) -> bool:
        return bool(self.count_publishers("ground_truth/insertion"))

    def forget_done(self) -> None:
        self.done = None

    def is_done(self, mode: str, name: str) -> bool:
        done = self.done
        return done is not None and done.mode == mode and done.episode_id == name

    def _check(self) -> None:
        if self.stopping or self.goal_handle.is_cancel_requested:
            raise Cancelled

    def note(self, text: str) -> None:
        """Logs at most every 10 s."""
        if time.monotonic() - self.noted_s > 10.0:
            self.noted_s = time.monotonic()
            self.get_logger().info(text)

    def call(self, service: str, request: Any) -> Any:
        """A service's answer. One that is away is waited for, one that is dead is NodeLost."""
        self._await_service(service)
        future = self.clients_of[service].call_async(request)
        future.add_done_callback(lambda _: self.patience.wake())
        self.patience.wait_for(future.done, self.stall_s, lambda: f"an answer of {service}")
        return future.result()

    def await_services(self) -> None:
        for service in self.clients_of:
            self._await_service(service)

    def _await_service(self, service: str) -> None:
        end = time.monotonic() + self.patience_s
        while not self.clients_of[service].service_is_ready():
            if time.monotonic() > end:
                raise Refused(f"no node serves {service} since {self.patience_s:.0f} s; see its log")
            self.note(f"waiting for {service}")
            self.patience.pause(0.1)

    def hold_controller(self) -> None:
        """Asks the controller to stand still; nobody waits for the answer."""
        client = self.clients_of["controller/set_mode"]
        if client.service_is_ready():
            client.call_async(SetMode.Request(mode="hold"))


def main() -> int:
    return run(lambda: EpisodeManager("episode_manager"))


if __name__ == "__main__":
    raise SystemExit(main())
