"""`make demo`: the main job, told step by step, on a real control plane with nothing staged but the fault."""
