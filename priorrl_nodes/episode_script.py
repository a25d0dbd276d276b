"""One episode, told in order: goal, way back, zero, roll out, judge, store. Runs in its own thread."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from std_srvs.srv import Trigger

from priorrl.msg import ControllerDone, Episode, EpisodeTruth
from priorrl.srv import BeginEpisode, ProposeGoal, SetMode
from priorrl_nodes.assembly import EpisodeAssembly, aborted_episode
from priorrl_nodes.closing import Outcome, Refused
from priorrl_nodes.messages import time_ns
from priorrl_nodes.patience import NodeLost
from priorrl_nodes.schedule import Series, exploration_seed, version_for

FAULTS_PER_RESET = 12
HEARING_S = 0.2


class Cancelled(Exception):
    """The client cancelled the action."""


class EpisodeScript:
    """``graph`` is the EpisodeManager node: ``call``, ``wait_for``, ``publish_*`` and what it heard."""

    def __init__(self, graph: Any, series: Series, blend: float, deterministic: bool, first: int = 0) -> None:
        self.graph, self.series, self.blend, self.deterministic = graph, series, blend, deterministic
        self.first, self.meeting = first, True

    def run(self, index: int) -> Outcome:
        """One closed episode, repeated until no node is lost on the way."""
        for attempt in range(1, self.graph.attempts + 1):
            try:
                self.meeting = attempt > 1 or index == self.first
                if self.meeting:
                    self._meet_peers()
                return self._attempt(index)
            except NodeLost as error:
                self._give_up(index, "node_lost")
                self.graph.get_logger().warning(
                    f"{self.series.episode_id(index)} is repeated (attempt {attempt}): {error}"
                )
            except Cancelled:
                self._give_up(index, "cancelled")
                raise
        raise Refused(
            f"episode {self.series.episode_id(index)} was lost {self.graph.attempts} times; see logs"
        )

    # ---- the steps -------------------------------------------------------------------------------
    def _meet_peers(self) -> None:
        """Before the first episode and after a loss: waits until everybody answers again."""
        self.graph.await_services()
        self.graph.call("controller/set_mode", SetMode.Request(mode="hold"))
        if not self.graph.call("simulator/observe", Trigger.Request()).success:
            raise NodeLost("the arm's driver is not active")

    def _attempt(self, index: int) -> Outcome:
        graph, name = self.graph, self.series.episode_id(index)
        goal_m = self._propose(name, index)
        self._set_up(name, index)
        self._reset(name, self.graph.kind.start_m(goal_m, self.series.episode_seed(index)))
        assembly = graph.begin(EpisodeAssembly(name, goal_m, graph.kind))
        self._zero()
        if self.meeting:
            self._await_hearing(assembly)
        done = self._roll_out(self._rollout_request(name, goal_m, index))
        end_ns = time_ns(done.header.stamp) if done.ok else assembly.newest_ns()
        self._await_parts(assembly, end_ns, done.steps if done.ok else 0)
        episode = self._finish(assembly, end_ns, done, index)
        inserted = self._publish_truth(assembly, end_ns)
        graph.begin(None)
        graph.closing.publish(episode)
        version = int(episode.policy_versions[-1]) if episode.length else 0
        _, probability, _ = assembly.success(end_ns)
        return Outcome(
            index, bool(episode.success), probability, float(episode.peak_force_n), version, inserted
        )

    def _propose(self, name: str, index: int) -> np.ndarray:
        request = ProposeGoal.Request(
            episode_id=name, scenario=self.series.scenario, seed=self.series.episode_seed(index)
        )
        answer = self.graph.call("goal_proposer/propose", request)
        if not answer.accepted:
            raise Refused(answer.message)
        return np.array(answer.goal.position_m)

    def _set_up(self, name: str, index: int) -> None:
        """The simulated operator, where there is something to set up."""
        if not self.graph.sets_up():
            return
        request = BeginEpisode.Request(episode_id=name, seed=self.series.episode_seed(index))
        answer = self.graph.call("simulator/begin_episode", request)
        if not answer.accepted:
            raise NodeLost(answer.message)

    def _reset(self, name: str, start_m: np.ndarray) -> None:
        """Back to the start; where the gate faults for force, the operator re-arms and the way up is open."""
        request = SetMode.Request(mode="reset", episode_id=name, target_m=start_m)
        for _ in range(FAULTS_PER_RESET):
            self._rearm()
            self._set_mode(request)
            done = self._await_done("reset", name)
            if done.ok:
                return
            if not done.reason.startswith("fault"):
                raise Refused(f"the way back to the start failed: {done.reason}")
        raise Refused(f"the gate faulted {FAULTS_PER_RESET} times on the way back ({done.reason}); free it")

    def _rearm(self) -> None:
        fault = self.graph.fault
        if not fault:
            return
        if not self.graph.simulated_operator:
            raise Refused(f"the safety gate holds a fault ({fault}); look, then call safety_gate/rearm")
        self.graph.call("safety_gate/rearm", Trigger.Request())
        self.graph.patience.wait_for(
            lambda: not self.graph.fault or self.graph.fault != fault, 2.0, lambda: "re-arming"
        )

    def _zero(self) -> None:
        if not self.graph.call("simulator/zero_wrench", Trigger.Request()).success:
            raise NodeLost("the arm's driver is not active")

    def _await_hearing(self, assembly: EpisodeAssembly) -> None:
        """A new peer answers services before its topics are joined, and a fast episode would be over by then: shows
        the start again until camera, judge and this node are seen to hear each other."""
        graph, end = self.graph, time.monotonic() + self.graph.stall_s
        while not graph.patience.comes(lambda: assembly.complete(graph.judged), HEARING_S):
            if time.monotonic() > end:
                raise NodeLost(f"image, state or reward of the start did not come in {graph.stall_s:.1f} s")
            graph.call("simulator/observe", Trigger.Request())

    def _rollout_request(self, name: str, goal_m: np.ndarray, index: int) -> SetMode.Request:
        series, graph = self.series, self.graph
        mode = series.mode()
        policy = "offline" if series.policy == "offline" else series.policy if mode == "search" else ""
        request = SetMode.Request(
            mode=mode,
            episode_id=name,
            policy=policy,
            goal_m=goal_m,
            blend=self.blend,
            deterministic=self.deterministic,
            horizon=graph.kind.horizon,
        )
        request.seed = exploration_seed(series.episode_seed(index))
        request.policy_version = version_for(series, graph.practised(), graph.policy_lag)
        return request

    def _roll_out(self, request: SetMode.Request) -> ControllerDone:
        self._set_mode(request)
        done = self._await_done(request.mode, request.episode_id)
        if not done.ok and not done.reason.startswith("fault"):
            raise Refused(f"the rollout failed: {done.reason}")
        return done

    def _set_mode(self, request: SetMode.Request) -> None:
        """Retries a refusal: the controller may not have heard yet of gate or zeroed force."""
        self.graph.forget_done()
        for _ in range(40):
            answer = self.graph.call("controller/set_mode", request)
            if answer.accepted:
                return
            self.graph.patience.pause(0.05)
        if "fault" in answer.message:
            raise NodeLost(answer.message)
        raise Refused(answer.message)

    def _await_done(self, mode: str, name: str) -> ControllerDone:
        """The controller's word that it is through. While nothing moves it is asked what it waits for."""
        graph, begun_s = self.graph, time.monotonic()
        graph.patience.touch()
        while True:
            if graph.patience.wait_still(lambda: graph.is_done(mode, name), graph.stall_s):
                done = graph.done
                if done.reason.startswith("node_lost"):
                    raise NodeLost(done.reason)
                return done
            status = graph.call("controller/set_mode", SetMode.Request(mode="status", episode_id=name))
            if graph.is_done(mode, name):
                continue
            if not status.accepted:
                raise NodeLost("the controller was restarted")
            if not status.message.startswith("policy"):
                raise NodeLost(f"the controller waits for {status.message} since {graph.stall_s:.1f} s")
            if time.monotonic() - begun_s > graph.trainer_patience_s:
                raise Refused(f"the trainer gives no {status.message} in {graph.trainer_patience_s:.0f} s")
            graph.patience.touch()  # it may take its time
            graph.note(f"waiting for {status.message} of the trainer")

    def _await_parts(self, assembly: EpisodeAssembly, end_ns: int, steps: int) -> None:
        """As long as parts come, however slowly: a starved node is not lost."""
        graph = self.graph

        def missing() -> str:
            return assembly.missing(end_ns, graph.judged, steps)

        with graph.patience.news:
            while gone := missing():
                graph.patience.wait_for(lambda known=gone: missing() != known, graph.stall_s, missing)

    # ---- the end ---------------------------------------------------------------------------------
    def _finish(self, assembly: EpisodeAssembly, end_ns: int, done: ControllerDone, index: int) -> Episode:
        out = assembly.episode(end_ns, self.graph.judged)
        self._sign(out, index)
        out.terminated, out.truncated = not done.ok, done.ok
        out.end_reason = "horizon" if done.ok else "fault"
        return out

    def _sign(self, out: Episode, index: int) -> None:
        out.index, out.kind, out.policy = index, self.series.kind, self.series.policy
        out.connector = self.graph.connector

    def _publish_truth(self, assembly: EpisodeAssembly, end_ns: int) -> bool | None:
        """The simulator's judgement goes its own way (law 6). None where it is withheld."""
        graph = self.graph
        if not graph.truth_is_published():
            return None
        graph.patience.wait_for(
            lambda: end_ns in assembly.truths, graph.stall_s, lambda: "ground truth of the last step"
        )
        truth: EpisodeTruth = assembly.truths[end_ns]
        truth.episode_id = assembly.episode_id
        graph.truth.publish(truth)
        return bool(truth.inserted)

    def _give_up(self, index: int, reason: str) -> None:
        """An aborted attempt is told too, without its steps; nobody learns from it."""
        self.graph.begin(None)
        out = aborted_episode(self.series.episode_id(index), reason, self.graph.kind)
        self._sign(out, index)
        self.graph.episode.publish(out)
        self.graph.hold_controller()
