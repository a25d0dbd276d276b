"""Turns what the arm sees into one residual command a period: base + blend * residual (law 3). No torch."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
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
from priorrl_core.control.exploration import Exploration
from priorrl_core.control.p_controller import PController
from priorrl_core.control.residual import compose
from priorrl_core.control.search import Search, make_search
from priorrl_core.robots.profile import load_robot
from priorrl_core.tasks.reset_path import reset_step
from priorrl_core.tasks.task import load_task
from priorrl_nodes.lifecycle import ManagedNode, Param, run
from priorrl_nodes.messages import check_state, command_message, floats, force_of, time_ns, tip_of
from priorrl_nodes.policy_shelf import Head, PolicyShelf
from priorrl_nodes.qos import CONTROL, LATCHED, POLICY

MODES = ("hold", "reset", "policy", "base", "search")
SEARCHES = ("straight_down", "random_search", "spiral_search")


@dataclass
class Task:
    """What SetMode asked for, and how far it is."""

    request: SetMode.Request
    goal_m: np.ndarray
    target_m: np.ndarray
    rng: np.random.Generator
    head: Head | None = None
    exploration: Exploration | None = None
    search: Search | None = None
    session: int | None = None
    steps: int = 0
    answered: int | None = None
    sent: CartesianCommand | None = None
    waiting_for: str = "state"
    moved_s: float = field(default_factory=time.monotonic)


class Controller(ManagedNode):
    """Modes: hold, reset (to ``target_m``), policy, base, search; one ControllerDone ends each of them."""

    PARAMETERS = (
        Param("robot", "sawyer", "Robot profile."),
        Param("task", "insertion", "Task: a name or a YAML file (base gain, residual limit, horizon)."),
        Param("exploration_std", -1.0, "Standard deviation of exploration; -1: the policy's own.", -1.0, 1.0),
        Param("max_age_s", 0.2, "Oldest camera image that a command may answer; older: hold [s].", 0.0, 5.0),
        Param("resend_s", 0.5, "Unanswered for so long, the last command is sent again [s].", 0.05, 10.0),
    )

    def setup(self) -> None:
        self.task = load_task(self.param("task"))
        self.joints = len(load_robot(self.param("robot")).joint_names)
        self.base = PController(np.array(self.task.base_gain), np.array(self.task.base_limit_m))
        self.limit_m = np.array(self.task.residual_limit_m)
        self.seq = time.time_ns() // 1000  # a restarted controller continues above its predecessor
        self.noise_std = None if self.param("exploration_std") < 0.0 else float(self.param("exploration_std"))
        self.max_age_s, self.resend_s = self.param("max_age_s"), self.param("resend_s")
        self.doing: Task | None = None
        self.fault = ""
        self.states: OrderedDict[int, RobotState] = OrderedDict()
        self.newest: RobotState | None = None
        self.latents: OrderedDict[int, Latent] = OrderedDict()
        self.policies = PolicyShelf()
        self._entities_of_control()

    def _entities_of_control(self) -> None:
        self.candidate = self.make_publisher(CartesianCommand, "candidate_command", CONTROL)
        self.residual = self.make_publisher(ResidualCommand, "residual_command", CONTROL)
        self.done = self.make_publisher(ControllerDone, "controller/done", CONTROL)
        self.make_subscription(RobotState, "robot_state", self.on_state, CONTROL)
        self.make_subscription(Latent, "latent", self.on_latent, CONTROL)
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
        self.newest = state
        _keep(self.states, time_ns(state.header.stamp), state, 4)
        doing = self.doing
        if doing is not None and doing.session not in (None, state.session):
            self.finish(False, "node_lost: the arm's driver restarted")
        elif doing is not None:
            self.act(state)

    def on_latent(self, latent: Latent) -> None:
        stamp = time_ns(latent.header.stamp)
        _keep(self.latents, stamp, latent, 4)
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
        if doing.waiting_for in ("state", "latent") and self.observe.service_is_ready():
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
            request, np.array(request.goal_m), np.array(request.target_m), np.random.default_rng(request.seed)
        )
        if request.mode == "search":
            doing.search = make_search(request.policy, request.seed)
        return doing

    # ---- the loop --------------------------------------------------------------------------------
    def act(self, state: RobotState) -> None:
        """Answers ``state`` once, if all that the mode needs is here."""
        doing = self.doing
        if doing is None or state.tick == doing.answered:
            return
        if doing.request.mode == "reset":
            self._reset_step(doing, state)
        elif doing.steps >= (doing.request.horizon or self.task.horizon):
            self.finish(True, "horizon", state)
        elif state.zeroed:
            self._rollout_step(doing, state)

    def _reset_step(self, doing: Task, state: RobotState) -> None:
        delta = reset_step(tip_of(state), doing.target_m, self.task)
        if delta is None:
            self.finish(True, "reached", state)
        elif doing.steps >= self.task.reset_max_ticks:
            self.finish(False, "timeout: the start pose was not reached; check the workspace limits", state)
        else:
            self.send(doing, state, "reset", delta)

    def _rollout_step(self, doing: Task, state: RobotState) -> None:
        mode, tip, force = doing.request.mode, tip_of(state), force_of(state)
        features, action, head = np.zeros(0), np.zeros(3, np.float32), None
        proprio = np.concatenate([tip - doing.goal_m, force]).astype(np.float32)
        base = self.base(tip, doing.goal_m)
        blend = doing.request.blend if mode == "policy" else 0.0
        if mode == "policy":
            seen = self._sight(doing, state)
            if seen is None:
                return
            features, head = seen
            action = self._action(doing, head, features, proprio)
        elif doing.search is not None:
            base = doing.search.act(tip - doing.goal_m, force, doing.steps)
        residual, total = compose(base, action, self.limit_m, blend)
        step = doing.steps
        self.send(doing, state, "controller", total)
        out = ResidualCommand(
            seq=self.seq, tick=state.tick, mode=mode, episode_id=doing.request.episode_id, step=step
        )
        out.header.stamp, out.header.frame_id = state.header.stamp, state.header.frame_id
        out.base_m, out.residual_m, out.sum_m, out.blend = base, residual, total, blend
        out.action, out.features, out.proprio = np.asarray(action, np.float32), floats(features, "f"), proprio
        out.policy_version = head.version if head else 0
        out.config_hash = head.config_hash if head else ""
        out.observation_age_s = self._age_s(state)
        self.residual.publish(out)

    def _sight(self, doing: Task, state: RobotState) -> tuple[np.ndarray, Head] | None:
        """Features of the state's own image and the head to use, or None while one of them is missing."""
        if self._age_s(state) > self.max_age_s:
            return None
        head = self._choose(doing)
        if head is None:
            doing.waiting_for = f"policy version {doing.request.policy_version}"
            return None
        latent = self.latents.get(time_ns(state.header.stamp))
        if latent is None:
            doing.waiting_for = "latent"
            return None
        if head.encoder_hash and latent.encoder_hash and head.encoder_hash != latent.encoder_hash:
            self.finish(
                False,
                f"encoder: the policy was trained on features of {head.encoder_hash}, perception "
                f"runs {latent.encoder_hash}; give both the same checkpoint",
                state,
            )
            return None
        return np.asarray(latent.features, np.float32), head

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


def _keep(store: OrderedDict, key: int, value: object, most: int) -> None:
    store[key] = value
    store.move_to_end(key)
    while len(store) > most:
        store.popitem(last=False)


def main() -> int:
    return run(lambda: Controller("controller"))


if __name__ == "__main__":
    raise SystemExit(main())
