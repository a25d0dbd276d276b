"""Turns what the arm sees into one residual command a period: base + blend * residual (law 3). No torch."""

from __future__ import annotations

import time
from collections import OrderedDict

import numpy as np
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from priorrl.msg import (
    CartesianCommand,
    ControllerDone,
    GateStatus,
    Latent,
    PolicyVersion,
    ResidualCommand,
    RobotState,
)
from priorrl.srv import SetMode
from priorrl_core.control.base_controllers import ObservingBase
from priorrl_core.control.control_noise import control_noise_rng
from priorrl_core.control.exploration import Exploration
from priorrl_core.control.residual import compose
from priorrl_core.control.search import make_search
from priorrl_core.errors import DataError
from priorrl_core.robots.kinematics import Kinematics
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.kinds import OBSERVATIONS, load_kind
from priorrl_nodes.doing import Task, keep
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import (
    check_state,
    command_message,
    floats,
    force_of,
    objects_array,
    time_ns,
    tip_of,
)
from priorrl_nodes.policy_shelf import Head, PolicyShelf
from priorrl_nodes.qos import CONTROL, LATCHED, POLICY, STEPS
from priorrl_nodes.schedule import episode_seed_of
from priorrl_nodes.senses import sensed

MODES = ("hold", "reset", "policy", "base", "search")
SEARCHES = ("straight_down", "random_search", "spiral_search")


