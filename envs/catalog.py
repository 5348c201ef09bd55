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
        entry_point: ``"module:Class"`` of the single environment.
        vector_entry_point: ``"module:Class"`` of the native vector environment, or ``None``.
        max_steps: the time limit, passed to both as the argument ``max_steps``; ``None`` where they know themselves.
        kwargs: further arguments.
        group: ``"classic"``, ``"control"``, ``"science"`` or ``"custom"``.
        summary: one line for lists.
        extra: the extra that must be installed, or ``None``.
        build: ``"module:function"`` of the builder of a finite environment, or ``None``.
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


def _batched(
    name: str,
    module: str,
    single: str,
    vector: str | None,
    group: str,
    summary: str,
    max_steps: int | None = None,
    extra: str | None = None,
    **options: Any,
) -> EnvEntry:
    """An environment with classes of its own; ``module`` is below ``morl.envs``."""
    return EnvEntry(
        f"morl/{name}",
        f"morl.envs.{module}:{single}",
        f"morl.envs.{module}:{vector}" if vector else None,
        max_steps,
        options,
        group,
        summary,
        extra,
    )


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
    _batched("Minecart-v0", "control.minecart", "Minecart", "MinecartVector", "control", "Fetch two ores from five mines and save fuel; random yields", 1000),
    _batched("MinecartDeterministic-v0", "control.minecart", "Minecart", "MinecartVector", "control", "Fetch two ores from five mines and save fuel; best known front", 1000, stochastic=False),
    _batched("MountainCar-v0", "control.mountain_car", "MountainCar", "MountainCarVector", "control", "Swing up a hill: time, pushes back and pushes forth", 200),
    _batched("MountainCarTimeSpeed-v0", "control.mountain_car", "MountainCar", "MountainCarVector", "control", "Swing up a hill: time and speed", 200, objectives=("time", "speed")),
    _batched("MountainCarTimeMove-v0", "control.mountain_car", "MountainCar", "MountainCarVector", "control", "Swing up a hill: time and pushes", 200, objectives=("time", "move")),
    _batched("MountainCarContinuous-v0", "control.mountain_car_continuous", "MountainCarContinuous", "MountainCarContinuousVector", "control", "Swing up a hill with a throttle: time and fuel", 999),
    _batched("WaterReservoir-v0", "control.water_reservoir", "WaterReservoir", "WaterReservoirVector", "control", "Release water from a dam: flood and supply", 100),
    _batched("WaterReservoir3Obj-v0", "control.water_reservoir", "WaterReservoir", "WaterReservoirVector", "control", "Release water from a dam: flood, supply and power", 100, objectives=3),
    _batched("WaterReservoir4Obj-v0", "control.water_reservoir", "WaterReservoir", "WaterReservoirVector", "control", "Release water from a dam: flood, supply, power and downstream flood", 100, objectives=4),
    _batched("LunarLander-v3", "control.lunar_lander", "LunarLander", None, "control", "Land on the moon: safely, directly, and with little fuel in two engines", 1000, "box2d"),
    _batched("LunarLanderContinuous-v3", "control.lunar_lander", "LunarLander", None, "control", "Land on the moon with throttles", 1000, "box2d", continuous=True),
    _batched("Hopper-v5", "control.mujoco_tasks", "Hopper", None, "control", "Hop on one leg: speed, height and effort", 1000, "mujoco"),
    _batched("Hopper2Obj-v5", "control.mujoco_tasks", "Hopper", None, "control", "Hop on one leg: speed and height", 1000, "mujoco", control=False),
    _batched("HalfCheetah-v5", "control.mujoco_tasks", "HalfCheetah", None, "control", "Run on two legs: speed and effort", 1000, "mujoco"),
    _batched("Walker2d-v5", "control.mujoco_tasks", "Walker2d", None, "control", "Walk upright: speed and effort", 1000, "mujoco"),
    _batched("Ant-v5", "control.mujoco_tasks", "Ant", None, "control", "Run on four legs: speed along x, along y, and effort", 1000, "mujoco"),
    _batched("Ant2Obj-v5", "control.mujoco_tasks", "Ant", None, "control", "Run on four legs: speed along x and along y", 1000, "mujoco", control=False),
    _batched("Swimmer-v5", "control.mujoco_tasks", "Swimmer", None, "control", "Swim: speed and effort", 1000, "mujoco"),
    _batched("Humanoid-v5", "control.mujoco_tasks", "Humanoid", None, "control", "Run like a person: speed and effort", 1000, "mujoco"),
    _batched("Reacher-v5", "control.reacher", "Reacher", None, "control", "A two-link arm between four targets", 50, "mujoco"),
    _batched("Highway-v0", "control.highway", "Highway", None, "control", "Drive in traffic: speed, right lane, no collision", None, "highway"),
    _batched("HighwayFast-v0", "control.highway", "Highway", None, "control", "Drive in lighter traffic, simulated coarsely", None, "highway", fast=True),
)  # fmt: skip

