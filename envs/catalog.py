"""The built-in environments, one line each, known without importing any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EnvEntry:
    """A registered environment.

    Args:
        id: the Gymnasium id.
        entry_point: what makes the single environment, ``"module:name"``.
        vector_entry_point: what makes the native vector environment, or ``None``.
        max_steps: the time limit, passed to both as the argument ``max_steps``; ``None`` where they know themselves.
        kwargs: further arguments.
        group: ``"classic"``, ``"control"``, ``"science"`` or ``"custom"``.
        summary: one line for lists.
        extra: the extra that must be installed, or ``None``.
        build: ``"module:function"`` of the builder of a finite environment, or ``None``.
        dynamics: ``"module:Class"`` of the pure dynamics behind both forms, or ``None``.
    """

    id: str
    entry_point: Any
    vector_entry_point: Any = None
    max_steps: int | None = None
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    group: str = "custom"
    summary: str = ""
    extra: str | None = None
    build: Any = None
    dynamics: Any = None


def _finite(name: str, build: str, group: str, summary: str, **options: Any) -> EnvEntry:
    """A finite environment: both forms come from one builder, ``"module:function"`` below ``morl.envs``."""
    point = f"morl.envs.{build}"
    return EnvEntry(
        f"morl/{name}",
        f"morl.envs.finite:FiniteEnv({point.replace(':', '.')})",
        f"morl.envs.finite:FiniteVectorEnv({point.replace(':', '.')})",
        kwargs=options,
        group=group,
        summary=summary,
        build=point,
    )


def _dynamics(name: str, dynamics: str, group: str, summary: str, extra: str | None = None, **options: Any) -> EnvEntry:
    """An environment that is a pure function: both forms come from one class, ``"module:Class"`` below ``morl.envs``."""
    point = f"morl.envs.{dynamics}"
    return EnvEntry(
        f"morl/{name}",
        f"morl.envs.batched:BatchedEnv({point.replace(':', '.')})",
        f"morl.envs.batched:BatchedVectorEnv({point.replace(':', '.')})",
        kwargs=options,
        group=group,
        summary=summary,
        extra=extra,
        dynamics=point,
    )


def _single(
    name: str,
    cls: str,
    group: str,
    summary: str,
    max_steps: int | None,
    extra: str,
    **options: Any,
) -> EnvEntry:
    """An environment around another library's simulator, ``"module:Class"`` below ``morl.envs``; no vector form."""
    return EnvEntry(f"morl/{name}", f"morl.envs.{cls}", None, max_steps, options, group, summary, extra)


# Each line stands for itself, so these tables are not wrapped.
# ruff: noqa: E501
CLASSIC = (
    _finite("DeepSeaTreasure-v0", "classic.deep_sea_treasure:deep_sea_treasure", "classic", "Submarine: treasure against time; convex front", sea="convex"),
    _finite("DeepSeaTreasureConcave-v0", "classic.deep_sea_treasure:deep_sea_treasure", "classic", "Submarine: treasure against time; concave front", sea="concave"),
    _finite("DeepSeaTreasureMirrored-v0", "classic.deep_sea_treasure:deep_sea_treasure", "classic", "Submarine with a second, empty side; concave front", sea="mirrored"),
    _finite("FruitTree-v0", "classic.fruit_tree:fruit_tree", "classic", "Binary tree with a six-nutrient fruit on every leaf", depth=6),
    _finite("ResourceGathering-v0", "classic.resource_gathering:resource_gathering", "classic", "Bring home gold and a gem past two enemies"),
    _finite("BreakableBottles-v0", "classic.breakable_bottles:breakable_bottles", "classic", "Deliver two bottles without leaving broken ones behind"),
    _finite("Fishwood-v0", "classic.fishwood:fishwood", "classic", "Fish or collect wood: the two-state ESR benchmark"),
    _finite("FourRoom-v0", "classic.four_room:four_room", "classic", "Collect shapes of three kinds on the way to a goal; 598,016 states"),
)  # fmt: skip