class Controller(ManagedNode):
    """Modes: hold, reset (to ``target_m``), policy, base, search; one ControllerDone ends each of them."""

    PARAMETERS = (
        Param("robot", "sawyer", "Robot profile."),
        Param("task", "insertion", "Task: a name or a YAML file (base controller, residual limit, horizon)."),
        Param("connector", "", "Connector, where the task's file does not name it."),
        Param("observation", "position", "What the policy of a plug task sees.", options=OBSERVATIONS),
        Param("exploration_std", -1.0, "Standard deviation of exploration; -1: the policy's own.", -1.0, 1.0),
        Param("max_age_s", 0.2, "Oldest camera image that a command may answer; older: hold [s].", 0.0, 5.0),
        Param("resend_s", 0.5, "Unanswered for so long, the last command is sent again [s].", 0.05, 10.0),
    )

    def setup(self) -> None:
        self.kind = load_kind(*(self.param(n) for n in ("task", "connector", "observation")))
        robot = load_robot(self.param("robot"))
        self.joints, self.kinematics = len(robot.joint_names), Kinematics(robot)
        self.base, self.limit_m = self.kind.base(), self.kind.residual_limit_m
        self.observing = self.base if isinstance(self.base, ObservingBase) else None
        self.seq = time.time_ns() // 1000  # a restarted controller continues above its predecessor
        self.noise_std = None if self.param("exploration_std") < 0.0 else float(self.param("exploration_std"))
        self.max_age_s, self.resend_s = self.param("max_age_s"), self.param("resend_s")
        self.doing: Task | None = None
        self.fault = ""
        self.states: OrderedDict[int, RobotState] = OrderedDict()
        self.newest: RobotState | None = None
        self.latents: OrderedDict[int, Latent] = OrderedDict()
        self.objects: OrderedDict[int, np.ndarray] = OrderedDict()
        self.policies = PolicyShelf()
        self._entities_of_control()

    def _entities_of_control(self) -> None:
        self.candidate = self.make_publisher(CartesianCommand, "candidate_command", CONTROL)
        self.residual = self.make_publisher(ResidualCommand, "residual_command", STEPS)
        self.done = self.make_publisher(ControllerDone, "controller/done", CONTROL)
        self.make_subscription(RobotState, "robot_state", self.on_state, CONTROL)
        if self.kind.observation == "image":
            self.make_subscription(Latent, "latent", self.on_latent, CONTROL)
        if self.kind.tracked:
            self.make_subscription(JointState, "objects", self.on_objects, CONTROL)
        self.make_subscription(PolicyVersion, "policy", self.on_policy, POLICY, always=True)
        self.make_subscription(PolicyVersion, "policy/offline", self.on_offline, LATCHED, always=True)
        self.make_subscription(GateStatus, "safety_gate/status", self.on_gate, LATCHED, always=True)
        self.make_service(SetMode, "controller/set_mode", self.on_set_mode)
        self.observe = self.make_client(Trigger, "simulator/observe")
        self.make_steady_timer(self.resend_s / 2.0, self.on_watch)

    # ---- what comes in ---------------------------------------------------------------------------
    def on_state(self, state: RobotState) -> None:
        check_state(state, self.joints)
        if self.newest is not None and state.session != self.newest.session:
            self.states.clear()
            self.latents.clear()
            self.objects.clear()
        self.newest = state
        keep(self.states, time_ns(state.header.stamp), state, 4)
        doing = self.doing
        if doing is not None and doing.session not in (None, state.session):
            self.finish(False, "node_lost: the arm's driver restarted")
        elif doing is not None:
            self.act(state)

    def on_latent(self, latent: Latent) -> None:
        keep(self.latents, time_ns(latent.header.stamp), latent, 4)
        self._act_on(time_ns(latent.header.stamp))

    def on_objects(self, message: JointState) -> None:
        keep(self.objects, time_ns(message.header.stamp), objects_array(message), 4)
        self._act_on(time_ns(message.header.stamp))

    def _act_on(self, stamp: int) -> None:
        if self.doing is not None and stamp in self.states:
            self.act(self.states[stamp])

    def on_policy(self, message: PolicyVersion) -> None:
        """A new version; it acts from the next command on, and nothing waits for it."""
        self.policies.put(message)
        if self.newest is not None and self.doing is not None:
            self.act(self.newest)

    def on_offline(self, message: PolicyVersion) -> None:
        self.policies.put_offline(message)

    def on_gate(self, status: GateStatus) -> None:
        self.fault = "" if status.armed else status.fault
        if self.fault and self.doing is not None:
            self.finish(False, f"fault: {self.fault}")

    def on_watch(self) -> None:
        """Nothing moved for ``resend_s``: a peer was lost or restarted, so offer it the token again."""
        doing = self.doing
        if doing is None or time.monotonic() - doing.moved_s < self.resend_s:
            return
        doing.moved_s = time.monotonic()
        if doing.sent is not None:
            self.candidate.publish(doing.sent)
        if doing.waiting_for in ("state", "latent", "objects") and self.observe.service_is_ready():
            self.observe.call_async(Trigger.Request())

    def on_set_mode(self, request: SetMode.Request, answer: SetMode.Response) -> SetMode.Response:
        """Begins a mode. ``status`` changes nothing: accepted where ``episode_id`` is under way, and what it
        waits for."""
        if request.mode == "status":
            doing = self.doing
            answer.accepted = doing is not None and doing.request.episode_id == request.episode_id
            answer.message = doing.waiting_for if doing is not None else "holding"
            return answer
        answer.message = self._refusal(request)
        answer.accepted = not answer.message
        if answer.accepted:
            self.doing = None if request.mode == "hold" else self._begin(request)
            if self.doing is not None and self.newest is not None:
                self.act(self.newest)
        return answer

    def _refusal(self, request: SetMode.Request) -> str:
        """Why the mode cannot begin, or empty."""
        if request.mode not in MODES:
            return f"unknown mode '{request.mode}'; valid: {', '.join(MODES)}"
        if request.mode == "hold":
            return ""
        if not self.active:
            return "the controller is not active; activate it"
        if self.fault:
            return f"the safety gate holds a fault ({self.fault}); re-arm it"
        if request.mode == "search" and request.policy not in SEARCHES:
            return f"unknown search '{request.policy}'; valid: {', '.join(SEARCHES)}"
        if request.mode != "reset" and (self.newest is None or not self.newest.zeroed):
            return "the wrench was not zeroed since the last reset; call simulator/zero_wrench first"
        return ""

    def _begin(self, request: SetMode.Request) -> Task:
        doing = Task(
            request,
            np.array(request.goal_m),
            np.array(request.target_m),
            np.random.default_rng(request.seed),
            control_noise_rng(episode_seed_of(request.seed)),
        )
        if request.mode != "reset":
            self.base.reset()
        if request.mode == "search":
            doing.search = make_search(request.policy, request.seed)
        return doing

    # ---- the loop --------------------------------------------------------------------------------
    def act(self, state: RobotState) -> None:
        """Answers ``state`` once, if all that the mode needs is here."""
        doing = self.doing
        if doing is None or (doing.answered is not None and state.tick <= doing.answered):
            return
        if doing.request.mode == "reset":
            self._reset_step(doing, state)
        elif doing.steps >= (doing.request.horizon or self.kind.horizon):
            self.finish(True, "horizon", state)
        elif state.zeroed:
            self._rollout_step(doing, state)

    def _reset_step(self, doing: Task, state: RobotState) -> None:
        delta = self.kind.reset_step(tip_of(state), doing.target_m)
        if delta is None:
            self.finish(True, "reached", state)
        elif doing.steps >= self.kind.reset_max_ticks:
            self.finish(False, "timeout: the start pose was not reached; check the workspace limits", state)
        else:
            self.send(doing, state, "reset", delta)

    def _rollout_step(self, doing: Task, state: RobotState) -> None:
        mode, tip, force = doing.request.mode, tip_of(state), force_of(state)
        seen = self._sight(doing, state)
        if seen is None:
            return
        features, head = seen
        proprio = np.concatenate([tip - doing.goal_m, force]).astype(np.float32)
        if self.observing is not None:
            self.observing.observe(features)
        base = np.array(self.base(sensed(self.kinematics, state, doing.steps), doing.goal_m), np.float64)
        action = np.zeros(3, np.float32)
        if head is not None:
            try:
                action = self._action(doing, head, features, proprio)
            except DataError as error:
                self.finish(False, f"policy: {error}", state)
                return
        elif doing.search is not None:
            base = doing.search.act(tip - doing.goal_m, force, doing.steps)
        residual, total = compose(base, action, self.limit_m, doing.request.blend if mode == "policy" else 0.0)
        noisy = total + self.kind.noise.sample(doing.noise) if self.kind.noise.active else total
        step = doing.steps
        self.send(doing, state, "controller", noisy)
        out = ResidualCommand(
            seq=self.seq, tick=state.tick, mode=mode, episode_id=doing.request.episode_id, step=step
        )
        out.header.stamp, out.header.frame_id = state.header.stamp, state.header.frame_id
        out.base_m, out.residual_m, out.sum_m = base, residual, total
        out.blend = doing.request.blend if mode == "policy" else 0.0
        out.action, out.features, out.proprio = np.asarray(action, np.float32), floats(features, "f"), proprio
        out.policy_version = head.version if head else 0
        out.config_hash = head.config_hash if head else ""
        out.observation_age_s = self._age_s(state)
        self.residual.publish(out)

    def _sight(self, doing: Task, state: RobotState) -> tuple[np.ndarray, Head | None] | None:
        """What the policy sees at ``state`` and the head to use, or None while one of them is missing."""
        if doing.request.mode != "policy":
            features = self._features(doing, state) if self.kind.observation == "position" else np.zeros(0)
            return None if features is None else (features, None)
        if self._age_s(state) > self.max_age_s:
            return None
        head = self._choose(doing)
        if head is None:
            doing.waiting_for = f"policy version {doing.request.policy_version}"
            return None
        features = self._features(doing, state)
        latent = self.latents.get(time_ns(state.header.stamp))
        if features is None or latent is None:
            return None if features is None else (features, head)
        if head.encoder_hash and latent.encoder_hash and head.encoder_hash != latent.encoder_hash:
            self.finish(
                False,
                f"encoder: the policy was trained on features of {head.encoder_hash}, perception "
                f"runs {latent.encoder_hash}; give both the same checkpoint",
                state,
            )
            return None
        return features, head

    def _features(self, doing: Task, state: RobotState) -> np.ndarray | None:
        """Perception's features of the state's own image, or the position view; None while it is missing."""
        stamp = time_ns(state.header.stamp)
        if self.kind.observation == "image":
            latent = self.latents.get(stamp)
            doing.waiting_for = doing.waiting_for if latent else "latent"
            return np.asarray(latent.features, np.float32) if latent else None
        if self.kind.tracked and stamp not in self.objects:
            doing.waiting_for = "objects"
            return None
        return self.kind.observe(tip_of(state), force_of(state), doing.goal_m, self.objects.get(stamp))

    def _choose(self, doing: Task) -> Head | None:
        """Offline: version 0. A wanted version: that one, all episode long. -1: the newest, each step."""
        wanted = doing.request.policy_version
        if doing.request.policy == "offline":
            return self.policies.offline
        if wanted < 0:
            return self.policies.newest()
        doing.head = doing.head or self.policies.at_least(wanted)
        return doing.head

    def _action(self, doing: Task, head: Head, features: np.ndarray, proprio: np.ndarray) -> np.ndarray:
        """The policy's mean, or with exploration that goes on through the episode, whatever head acts."""
        mean = head.act.mean(features, proprio)
        if doing.request.deterministic:
            return mean
        if doing.exploration is None:
            doing.exploration = Exploration.of_policy(head.act.metadata, doing.rng, self.noise_std)
        return doing.exploration.perturb(mean)

    def _age_s(self, state: RobotState) -> float:
        newest = self.newest or state
        return (time_ns(newest.header.stamp) - time_ns(state.header.stamp)) * 1e-9

    def send(self, doing: Task, state: RobotState, source: str, delta_m: np.ndarray) -> None:
        self.seq += 1
        doing.sent = command_message(state, self.seq, source, delta_m)
        self.candidate.publish(doing.sent)
        doing.answered, doing.session = state.tick, state.session
        doing.steps += 1
        doing.waiting_for, doing.moved_s = "state", time.monotonic()

    def finish(self, ok: bool, reason: str, state: RobotState | None = None) -> None:
        """Ends the mode: the controller holds, and says why."""
        doing, self.doing = self.doing, None
        if doing is None:
            return
        out = ControllerDone(
            mode=doing.request.mode,
            episode_id=doing.request.episode_id,
            ok=ok,
            reason=reason,
            steps=doing.steps,
        )
        if state is not None:
            out.header.stamp = state.header.stamp
        self.done.publish(out)


def main() -> int:
    return run(lambda: Controller("controller"))


if __name__ == "__main__":
    raise SystemExit(main())
