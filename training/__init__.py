"""What every run shares: task, trainer, processes, checkpoints, tracking.

Knows of batches only that they are dictionaries: nothing here may import `datasets` or know of emotions.
A run's own model and losses are a `Task`; its data is anything with `samples_per_epoch` and `batches(start)`.
"""

from .distributed import World, join_world, leave_world
from .optimizer import OptimizerConfig, ScheduleConfig
from .pictures import Observe
from .randomness import seed_everything
from .sharpness import SharpnessConfig
from .task import BatchSource, Task
from .trainer import Trainer, TrainerConfig

__all__ = [
    "BatchSource",
    "Observe",
    "OptimizerConfig",
    "ScheduleConfig",
    "SharpnessConfig",
    "Task",
    "Trainer",
    "TrainerConfig",
    "World",
    "join_world",
    "leave_world",
    "seed_everything",
]