SCIENCE = (
    _finite("ScientificDiscovery-v0", "science.discovery:scientific_discovery", "science", "Publish, test or remodel: accuracy, money and interpretability"),
    _batched("Driving-v0", "science.driving", "Driving", "DrivingVector", "science", "Keep a lane and follow a car through failing sensors: progress, safety, comfort, energy", 600),
    _batched("CarFollowingLQ-v0", "science.lq", "CarFollowingLQ", "CarFollowingLQVector", "science", "Linear-quadratic car following: gap error against effort; exact convex front", 100),
    _batched("MultiDrugDosing-v0", "science.dosing", "MultiDrugDosing", "MultiDrugDosingVector", "science", "Warfarin and phenytoin through one enzyme: INR, level, toxicity, burden (not medical advice)", 56),
    _batched("Portfolio-v0", "science.portfolio", "Portfolio", "PortfolioVector", "science", "Rebalance three assets: return, risk and turnover; Markowitz front without turnover", 24),
    _batched("SpeakerCommand-v0", "science.speaker", "SpeakerCommand", "SpeakerCommandVector", "science", "Answer or listen again while a voice misleads: accuracy against effort"),
    _batched("ExperimentDesign-v0", "science.experiment", "ExperimentDesign", "ExperimentDesignVec", "science", "Choose experiments for a polynomial model: certainty, money and simplicity"),
    _batched("MoleculeRelaxation-v0", "science.molecule", "MoleculeRelaxation", "MoleculeRelaxationVec", "science", "Relax (NaCl)n by equivariant moves: energy, force, dipole and time"),
    _batched("MoleculeRelaxationLJ-v0", "science.molecule", "MoleculeRelaxation", "MoleculeRelaxationVec", "science", "Relax a Lennard-Jones cluster by equivariant moves: energy, force and time", kind="lj", n=7),
    _batched("MoleculeRelaxationDeterministic-v0", "science.molecule", "MoleculeRelaxation", "MoleculeRelaxationVec", "science", "Relax (NaCl)2 from one fixed start; best known front with witnesses", start_seed=0),
    _batched("HPFolding-v0", "science.folding", "HPFolding", "HPFoldingVec", "science", "Fold an HP chain on the square lattice: contacts, exposure, compactness; exact front"),
    _batched("HPFolding3D-v0", "science.folding", "HPFolding", "HPFoldingVec", "science", "Fold an HP chain on the cubic lattice; exact front to 16 residues", dim=3, sequence="HPHPPHHPHPPHPH"),
    _batched("SequenceLabelling-v0", "science.labelling", "SequenceLabelling", "SequenceLabellingVec", "science", "Tag a sentence and its entities under a price on context; exact Bayes ceilings"),
    _batched("ActiveScan-v0", "science.scan", "ActiveScan", "ActiveScanVec", "science", "Find and outline digits with a small moving fovea", extra="science"),
)  # fmt: skip

BUILTIN: tuple[EnvEntry, ...] = (*CLASSIC, *CONTROL, *SCIENCE)
