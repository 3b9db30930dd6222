"""Several Tritons that serve the same model: which one to ask, and which to leave alone."""

from app.triton.replicas.replica import Lease
from app.triton.replicas.replicas import Replicas, ReplicaState
from app.triton.replicas.sites import Sites

__all__ = ["Lease", "ReplicaState", "Replicas", "Sites"]
