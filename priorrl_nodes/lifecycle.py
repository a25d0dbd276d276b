"""Base of all nodes: lifecycle with logged exceptions, described parameters, one way to run a process.

A node is a subclass that lists ``PARAMETERS`` and overrides ``setup`` (configure: load, create publishers,
subscriptions, services), ``start`` and ``stop`` (activate, deactivate) and ``teardown`` (release what
``setup`` took beside ROS entities). Entities made through the ``make_*`` methods are destroyed by the base.
Callbacks run only while the node is active unless made with ``always=True``.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from priorrl_core.errors import ConfigError, UserError, nearest

EXIT_USER_ERROR = 2
SPIN_S = 1.0


@dataclasses.dataclass(frozen=True)
class Param:
    """One parameter: its default gives its type; bounds are inclusive; ``options``: what a string may be."""

    name: str
    default: bool | int | float | str | list[float] | list[str]
    description: str
    lower: float | None = None
    upper: float | None = None
    options: tuple[str, ...] = ()
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        """The ROS descriptor; rclpy itself enforces its ranges."""
        text = self.description + (f" One of: {', '.join(self.options)}." if self.options else "")
        out = ParameterDescriptor(name=self.name, description=text, read_only=self.read_only)
        if self.lower is None and self.upper is None:
            return out
        low, high = self.lower, self.upper
        if isinstance(self.default, float):
            low, high = -1e308 if low is None else low, 1e308 if high is None else high
            out.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        else:
            low, high = -(2**62) if low is None else low, 2**62 if high is None else high
            out.integer_range = [IntegerRange(from_value=int(low), to_value=int(high))]
        return out


AUTOSTART = Param("autostart", True, "Configure and activate at once, without a lifecycle manager.")


class ManagedNode(LifecycleNode):
    """A lifecycle node of priorrl. See the module's docstring."""

    PARAMETERS: tuple[Param, ...] = ()
    NICE = 0
    """Default niceness; above 0 for what the arm does not wait for."""

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.active = False
        self.user_error: UserError | None = None
        self._entities: list[tuple[Callable[[Any], Any], Any]] = []
        text = "Least niceness of the process: the arm goes before those that it does not wait for."
        self._declare((AUTOSTART, Param("nice", self.NICE, text, 0, 19), *self.PARAMETERS))

    # ---- what a subclass overrides -------------------------------------------------------------
    def setup(self) -> None:
        """Configure: load models and create ROS entities. May raise; a UserError is shown as one sentence."""

    def start(self) -> None:
        """Activate: begin to act."""

    def stop(self) -> None:
        """Deactivate: stop acting; must be harmless when nothing runs."""

    def teardown(self) -> None:
        """Release what ``setup`` took; called on cleanup, shutdown and error, so expect partial state."""

    # ---- parameters ----------------------------------------------------------------------------
    def _declare(self, table: Sequence[Param]) -> None:
        self._table = {p.name: p for p in table}
        for name in self._parameter_overrides:
            if name not in self._table and name != "use_sim_time" and not name.startswith("qos_overrides"):
                hint = nearest(name, self._table)
                raise ConfigError(f"node {self.get_name()}: unknown parameter '{name}'{hint}")
        for p in table:
            try:
                self.declare_parameter(p.name, p.default, p.descriptor())
            except Exception as error:  # rclpy raises three unrelated types for a wrong type or range
                raise ConfigError(f"node {self.get_name()}: parameter '{p.name}': {error}") from error
            value = self.get_parameter(p.name).value
            if p.options and value not in p.options:
                hint = nearest(str(value), p.options)
                raise ConfigError(f"node {self.get_name()}: parameter '{p.name}' is {value!r}{hint}")

    def param(self, name: str) -> Any:
        """Value of a declared parameter."""
        return self.get_parameter(name).value

    # ---- entities ------------------------------------------------------------------------------
    def make_publisher(self, kind: type, topic: str, qos: Any) -> Any:
        """A publisher that is destroyed on cleanup."""
        return self._own(self.destroy_publisher, self.create_publisher(kind, topic, qos))

    def make_subscription(
        self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any, always: bool = False
    ) -> Any:
        """A subscription whose callback runs only while active; an exception is logged, the node lives on."""
        wrapped = self._guard(callback, always, topic)
        return self._own(self.destroy_subscription, self.create_subscription(kind, topic, wrapped, qos))

    def make_service(self, kind: type, name: str, callback: Callable[[Any, Any], Any]) -> Any:
        """A service that is destroyed on cleanup."""
        return self._own(self.destroy_service, self.create_service(kind, name, callback))

    def make_client(self, kind: type, name: str) -> Any:
        """A service client that is destroyed on cleanup. Only ``call_async`` is safe inside callbacks."""
        return self._own(self.destroy_client, self.create_client(kind, name))

    def make_steady_timer(self, period_s: float, callback: Callable[[], None], always: bool = False) -> Any:
        """A timer on the steady clock (watchdogs; never simulated time)."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        wrapped = self._guard(callback, always, "timer")
        return self._own(self.destroy_timer, self.create_timer(period_s, wrapped, clock=clock))

    def own(self, destroy: Callable[[Any], Any], entity: Any) -> Any:
        """Have ``destroy(entity)`` called on cleanup (action servers and the like)."""
        return self._own(destroy, entity)

    def _own(self, destroy: Callable[[Any], Any], entity: Any) -> Any:
        self._entities.append((destroy, entity))
        return entity

    def _guard(self, callback: Callable[..., None], always: bool, what: str) -> Callable[..., None]:
        def run(*args: Any) -> None:
            if not (self.active or always):
                return
            try:
                callback(*args)
            except UserError as error:
                self.get_logger().error(f"{what}: {error}")
            except Exception:
                self.get_logger().error(f"{what}: {traceback.format_exc()}")

        if what == "timer":
            return lambda: run()
        return lambda message: run(message)

    # ---- transitions (rclpy swallows exceptions here, so they are logged) -------------------------
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), self.param("nice")))
        return self._transition("configure", self.setup, lambda: super(ManagedNode, self).on_configure(state))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def begin() -> None:
            self.active = True
            self.start()

        return self._transition("activate", begin, lambda: super(ManagedNode, self).on_activate(state))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        def end() -> None:
            self.active = False
            self.stop()

        return self._transition("deactivate", end, lambda: super(ManagedNode, self).on_deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("clean up", self._release, lambda: super(ManagedNode, self).on_cleanup(state))

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition(
            "shut down", self._release, lambda: super(ManagedNode, self).on_shutdown(state)
        )

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._transition("recover", self._release, lambda: TransitionCallbackReturn.SUCCESS)

    def _transition(
        self, name: str, work: Callable[[], None], finish: Callable[[], TransitionCallbackReturn]
    ) -> TransitionCallbackReturn:
        try:
            work()
            return finish()
        except UserError as error:
            self.user_error = error
            self.get_logger().error(f"cannot {name}: {error}")
        except Exception:
            self.get_logger().error(f"cannot {name}: {traceback.format_exc()}")
        return TransitionCallbackReturn.ERROR

    def _release(self) -> None:
        """One teardown for cleanup, shutdown and error; accepts partial state."""
        if self.active:
            self.active = False
            self.stop()
        self.teardown()
        while self._entities:
            destroy, entity = self._entities.pop()
            destroy(entity)

    def autostart(self) -> bool:
        """Configure and activate if the parameter says so; False when a transition failed."""
        if not self.param("autostart"):
            return True
        good = TransitionCallbackReturn.SUCCESS
        return self.trigger_configure() == good and self.trigger_activate() == good


def make_executor(threads: bool = False) -> Any:
    """EventsExecutor (least CPU a message) where rclpy has it and the node has no Python ``threads`` of its
    own: rclpy 7.1.5's keeps the GIL while it waits. Else the single-threaded one."""
    from rclpy.executors import SingleThreadedExecutor

    if threads:
        return SingleThreadedExecutor()
    try:
        from rclpy.experimental import EventsExecutor

        return EventsExecutor()
    except ImportError:
        return SingleThreadedExecutor()


