"""
Which settings a command uses, by their names: what is wrong with any other is no reason to refuse it. `up`,
`dev` and a reload use all.
"""

from __future__ import annotations

from app.settings.host_environment import NAMES as SURROUNDINGS

STORED = frozenset({"AFTERWORD_HOME", "DATABASE_URL"})
RESULTS = frozenset({"AFTERWORD_HOME", "STORAGE_URL"})
QUEUE = frozenset({"AFTERWORD_HOME", "REDIS_URL", "AFTERWORD_WORKERS"})
POLICY = frozenset({"AFTERWORD_POLICY", "AFTERWORD_PROVIDERS", "AFTERWORD_TIME_SCALE"})
RECALL = frozenset({"RECALL_API_KEY", "RECALL_REGION", "RECALL_API_BASE_URL", *SURROUNDINGS})
CONSOLE = frozenset({"AFTERWORD_HOME", "HOST", "PORT", "AFTERWORD_OPS_PASSWORD"})
