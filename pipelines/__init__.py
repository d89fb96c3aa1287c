"""Verbs: one step per module, as plain functions that know neither Prefect nor MLflow."""
