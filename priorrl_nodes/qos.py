"""Quality of service of every topic, in one place (facts: ros2.md B.4)."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

#: Control path and images: nothing may be lost, nothing may pile up.
CONTROL = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

#: A late or restarted subscriber gets the newest one (offline policy, goal, gate status). Both ends must use it.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: Policy versions: an episode acts with the one ``policy_lag`` behind the newest, so a restarted controller, or
#: one that meets a restarted trainer late, must get that one too. Holds lags up to 3. Both ends must use it.
POLICY = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=4,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: Closed episodes and the recorder's answers to them: who restarts gets the last few again and drops those it knows;
#: with a depth of one the answers to a backlog would overwrite each other.
EPISODE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=4,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: What is joined to the steps of an episode while nobody waits for it, at both ends: a fast simulator runs ahead of a
#: starved reader by a whole episode, and with a shallow history at either end its trial would be lost and repeated.
STEPS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=100,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

#: Viewers: newest only, never hold up a publisher. Matches CONTROL publishers too.
VIEW = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)