CONTROL = (
    _dynamics("Minecart-v0", "control.minecart:MinecartDynamics", "control", "Fetch two ores from five mines and save fuel; random yields"),
    _dynamics("MinecartDeterministic-v0", "control.minecart:MinecartDynamics", "control", "Fetch two ores from five mines and save fuel; best known front", stochastic=False),
    _dynamics("MountainCar-v0", "control.mountain_car:MountainCarDynamics", "control", "Swing up a hill: time, pushes back and pushes forth"),
    _dynamics("MountainCarTimeSpeed-v0", "control.mountain_car:MountainCarDynamics", "control", "Swing up a hill: time and speed", objectives=("time", "speed")),
    _dynamics("MountainCarTimeMove-v0", "control.mountain_car:MountainCarDynamics", "control", "Swing up a hill: time and pushes", objectives=("time", "move")),
    _dynamics("MountainCarContinuous-v0", "control.mountain_car_continuous:MountainCarContinuousDynamics", "control", "Swing up a hill with a throttle: time and fuel"),
    _dynamics("WaterReservoir-v0", "control.water_reservoir:WaterReservoirDynamics", "control", "Release water from a dam: flood and supply"),
    _dynamics("WaterReservoir3Obj-v0", "control.water_reservoir:WaterReservoirDynamics", "control", "Release water from a dam: flood, supply and power", objectives=3),
    _dynamics("WaterReservoir4Obj-v0", "control.water_reservoir:WaterReservoirDynamics", "control", "Release water from a dam: flood, supply, power and downstream flood", objectives=4),
    _dynamics("WaterReservoirSeasonal-v0", "control.water_reservoir:WaterReservoirDynamics", "control", "Release water from a dam through wet and dry seasons: flood and supply", season=40.0),
    _single("LunarLander-v3", "control.lunar_lander:LunarLander", "control", "Land on the moon: safely, directly, and with little fuel in two engines", 1000, "box2d"),
    _single("LunarLanderContinuous-v3", "control.lunar_lander:LunarLander", "control", "Land on the moon with throttles", 1000, "box2d", continuous=True),
    _single("Hopper-v5", "control.mujoco_tasks:Hopper", "control", "Hop on one leg: speed, height and effort", 1000, "mujoco"),
    _single("Hopper2Obj-v5", "control.mujoco_tasks:Hopper", "control", "Hop on one leg: speed and height", 1000, "mujoco", control=False),
    _single("HalfCheetah-v5", "control.mujoco_tasks:HalfCheetah", "control", "Run on two legs: speed and effort", 1000, "mujoco"),
    _single("Walker2d-v5", "control.mujoco_tasks:Walker2d", "control", "Walk upright: speed and effort", 1000, "mujoco"),
    _single("Ant-v5", "control.mujoco_tasks:Ant", "control", "Run on four legs: speed along x, along y, and effort", 1000, "mujoco"),
    _single("Ant2Obj-v5", "control.mujoco_tasks:Ant", "control", "Run on four legs: speed along x and along y", 1000, "mujoco", control=False),
    _single("Swimmer-v5", "control.mujoco_tasks:Swimmer", "control", "Swim: speed and effort", 1000, "mujoco"),
    _single("Humanoid-v5", "control.mujoco_tasks:Humanoid", "control", "Run like a person: speed and effort", 1000, "mujoco"),
    _single("PGMORLHalfCheetah-v2", "control.pgmorl_tasks:PGMORLHalfCheetah", "control", "Run on two legs: capped speed and efficiency (Xu et al. 2020)", 500, "mujoco"),
    _single("PGMORLWalker2d-v2", "control.pgmorl_tasks:PGMORLWalker2d", "control", "Walk upright: speed and efficiency (Xu et al. 2020)", 500, "mujoco"),
    _single("PGMORLSwimmer-v2", "control.pgmorl_tasks:PGMORLSwimmer", "control", "Swim: speed and efficiency (Xu et al. 2020)", 500, "mujoco"),
    _single("PGMORLAnt-v2", "control.pgmorl_tasks:PGMORLAnt", "control", "Run on four legs: speed along x and along y (Xu et al. 2020)", 500, "mujoco"),
    _single("Reacher-v5", "control.reacher:Reacher", "control", "A two-link arm between four targets", 50, "mujoco"),
    _single("Highway-v0", "control.highway:Highway", "control", "Drive in traffic: speed, right lane, no collision", None, "highway"),
    _single("HighwayFast-v0", "control.highway:Highway", "control", "Drive in lighter traffic, simulated coarsely", None, "highway", fast=True),
)  # fmt: skip

SCIENCE = (
    _finite("ScientificDiscovery-v0", "science.discovery:scientific_discovery", "science", "Publish, test or remodel: accuracy, money and interpretability"),
    _dynamics("Driving-v0", "science.driving:DrivingDynamics", "science", "Keep a lane and follow a car through failing sensors: progress, safety, comfort, energy"),
    _dynamics("CarFollowingLQ-v0", "science.lq:LQDynamics", "science", "Linear-quadratic car following: gap error against effort; exact convex front"),
    _dynamics("MultiDrugDosing-v0", "science.dosing:DosingDynamics", "science", "Warfarin and phenytoin through one enzyme: INR, level, toxicity, burden (not medical advice)"),
    _dynamics("Portfolio-v0", "science.portfolio:PortfolioDynamics", "science", "Rebalance three assets: return, risk and turnover; Markowitz front without turnover"),
    _dynamics("SpeakerCommand-v0", "science.speaker:SpeakerDynamics", "science", "Answer or listen again while a voice misleads: accuracy against effort"),
    _dynamics("ExperimentDesign-v0", "science.experiment:ExperimentDynamics", "science", "Choose experiments for a polynomial model: certainty, money and simplicity"),
    _dynamics("MoleculeRelaxation-v0", "science.molecule:MoleculeDynamics", "science", "Relax (NaCl)n by equivariant moves: energy, force, dipole and time"),
    _dynamics("MoleculeRelaxationLJ-v0", "science.molecule:MoleculeDynamics", "science", "Relax a Lennard-Jones cluster by equivariant moves: energy, force and time", kind="lj", n=7),
    _dynamics("MoleculeRelaxationDeterministic-v0", "science.molecule:MoleculeDynamics", "science", "Relax (NaCl)2 from one fixed start; best known front with witnesses", start_seed=0),
    _dynamics("HPFolding-v0", "science.folding:FoldingDynamics", "science", "Fold an HP chain on the square lattice: contacts, exposure, compactness; exact front"),
    _dynamics("HPFolding3D-v0", "science.folding:FoldingDynamics", "science", "Fold an HP chain on the cubic lattice; exact front to 16 residues", dim=3, sequence="HPHPPHHPHPPHPH"),
    _dynamics("SequenceLabelling-v0", "science.labelling:LabellingDynamics", "science", "Tag a sentence and its entities under a price on context; exact Bayes ceilings"),
    _dynamics("ActiveScan-v0", "science.scan:ScanDynamics", "science", "Find and outline digits with a small moving fovea", extra="science"),
)  # fmt: skip

BUILTIN: tuple[EnvEntry, ...] = (*CLASSIC, *CONTROL, *SCIENCE)