def run(make: Callable[[], ManagedNode], args: Sequence[str] | None = None, threads: bool = False) -> int:
    """Run one node in this process until it is told to stop; the exit status of ``main``.

    ``threads``: the node has Python threads of its own beside the executor's.
    0: stopped by signal or shutdown; 1: bug (logged); 2: user error (one sentence on standard error).
    """
    _die_with_supervisor()
    rclpy.init(args=list(args) if args is not None else None)
    node: ManagedNode | None = None
    try:
        node = make()
        executor = make_executor(threads)
        executor.add_node(node)
        if not node.autostart():
            if node.user_error is None:
                return 1
            raise node.user_error
        gc.collect()
        gc.freeze()  # what was loaded stays: full collections never walk it again
        while rclpy.ok():
            executor.spin_once(timeout_sec=SPIN_S)  # spin() of rclpy 7.1.5 takes a whole core
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USER_ERROR
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Exception:
        if not rclpy.ok():
            return 0  # told to stop while it was still starting
        sys.stderr.write(traceback.format_exc())
        return 1
    finally:
        _close(node)
    return 0


def _die_with_supervisor() -> None:
    """A node of ``priorrl up`` stops when its supervisor dies, however that comes about (Linux)."""
    parent = int(os.environ.get("PRIORRL_SUPERVISOR", "0"))
    if not parent or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        raise SystemExit(0)  # it died while this process was starting


def _close(node: ManagedNode | None) -> None:
    if node is not None:
        try:
            node._release()
        except Exception:
            sys.stderr.write(traceback.format_exc())
        node.destroy_node()
    rclpy.try_shutdown()
